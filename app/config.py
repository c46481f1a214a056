"""The configuration's schema: typed sections with descriptions, ranges and units. `app.settings` reads it from YAML."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from app.addresses import check_form
from app.config_association import AssociationConfig
from app.config_base import Section
from app.config_cluster import ClusterConfig
from app.config_console import ConsoleConfig
from app.config_events import EventsConfig
from app.config_live import LiveConfig
from app.errors import InputError
from trackers.config import TrackerConfig

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"

CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]+")

Point = tuple[float, float]
Polygon = Annotated[list[Point], Field(min_length=3)]


class CameraConfig(Section):
    """One camera: where its pictures come from and which parts of them count."""

    name: str = Field(
        description="Name of the camera: letters, digits, - and _. Names its output files.", max_length=64
    )
    source: str = Field(
        description="Path of a video file or of a folder of images; live: an address of the network such as "
        "rtsp://user:password@host/path, a webcam such as /dev/video0, or a video file, played in real time.",
        min_length=1,
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="How RTSP carries the pictures.")
    analyse_fps: float = Field(
        default=15.0,
        description="Most frames a second that are analysed live; recordings are analysed whole.",
        gt=0,
        le=120,
    )
    start: float = Field(
        default=0.0,
        description="Time of the first frame: seconds since the epoch, or ISO 8601 (UTC where no zone is given).",
    )
    ignore: list[Polygon] = Field(
        default=[], description="Polygons in source pixels; a person whose feet are inside one is not tracked."
    )
    interest: list[Polygon] = Field(
        default=[],
        description="Polygons in source pixels; where there are any, only people with feet inside are tracked.",
    )

    homography: list[list[float]] | None = Field(
        default=None,
        description="3 × 3 matrix from source pixels to metres on a ground that all cameras share; null: not known.",
    )

    @field_validator("source")
    @classmethod
    def _can_be_meant(cls, source: str) -> str:
        try:
            check_form(source)
        except InputError as error:
            raise ValueError(str(error)) from None
        return source

    @field_validator("homography")
    @classmethod
    def _can_be_turned_round(cls, rows: list[list[float]] | None) -> list[list[float]] | None:
        if rows is not None:
            if len(rows) != 3 or any(len(row) != 3 for row in rows):
                raise ValueError("three rows of three numbers are expected")
            values = np.array(rows)
            if not np.isfinite(values).all() or abs(np.linalg.det(values / np.abs(values).max(initial=1e-12))) < 1e-12:
                raise ValueError("a matrix of finite numbers that maps the image onto the whole ground is expected")
        return rows

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not CAMERA_NAME.fullmatch(name):
            raise ValueError("only letters, digits, - and _ are allowed")
        return name

    @field_validator("start", mode="before")
    @classmethod
    def _iso_or_seconds(cls, value: object) -> object:
        if isinstance(value, str):
            return parse_time(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
        return value


def parse_time(text: str) -> float:
    """Seconds since the epoch from seconds or an ISO 8601 date and time (UTC where no zone is given).

    Raises:
        ValueError: If the text is neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected seconds or ISO 8601, such as 2026-03-01T08:30:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


class DetectorConfig(Section):
    """Finding people in frames."""

    weights: str = Field(
        default="yolo11n.pt",
        description="Detector weights: a .pt or .onnx file, an OpenVINO folder, an ultralytics name, or bundled: ours, "
        "which is also used, with a warning, where the named weights cannot be had.",
        min_length=1,
    )
    image_size: int | None = Field(
        default=None,
        description="Longer side of the network's input in pixels, a multiple of 32; null: the weights' own.",
        ge=64,
        le=4096,
        multiple_of=32,
    )
    confidence: float = Field(
        default=0.1,
        description="Lowest detection score kept, [0.01, 0.99]; the tracker decides what to use.",
        ge=0.01,
        le=0.99,
    )
    iou: float = Field(
        default=0.7,
        description="Overlap (intersection over union) above which two boxes are one person.",
        ge=0.05,
        le=1.0,
    )
    max_detections: int = Field(default=300, description="Most boxes kept in a frame.", ge=1, le=5000)
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.", pattern=DEVICE)


