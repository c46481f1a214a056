"""The GASM network (section 3.1 of the paper): map, mask layer, pose layer, fused saliency, weighted pooling."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own name)
from torch import Tensor, nn

from reid_model.backbones import BackboneName, build_backbone

JOINTS = 13
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class GasmConfig:
    """The shape of a GASM network: everything needed to build one that a weight file fits.

    Attributes:
        backbone: `resnet50` (the paper), `osnet_x1_0` or `osnet_x0_25`.
        size: Input height and width in pixels.
        local_dim: Dimensions of a cell after the 1×1 neck, or None for the backbone's own (the paper).
        cells: Rows and columns the local map is pooled to by saliency, or None for the map's own (the paper).
        neck: Whether a batch norm stands between the pooled feature and its use in matching.
        fusion: How mask and pose make one saliency, which the paper leaves open: their `mean` or their `product`.
        last_stride: Stride of the last backbone stage, 1 or 2.
    """

    backbone: BackboneName = "osnet_x1_0"
    size: tuple[int, int] = (384, 128)
    local_dim: int | None = 128
    cells: tuple[int, int] | None = (12, 4)
    neck: bool = True
    fusion: Literal["mean", "product"] = "mean"
    last_stride: int = 1

    def as_dict(self) -> dict[str, object]:
        """Plain values, as stored beside weights."""
        return asdict(self)


class GasmMaps(NamedTuple):
    """What the network computes for n crops, at map resolution h × w and cell resolution P.

    Attributes:
        pooled: Saliency-weighted sum of the map, `(n, D)`, before the neck.
        mask: Foreground probability, `(n, h, w)`, in [0, 1].
        pose: Joint heatmaps, `(n, 13, h, w)`, in [0, 1].
        local: Cell features of unit length, `(n, P, d)`.
        saliency: Cell weights, `(n, P)`, rows sum to 1.
        mass: Mean fused saliency before normalising, `(n,)`, in [0, 1].
    """

    pooled: Tensor
    mask: Tensor
    pose: Tensor
    local: Tensor
    saliency: Tensor
    mass: Tensor


def normalise_saliency(saliency: Tensor) -> Tensor:
    """Scales non-negative rows `(n, P)` to sum 1; an empty row becomes uniform."""
    total = saliency.sum(dim=1, keepdim=True)
    uniform = torch.full_like(saliency, 1 / saliency.shape[1])
    return torch.where(total > EPS, saliency / total.clamp(min=EPS), uniform)


class Gasm(nn.Module):
    """Guided saliency features of person crops.

    Input images are RGB in [0, 1], `(n, 3, H, W)`: normalisation is part of the network, so it happens exactly once
    wherever the network runs.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: GasmConfig | None = None) -> None:
        super().__init__()
        self.config = config or GasmConfig()
        self.backbone, channels = build_backbone(self.config.backbone, self.config.last_stride)
        self.mask_layer = nn.Conv2d(channels, 1, 1)
        self.pose_layer = nn.Conv2d(channels, JOINTS, 1)
        self.neck = nn.BatchNorm1d(channels) if self.config.neck else nn.Identity()
        self.local_neck: nn.Module = nn.Identity()
        if self.config.local_dim is not None:
            self.local_neck = nn.Sequential(
                nn.Conv2d(channels, self.config.local_dim, 1, bias=False), nn.BatchNorm2d(self.config.local_dim)
            )
        self.global_dim = channels
        self.local_dim = self.config.local_dim or channels
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        nn.init.normal_(self.mask_layer.weight, std=0.01)
        nn.init.normal_(self.pose_layer.weight, std=0.01)

    def maps(self, images: Tensor) -> GasmMaps:
        """Everything the losses and the features are made of.

        The saliency that weights pooling and matching is cut off from their gradients: only the guided losses shape
        it, otherwise identity training narrows it to the few cells that are easiest to tell apart.
        """
        features = self.backbone((images - self.mean) / self.std)
        mask = torch.sigmoid(self.mask_layer(features).float())[:, 0]
        pose = torch.sigmoid(self.pose_layer(features).float())
        fused = self.fuse(mask, pose).detach()
        weights = normalise_saliency(fused.flatten(1))
        pooled = (features.flatten(2).float() * weights[:, None]).sum(dim=2)
        local, saliency = self._cells(self.local_neck(features).float(), fused)
        return GasmMaps(pooled, mask, pose, local, saliency, fused.flatten(1).mean(dim=1))

    def fuse(self, mask: Tensor, pose: Tensor) -> Tensor:
        """One saliency map `(n, h, w)` in [0, 1] from mask and joints; joints may overlap, so their sum is clamped."""
        joints = pose.sum(dim=1).clamp(max=1)
        return mask * joints if self.config.fusion == "product" else (mask + joints) / 2

    def _cells(self, features: Tensor, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Pools the local map to cells by saliency, so that background inside a cell does not dilute it."""
        if self.config.cells is not None and features.shape[2:] != self.config.cells:
            weights = fused[:, None] + EPS
            pooled_weights = F.adaptive_avg_pool2d(weights, self.config.cells)
            features = F.adaptive_avg_pool2d(features * weights, self.config.cells) / pooled_weights
            fused = F.adaptive_avg_pool2d(fused[:, None], self.config.cells)[:, 0]
        local = F.normalize(features.flatten(2).transpose(1, 2), dim=2)
        return local, normalise_saliency(fused.flatten(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of crops, as `reid_model.Features` describes them.

        Args:
            images: RGB in [0, 1], `(n, 3, H, W)`; any H and W when `cells` is set, so that half bodies need no
                stretching.

        Returns:
            Global `(n, D)`, local `(n, P, d)`, saliency `(n, P)` and mass `(n,)`, all fp32.
        """
        maps = self.maps(images)
        return F.normalize(self.neck(maps.pooled), dim=1), maps.local, maps.saliency, maps.mass.clamp(0, 1)
