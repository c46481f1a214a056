import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.config import TrackerConfig
from trackers.motion import Motion, MotionModel, to_centre, to_corners

MODEL = MotionModel(TrackerConfig())
FIELDS = ("position", "velocity", "pp", "pv", "vv", "scale")

seconds = st.floats(1e-3, 30)


def walking(speed=50.0):
    motion = MODEL.start(np.array([[0.0, 0, 40, 100], [300, 50, 420, 350]]), np.ones(2))
    motion.velocity[:, 0] = speed
    return motion


def flat(motion: Motion):
    return np.concatenate([getattr(motion, name).ravel() for name in FIELDS])


@given(seconds, seconds)
def test_two_predictions_are_one(first, second):
    twice = MODEL.predict(MODEL.predict(walking(), first), second)
    once = MODEL.predict(walking(), first + second)
    np.testing.assert_allclose(flat(twice), flat(once), rtol=1e-7, atol=1e-7)


@given(st.lists(st.tuples(seconds, st.floats(-200, 200), st.floats(0, 1)), min_size=1, max_size=20))
def test_covariance_stays_positive_definite(steps):
    motion = walking()
    for dt, shift, score in steps:
        motion = MODEL.predict(motion, dt)
        seen = np.array([[0.0, 0, 40, 100], [300, 50, 420, 350]]) + shift
        motion = MODEL.correct(motion, seen, np.full(2, score))
    assert np.isfinite(flat(motion)).all()
    assert (motion.pp > 0).all()
    assert (motion.pp * motion.vv - motion.pv**2 > 0).all()


def test_matches_a_textbook_filter_with_full_matrices():
    config, dt = TrackerConfig(), 0.2
    box, seen = np.array([[10.0, 20, 50, 120]]), np.array([[16.0, 22, 58, 126]])
    motion = MODEL.correct(MODEL.predict(MODEL.start(box, np.array([0.8])), dt), seen, np.array([0.6]))
    for axis, (spread, memory) in enumerate([(config.speed_spread, config.speed_memory)] * 2):
        noise = (config.box_noise * 100 * (1 + config.score_noise * np.array([0.2, 0.4]))) ** 2
        # The process noise by brute force: the integral of Φ(t) G Gᵀ Φ(t)ᵀ over the step.
        times = (np.arange(20000) + 0.5) * dt / 20000
        reach = np.stack([memory * (1 - np.exp(-times / memory)), np.exp(-times / memory)])
        power = 2 * (spread * 100) ** 2 / memory
        q = power * (reach[:, None] * reach[None]).sum(axis=2) * dt / 20000
        q[0, 0] += (config.jitter * 100) ** 2 * dt
        f = np.array([[1, memory * (1 - np.exp(-dt / memory))], [0, np.exp(-dt / memory)]])
        x, p = np.array([to_centre(box)[0, axis], 0]), np.diag([noise[0], (spread * 100) ** 2])
        x, p = f @ x, f @ p @ f.T + q
        h = np.array([1.0, 0])
        gain = p @ h / (h @ p @ h + noise[1])
        x, p = x + gain * (to_centre(seen)[0, axis] - x[0]), (np.eye(2) - np.outer(gain, h)) @ p
        ours = [motion.position, motion.velocity, motion.pp, motion.pv, motion.vv]
        expected = [x[0], x[1], p[0, 0], p[0, 1], p[1, 1]]
        np.testing.assert_allclose([each[0, axis] for each in ours], expected, rtol=1e-6)


@pytest.mark.parametrize("fps", [2, 10, 60])
def test_learns_a_walk_at_any_frame_rate(fps):
    start, speed = np.array([[0.0, 0, 40, 100]]), 80.0
    motion = MODEL.start(start, np.ones(1))
    for frame in range(1, 4 * fps + 1):
        shift = np.array([speed * frame / fps, 0] * 2)
        motion = MODEL.correct(MODEL.predict(motion, 1 / fps), start + shift, np.ones(1))
    assert motion.velocity[0, 0] == pytest.approx(speed, rel=0.2)
    assert abs(motion.velocity[0, 1]) < 1


def test_an_unseen_walker_slows_down_and_stops():
    config = TrackerConfig()
    far = MODEL.predict(walking(50.0), 1000.0)
    assert far.position[0, 0] == pytest.approx(20 + 50 * config.speed_memory)
    assert abs(far.velocity).max() < 1e-6


def test_noise_scales_with_height():
    small = MODEL.predict(MODEL.start(np.array([[0.0, 0, 20, 50]]), np.ones(1)), 0.5)
    large = MODEL.predict(MODEL.start(np.array([[0.0, 0, 60, 150]]), np.ones(1)), 0.5)
    np.testing.assert_allclose(MODEL.spread(large), 3 * MODEL.spread(small))


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 2, *[st.floats(1, 1e4)] * 2), max_size=5))
def test_corners_and_centres_are_inverse(rows):
    centres = np.array(rows, float).reshape(-1, 4)
    np.testing.assert_allclose(to_centre(to_corners(centres)), centres, atol=1e-8)