class EmbedderConfig(Section):
    """Turning person crops into features."""

    weights: str = Field(
        default="default",
        description="default or small (shipped weights), the path of a .safetensors file, or an exported network.",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.", pattern=DEVICE)
    batch: int = Field(default=32, description="Most crops embedded in one forward pass.", ge=1, le=1024)
    precision: Literal["auto", "f32", "bf16"] = Field(
        default="f32",
        description="Arithmetic on a CPU; bf16 takes half the time where processor and OpenVINO have it; auto: bf16 "
        "there, else f32.",
    )


class GalleryConfig(Section):
    """What is stored of what was seen."""

    url: str | None = Field(
        default=None,
        description="Database of a PostgreSQL server that holds the gallery of live cameras: "
        "postgresql://user:password@host/database, with ${NAME} or ${file:PATH} for what is secret; null: gallery.db "
        "in the run's folder.",
        pattern=r"^postgres(ql)?(\+psycopg)?://.+",
        repr=False,
    )

    crops: bool = Field(default=True, description="Whether a small picture is stored with each sighting.")
    match_probability: float = Field(
        default=0.5,
        description="Least probability, [0, 1], at which a search takes a sighting for the person; below it: nobody.",
        ge=0,
        le=1,
    )
    retention_days: float = Field(
        default=30.0,
        description="Days after it was stored at which a sighting expires, and after which an event goes from files.",
        gt=0,
        le=3650,
    )
    device: str = Field(
        default="cpu",
        description="Where searches match cells: cpu, or a GPU that has room for all of them (6 KB a sighting): cuda "
        "or cuda:N; auto: the first GPU where there is one.",
        pattern=DEVICE,
    )


class RecordingsConfig(Section):
    """What is looked at beyond what keeps up with a live camera."""

    exemplars: int = Field(
        default=20, description="Views kept of a track, where `tracker.exemplars` are fewer.", ge=1, le=64
    )
    exemplar_seconds: float = Field(
        default=0.3,
        description="Seconds after which a track's views are refreshed, where `tracker.exemplar_seconds` are more.",
        ge=0,
    )
    crops_per_frame: int = Field(
        default=24,
        description="Most crops embedded in a frame, where `tracker.crops_per_frame` are fewer; 0 there stays 0.",
        ge=0,
    )
    pairs: int = Field(
        default=6,
        description="Closest exemplar pairs whose mean is the distance of two tracklets, where `association.pairs` "
        "are fewer.",
        ge=1,
    )
    part_seconds: float | None = Field(
        default=2.0,
        description="Seconds without a box from which an ended track is two, where `tracker.part_seconds` is null; "
        "null: it stays one.",
        gt=0,
        le=600,
    )


class Config(Section):
    """Everything a run needs to know."""

    cameras: list[CameraConfig] = Field(default=[], description="The cameras, one entry each; names are unique.")
    detector: DetectorConfig = Field(default=DetectorConfig(), description="Finding people in frames.")
    embedder: EmbedderConfig = Field(default=EmbedderConfig(), description="Turning person crops into features.")
    tracker: TrackerConfig = Field(default=TrackerConfig(), description="Following people inside one camera.")
    association: AssociationConfig = Field(
        default=AssociationConfig(), description="Linking tracklets into identities."
    )
    gallery: GalleryConfig = Field(default=GalleryConfig(), description="What is stored of what was seen.")
    recordings: RecordingsConfig = Field(
        default=RecordingsConfig(),
        description="Recordings can wait: `annotate` and `demo` look at people more often than a live camera allows.",
    )

    live: LiveConfig = Field(default=LiveConfig(), description="Cameras that are watched while they film.")
    events: EventsConfig = Field(default=EventsConfig(), description="Where what happens is told.")
    cluster: ClusterConfig = Field(default=ClusterConfig(), description="Many processes, on one machine or many.")
    console: ConsoleConfig = Field(default=ConsoleConfig(), description="The web console.")

    def for_recordings(self) -> Config:
        """The same with the tracker's budget and the association's pairs raised to what recordings allow."""
        more, tracker = self.recordings, self.tracker
        if not tracker.crops_per_frame:
            return self
        budget = replace(
            tracker,
            exemplars=max(tracker.exemplars, more.exemplars),
            exemplar_seconds=min(tracker.exemplar_seconds, more.exemplar_seconds),
            crops_per_frame=max(tracker.crops_per_frame, more.crops_per_frame),
            crops_per_second=None,
            part_seconds=more.part_seconds if tracker.part_seconds is None else tracker.part_seconds,
        )
        pairs = {"pairs": max(self.association.pairs, more.pairs)}
        association = self.association.model_copy(update=pairs)
        return self.model_copy(update={"tracker": budget, "association": association})

    def for_live(self) -> Config:
        """The same with the arithmetic that is meant for cameras which film now."""
        embedder = self.embedder.model_copy(update={"precision": self.live.precision})
        return self.model_copy(update={"embedder": embedder})

    @model_validator(mode="after")
    def _unique_names(self) -> Config:
        names = [camera.name for camera in self.cameras]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"camera names must be unique; given twice: {', '.join(sorted(twice))}")
        unknown = {name for pair in self.association.overlaps or [] for name in pair} - set(names)
        if names and unknown:
            raise ValueError(f"association.overlaps: no camera is named {', '.join(sorted(unknown))}")
        return self
