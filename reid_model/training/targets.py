"""Mask and pose targets of training crops: cached small, augmented with the image, rendered last."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from reid_model.datasets import DatasetError

MASK_SIZE = (96, 32)
"""Rows and columns of a cached mask."""

SWAP = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11])
"""Joint order after a horizontal flip: head, then left and right shoulder, elbow, wrist, hip, knee, ankle."""

JOINT_WIDTH = 0.055
"""Standard deviation of a rendered joint, as a share of the crop's height (about a limb's thickness)."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the teachers saw in n crops.

    Attributes:
        joints: x, y in [0, 1] of the crop's width and height, and confidence in [0, 1], `(n, 13, 3)` float32.
        masks: The target person, `(n, 96, 32)` bool.
        valid: Whether the teacher found a person, `(n,)`; guided losses skip the others.
        names: Names of the crops, length n, so that targets are not taken for other pictures'.
    """

    joints: npt.NDArray[np.float32]
    masks: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    names: Sequence[str] = ()

    def __getitem__(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Targets:
        """Targets of some of the crops."""
        chosen = np.asarray(self.names)[rows].tolist() if len(self.names) else ()
        return Targets(self.joints[rows], self.masks[rows], self.valid[rows], chosen)

    def save(self, path: Path) -> None:
        """Writes a compact .npz, whole or not at all: masks as bits, joints in half precision."""
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                joints=self.joints.astype(np.float16),
                masks=np.packbits(self.masks, axis=-1),
                valid=self.valid,
                names=np.array(list(self.names), np.str_),
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Targets:
        """Reads what `save` wrote.

        Raises:
            DatasetError: If the file is missing or is no file of targets.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                masks = np.unpackbits(data["masks"], axis=-1).astype(bool)
                return cls(data["joints"].astype(np.float32), masks, data["valid"], data["names"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else "not a file of targets"
            raise DatasetError(
                f"{path}: {reason}; make it with: run.py teach --data KIND:DIR --output {path}"
            ) from None

    def of(self, names: Sequence[str], path: Path) -> Targets:
        """The targets of crops by their names, in that order.

        Raises:
            DatasetError: If a crop has none.
        """
        place = {name: row for row, name in enumerate(self.names)}
        missing = next((name for name in names if name not in place), None)
        if missing is not None:
            raise DatasetError(f"{path}: no targets of {missing}: they were made of other data; make them again")
        return self[np.array([place[name] for name in names], np.intp)]


def render_joints(joints: Tensor, height: int, width: int, aspect: float = 2.0) -> Tensor:
    """Gaussians of peak 1 at the joints, scaled by confidence.

    Rendered at the feature map's own resolution, because averaging a larger map down would flatten the peaks.

    Args:
        joints: `(n, 13, 3)` x, y in shares of the crop, confidence in [0, 1].
        height: Rows of the feature map.
        width: Columns of the feature map.
        aspect: The crop's height over its width, so that a joint is round in the picture.

    Returns:
        Heatmaps, `(n, 13, height, width)`, in [0, 1].
    """
    rows = (torch.arange(height, device=joints.device) + 0.5) / height
    columns = (torch.arange(width, device=joints.device) + 0.5) / width
    dy = (rows - joints[..., 1, None]) / JOINT_WIDTH
    dx = (columns - joints[..., 0, None]) / aspect / JOINT_WIDTH
    vertical, horizontal = torch.exp(-0.5 * dy**2), torch.exp(-0.5 * dx**2)
    return joints[..., 2, None, None] * vertical[..., :, None] * horizontal[..., None, :]


def pool_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Area averages of masks `(n, H, W)` at feature resolution, `(n, height, width)`, in [0, 1]."""
    return F.adaptive_avg_pool2d(masks.float()[:, None], (height, width))[:, 0]
