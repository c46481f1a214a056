"""The body teacher, run once over the training crops: the mask and the joints of the person they show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from reid_model.checkpoint import WeightsError
from reid_model.datasets import ImageArray
from reid_model.openvino_core import openvino_core
from reid_model.training.targets import MASK_SIZE, Targets

if TYPE_CHECKING:
    import openvino

POSE_INPUT = 256
BODY_SHARE = 0.8
"""The pose network expects the body to fill about this share of its square input."""

FACE, LEFT_RIGHT_PAIRS = slice(0, 11), (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""Rows of the landmark output: the face points, whose mean is the head; then the paired joints."""


def read_network(path: Path) -> tuple[openvino.Core, openvino.Model]:
    """A network in any format openvino reads.

    Raises:
        WeightsError: If openvino is not installed, or the file is missing or is no network.
    """
    try:
        core = openvino_core()
    except ImportError:
        raise WeightsError(f"{path}: openvino runs this network; install it: pip install 'crowdtrace[cpu]'") from None
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; name a teacher network that openvino reads")
    try:
        return core, core.read_model(path)
    except RuntimeError:
        raise WeightsError(f"{path}: not a network that openvino reads; name another teacher") from None


def _sigmoid(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float32)  # the form that cannot overflow


class BodyTeacher:
    """Mask and joints of the person a crop is centred on, from a BlazePose landmark network (`.tflite`)."""

    def __init__(self, weights: Path) -> None:
        core, model = read_network(weights)
        self.network = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
        outputs = {tuple(output.get_partial_shape().get_min_shape()): output for output in self.network.outputs}
        try:
            self.landmarks = outputs[1, 195]
            self.mask = outputs[1, POSE_INPUT, POSE_INPUT, 1]
            self.presence = outputs[1, 1]
        except KeyError:
            raise WeightsError(f"{weights}: not a BlazePose landmark network; name pose_landmark_lite.tflite") from None

    def __call__(self, images: ImageArray, report: Callable[[int], None] = lambda done: None) -> Targets:
        """Targets of RGB crops `(n, h, w, 3)`; crops without a clear person are marked invalid.

        `report` is told after each crop how many are done.
        """
        count = len(images)
        joints = np.zeros((count, 13, 3), np.float32)
        masks = np.zeros((count, *MASK_SIZE), bool)
        valid = np.zeros(count, bool)
        for row, image in enumerate(images):
            joints[row], masks[row], valid[row] = self._one(image)
            report(row + 1)
        return Targets(joints, masks, valid)

    def _one(self, image: ImageArray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], bool]:
        height, width = image.shape[:2]
        side = round(max(height, width) / BODY_SHARE)
        top, left = (side - height) // 2, (side - width) // 2
        square = cv2.copyMakeBorder(image, top, side - height - top, left, side - width - left, cv2.BORDER_REPLICATE)
        scaled = cv2.resize(square, (POSE_INPUT, POSE_INPUT)).astype(np.float32) / 255
        result = self.network(scaled[None])
        points = np.asarray(result[self.landmarks]).reshape(39, 5)
        xy = points[:, :2] * (side / POSE_INPUT) - (left, top)
        xy /= (width, height)
        seen = _sigmoid(points[:, 3]) * _sigmoid(points[:, 4])
        joints = np.zeros((13, 3), np.float32)
        joints[0] = (*xy[FACE].mean(axis=0), seen[FACE].mean())
        pairs = list(LEFT_RIGHT_PAIRS)
        joints[1:, :2], joints[1:, 2] = xy[pairs], seen[pairs]
        inside = ((joints[:, :2] > 0) & (joints[:, :2] < 1)).all(axis=1)
        joints[:, 2] *= inside
        soft = _sigmoid(np.asarray(result[self.mask])[0, :, :, 0])
        crop = cv2.resize(soft, (side, side))[top : top + height, left : left + width]
        mask = cv2.resize(crop, MASK_SIZE[::-1], interpolation=cv2.INTER_AREA) > 0.5
        presence = float(np.asarray(result[self.presence]).ravel()[0])
        return joints, mask, bool(presence > 0.5 and mask.mean() > 0.05 and (joints[:, 2] > 0.5).sum() >= 4)
