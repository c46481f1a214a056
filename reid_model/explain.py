"""What the features of a crop look at, and which cells of two crops found each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from reid_model.features import Features, FloatArray
from reid_model.network import Gasm

ImageArray = npt.NDArray[np.uint8]
CellArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class CropMaps:
    """Where the network sees the person of one crop.

    Attributes:
        mask: Foreground probability, `(h, w)` float32, [0, 1].
        pose: Sum of the joint heatmaps, clamped, `(h, w)` float32, [0, 1].
        saliency: Mask and pose fused, `(h, w)` float32, [0, 1].
        cells: Weight of each cell in pooling and matching, `(rows, columns)` float32, sum 1.
        mass: Mean of the saliency, [0, 1].
    """

    mask: FloatArray
    pose: FloatArray
    saliency: FloatArray
    cells: FloatArray
    mass: float


@torch.inference_mode()
def look(network: Gasm, crops: Sequence[ImageArray]) -> tuple[list[CropMaps], Features]:
    """Runs a network on crops and keeps what it saw on the way to the features.

    Args:
        network: In evaluation mode, on any device.
        crops: n BGR crops of any sizes, `(h, w, 3)` uint8 each.

    Returns:
        n maps, and the features that `Embedder.embed` gives for the same crops.
    """
    size = network.config.size
    device = next(network.parameters()).device
    images = torch.stack([_pixels(crop, size) for crop in crops]).to(device)
    maps = network.maps(images)
    fused = network.fuse(maps.mask, maps.pose)
    grid = network.grid(*size) or (fused.shape[1], fused.shape[2])
    global_, local, saliency, mass = (_array(output) for output in network(images))
    joints = maps.pose.sum(dim=1).clamp(max=1)
    seen = [
        CropMaps(_array(mask), _array(pose), _array(both), weights.reshape(grid), float(weight))
        for mask, pose, both, weights, weight in zip(maps.mask, joints, fused, saliency, mass, strict=True)
    ]
    return seen, Features(global_, local, saliency, mass)


def _pixels(crop: ImageArray, size: tuple[int, int]) -> torch.Tensor:
    height, width = size
    shrinking = crop.shape[0] > height or crop.shape[1] > width
    resized = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return torch.from_numpy(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).float() / 255


def _array(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.float().cpu().numpy(), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CellMatches:
    """Which gallery cell each query cell found, for n pairs of crops whose queries have P cells each.

    Attributes:
        found: The most similar gallery cell, `(n, P)`, row-major positions.
        similarities: Their cosine, `(n, P)` float32, [-1, 1].
        weights: Saliency of the query cells, `(n, P)` float32; rows sum to 1.
    """

    found: CellArray
    similarities: FloatArray
    weights: FloatArray

    @property
    def parts(self) -> FloatArray:
        """What each query cell adds to the local distance (equation 4), `(n, P)`; rows sum to that distance."""
        return np.asarray(self.weights * (1 - self.similarities), np.float32)

    @property
    def support(self) -> FloatArray:
        """What each query cell adds to the similarity, `(n, P)`; rows sum to 1 − local distance."""
        return np.asarray(self.weights * self.similarities, np.float32)


def match_cells(query: Features, gallery: Features) -> CellMatches:
    """Matches the cells of pairs of crops, as `local` and `gasm` matching do.

    Args:
        query: n crops.
        gallery: n crops, each to be compared with the query in its place; their number of cells may differ.

    Raises:
        ValueError: If the numbers of crops differ, or the features come from different models.
    """
    if len(query) != len(gallery):
        raise ValueError(f"explain: expected as many matches as queries, given {len(query)} and {len(gallery)}")
    if query.local.shape[2] != gallery.local.shape[2]:
        raise ValueError(
            f"explain: expected features of one model, given cells of {query.local.shape[2]} and "
            f"{gallery.local.shape[2]} dimensions"
        )
    scores = query.local @ gallery.local.transpose(0, 2, 1)
    found = scores.argmax(axis=2)
    similarities = np.take_along_axis(scores, found[:, :, None], axis=2)[:, :, 0]
    return CellMatches(found, similarities, query.saliency)
