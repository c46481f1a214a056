import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulation.geometry import clearance, corners, inside, segment_distance, thing_distance, through, walls
from app.simulation.world import Area, Door, Ground, Kind, Thing

AREA = Area("hall-1", Ground.hall, 0, 0, 10, 8, 4)
DOOR = Door("in", "hall-1", (0.0, 4.0), 0.0, 2.0)
place = st.tuples(st.floats(-2, 12), st.floats(-2, 10)).map(np.array)


@given(place, st.floats(-3, 3))
def test_distance_to_a_box_is_that_to_its_outline(point, yaw):
    box = Thing(Kind.kiosk, "hall-1", (5, 4), 2.0, 1.0, 2.5, yaw)
    turning = corners(box)
    edges = zip(turning, np.roll(turning, -1, axis=0), strict=True)
    nearest = min(float(segment_distance(point, start, end)) for start, end in edges)
    assert abs(abs(float(thing_distance(point, box))) - nearest) < 1e-6


def test_inside_a_thing_is_negative():
    box = Thing(Kind.bench, "hall-1", (5, 4), 2.0, 1.0, 0.5, 0.3)
    pillar = Thing(Kind.pillar, "hall-1", (5, 4), 0.6, 0.6, 4)
    middle = np.array([5.0, 4.0])
    assert thing_distance(middle, box) == pytest.approx(-0.5)
    assert thing_distance(middle, pillar) == pytest.approx(-0.3)
    assert thing_distance(np.array([6.0, 4.0]), pillar) == pytest.approx(0.7)


def test_a_door_opens_the_wall_and_its_passage_is_free():
    points = np.array([[-0.5, 4.0], [-0.5, 6.0], [5.0, 4.0], [0.2, 7.0], [1.0, 4.0]])
    free = clearance(points, AREA, [], [DOOR])
    np.testing.assert_allclose(free, [1.0, -0.5, 4.0, 0.2, np.sqrt(2)])
    assert clearance(points, AREA, [], [])[0] == pytest.approx(-0.5)


def test_walls_leave_out_the_doors():
    lengths = [np.linalg.norm(end - start) for start, end in walls(AREA, [])]
    assert sum(lengths) == pytest.approx(36)
    lengths = [np.linalg.norm(end - start) for start, end in walls(AREA, [DOOR])]
    assert len(lengths) == 7
    assert sum(lengths) == pytest.approx(34 + 2 * 2.5)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_door_sees_ahead_and_left(ahead, left):
    door = Door("d", "hall-1", (4.0, 8.0), -np.pi / 2, 1.5)
    seen = through(np.array([4.0 + left, 8.0 - ahead]), door)
    np.testing.assert_allclose(seen, (ahead, left), atol=1e-9)


def test_inside_counts_the_edge_in():
    points = np.array([[0.0, 0.0], [10.0, 8.0], [5, 4], [-0.01, 4]])
    assert inside(points, AREA).tolist() == [True, True, True, False]
    assert inside(points, AREA, 0.5).tolist() == [False, False, True, False]
