"""The settings of a run over many processes and machines."""

from __future__ import annotations

from pydantic import Field

from app.config_base import Section


class ClusterConfig(Section):
    """Camera workers, index shards and an associator as actors of Ray; the gallery is at `gallery.url`."""

    workers: int = Field(default=2, description="Camera workers; each watches a share of the cameras.", ge=1, le=10000)
    worker_cpus: float = Field(default=1.0, description="Processors that a camera worker is given room for.", ge=0)
    worker_gpus: float = Field(
        default=0.0, description="Share of a GPU that a camera worker is given room for: 0.25 puts four on one.", ge=0
    )
    shards: int = Field(
        default=3, description="Parts of the search index, by time; each in a process of its own.", ge=1, le=1000
    )
    shard_cpus: float = Field(default=0.5, description="Processors that an index shard is given room for.", ge=0)
    slice_minutes: float = Field(
        default=60.0,
        description="Minutes of sightings that one shard has; the next has the next so many, and so on in turn.",
        gt=0,
        le=525600,
    )
    answer_seconds: float = Field(
        default=2.0, description="Seconds that a shard may take for its part of a search before it is named as away.",
        gt=0,
        le=60,
    )  # fmt: skip
    ask: str | None = Field(
        default=None,
        description="Where searches find the shards of a running cluster: auto for the Ray of this machine, or its "
        "host; nothing: searches have an index of their own.",
        min_length=1,
        max_length=300,
    )
    restart_seconds: float = Field(
        default=0.5,
        description="Seconds before an actor that died is started again; doubled each time that it dies soon.",
        gt=0,
        le=60,
    )
    most_restart_seconds: float = Field(
        default=30.0, description="Most seconds before such a new start.", gt=0, le=3600
    )
    most_restarts: int = Field(
        default=100, description="New starts of one actor in a row, without a good minute, before it is given up.", ge=0
    )
    object_store_megabytes: int = Field(
        default=200, description="Memory that a local Ray takes for what its processes share.", ge=80, le=1048576
    )
