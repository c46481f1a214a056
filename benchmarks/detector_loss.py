"""ultralytics' network for one class, untrained, and its loss with places that count neither way."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from app.ultralytics_guard import load_ultralytics
from benchmarks.detector_labels import Labels

ARCHITECTURE = "yolo11n.yaml"
GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=1)
"""Weights of the loss's parts: ultralytics' own."""


def make_network(architecture: str = ARCHITECTURE) -> Any:
    """A network of one of ultralytics' architectures that knows persons only, with random weights."""
    network = load_ultralytics().nn.tasks.DetectionModel(architecture, nc=1, verbose=False)
    network.names = {0: "person"}
    network.args = GAINS
    return network


def collate(images: Sequence[Any], labels: Sequence[Labels]) -> dict[str, Tensor]:
    """A batch of samples of one size as ultralytics' loss takes it.

    Returns:
        `img` (b, 3, h, w) RGB in [0, 1]; `batch_idx` (n,), `cls` (n,) and `bboxes` (n, 4): centre and size as shares of
        the sample; `unsure_idx` (m,) and `unsure` (m, 4): left, top, right, bottom in pixels.
    """
    stack = torch.from_numpy(np.stack(images)[..., ::-1].copy()).permute(0, 3, 1, 2)
    height, width = stack.shape[2:]
    people = torch.from_numpy(np.concatenate([each.people for each in labels])).float()
    centre, size = (people[:, :2] + people[:, 2:]) / 2, people[:, 2:] - people[:, :2]
    index = [len(each.people) for each in labels], [len(each.unsure) for each in labels]
    owners = [torch.arange(len(labels)).repeat_interleave(torch.tensor(counts)) for counts in index]
    return {
        "img": stack.float().div_(255).contiguous(memory_format=torch.channels_last),
        "batch_idx": owners[0].float(),
        "cls": torch.zeros(len(people)),
        "bboxes": torch.cat([centre, size], dim=1) / torch.tensor([width, height, width, height]),
        "unsure_idx": owners[1],
        "unsure": torch.from_numpy(np.concatenate([each.unsure for each in labels])).float(),
    }


class Loss:
    """ultralytics' detection loss, in which cells whose centre lies in an unsure place are not told to be empty.

    Args:
        network: That is trained.
    """

    def __init__(self, network: Any) -> None:
        utilities = load_ultralytics().utils
        self._points = utilities.tal.make_anchors
        self._loss = utilities.loss.v8DetectionLoss(network)
        self._loss.bce = self._weighted
        self._weights = torch.ones(())

    def __call__(self, predictions: dict[str, Any], batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The parts of the loss, times the samples in the batch, and the same to be shown."""
        points, strides = self._points(predictions["feats"], self._loss.stride, 0.5)
        self._weights = certain(points * strides, batch, len(batch["img"]))[..., None]
        parts, shown = self._loss(predictions, batch)
        return parts, shown

    def _weighted(self, scores: Tensor, targets: Tensor) -> Tensor:
        losses = nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return torch.where(targets > 0, losses, losses * self._weights)


def certain(points: Tensor, batch: dict[str, Tensor], count: int) -> Tensor:
    """1 for cells outside all unsure places, 0 for others, (count, cells).

    Args:
        points: Centres of the cells in pixels, (cells, 2).
        batch: `unsure_idx` and `unsure`, as `collate` gives them.
        count: Samples in the batch.
    """
    boxes = batch["unsure"].to(points)
    inside = ((points[None] > boxes[:, None, :2]) & (points[None] < boxes[:, None, 2:])).all(dim=2)
    hits = torch.zeros(count, len(points), device=points.device).index_add_(0, batch["unsure_idx"], inside.float())
    return (hits == 0).float()
