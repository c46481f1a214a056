"""Training GASM: identity, triplet and guided losses, with optional distillation from another re-ID network."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from reid_model.checkpoint import save_weights
from reid_model.datasets import ImageArray
from reid_model.network import Gasm, GasmConfig, GasmMaps
from reid_model.training.augment import AugmentConfig, Augmenter, Batch
from reid_model.training.losses import batch_hard_triplet, distillation, frobenius, spatial_distance
from reid_model.training.sampler import identity_batches
from reid_model.training.targets import Targets, pool_masks, render_joints


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training recipe.

    Attributes:
        network: Shape of the network.
        augment: Strength of the augmentation.
        epochs: Passes over the training identities.
        people: Identities a batch.
        images: Images of each identity in a batch.
        learning_rate: Peak of the cosine schedule.
        warm_up: Share of all steps in which the rate rises to its peak.
        weight_decay: AdamW's.
        smoothing: Label smoothing of the identity loss.
        margin: Triplet margin on cosine distance, for the pooled feature and for the GASM distance.
        mask_weight: λ_mask of equation 3.
        pose_weight: λ_pose of equation 3.
        distil_weight: Weight of the cosine to the teacher's feature; 0 for none.
        relation_weight: Weight of the correlation of spatial distances with the teacher's; 0 for none.
        seed: Of weights, sampling and augmentation.
    """

    network: GasmConfig = field(default_factory=GasmConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    epochs: int = 26
    people: int = 16
    images: int = 4
    learning_rate: float = 1.5e-3
    warm_up: float = 0.06
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    margin: float = 0.3
    mask_weight: float = 0.05
    pose_weight: float = 0.1
    distil_weight: float = 4.0
    relation_weight: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Everything training reads, in memory.

    Attributes:
        images: RGB crops, `(n, h, w, 3)` uint8.
        labels: Class of each crop, `(n,)`, 0 … classes − 1.
        targets: Mask and joints of each crop.
        teacher: Another network's features of the unoccluded crops, `(n, D)` of unit length, or None.
    """

    images: ImageArray
    labels: npt.NDArray[np.int64]
    targets: Targets
    teacher: npt.NDArray[np.float32] | None = None


class Heads(nn.Module):
    """Layers that only training needs: the identity classifier and the projection to the teacher's feature."""

    def __init__(self, dim: int, classes: int, teacher_dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes, bias=False)
        self.projection = nn.Linear(dim, max(1, teacher_dim), bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)


def _correlation_loss(distance: Tensor, teacher: Tensor, anchors: Tensor) -> Tensor:
    """1 − Pearson correlation over all pairs `(a, n)`: the teacher's order of distances without its scale."""
    off = torch.ones_like(distance, dtype=torch.bool)
    off[torch.arange(len(anchors)), anchors] = False
    x, y = distance[off] - distance[off].mean(), teacher[off] - teacher[off].mean()
    return 1 - F.cosine_similarity(x, y, dim=0)


class Trainer:
    """One training run."""

    def __init__(self, config: TrainConfig, data: TrainingData) -> None:
        torch.manual_seed(config.seed)
        self.config, self.data = config, data
        self.network = Gasm(config.network).to(memory_format=torch.channels_last)
        teacher_dim = 0 if data.teacher is None else data.teacher.shape[1]
        self.heads = Heads(self.network.global_dim, int(data.labels.max()) + 1, teacher_dim)
        self.augmenter = Augmenter(config.augment, data.images.shape[1:3], config.network.size, config.seed)
        self.random = np.random.default_rng(config.seed)
        modules = nn.ModuleList([self.network, self.heads])
        decayed = [p for p in modules.parameters() if p.ndim > 1]
        plain = [p for p in modules.parameters() if p.ndim <= 1]
        groups: list[dict[str, object]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )

    def losses(self, maps: GasmMaps, batch: Batch, rows: npt.NDArray[np.intp]) -> dict[str, Tensor]:
        """Each loss of a batch, weighted, by name."""
        config = self.config
        labels = torch.from_numpy(self.data.labels[rows])
        valid = torch.from_numpy(self.data.targets.valid[rows])
        height, width = maps.mask.shape[1:]
        aspect = config.network.size[0] / config.network.size[1]
        feature = self.network.neck(maps.pooled)
        unit = F.normalize(feature, dim=1)
        pooled = 1 - unit @ unit.T
        # One anchor of each person a step: spatial distances of all pairs would cost more than the network.
        everyone = torch.arange(len(rows))
        anchors = everyone[int(self.random.integers(config.images)) :: config.images]
        spatial = spatial_distance(maps.local, maps.saliency, anchors)
        result = {
            "identity": F.cross_entropy(self.heads.classifier(feature), labels, label_smoothing=config.smoothing),
            "triplet": batch_hard_triplet(pooled, everyone, labels, config.margin),
            "spatial": batch_hard_triplet((pooled[anchors] + spatial) / 2, anchors, labels, config.margin),
            "mask": config.mask_weight * frobenius(maps.mask, pool_masks(batch.masks, height, width), valid),
            "pose": config.pose_weight
            * frobenius(maps.pose, render_joints(batch.joints, height, width, aspect), valid),
        }
        if self.data.teacher is not None:
            teacher = torch.from_numpy(self.data.teacher[rows])
            result["distil"] = config.distil_weight * distillation(self.heads.projection(feature), teacher)
            result["relation"] = config.relation_weight * _correlation_loss(
                spatial, 1 - teacher[anchors] @ teacher.T, anchors
            )
        return result

    def _rate(self, progress: float) -> float:
        if progress < self.config.warm_up:
            return progress / self.config.warm_up
        return 0.5 * (1 + math.cos(math.pi * (progress - self.config.warm_up) / (1 - self.config.warm_up)))

    def step(self, rows: npt.NDArray[np.intp], progress: float) -> dict[str, float]:
        """One optimisation step on a batch; `progress` in [0, 1] is the share of the run that is done."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._rate(progress)
        batch = self.augmenter(
            torch.from_numpy(self.data.images[rows]),
            torch.from_numpy(self.data.targets.masks[rows]),
            torch.from_numpy(self.data.targets.joints[rows]),
            torch.from_numpy(self.data.labels[rows]),
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = self.network.maps(batch.images.to(memory_format=torch.channels_last))
        losses = self.losses(maps, batch, rows)
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def run(self, output: Path, report: Callable[[str], None]) -> None:
        """Trains for all epochs; after each, writes `last.safetensors` and a line of `log.csv` into `output`."""
        output.mkdir(parents=True, exist_ok=True)
        self.network.train()
        with (output / "log.csv").open("w", newline="") as file:
            log = csv.writer(file)
            for epoch in range(self.config.epochs):
                sums: dict[str, float] = {}
                start, images = time.monotonic(), 0
                batches = list(identity_batches(self.data.labels, self.config.people, self.config.images, self.random))
                for number, rows in enumerate(batches):
                    values = self.step(rows, (epoch + number / len(batches)) / self.config.epochs)
                    sums = {name: sums.get(name, 0.0) + value / len(batches) for name, value in values.items()}
                    images += len(rows)
                rate = images / (time.monotonic() - start)
                if epoch == 0:
                    log.writerow(["epoch", "images_per_second", *sums])
                log.writerow([epoch + 1, f"{rate:.1f}", *(f"{value:.4f}" for value in sums.values())])
                file.flush()
                save_weights(self.network, output / "last.safetensors")
                report(
                    f"epoch {epoch + 1}/{self.config.epochs}  {rate:.0f} images/s  "
                    + "  ".join(f"{k} {v:.3f}" for k, v in sums.items())
                )
