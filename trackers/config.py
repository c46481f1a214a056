"""The tracker's settings, with units and ranges."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrackerConfig:
    """Settings of the tracker. Times are in seconds, so that they hold at any frame rate from 2 to 60 a second."""

    high_score: float = Field(
        default=0.5, description="Detection score from which a box is trusted, [0, 1].", ge=0, le=1
    )
    low_score: float = Field(
        default=0.1,
        description="Detection score below which a box is ignored; between, it only continues tracks, [0, 1].",
        ge=0,
        le=1,
    )
    part_share: float = Field(
        default=0.7,
        description="Share of a low-score box inside a trusted one from which it is a part of that person, (0, 1].",
        gt=0,
        le=1,
    )
    birth_score: float = Field(
        default=0.5, description="Detection score from which a box may start a track, [0, 1].", ge=0, le=1
    )
    faint_score: float = Field(
        default=0.35,
        description="Detection score from which a box may start a track that must prove itself longer, [0, 1].",
        ge=0,
        le=1,
    )
    faint_seconds: float = Field(
        default=0.4,
        description="Seconds without a gap after which a track that never had a box of birth_score is confirmed.",
        ge=0,
        le=60,
    )
    birth_overlap: float = Field(
        default=0.7,
        description="Overlap with a box already followed from which a box starts no track, [0, 1].",
        ge=0,
        le=1,
    )

    camera_motion: bool = Field(
        default=True,
        description="Whether the camera's own motion is measured in the pictures and taken out; a camera that stands "
        "still costs next to nothing.",
    )
    speed_spread: float = Field(
        default=0.6, description="Standard deviation of people's velocity, in body heights per second.", gt=0, le=10
    )
    speed_memory: float = Field(
        default=5.0, description="Seconds after which a velocity is mostly forgotten.", gt=0, le=60
    )
    growth_spread: float = Field(
        default=0.3,
        description="Standard deviation of the change of a box's sides, in body heights per second.",
        gt=0,
        le=10,
    )
    growth_memory: float = Field(
        default=0.5, description="Seconds after which a change of a box's sides is mostly forgotten.", gt=0, le=60
    )
    jitter: float = Field(
        default=0.1, description="Slow error of boxes, in body heights per square root of a second.", ge=0, le=10
    )
    box_noise: float = Field(
        default=0.05, description="Standard deviation of a box's position, in body heights.", gt=0, le=1
    )
    score_noise: float = Field(
        default=1.0,
        description="How much noisier boxes of low score are: the noise is multiplied by 1 + this · (1 − score).",
        ge=0,
        le=20,
    )
    steadiness: float = Field(
        default=0.5,
        description="Share of the motion model's place in the boxes given out; the rest is the box as seen, [0, 1].",
        ge=0,
        le=1,
    )

    gate: float = Field(
        default=6.0,
        description="Largest distance of a box from its track's expected place, in standard deviations.",
        gt=0,
        le=50,
    )
    sharp: float = Field(
        default=0.4,
        description="Uncertainty of a track's place, in body heights, above which its box is widened by the excess.",
        ge=0,
        le=10,
    )
    high_cost: float = Field(default=0.9, description="Largest cost of a trusted box for a track, [0, 1].", gt=0, le=1)
    low_cost: float = Field(default=0.4, description="Largest cost of a low-score box for a track, [0, 1].", gt=0, le=1)
    new_cost: float = Field(
        default=0.9, description="Largest cost of a trusted box for an unconfirmed track, [0, 1].", gt=0, le=1
    )

    confirm_hits: int = Field(
        default=2, description="Boxes after which a track is confirmed and gets shown.", ge=1, le=100
    )
    confirm_seconds: float = Field(
        default=0.1, description="Seconds a track has lasted before it is confirmed.", ge=0, le=10
    )
    new_seconds: float = Field(
        default=0.0, description="Seconds without a box after which an unconfirmed track ends.", ge=0, le=10
    )
    low_seconds: float = Field(
        default=0.3,
        description="Seconds without a box after which low-score boxes no longer continue a track.",
        ge=0,
        le=10,
    )
    lost_seconds: float = Field(
        default=2.0,
        description="Seconds without a box after which a track is no longer found again by its motion.",
        ge=0,
        le=60,
    )
    refind_seconds: float = Field(
        default=30.0,
        description="Seconds without a box after which a track is no longer found again by appearance.",
        ge=0,
        le=600,
    )
    duplicate_overlap: float = Field(
        default=0.85,
        description="Overlap of two tracks' boxes from which the younger is a duplicate and ends, [0, 1].",
        ge=0,
        le=1,
    )
    duplicate_seconds: float = Field(
        default=1.0, description="Age in seconds from which a track is no longer ended as a duplicate.", ge=0, le=60
    )

    crops_per_frame: int = Field(
        default=8, description="Most crops embedded in a frame; 0 turns appearance off.", ge=0, le=1000
    )
    crops_per_second: float | None = Field(
        default=None,
        description="Most crops embedded in a second of a camera, over time; null: as many as crops_per_frame allows.",
        gt=0,
        le=10000,
    )
    crop_height: float = Field(
        default=32.0, description="Smallest height in pixels of a crop worth embedding.", ge=1, le=2000
    )
    learn_covered: float = Field(
        default=0.7,
        description="Largest share of a box hidden by another at which its crop is learned, [0, 1].",
        ge=0,
        le=1,
    )
    learn_overlap: float = Field(
        default=0.05,
        description="Overlap with another box from which a crop is learned only when it looks like the views known.",
        ge=0,
        le=1,
    )
    exemplars: int = Field(default=6, description="Most views kept of a track.", ge=1, le=64)
    exemplar_seconds: float = Field(
        default=3.0,
        description="Seconds after which the views of somebody long known are refreshed; of somebody new it is one at "
        "first.",
        gt=0,
        le=600,
    )
    full_mass: float = Field(
        default=0.25, description="Mass of a crop from which its appearance is believed in full, (0, 1].", gt=0, le=1
    )
    appearance_weight: float = Field(
        default=0.8, description="Cost that a fully believed, clearly matching appearance takes away.", ge=0, le=2
    )
    appearance_neutral: float = Field(
        default=0.27,
        description="Appearance distance, [0, 2], first taken to speak neither for nor against a match; then measured.",
        gt=0,
        le=2,
    )
    refind_young: float = Field(
        default=1.0,
        description="Seconds since its first box up to which a confirmed track may turn out to be somebody lost.",
        ge=0,
        le=60,
    )
    refind_score: float = Field(
        default=0.3,
        description="Detection score from which a box may be a lost person's: they come back half hidden, [0, 1].",
        ge=0,
        le=1,
    )
    refind_once: float = Field(
        default=0.7,
        description="Largest appearance distance at which one look, or faint boxes, find a lost track again, over the "
        "neutral distance.",
        gt=0,
        le=2,
    )
    refind_share: float = Field(
        default=0.87,
        description="The same for the mean of several looks at a young track whose box is trusted.",
        gt=0,
        le=2,
    )
    refind_margin: float = Field(
        default=0.03,
        description="Least lead in appearance distance over the runner-up for a lost track to be found again.",
        ge=0,
        le=2,
    )
    refind_mass: float = Field(
        default=0.3,
        description="Least belief in a crop, mass over full_mass, for it to find a lost track again, [0, 1].",
        ge=0,
        le=1,
    )
    walking_speed: float = Field(
        default=1.0, description="Fastest walk assumed of a lost person, in body heights per second.", gt=0, le=20
    )
    part_seconds: float | None = Field(
        default=None,
        description="Seconds without a box from which an ended track is two, before and after: whether they are one "
        "person is for association to say; null: it stays one.",
        gt=0,
        le=600,
    )
    change_share: float = Field(
        default=0.6,
        description="How far the views of an ended track are apart when they are two people's, from the neutral "
        "distance (0) to that of strangers (1); 10: they never are.",
        ge=0,
        le=10,
    )
