"""A training recipe, as typed values with ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from reid_model.network import STRICT, GasmConfig
from reid_model.training.augment import AugmentConfig


def _at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}: expected at least {least:g}, given {value}")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the losses; 0 leaves one out.

    Attributes:
        identity: Of the cross-entropy over training identities.
        smoothing: Label smoothing of the identity loss, in [0, 1).
        triplet: Of the batch-hard triplet on the pooled feature's cosine distance.
        spatial: Of the batch-hard triplet on the GASM distance itself: what is matched is trained. The paper has none.
        margin: Of both triplets; 0 gives the soft margin ln(1 + e^x).
        after_neck: Whether the pooled triplet takes the feature after the batch-norm neck, as matching does.
        mask: λ_mask of equation 3.
        pose: λ_pose of equation 3.
        distil: Of the cosine between the pooled feature and a teacher's.
        relation: Of the correlation between spatial distances and a teacher's distances.
        cells: Of the cosine between visible cells and a teacher's cells of the uncovered crop.
        saliency_gradient: Whether identity losses may shape the saliency too. Without, only the guided losses do.
        guided_gradient: Whether the guided losses may shape the backbone. Without, only their own two layers learn.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    identity: float = 1.0
    smoothing: float = 0.1
    triplet: float = 1.0
    spatial: float = 1.0
    margin: float = 0.3
    after_neck: bool = True
    mask: float = 0.05
    pose: float = 0.1
    distil: float = 0.0
    relation: float = 0.0
    cells: float = 0.0
    saliency_gradient: bool = False
    guided_gradient: bool = True

    def __post_init__(self) -> None:
        weights = ("identity", "triplet", "spatial", "margin", "mask", "pose", "distil", "relation", "cells")
        _at_least(0, **{name: getattr(self, name) for name in weights})
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing: expected 0 or more and less than 1, given {self.smoothing}")

    @property
    def features_wanted(self) -> bool:
        """Whether a re-identification teacher is needed."""
        return self.distil > 0 or self.relation > 0 or self.cells > 0


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """How weights change.

    Attributes:
        name: `adamw` or `adam` (the paper).
        learning_rate: The peak, or the first rate of the steps.
        schedule: `cosine` to zero, or `steps` of a tenth at the epochs of `steps` (the paper).
        steps: Epochs after which the rate falls to a tenth.
        warm_up: Share of the run in which the rate rises from zero.
        weight_decay: Of weights with two or more dimensions.
        clip: Largest norm of the gradient.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 1.5e-3
    schedule: Literal["cosine", "steps"] = "cosine"
    steps: tuple[int, ...] = (40, 90)
    warm_up: float = 0.06
    weight_decay: float = 5e-4
    clip: float = 10.0

    def __post_init__(self) -> None:
        _at_least(0, weight_decay=self.weight_decay)
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, given {getattr(self, name)}")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up: expected 0 or more and less than 1, given {self.warm_up}")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Where targets come from. A file that is not named is `OUTPUT/targets.npz`, and made when it is not there.

    Attributes:
        targets: Mask and joints, as `teach` writes them.
        features: A re-identification teacher's features and cells, as `teach --features` writes them.
        body: BlazePose landmark network (.tflite) that makes the targets.
        reid: OpenVINO re-identification network (.xml) that makes the features.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    targets: Path | None = None
    features: Path | None = None
    body: Path | None = None
    reid: Path | None = None


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training recipe.

    Attributes:
        network: Shape of the network.
        augment: Strength of the augmentation.
        losses: Weights of the losses.
        optimiser: How weights change.
        teachers: Where targets come from.
        epochs: Passes over the training identities.
        people: Identities a batch.
        most: Most images of an identity in an epoch, other ones in the next; 0 for all.
        images: Images of each identity in a batch; at least 2, so that every triplet has a positive.
        stored: Height and width in pixels at which crops are kept in memory, to be enlarged to the network's input.
        kept_out: Whether the 50 fixed identities for calibration are kept out of training.
        backbone_weights: ImageNet weights of the backbone (.safetensors under torchvision's or torchreid's names).
        precision: `bf16` autocast, or `fp32`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: Processor threads; 0 for all cores.
        compile: Whether torch compiles the network first (worth it on a GPU, not on a processor).
        checkpoint_seconds: Time between checkpoints; one is also written at each epoch's end and on interruption.
        seed: Of weights, sampling and augmentation.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    network: GasmConfig = field(default_factory=GasmConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    teachers: TeacherConfig = field(default_factory=TeacherConfig)
    epochs: int = 120
    people: int = 16
    images: int = 4
    most: int = 0
    stored: tuple[int, int] = (128, 64)
    kept_out: bool = True
    backbone_weights: Path | None = None
    precision: Literal["bf16", "fp32"] = "bf16"
    device: str = "auto"
    threads: int = 0
    compile: bool = False
    checkpoint_seconds: float = 120.0
    seed: int = 1

    def __post_init__(self) -> None:
        _at_least(1, epochs=self.epochs, people=self.people, height=self.stored[0], width=self.stored[1])
        _at_least(2, images=self.images)
        _at_least(0, most=self.most, threads=self.threads, checkpoint_seconds=self.checkpoint_seconds)
