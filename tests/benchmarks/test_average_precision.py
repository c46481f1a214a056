from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.average_precision import Outcome, at_confidence, average_precision, join, match
from benchmarks.detector_labels import Labels

NOBODY = np.zeros((0, 4))


def box(left: float, top: float = 0.0, width: float = 20.0, height: float = 60.0) -> list[float]:
    return [left, top, left + width, top + height]


def outcome_of(found: list[bool], people: int) -> Outcome:
    return Outcome(np.linspace(1, 0.1, len(found)), np.array(found, bool), people)


@pytest.mark.parametrize(
    ("found", "people", "expected"),
    [
        ([True, True], 2, 100.0),
        ([True, True], 4, 50.0),
        ([], 3, 0.0),
        ([False, False], 3, 0.0),
        # Precision 1, then 2/3: the first person at 1, the second at 2/3.
        ([True, False, True], 2, 100 * (1 + 2 / 3) / 2),
        # A precision that rises later counts for the recalls before it, too.
        ([False, True, True, True], 3, 75.0),
    ],
)
def test_area_under_the_curve(found: list[bool], people: int, expected: float) -> None:
    assert average_precision(outcome_of(found, people)) == pytest.approx(expected)


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 10))
def test_it_is_the_mean_over_people_of_the_best_precision_at_their_recall(found: list[bool], missed: int) -> None:
    people = sum(found) + missed
    if people == 0:
        assert np.isnan(average_precision(outcome_of(found, 0)))
        return
    precisions = [sum(found[: n + 1]) / (n + 1) for n in range(len(found))]
    recalls = [sum(found[: n + 1]) for n in range(len(found))]
    best = [
        max((p for p, r in zip(precisions, recalls, strict=True) if r >= wanted), default=0.0)
        for wanted in range(1, people + 1)
    ]
    assert average_precision(outcome_of(found, people)) == pytest.approx(100 * sum(best) / people)


def test_a_person_is_found_once_and_by_the_surest() -> None:
    truth = Labels(np.array([box(0), box(100)]), NOBODY)
    boxes = np.array([box(1), box(0), box(100, height=29), box(300)])
    outcome = match(boxes, np.array([0.5, 0.9, 0.8, 0.7]), truth)
    np.testing.assert_array_equal(outcome.scores, [0.9, 0.8, 0.7, 0.5])
    # The second box has the first person at first; the third overlaps the other by less than half.
    np.testing.assert_array_equal(outcome.found, [True, False, False, False])
    assert outcome.people == 2


def test_of_two_people_the_free_one_is_found() -> None:
    truth = Labels(np.array([box(0), box(6)]), NOBODY)
    outcome = match(np.array([box(2), box(2.5)]), np.array([0.9, 0.8]), truth)
    assert outcome.found.all()


def test_places_that_count_neither_way() -> None:
    truth = Labels(np.array([box(0), box(40, height=20)]), np.array([box(100), [200.0, 0, 400, 300]]))
    boxes = np.array([box(0), box(100), box(250), box(500), box(42, height=20), box(600, height=20)])
    outcome = match(boxes, np.linspace(0.9, 0.4, 6), truth, least=30)
    # The first is the person that counts; only the one at 500 is wrong.
    np.testing.assert_array_equal(outcome.found, [True, False])
    assert outcome.people == 1
    # A person is a person also where something unsure lies over them.
    over = Labels(truth.people[:1], np.array([box(0)]))
    assert match(boxes[:1], np.ones(1), over).found.tolist() == [True]


def test_frames_come_together_in_order_of_confidence() -> None:
    first = Outcome(np.array([0.9, 0.2]), np.array([True, False]), 1)
    second = Outcome(np.array([0.5]), np.array([True]), 2)
    whole = join([first, second])
    np.testing.assert_array_equal(whole.scores, [0.9, 0.5, 0.2])
    np.testing.assert_array_equal(whole.found, [True, True, False])
    assert whole.people == 3
    precision, recall = at_confidence(whole, 0.2)
    assert (precision, recall) == (pytest.approx(200 / 3), pytest.approx(200 / 3))
