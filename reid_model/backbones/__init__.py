"""Fully convolutional backbones: images to feature maps."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from reid_model.backbones.osnet import OsNet
from reid_model.backbones.resnet import ResNet50

BackboneName = Literal["osnet_x1_0", "osnet_x0_25", "resnet50"]
BACKBONES: tuple[BackboneName, ...] = get_args(BackboneName)


def build_backbone(name: BackboneName, last_stride: int = 1) -> tuple[nn.Module, int]:
    """A backbone with random weights, and the number of channels of its map.

    Args:
        name: One of `BACKBONES`.
        last_stride: 1 or 2; stride of the last stage (only `resnet50` has one: OSNet's map is always a sixteenth).

    Raises:
        ValueError: If the name is unknown or the stride is not 1 or 2.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, given {name!r}")
    if last_stride not in (1, 2):
        raise ValueError(f"last_stride: expected 1 or 2, given {last_stride}")
    if name == "resnet50":
        return ResNet50(last_stride), ResNet50.out_channels
    return OsNet(1.0 if name == "osnet_x1_0" else 0.25), OsNet.out_channels


__all__ = ["BACKBONES", "BackboneName", "build_backbone"]
