from __future__ import annotations

import numpy as np

from reid_model.training.opinions import DOUBT, merge_joints, merge_masks
from reid_model.training.targets import Targets


def joint(x: float, y: float, confidence: float) -> np.ndarray:
    joints = np.zeros((1, 13, 3), np.float32)
    joints[0, 0] = x, y, confidence
    return joints


def test_teachers_who_agree_meet_in_the_middle() -> None:
    merged = merge_joints(joint(0.5, 0.10, 0.9), joint(0.6, 0.14, 0.8), aspect=2)
    np.testing.assert_allclose(merged[0, 0], [0.55, 0.12, 0.9], atol=1e-6)


def test_teachers_who_disagree_leave_doubt() -> None:
    merged = merge_joints(joint(0.5, 0.1, 0.9), joint(0.5, 0.4, 0.8), aspect=2)
    np.testing.assert_allclose(merged[0, 0], [0.5, 0.1, 0.9 * DOUBT], atol=1e-6)


def test_distance_is_measured_in_crop_heights() -> None:
    """A third of the width of a crop twice as high as wide is a sixth of its height: too far."""
    merged = merge_joints(joint(0.3, 0.1, 0.9), joint(0.63, 0.1, 0.8), aspect=2)
    assert merged[0, 0, 2] < 0.5
    merged = merge_joints(joint(0.3, 0.1, 0.9), joint(0.63, 0.1, 0.8), aspect=4)
    assert merged[0, 0, 2] > 0.5


def test_a_teacher_who_alone_sees_a_joint_is_believed() -> None:
    np.testing.assert_allclose(merge_joints(joint(0.5, 0.1, 0.9), joint(0, 0, 0), 2)[0, 0], [0.5, 0.1, 0.9])
    np.testing.assert_allclose(merge_joints(joint(0.5, 0.1, 0.2), joint(0.7, 0.3, 0.8), 2)[0, 0], [0.7, 0.3, 0.8])


def test_a_mask_of_another_person_marks_the_crop() -> None:
    masks = np.zeros((3, 96, 32), bool)
    masks[:, :, :16] = True
    second = masks.copy()
    second[1] = ~masks[1]
    second[2] = False
    targets = Targets(np.zeros((3, 13, 3), np.float32), masks, np.ones(3, bool), ("a", "b", "c"))
    merged = merge_masks(targets, second, np.array([True, True, False]))
    assert merged.valid.tolist() == [True, False, True]
    np.testing.assert_array_equal(merged.masks, masks)
