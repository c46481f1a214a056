"""The GASM network (section 3.1 of the paper): map, mask layer, pose layer, fused saliency, weighted pooling."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own name)
from torch import Tensor, nn

from reid_model.backbones import BackboneName, build_backbone

JOINTS = 13
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EPS = 1e-6

STRICT: dict[str, Any] = {"extra": "forbid"}
"""Unknown keys are errors wherever settings are read by pydantic; nothing here depends on it."""


@dataclass(frozen=True, kw_only=True)
class GasmConfig:
    """The shape of a GASM network: everything needed to build one that a weight file fits.

    Attributes:
        backbone: `resnet50` (the paper), `osnet_x1_0` or `osnet_x0_25`.
        size: Input height and width in pixels.
        local_dim: Dimensions of a cell after the 1×1 neck, or None for the backbone's own (the paper).
        cells: Rows and columns the local map of a crop of `size` is pooled to by saliency, or None for the map's own
            (the paper). A crop of another shape has as many cells as fit at the same cell size, so that a half body
            has half of them.
        neck: Whether a batch norm stands between the pooled feature and its use in matching.
        fusion: How mask and pose make one saliency, which the paper leaves open: their `mean` or their `product`; or
            `mask` or `pose` alone, or `none`: every place counts the same, as in average pooling (table 4).
        last_stride: Stride of the last backbone stage, 1 or 2.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    backbone: BackboneName = "osnet_x1_0"
    size: tuple[int, int] = (256, 128)
    local_dim: int | None = 128
    cells: tuple[int, int] | None = (12, 4)
    neck: bool = True
    fusion: Literal["mean", "product", "mask", "pose", "none"] = "mean"
    last_stride: int = 1

    def __post_init__(self) -> None:
        if min(self.size) < 32:
            raise ValueError(f"size: expected at least 32 pixels each way, given {self.size}")
        if self.cells is not None and min(self.cells) < 1:
            raise ValueError(f"cells: expected at least 1×1, given {self.cells}")
        if self.local_dim is not None and self.local_dim < 1:
            raise ValueError(f"local_dim: expected at least 1, given {self.local_dim}")

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

    def maps(self, images: Tensor, *, saliency_gradient: bool = False, guided_gradient: bool = True) -> GasmMaps:
        """Everything the losses and the features are made of.

        Args:
            images: RGB in [0, 1], `(n, 3, H, W)`.
            saliency_gradient: Whether the losses on features reach the saliency. Without, only the guided losses shape
                it; with, identity training can narrow it to the few cells that are easiest to tell apart.
            guided_gradient: Whether the guided losses reach the backbone.
        """
        features = self.backbone((images - self.mean) / self.std)
        seen = features if guided_gradient else features.detach()
        mask = torch.sigmoid(self.mask_layer(seen).float())[:, 0]
        pose = torch.sigmoid(self.pose_layer(seen).float())
        fused = self.fuse(mask, pose)
        if not saliency_gradient:
            fused = fused.detach()
        weights = normalise_saliency(fused.flatten(1))
        pooled = (features.flatten(2).float() * weights[:, None]).sum(dim=2)
        local, saliency = self._cells(self.local_neck(features).float(), fused, self.grid(*images.shape[2:]))
        return GasmMaps(pooled, mask, pose, local, saliency, fused.flatten(1).mean(dim=1))

    def fuse(self, mask: Tensor, pose: Tensor) -> Tensor:
        """One saliency map `(n, h, w)` in [0, 1] from mask and joints; joints may overlap, so their sum is clamped."""
        joints = pose.sum(dim=1).clamp(max=1)
        match self.config.fusion:
            case "mean":
                return (mask + joints) / 2
            case "product":
                return mask * joints
            case "mask":
                return mask
            case "pose":
                return joints
            case "none":
                return torch.ones_like(mask)

    def grid(self, height: int, width: int) -> tuple[int, int] | None:
        """Rows and columns of cells of crops of this height and width in pixels; None for the map's own."""
        if self.config.cells is None:
            return None
        (rows, columns), (full_height, full_width) = self.config.cells, self.config.size
        return max(1, round(rows * height / full_height)), max(1, round(columns * width / full_width))

    @staticmethod
    def _cells(features: Tensor, fused: Tensor, grid: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """Pools the local map to cells by saliency, so that background inside a cell does not dilute it."""
        if grid is not None and features.shape[2:] != grid:
            weights = fused[:, None] + EPS
            pooled_weights = F.adaptive_avg_pool2d(weights, grid)
            features = F.adaptive_avg_pool2d(features * weights, grid) / pooled_weights
            fused = F.adaptive_avg_pool2d(fused[:, None], grid)[:, 0]
        local = F.normalize(features.flatten(2).transpose(1, 2), dim=2)
        return local, normalise_saliency(fused.flatten(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of crops, as `reid_model.Features` describes them.

        Args:
            images: RGB in [0, 1], `(n, 3, H, W)`; any H and W, so that half bodies need no stretching.

        Returns:
            Global `(n, D)`, local `(n, P, d)`, saliency `(n, P)` and mass `(n,)`, all fp32.
        """
        maps = self.maps(images)
        return F.normalize(self.neck(maps.pooled), dim=1), maps.local, maps.saliency, maps.mass.clamp(0, 1)
