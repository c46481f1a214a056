import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers import gates

corner = st.integers(0, 12)
box = st.tuples(corner, corner, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
boxes = st.lists(box, max_size=5).map(lambda rows: np.array(rows, float).reshape(-1, 4))


def pixels(one):
    """The unit squares of a box with whole corners: overlap by counting."""
    x1, y1, x2, y2 = (int(v) for v in one)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


@given(boxes, boxes)
def test_iou_counts_pixels(first, second):
    expected = [[len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b)) for b in second] for a in first]
    np.testing.assert_allclose(gates.iou(first, second), np.reshape(expected, (len(first), len(second))))


@given(boxes, boxes)
def test_paired_iou_is_that_of_each_pair(first, second):
    count = min(len(first), len(second))
    paired = gates.paired_iou(first[:count], second[:count])
    np.testing.assert_allclose(paired, np.diag(gates.iou(first[:count], second[:count])))


@given(boxes, boxes)
def test_inside_counts_pixels_of_the_box_that_holds_most(first, second):
    expected = [max((len(pixels(a) & pixels(b)) / len(pixels(a)) for b in second), default=0.0) for a in first]
    np.testing.assert_allclose(gates.inside(first, second), expected)


@given(boxes)
def test_covered_counts_pixels_of_the_box_in_front(these):
    expected = [
        max((len(pixels(a) & pixels(b)) / len(pixels(a)) for b in these if b[3] > a[3]), default=0.0) for a in these
    ]
    overlap, covered = gates.crowd(these, np.ones(len(these), bool))
    np.testing.assert_allclose(covered, expected)
    expected = gates.iou(these, these)
    assert list(zip(overlap.rows, overlap.columns, strict=True)) == list(zip(*np.nonzero(expected), strict=True))
    np.testing.assert_allclose(overlap.values, expected[expected > 0])


def test_the_person_behind_is_covered_and_the_one_in_front_is_not():
    behind, front = [0.0, 0, 10, 20], [5.0, 5, 15, 30]
    boxes = np.array([behind, front])
    np.testing.assert_allclose(gates.crowd(boxes, np.array([True, True]))[1], [0.375, 0])
    np.testing.assert_allclose(gates.crowd(boxes, np.array([True, False]))[1], [0, 0])


def test_deviation_is_in_standard_deviations():
    position, spread = np.tile([10.0, 20, 4, 8], (2, 1)), np.tile([1.0, 2, 1, 2], (2, 1))
    # One off by 3 deviations in x; one by 1 in y and 1 in height.
    seen = np.array([[11.0, 16, 15, 24], [8, 17, 12, 27]])
    np.testing.assert_allclose(gates.deviation(position, spread, seen), [3, np.sqrt(2)])


@pytest.mark.parametrize(
    ("elapsed", "x", "height", "expected"),
    [
        (0.0, 90, 100, True),  # within a height
        (0.0, 110, 100, False),  # no time to walk there
        (1.0, 190, 100, True),  # a second's walk
        (1.0, 90, 200, False),  # twice as tall already
        (5.0, 90, 200, True),  # came nearer meanwhile
    ],
)
def test_reach_grows_with_time(elapsed, x, height, expected):
    position, scale = np.array([[0.0, 0, 40, 100]]), np.array([[100.0]])
    there = np.array([[x - 20.0, -height / 2, x + 20.0, height / 2]])
    assert gates.reachable(position, scale, np.array([elapsed]), 1.0, there)[0, 0] == expected


def test_nothing_meets_nothing():
    none = np.zeros((0, 4))
    assert gates.iou(none, none).shape == (0, 0)
    assert gates.iou(none, np.zeros((3, 4))).shape == (0, 3)
    overlap, covered = gates.crowd(none, np.zeros(0, bool))
    assert len(overlap) == 0
    assert covered.shape == (0,)
    assert gates.deviation(none, none, none).shape == (0,)
