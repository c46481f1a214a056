import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulation.skeleton import ARMS, LEGS, Bone, skeleton, stride_length
from app.simulation.wardrobe import wardrobe

heights = st.floats(1.0, 2.1)


def test_stride_of_an_adult_is_that_of_gait_laboratories():
    # 1.5 m at 1.4 m/s, that is 112 steps a minute.
    assert stride_length(1.4, 1.75) == pytest.approx(1.5, abs=0.06)


@given(height=heights, slow=st.floats(0, 3), faster=st.floats(0, 3))
def test_stride_grows_with_speed_and_is_never_nothing(height, slow, faster):
    short, long = stride_length([slow, slow + faster], height)
    assert 0.25 * height <= short <= long <= 1.05 * height + 1e-12


@given(height=heights, speed=st.floats(0.3, 2))
def test_taller_people_take_longer_strides(height, speed):
    assert stride_length(speed, height + 0.1) > stride_length(speed, height)


def test_shape_is_that_of_both_arguments():
    assert stride_length(np.ones((4, 1)), np.full(3, 1.7)).shape == (4, 3)


def test_bodies_are_symmetric_and_in_order():
    bones = skeleton(wardrobe(200, 1))
    rest = bones.rest
    for left, right in (*zip(*ARMS, strict=True), *zip(*LEGS, strict=True)):
        np.testing.assert_allclose(rest[:, left], rest[:, right] * [1, -1, 1], atol=1e-12)
        assert (rest[:, left, 1] > 0).all()
    down = (Bone.head, Bone.neck, Bone.left_upper_arm, Bone.chest, Bone.spine, Bone.pelvis, Bone.left_thigh)
    down += (Bone.left_shin, Bone.left_foot, Bone.left_toes)
    assert (np.diff(rest[:, down, 2], axis=1) < 0).all()
    assert (rest[:, Bone.head, 2] < 0.92 * bones.height).all()


def test_children_have_shorter_legs_and_larger_heads():
    bones = skeleton(wardrobe(400, 1))
    child, adult = bones.height < 1.3, bones.height > 1.6
    assert child.any()
    leg, head = bones.rest[:, Bone.left_thigh, 2] / bones.height, 1 - bones.rest[:, Bone.head, 2] / bones.height
    assert leg[child].max() < leg[adult].min()
    assert head[child].min() > head[adult].max()


def test_nobody_has_no_bones():
    assert skeleton(()).rest.shape == (0, len(Bone), 3)
