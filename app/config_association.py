"""The settings of association."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from app.config_base import Section


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
        default=60.0,
        description="People up to whom the threshold holds as it is; among more, the same distance says less. They "
        "count by the time they are in view.",
        ge=1,
    )
    crowd_step: float = Field(
        default=0.075,
        description="How much the threshold falls, [0, 2], for e times as many people.",
        ge=0,
        le=2,
    )
    first_share: float = Field(
        default=0.8,
        description="Share of all time in view, [0, 1], that the longest tracklets have, which are linked before the "
        "others; 1: all are linked at once.",
        ge=0,
        le=1,
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
        default=0.042,
        description="Distance, [0, 2], that a unit of log-odds from the time between two tracklets counts; 0: nothing.",
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
