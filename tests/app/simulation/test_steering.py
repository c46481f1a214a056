import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation.navigation import CELL
from app.simulation.steering import choose, separate

ORIGIN = np.zeros((1, 2))
OPEN = np.full((1, 160, 160), 9.0)
"""A map of 20 × 20 metres without anything in it."""

WALLED = np.broadcast_to(np.abs((np.arange(160) + 0.5) * CELL - 10), (1, 160, 160)).copy()
"""The same with a wall at x = 10."""


def decide(position, velocity, wanted, maps=OPEN, group=None, resting=None):
    position, velocity, wanted = (np.array(values, float) for values in (position, velocity, wanted))
    count = len(position)
    chosen = np.full((count, 2), np.nan)
    choose(
        np.arange(count),
        position,
        velocity,
        wanted,
        np.full(count, 0.25),
        np.zeros(count, np.int64),
        np.arange(count) if group is None else np.array(group),
        np.zeros(count, bool) if resting is None else np.array(resting),
        np.ones(count),
        maps,
        ORIGIN,
        chosen,
    )
    return chosen


def test_alone_people_walk_as_they_want():
    np.testing.assert_allclose(decide([[5, 5]], [[1.2, 0]], [[1.2, 0]]), [[1.2, 0]])


def test_who_wants_nothing_stands():
    np.testing.assert_allclose(decide([[5, 5]], [[0.5, 0]], [[0, 0]]), [[0, 0]])


def test_two_who_meet_head_on_pass_one_another_on_the_right():
    position = np.array([[3.0, 10], [9.0, 10]])
    velocity = np.array([[1.2, 0], [-1.2, 0]])
    wanted, nearest = velocity.copy(), 9.0
    for _ in range(60):
        velocity += 0.3 * (decide(position, velocity, wanted) - velocity)
        position += 0.1 * velocity
        nearest = min(nearest, float(np.linalg.norm(position[0] - position[1])))
    assert position[0, 0] > position[1, 0] + 2
    assert nearest > 0.5
    assert position[0, 1] < position[1, 1]


def test_who_comes_upon_somebody_standing_goes_around():
    chosen = decide([[5, 5], [6.5, 5]], [[1.2, 0], [0, 0]], [[1.2, 0], [0, 0]], resting=[False, True])
    assert abs(chosen[0, 1]) > 0.15
    np.testing.assert_allclose(chosen[1], 0)


def test_companions_side_by_side_do_not_part():
    chosen = decide([[5, 5], [5, 5.6]], [[1.2, 0], [1.2, 0]], [[1.2, 0.1], [1.2, -0.1]], group=[0, 0])
    np.testing.assert_allclose(chosen[:, 0], 1.2, atol=0.15)


def test_nobody_walks_into_a_wall():
    chosen = decide([[9.5, 5]], [[1.2, 0]], [[1.2, 0.4]], maps=WALLED)
    assert chosen[0, 0] * 0.45 < 0.25
    assert chosen[0, 1] > 0


@settings(max_examples=30)
@given(st.floats(0.01, 0.6), st.floats(0, 6.28))
def test_those_who_overlap_are_moved_apart(apart, turn):
    middle, half = np.array([5.0, 5.0]), apart / 2 * np.array([np.cos(turn), np.sin(turn)])
    position = np.array([middle - half, middle + half])
    radius, area = np.array([0.25, 0.35]), np.zeros(2, np.int64)
    for _ in range(60):
        separate(position, radius, area, np.array([1.0, 3.0]), OPEN, ORIGIN, 0.05)
    assert np.linalg.norm(position[0] - position[1]) > 0.595
    # Who stands firm moves less.
    assert np.linalg.norm(position[0] - middle + half) >= np.linalg.norm(position[1] - middle - half) - 1e-9


def test_who_is_in_a_wall_is_moved_out():
    position = np.array([[9.9, 5.0], [10.2, 8.0]])
    separate(position, np.full(2, 0.3), np.zeros(2, np.int64), np.ones(2), WALLED, ORIGIN, 0.01)
    np.testing.assert_allclose(position, [[9.7, 5], [10.3, 8]], atol=0.02)
