"""Ultralytics pose and segmentation networks as teachers of body joints and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.ultralytics_guard import load_ultralytics, one_line, quietly
from reid_model.datasets import ImageArray
from reid_model.training.targets import MASK_SIZE

FACE = slice(0, 5)
LIMBS = slice(5, 17)
"""COCO's keypoints: nose, eyes and ears, whose mean is the head; then the paired joints in the order we use."""

CONFIDENCE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What one teacher saw in n crops.

    Attributes:
        joints: x, y as shares of the crop and confidence, `(n, 13, 3)`, or None from a segmentation network.
        masks: The person, `(n, 96, 32)`, or None from a pose network.
        found: Where it saw a person, `(n,)`.
    """

    joints: npt.NDArray[np.float32] | None
    masks: npt.NDArray[np.bool_] | None
    found: npt.NDArray[np.bool_]


class BodyOpinion:
    """An ultralytics pose or segmentation network.

    Args:
        weights: A .pt file or an OpenVINO folder.

    Raises:
        InputError: If the weights are missing, or for another task.
    """

    def __init__(self, weights: Path) -> None:
        cure = "name ultralytics pose or segmentation weights"
        if not weights.exists():
            raise InputError(f"{weights}: no such file; {cure}")
        ultralytics = load_ultralytics()
        with quietly():
            try:
                self._model = ultralytics.YOLO(str(weights), task=_task(weights))
                self.task = str(self._model.task)
            except Exception as error:  # what ultralytics raises on bad weights has no common class
                raise InputError(f"{weights}: cannot be used ({one_line(error)}); {cure}") from None
        if self.task not in ("pose", "segment"):
            raise InputError(f"{weights}: weights for the task {self.task}; {cure}")

    def __call__(self, images: ImageArray, report: Callable[[int], None] = lambda done: None) -> Opinion:
        """The person of each RGB crop `(n, h, w, 3)`: of several, the one that covers most of the crop's middle."""
        count = len(images)
        joints = np.zeros((count, 13, 3), np.float32)
        masks = np.zeros((count, *MASK_SIZE), bool)
        found = np.zeros(count, bool)
        for row, image in enumerate(images):
            with quietly():
                result = self._model.predict(
                    cv2.cvtColor(image, cv2.COLOR_RGB2BGR), conf=CONFIDENCE, classes=[0], verbose=False, device="cpu"
                )[0]
            chosen = _central(result.boxes.xyxy.cpu().numpy(), image.shape[1])
            if chosen is not None:
                found[row] = True
                if self.task == "pose":
                    joints[row] = _joints(result, chosen)
                else:
                    masks[row] = _mask(result, chosen)
            report(row + 1)
        return Opinion(joints, None, found) if self.task == "pose" else Opinion(None, masks, found)


def _task(weights: Path) -> str | None:
    """An exported folder does not always say what it is for; its metadata does."""
    metadata = weights / "metadata.yaml"
    if not metadata.is_file():
        return None
    line = next((line for line in metadata.read_text().splitlines() if line.startswith("task:")), "")
    return line.removeprefix("task:").strip() or None


def _central(boxes: npt.NDArray[np.float32], width: int) -> int | None:
    if not len(boxes):
        return None
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    offset = np.abs((boxes[:, 0] + boxes[:, 2]) / 2 / width - 0.5)
    return int(np.argmax(area * (1 - offset)))


def _joints(result: Any, chosen: int) -> npt.NDArray[np.float32]:
    points = np.concatenate(
        [result.keypoints.xyn[chosen].cpu().numpy(), result.keypoints.conf[chosen].cpu().numpy()[:, None]], axis=1
    )
    head = np.average(points[FACE], axis=0, weights=points[FACE, 2] + 1e-3)
    joints = np.concatenate([head[None], points[LIMBS]]).astype(np.float32)
    inside = ((joints[:, :2] > 0) & (joints[:, :2] < 1)).all(axis=1)
    joints[:, 2] *= inside
    return joints


def _mask(result: Any, chosen: int) -> npt.NDArray[np.bool_]:
    soft = result.masks.data[chosen].cpu().numpy().astype(np.float32)
    # The network's picture has bars around the crop; only the crop's part is wanted.
    height, width = result.orig_shape
    scale = min(soft.shape[0] / height, soft.shape[1] / width)
    rows, columns = round(height * scale), round(width * scale)
    top, left = (soft.shape[0] - rows) // 2, (soft.shape[1] - columns) // 2
    part = soft[top : top + rows, left : left + columns]
    return np.asarray(cv2.resize(part, MASK_SIZE[::-1], interpolation=cv2.INTER_AREA) > 0.5)
