"""The settings of live cameras."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.config_base import Section


class LiveConfig(Section):
    """Cameras that are watched while they film."""

    folder: str = Field(
        default="live",
        description="Folder of the run: gallery.db, events.jsonl and what waits to be told.",
        min_length=1,
    )
    stale_seconds: float = Field(
        default=0.5, description="Age of a frame in seconds from which it is dropped instead of analysed.", gt=0, le=10
    )
    stalled_seconds: float = Field(
        default=3.0, description="Seconds without a frame after which a camera is connected anew.", gt=0, le=120
    )
    answer_seconds: float = Field(
        default=2.5,
        description="Seconds that a camera may take to answer before it is asked anew; more for one that is slow.",
        gt=0,
        le=120,
    )
    retry_seconds: float = Field(
        default=0.5, description="Seconds before the first new attempt to connect; doubled at each.", gt=0, le=60
    )
    most_retry_seconds: float = Field(
        default=2.0, description="Most seconds between two attempts to connect.", gt=0, le=600
    )
    refused_retry_seconds: float = Field(
        default=60.0,
        description="Least seconds between two attempts with a password that the camera refused: many cameras lock out "
        "whoever tries too often.",
        gt=0,
        le=3600,
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        default="auto",
        description="Arithmetic of the embedder on a CPU; auto: bf16, in half the time, where the processor has it.",
    )
    waiting_megabytes: int = Field(
        default=4096,
        description="Most disk, in megabytes, for what waits in the folder while the gallery cannot be written.",
        ge=1,
        le=1048576,
    )
    record: bool = Field(
        default=False,
        description="Whether what cameras send is kept as it comes, under recordings/ in the folder.",
    )
    record_minutes: float = Field(default=5.0, description="Length of a recorded file in minutes.", gt=0, le=1440)
    record_hours: float = Field(default=24.0, description="Hours for which recordings are kept.", gt=0, le=8784)
    record_gigabytes: float = Field(
        default=50.0, description="Most room for the recordings of all cameras; the oldest go first.", gt=0, le=1e6
    )
    decoder_megabytes: int = Field(
        default=1024, description="Most memory of a camera's decoding process, in megabytes.", ge=256, le=65536
    )
