"""Person boxes in frames to features, in batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from reid_model.checkpoint import DEFAULT_WEIGHTS, load_weights
from reid_model.features import Features

ImageArray = npt.NDArray[np.uint8]


def cut(image: ImageArray, box: npt.NDArray[np.floating] | Sequence[float]) -> ImageArray:
    """The part of an image inside a box, at least one pixel each way; a view, not a copy.

    Args:
        image: `(h, w, 3)`.
        box: Left, top, right, bottom in pixels; what lies outside the image is cut off.
    """
    height, width = image.shape[:2]
    left = min(max(int(box[0]), 0), width - 1)
    top = min(max(int(box[1]), 0), height - 1)
    right = min(max(int(np.ceil(box[2])), left + 1), width)
    bottom = min(max(int(np.ceil(box[3])), top + 1), height)
    return image[top:bottom, left:right]


class Embedder:
    """GASM features of person crops.

    Args:
        weights: A .safetensors file, or None for the shipped weights.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        batch: Most crops in one forward pass.
        threads: Processor threads that torch uses in this process from now on; None for half the cores. A detector
            is usually at work at the same time, and a thread that waits for a core holds up the others at every layer.

    Raises:
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
    """

    def __init__(
        self, weights: Path | None = None, device: str = "auto", batch: int = 32, threads: int | None = None
    ) -> None:
        self.network, digest = load_weights(weights or DEFAULT_WEIGHTS)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batch = batch
        if self.device.type == "cpu":
            torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // 2))
        config = self.network.config
        rows, columns = config.cells or ("own", "own")
        self.model_id = (
            f"{config.backbone} {config.size[0]}x{config.size[1]} cells {rows}x{columns} "
            f"dims {self.network.global_dim}+{self.network.local_dim} sha256 {digest[:16]}"
        )

    def embed(self, crops: Sequence[ImageArray]) -> Features:
        """Features of BGR crops of any sizes, `(h, w, 3)` uint8 each, in order."""
        height, width = self.network.config.size
        stack = np.empty((len(crops), height, width, 3), np.uint8)
        for row, crop in enumerate(crops):
            # Averaging when shrinking keeps thin stripes from aliasing into another pattern.
            shrinking = crop.shape[0] > height or crop.shape[1] > width
            cv2.resize(
                crop, (width, height), stack[row], interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
            )
        parts = [self._forward(stack[start : start + self.batch]) for start in range(0, len(stack), self.batch)]
        return Features.concatenate(parts) if parts else self.empty()

    @torch.inference_mode()
    def _forward(self, stack: ImageArray) -> Features:
        pixels = torch.from_numpy(stack).to(self.device).permute(0, 3, 1, 2)
        outputs = self.network(pixels.flip(1).float() / 255)
        global_, local, saliency, mass = (output.float().cpu().numpy() for output in outputs)
        return Features(global_, local, saliency, mass)

    def embed_boxes(self, image: ImageArray, boxes: npt.NDArray[np.floating]) -> Features:
        """Features of boxes `(n, 4)` (left, top, right, bottom in pixels) of one BGR frame."""
        return self.embed([cut(image, box) for box in boxes])

    def empty(self) -> Features:
        """Features of no crops, of this network's dimensions."""
        config = self.network.config
        rows, columns = config.cells or (config.size[0] // 16, config.size[1] // 16)
        return Features.empty(self.network.global_dim, rows * columns, self.network.local_dim)
