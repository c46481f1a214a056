from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation.gait import STANCE, Gait
from app.simulation.motion import Motion
from app.simulation.skeleton import ARMS, LEGS, Bone, skeleton, stride_length
from app.simulation.wardrobe import wardrobe

PEOPLE = wardrobe(60, 4)
BONES = skeleton(PEOPLE)
GAIT = Gait(PEOPLE, BONES)
EVERYBODY = np.arange(len(PEOPLE), dtype=np.int32)

speeds, phases, gazes = st.floats(0, 2.2), st.floats(0, 0.999), st.floats(-1.2, 1.2)


def moment(speed, phase, gaze=0.0, heading=0.0, x=0.0, y=0.0):
    """Everybody in the same state."""
    full = [np.full(len(PEOPLE), value, float) for value in (heading, speed, phase % 1.0, gaze)]
    position = np.stack(np.broadcast_arrays(x, y, np.zeros(len(PEOPLE)))[:2], axis=1)
    return Motion(EVERYBODY, position, *full)


def walk(speed, steps=100):
    """Heels and balls of everybody's left foot, (steps, people, 3), on a walk of one stride along x."""
    stride = stride_length(speed, BONES.height)
    heels, balls = [], []
    for phase in np.arange(steps) / steps:
        posed = GAIT.pose(moment(speed, phase, x=phase * stride))
        turn, ankle = posed.rotation[:, Bone.left_foot], posed.position[:, Bone.left_foot]
        heel = BONES.height[:, None] * [-0.036, 0.0, -0.046]
        heels.append(ankle + np.einsum("nij,nj->ni", turn, heel))
        balls.append(posed.position[:, Bone.left_toes])
    return np.array(heels), np.array(balls)


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.3, 1.7])
def test_feet_on_the_ground_stay_where_they_are(speed):
    heels, balls = walk(speed)
    flat = slice(13, 33)
    assert np.ptp(heels[flat], axis=0).max() < 0.012
    # The ball is what the foot turns about until it leaves the ground.
    assert np.ptp(balls[13 : int(100 * STANCE)], axis=0).max() < 0.035
    assert min(heels[..., 2].min(), balls[..., 2].min()) > -0.005


@pytest.mark.parametrize("speed", [0.9, 1.3, 1.7])
def test_feet_are_lifted_to_swing(speed):
    heels, balls = walk(speed)
    swing = slice(int(100 * STANCE) + 8, 92)
    assert heels[swing, :, 2].min() > 0.02
    assert balls[swing, :, 2].min() > 0.01


@pytest.mark.parametrize("speed", [0.9, 1.3, 1.7])
def test_knees_bend_as_knees_do(speed):
    knees = []
    for phase in np.arange(40) / 40:
        posed = GAIT.pose(moment(speed, phase))
        thigh, shin = -posed.rotation[:, Bone.left_thigh, :, 2], -posed.rotation[:, Bone.left_shin, :, 2]
        knees.append(np.degrees(np.arccos(np.clip((thigh * shin).sum(axis=1), -1, 1))))
        # Forwards, never backwards: the shin is behind the thigh.
        assert ((thigh - shin)[:, 0] > -0.01).all()
    assert np.max(knees) < 85
    assert np.max(knees, axis=0).min() > 35
    assert np.min(knees, axis=0).max() < 25


@settings(max_examples=40, deadline=None)
@given(speed=speeds, phase=phases, gaze=gazes)
def test_bones_keep_their_lengths(speed, phase, gaze):
    posed = GAIT.pose(moment(speed, phase, gaze))
    for chain in (*ARMS, *LEGS, (Bone.pelvis, Bone.spine, Bone.chest, Bone.neck, Bone.head)):
        for parent, child in pairwise(chain):
            rest = np.linalg.norm(BONES.rest[:, child] - BONES.rest[:, parent], axis=1)
            now = np.linalg.norm(posed.position[:, child] - posed.position[:, parent], axis=1)
            np.testing.assert_allclose(now, rest, atol=1e-9)
    identity = posed.rotation @ posed.rotation.swapaxes(-1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(speed=speeds, phase=phases, heading=st.floats(-7, 7), x=st.floats(-50, 50), y=st.floats(-50, 50))
def test_position_and_heading_move_the_whole_body(speed, phase, heading, x, y):
    at_home, away = GAIT.pose(moment(speed, phase)), GAIT.pose(moment(speed, phase, 0.0, heading, x, y))
    turn = np.array([[np.cos(heading), -np.sin(heading), 0], [np.sin(heading), np.cos(heading), 0], [0, 0, 1]])
    np.testing.assert_allclose(away.position, at_home.position @ turn.T + [x, y, 0], atol=1e-9)
    np.testing.assert_allclose(away.rotation, turn @ at_home.rotation, atol=1e-9)


@given(phase=phases)
@settings(max_examples=10, deadline=None)
def test_who_stands_stands_still(phase):
    one, other = GAIT.pose(moment(0.0, 0.0)), GAIT.pose(moment(0.0, phase))
    np.testing.assert_allclose(one.position, other.position, atol=1e-12)


def test_arms_swing_against_legs():
    free = np.array([person.hands == "free" and person.bag == "none" for person in PEOPLE])
    free &= np.array([not person.push_chair and not person.umbrella for person in PEOPLE])
    posed = GAIT.pose(moment(1.3, 0.0))
    arm = posed.position[:, Bone.left_hand, 0] - posed.position[:, Bone.right_hand, 0]
    leg = posed.position[:, Bone.left_foot, 0] - posed.position[:, Bone.right_foot, 0]
    assert (leg > 0.4).all()
    assert (arm[free] < -0.15).all()


def test_gaze_turns_the_head():
    posed = GAIT.pose(moment(1.0, 0.3, gaze=0.9))
    ahead = posed.rotation[:, Bone.head, :, 0]
    np.testing.assert_allclose(np.arctan2(ahead[:, 1], ahead[:, 0]), 0.9, atol=1e-9)


def test_phone_and_push_chair_are_held_before_the_body():
    for side, posed in ((1, GAIT.pose(moment(1.2, 0.1))), (1, GAIT.pose(moment(0.0, 0.0)))):
        hands = posed.position[:, [Bone.left_hand, Bone.right_hand], 0] * side
        pushes = np.array([person.push_chair for person in PEOPLE])
        phone = np.array([person.hands == "phone" and not person.umbrella for person in PEOPLE])
        assert pushes.any()
        assert phone.any()
        assert (hands[pushes] > 0.15).all()
        assert (hands[phone].max(axis=1) > 0.15).all()


def test_nobody_is_posed_as_nobody():
    nobody = np.zeros(0)
    posed = GAIT.pose(Motion(np.zeros(0, np.int32), np.zeros((0, 2)), nobody, nobody, nobody, nobody))
    assert posed.position.shape == (0, len(Bone), 3)
