from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model import evaluation
from reid_model.evaluation import IntArray, score, true_accept_rates
from reid_model.features import FloatArray

Labels = tuple[IntArray, IntArray, IntArray, IntArray]


def plain_scores(distance: FloatArray, labels: Labels) -> dict[str, float]:
    """The protocol one query at a time, as its definition reads."""
    query_identities, query_cameras, gallery_identities, gallery_cameras = labels
    firsts, precisions, penalties, genuine, impostors = [], [], [], [], []
    for row, person, camera in zip(distance, query_identities, query_cameras, strict=True):
        same = gallery_identities == person
        kept = (gallery_identities != -1) & ~(same & (gallery_cameras == camera))
        genuine += list(row[kept & same])
        impostors += list(row[kept & ~same])
        hits = same[kept][np.argsort(row[kept], kind="stable")]
        ranks = np.flatnonzero(hits) + 1
        if len(ranks):
            firsts.append(ranks[0])
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
            penalties.append(len(ranks) / ranks[-1])
    first = np.array(firsts)
    scores = {f"R{k}": float((first <= k).mean()) for k in (1, 5, 10)}
    scores |= {"mAP": float(np.mean(precisions)), "mINP": float(np.mean(penalties))}
    for name, one_in in (("TAR@1e-2", 100), ("TAR@1e-3", 1000)):
        thresholds = sorted(
            t for t in {*genuine, *impostors} if sum(d <= t for d in impostors) * one_in <= len(impostors)
        )
        scores[name] = float(np.mean([d <= thresholds[-1] for d in genuine])) if thresholds else 0.0
    return {name: 100 * value for name, value in scores.items()} | {"queries": len(first)}


@st.composite
def problems(draw: st.DrawFn) -> tuple[FloatArray, Labels]:
    queries, gallery, people = draw(st.integers(1, 12)), draw(st.integers(1, 60)), draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    # Few different values, so that many are equal; and some below 0, as rounding makes them.
    distance = (random.integers(-2, draw(st.sampled_from([3, 400])), (queries, gallery)) / 200).astype(np.float32)
    distance[distance == 0] *= random.choice([-1, 1], (distance == 0).sum())
    labels = (
        random.integers(1, people + 1, queries),
        random.integers(1, 4, queries),
        random.integers(-1, people + 1, gallery),
        random.integers(1, 4, gallery),
    )
    return distance, labels


@given(problem=problems(), block=st.sampled_from([1, 100, 1 << 22]))
def test_blocks_of_queries_equal_the_protocol_read_out(problem: tuple[FloatArray, Labels], block: int) -> None:
    distance, labels = problem
    positive = (labels[0][:, None] == labels[2]) & (labels[1][:, None] != labels[3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "BLOCK", block)
        if not positive.any():
            with pytest.raises(ValueError, match="no query has a positive"):
                score(distance, *labels)
            return
        scores = score(distance, *labels).as_dict()
    assert scores == pytest.approx(plain_scores(distance, labels))


def test_accept_rates_worked_by_hand() -> None:
    impostors = np.arange(100, 1100, dtype=np.float32)  # 1,000 of them: 10 may be accepted, or 1
    genuine = np.array([50, 100.5, 101, 109.5, 110, 111], np.float32)
    assert true_accept_rates(genuine, impostors) == pytest.approx((100 * 4 / 6, 100 * 2 / 6))


def test_equal_impostors_are_accepted_by_none() -> None:
    # Two of 100 share the nearest distance: accepting the one allowed would accept both.
    impostors = np.array([1, 1] + [2] * 98, np.float32)
    assert true_accept_rates(np.array([0.5, 1], np.float32), impostors) == (50, 50)


def test_labels_of_another_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(1, 2\)"):
        score(np.zeros((1, 3), np.float32), np.array([1]), np.array([1]), np.array([1, 2]), np.array([2, 2]))


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
