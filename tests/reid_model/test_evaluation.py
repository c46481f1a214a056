from __future__ import annotations

import numpy as np
import pytest

from reid_model.evaluation import score


def test_a_case_worked_by_hand() -> None:
    # The query is person 1 of camera 1. Row 0 of the gallery is the query's own camera and does not count, row 3 is
    # junk. What remains, by distance: a distractor, person 1, person 2, person 1. Hits at ranks 2 and 4.
    distance = np.array([[0.0, 0.3, 0.5, 0.1, 0.2, 0.4]], np.float32)
    identities, cameras = np.array([1, 1, 1, -1, 0, 2]), np.array([1, 2, 3, 2, 2, 2])
    scores = score(distance, np.array([1]), np.array([1]), identities, cameras)
    assert (scores.r1, scores.r5) == (0, 100)
    assert scores.m_ap == pytest.approx(100 * (1 / 2 + 2 / 4) / 2)
    assert scores.m_inp == pytest.approx(100 * 2 / 4)


def test_queries_without_a_positive_are_left_out() -> None:
    distance = np.array([[0.1, 0.2], [0.1, 0.2]], np.float32)
    scores = score(distance, np.array([1, 9]), np.array([1, 1]), np.array([1, 2]), np.array([2, 2]))
    assert scores.queries == 1
    assert scores.r1 == 100


def test_equal_distances_keep_gallery_order() -> None:
    distance = np.zeros((1, 3), np.float32)
    first = score(distance, np.array([1]), np.array([1]), np.array([1, 2, 3]), np.array([2, 2, 2]))
    last = score(distance, np.array([1]), np.array([1]), np.array([3, 2, 1]), np.array([2, 2, 2]))
    assert (first.r1, last.r1) == (100, 0)


def test_short_gallery_is_no_error_and_no_positive_at_all_is() -> None:
    one = score(np.zeros((1, 1), np.float32), np.array([1]), np.array([1]), np.array([1]), np.array([2]))
    assert one.r10 == 100
    with pytest.raises(ValueError, match="no query has a positive"):
        score(np.zeros((1, 1), np.float32), np.array([1]), np.array([1]), np.array([2]), np.array([2]))
