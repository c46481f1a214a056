"""The network as it is exported: uint8 crops in, the four features out, made of operations that every runtime has."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own name)
from torch import Tensor, nn

from reid_model.network import EPS, JOINTS, Gasm, normalise_saliency

INPUT = "images"
OUTPUTS = ("global", "local", "saliency", "mass")


def averages(length: int, parts: int) -> Tensor:
    """What adaptive average pooling does along one axis, as a matrix `(length, parts)`; columns sum to 1."""
    matrix = torch.zeros(length, parts)
    for part in range(parts):
        first, last = part * length // parts, -(-(part + 1) * length // parts)
        matrix[first:last, part] = 1 / (last - first)
    return matrix


def pooling_matrix(height: int, width: int, rows: int, columns: int) -> Tensor:
    """Adaptive average pooling of a flattened map, as a matrix `(height * width, rows * columns)`."""
    return torch.kron(averages(height, rows), averages(width, columns))


def cell_grid(network: Gasm, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of cells that a network gives crops of this height and width, multiples of 32 pixels."""
    config = network.config
    stride = 32 if config.backbone == "resnet50" and config.last_stride == 2 else 16
    return network.grid(height, width) or (height // stride, width // stride)


class ExportedGasm(nn.Module):
    """Computes what `Gasm` computes, for crops of its own size, written for inference engines.

    Input is `(n, H, W, 3)`, RGB, uint8, as images are decoded: conversion, scaling and normalisation are inside, so
    there is no range that a caller could get wrong. Outputs are those of `Gasm.forward`.

    Three things differ in form, none in value. Adaptive pooling, which ONNX lacks where the map's size is no multiple
    of the cells, is a product with a constant matrix. The weighted sum over the map is a product too: OpenVINO's CPU
    plugin gives wrong values when a batch norm follows a sum over the last axis. And a cell is not divided by its
    weight before it is scaled to unit length.
    """

    pooling: Tensor
    offset: Tensor
    scale: Tensor

    def __init__(self, network: Gasm) -> None:
        super().__init__()
        self.backbone, self.neck, self.local_neck = network.backbone, network.neck, network.local_neck
        self.fuse = network.fuse
        self.heads = nn.Conv2d(network.global_dim, 1 + JOINTS, 1)
        mask, pose = network.mask_layer.state_dict(), network.pose_layer.state_dict()
        self.heads.load_state_dict({name: torch.cat([mask[name], pose[name]]) for name in ("weight", "bias")})
        height, width = network.config.size
        with torch.inference_mode():
            shape = network.backbone(torch.zeros(1, 3, height, width)).shape[2:]
        grid = cell_grid(network, height, width)
        self.cells = int(np.prod(grid))
        self.global_dim, self.local_dim = network.global_dim, network.local_dim
        self.positions = int(np.prod(shape))
        self.pooled = tuple(shape) != tuple(grid)
        self.register_buffer("pooling", pooling_matrix(int(shape[0]), int(shape[1]), *grid), persistent=False)
        self.register_buffer("offset", network.mean * 255, persistent=False)
        self.register_buffer("scale", 1 / (network.std * 255), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Global `(n, D)`, local `(n, P, d)`, saliency `(n, P)` and mass `(n,)` of crops `(n, H, W, 3)`."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32)
        features = self.backbone((pixels - self.offset) * self.scale)
        guides = torch.sigmoid(self.heads(features))
        fused = self.fuse(guides[:, 0], guides[:, 1:]).reshape(-1, self.positions)
        weights = normalise_saliency(fused)
        pooled = torch.matmul(features.flatten(2), weights[:, :, None]).flatten(1)
        local = self.local_neck(features).flatten(2)
        saliency = weights
        if self.pooled:
            local = torch.matmul(local * (fused + EPS)[:, None], self.pooling)
            saliency = normalise_saliency(torch.matmul(fused, self.pooling))
        local = F.normalize(local.transpose(1, 2), dim=2)
        return F.normalize(self.neck(pooled), dim=1), local, saliency, fused.mean(dim=1).clamp(0, 1)
