"""Second opinions on mask and joints: where teachers disagree, less is learned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reid_model.training.targets import Targets

AGREE = 0.1
"""Two teachers agree on a joint when they put it within this share of the crop's height."""

DOUBT = 0.2
"""What is left of the confidence of a joint that a second teacher is sure to see elsewhere."""

SAME_PERSON = 0.4
"""Least intersection over union of two teachers' masks of one person."""


def merge_joints(
    joints: npt.NDArray[np.float32], second: npt.NDArray[np.float32], aspect: float
) -> npt.NDArray[np.float32]:
    """Joints on which a second teacher was heard.

    Where both are sure and agree, the place is their mean; where the second is sure of another place, the confidence
    falls to a fifth; where only one sees the joint, that one is believed.

    Args:
        joints: x, y as shares of the crop, confidence, `(n, 13, 3)`.
        second: The second teacher's, of the same shape; confidence 0 where it saw nothing.
        aspect: The crops' height over width.
    """
    difference = joints[..., :2] - second[..., :2]
    distance = np.hypot(difference[..., 0] / aspect, difference[..., 1])
    sure = (joints[..., 2] > 0.5, second[..., 2] > 0.5)
    result = joints.copy()
    both = sure[0] & sure[1]
    agreed = both & (distance <= AGREE)
    result[agreed, :2] = (joints[agreed, :2] + second[agreed, :2]) / 2
    result[both & ~agreed, 2] *= DOUBT
    alone = ~sure[0] & sure[1]
    result[alone] = second[alone]
    return result


def merge_masks(targets: Targets, second: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Targets:
    """Targets whose mask a second teacher confirmed; where it sees another person, the crop is marked.

    Args:
        targets: The first teacher's.
        second: Masks, `(n, 96, 32)`.
        found: Where the second teacher saw a person at all, `(n,)`; elsewhere nothing changes.
    """
    both = (targets.masks & second).sum(axis=(1, 2))
    either = (targets.masks | second).sum(axis=(1, 2)).clip(min=1)
    doubted = found & (both / either < SAME_PERSON)
    return Targets(targets.joints, targets.masks, targets.valid & ~doubted, targets.names)
