"""All losses of a batch: what the paper adds up in equation 3, and what we add to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from reid_model.network import Gasm, GasmMaps
from reid_model.training.augment import Batch
from reid_model.training.config import LossConfig
from reid_model.training.losses import (
    batch_hard_triplet,
    cell_distillation,
    correlation,
    distillation,
    frobenius,
    spatial_distance,
)
from reid_model.training.targets import pool_masks, render_joints


class Heads(nn.Module):
    """Layers that only training needs: the identity classifier and the projection to the teacher's feature."""

    def __init__(self, dim: int, classes: int, teacher_dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes, bias=False)
        self.projection = nn.Linear(dim, max(1, teacher_dim), bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of the crops of a batch.

    Attributes:
        identities: Class of each crop, `(n,)`.
        valid: Whether its mask and joints may be learned, `(n,)`.
        teacher: A re-identification teacher's features of unit length, `(n, D)`, or None.
    """

    identities: Tensor
    valid: Tensor
    teacher: Tensor | None


class Objective:
    """The weighted losses of a batch, by name; a loss of weight 0 is not computed."""

    def __init__(self, config: LossConfig, network: Gasm, heads: Heads, images: int) -> None:
        self.config, self.network, self.heads, self.images = config, network, heads, images

    def __call__(self, maps: GasmMaps, batch: Batch, labels: Labels, anchor: int) -> dict[str, Tensor]:
        """Losses of a batch of `people × images` crops, those of a person side by side.

        Args:
            maps: What the network made of the crops.
            batch: The crops' targets.
            labels: Who they are.
            anchor: Which image of each person, 0 … images − 1, is matched spatially with all others: the distances of
                all pairs would cost more than the network.
        """
        feature = self.network.neck(maps.pooled)
        unit = F.normalize(feature, dim=1)
        everyone = torch.arange(len(unit), device=unit.device)
        anchors = everyone[anchor :: self.images]
        result = self._identity(feature, unit, maps, labels, everyone)
        result |= self._guided(maps, batch, labels)
        spatial = spatial_distance(maps.local, maps.saliency, anchors) if self._matched() else None
        if spatial is not None and self.config.spatial:
            pooled = 1 - unit[anchors] @ unit.T
            loss = batch_hard_triplet((pooled + spatial) / 2, anchors, labels.identities, self.config.margin)
            result["spatial"] = self.config.spatial * loss
        result |= self._distilled(feature, spatial, anchors, maps, batch, labels)
        return result

    def _matched(self) -> bool:
        return self.config.spatial > 0 or self.config.relation > 0

    def _identity(
        self, feature: Tensor, unit: Tensor, maps: GasmMaps, labels: Labels, everyone: Tensor
    ) -> dict[str, Tensor]:
        config, result = self.config, {}
        if config.identity:
            logits = self.heads.classifier(feature)
            loss = F.cross_entropy(logits, labels.identities, label_smoothing=config.smoothing)
            result["identity"] = config.identity * loss
        if config.triplet:
            chosen = unit if config.after_neck else F.normalize(maps.pooled, dim=1)
            loss = batch_hard_triplet(1 - chosen @ chosen.T, everyone, labels.identities, config.margin)
            result["triplet"] = config.triplet * loss
        return result

    def _guided(self, maps: GasmMaps, batch: Batch, labels: Labels) -> dict[str, Tensor]:
        (height, width), aspect = maps.mask.shape[1:], batch.images.shape[2] / batch.images.shape[3]
        result = {}
        if self.config.mask:
            target = pool_masks(batch.masks, height, width)
            result["mask"] = self.config.mask * frobenius(maps.mask, target, labels.valid)
        if self.config.pose:
            target = render_joints(batch.joints, height, width, aspect)
            result["pose"] = self.config.pose * frobenius(maps.pose, target, labels.valid)
        return result

    def _distilled(
        self, feature: Tensor, spatial: Tensor | None, anchors: Tensor, maps: GasmMaps, batch: Batch, labels: Labels
    ) -> dict[str, Tensor]:
        config, result = self.config, {}
        if labels.teacher is not None and config.distil:
            result["distil"] = config.distil * distillation(self.heads.projection(feature), labels.teacher)
        if labels.teacher is not None and config.relation and spatial is not None:
            distances = 1 - labels.teacher[anchors] @ labels.teacher.T
            result["relation"] = config.relation * correlation(spatial, distances, anchors)
        if batch.cells is not None and config.cells:
            grid = self.network.grid(*batch.images.shape[2:]) or (maps.mask.shape[1], maps.mask.shape[2])
            loss = cell_distillation(maps.local, batch.cells, batch.masks, grid)
            result["cells"] = config.cells * loss
        return result
