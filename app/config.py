"""The configuration's schema: typed sections with descriptions, ranges and units. `app.settings` reads it from YAML."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from trackers.config import TrackerConfig

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"

CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]+")

Point = tuple[float, float]
Polygon = Annotated[list[Point], Field(min_length=3)]


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraConfig(Section):
    """One camera: where its pictures come from and which parts of them count."""

    name: str = Field(
        description="Name of the camera: letters, digits, - and _. Names its output files.", max_length=64
    )
    source: str = Field(description="Path of a video file or of a folder of images.", min_length=1)
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
    precision: Literal["f32", "bf16"] = Field(
        default="f32", description="Arithmetic on a CPU; bf16 takes half the time where processor and OpenVINO have it."
    )


class AssociationConfig(Section):
    """Linking the tracklets of all cameras into identities."""

    matching: Literal["global", "local", "gasm", "gated", "symmetric"] = Field(
        default="gasm", description="How exemplars of two tracklets are compared."
    )
    threshold: float = Field(
        default=0.55,
        description="Largest distance, [0, 2], at which two tracklets are linked into one identity.",
        ge=0,
        le=2,
    )
    crowd_people: float = Field(
        default=100.0,
        description="Identities up to which the threshold holds as it is; among more, the same distance says less.",
        ge=1,
    )
    crowd_step: float = Field(
        default=0.042,
        description="How much the threshold falls, [0, 2], for e times as many identities.",
        ge=0,
        le=2,
    )
    linkage: Literal["average", "complete"] = Field(
        default="average",
        description="Distance of two groups of tracklets: average over their pairs, or the largest (complete).",
    )
    pairs: int = Field(
        default=3, description="Closest exemplar pairs whose mean is the distance of two tracklets.", ge=1, le=25
    )
    mean_weight: float = Field(
        default=0.5,
        description="Share of mean looks in the distance of two tracklets; their closest exemplar pairs have the rest.",
        ge=0,
        le=1,
    )
    shared_overlap: float = Field(
        default=0.3,
        description="Overlap of two boxes of a frame above which they may be one person; 1: never, [0, 1].",
        ge=0,
        le=1,
    )
    shared_frames: float = Field(
        default=0.2,
        description="Share of the shorter tracklet's frames in which two tracklets of a person may be apart, [0, 1].",
        ge=0,
        le=1,
    )
    apart_penalty: float = Field(
        default=0.2,
        description="Distance, [0, 2], added to tracklets at once in two cameras in which hardly anybody was the same "
        "at once: they seem to see no common place.",
        ge=0,
        le=2,
    )
    camera_people: float = Field(
        default=5.0,
        description="People seen by a camera from which what they have in common mostly counts as the camera's look.",
        ge=0,
    )
    candidates: int = Field(
        default=30,
        description="Nearest tracklets by pooled feature that each is compared with in full.",
        ge=1,
        le=10000,
    )
    trusted_mass: float = Field(
        default=0.1,
        description="Saliency mass, [0, 1], from which a crop is trusted: one of two compared must have it.",
        ge=0,
        le=1,
    )
    mass_penalty: float = Field(
        default=0.1, description="Distance, [0, 2], added to a pair of exemplars that both have no mass.", ge=0, le=2
    )
    overlaps: list[tuple[str, str]] | None = Field(
        default=None,
        description="Pairs of cameras that see a common place; nobody is in two cameras of another pair at once. "
        "[]: no two see one; null: it is learned.",
    )
    clock_seconds: float = Field(
        default=2.0,
        description="Seconds that the clocks of two cameras may be apart: at once in both means for longer.",
        ge=0,
        le=60,
    )
    wait_seconds: float = Field(
        default=3.0, description="Seconds that a decision waits for a better view of a person.", ge=0, le=60
    )
    late_seconds: float = Field(
        default=10.0, description="Seconds after its end that a tracklet may arrive late.", ge=0, le=600
    )
    leave_seconds: float = Field(
        default=20.0, description="Seconds unseen, beyond late ones, after which a person has left.", gt=0
    )
    remember_seconds: float = Field(
        default=600.0, description="Seconds unseen after which a person is forgotten, and met anew.", gt=0
    )
    revise_seconds: float = Field(
        default=10.0, description="Seconds between two looks back at recent decisions; 0: never.", ge=0
    )
    recent_seconds: float = Field(default=120.0, description="Seconds that a look back reaches.", gt=0)
    transit_weight: float = Field(
        default=0.02,
        description="Distance, [0, 2], that one unit of log-odds from the time between two cameras counts; 0: nothing.",
        ge=0,
        le=1,
    )
    ground_metres: float = Field(
        default=4.0,
        description="Metres on the ground between one person's places in two cameras at once, at most; used where "
        "both cameras have a homography.",
        gt=0,
    )

    @field_validator("overlaps")
    @classmethod
    def _two_cameras(cls, pairs: list[tuple[str, str]] | None) -> list[tuple[str, str]] | None:
        for first, second in pairs or []:
            if first == second:
                raise ValueError(f"a pair of two cameras is expected, given {first} twice")
        return pairs


class GalleryConfig(Section):
    """What is stored of what was seen."""

    crops: bool = Field(default=True, description="Whether a small picture is stored with each sighting.")
    match_probability: float = Field(
        default=0.5,
        description="Least probability, [0, 1], at which a search takes a sighting for the person; below it: nobody.",
        ge=0,
        le=1,
    )
    retention_days: float = Field(
        default=30.0, description="Days after it was stored at which a sighting expires.", gt=0, le=3650
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
        )
        pairs = {"pairs": max(self.association.pairs, more.pairs)}
        association = self.association.model_copy(update=pairs)
        return self.model_copy(update={"tracker": budget, "association": association})

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
