from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.rows as rows_module
from app.association import CameraTracklet, Identity
from app.rows import bridged_rows, identity_rows, steadied
from trackers import Tracklet

RATE = 10.0


def tracklet(number: int, frames: list[int]) -> Tracklet:
    """Somebody who walks one pixel to the right with every frame."""
    index = np.array(frames, np.int64)
    boxes = np.stack([index, index * 0, index + 10, index * 0 + 20], axis=1).astype(np.float32)
    empty = np.zeros(0, np.int64)
    return Tracklet(
        number, index, index / RATE, boxes, np.full(len(index), 0.5, np.float32), None, empty, empty * 1.0,
        np.zeros((0, 4), np.float32), (),
    )  # fmt: skip


def people(*tracklets: list[list[int]]) -> list[Identity]:
    """One identity for each list of tracklets, given by their frames."""
    numbers = iter(range(1, 100))
    return [
        Identity(
            i, "unknown", tuple(CameraTracklet("a", tracklet(next(numbers), frames)) for frames in each), (), None, ""
        )
        for i, each in enumerate(tracklets, 1)
    ]


def test_rows_are_what_was_seen_in_order() -> None:
    rows = identity_rows(people([[0, 1, 4]], [[1, 2]]), "a")
    assert list(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True)) == [(1, 1), (2, 1), (2, 2), (3, 2), (5, 1)]
    assert len(identity_rows(people([[0]]), "b")) == len(identity_rows([], "a")) == 0


def test_short_gaps_are_bridged_on_a_straight_line_and_long_ones_stay_open() -> None:
    rows = bridged_rows(people([[0, 4, 5, 30]]), "a", longest=0.5)
    assert rows.frames.tolist() == [1, 2, 3, 4, 5, 6, 31]
    np.testing.assert_allclose(rows.boxes[:, 0], rows.frames - 1, atol=1e-4)
    assert (rows.scores == 0).tolist() == [False, True, True, True, False, False, False]


def test_a_gap_filled_by_another_tracklet_of_the_person_is_not_drawn_twice() -> None:
    rows = bridged_rows(people([[0, 4], [2]]), "a", longest=1.0)
    assert rows.frames.tolist() == [1, 2, 3, 4, 5]
    assert rows.scores[2] == 0.5


def test_of_two_tracklets_of_a_person_in_a_frame_the_longer_one_counts() -> None:
    short, long = tracklet(1, [0, 1, 2]), tracklet(2, [2, 3, 4, 5])
    long.boxes[:, 0] += 100
    person = Identity(1, "linked", (CameraTracklet("a", short), CameraTracklet("a", long)), (), None, "")
    for rows in (identity_rows([person], "a"), bridged_rows([person], "a", 1.0)):
        assert rows.frames.tolist() == [1, 2, 3, 4, 5, 6]
        assert (rows.boxes[:, 0] >= 100).tolist() == [False, False, True, True, True, True]


def test_an_unsure_box_leans_on_the_sure_ones_around_it_and_a_sure_one_stays() -> None:
    walker = tracklet(1, list(range(30)))
    walker.scores[:] = 0.95
    walker.scores[15], walker.scores[20] = 0.2, 1.0
    walker.boxes[15, 3] = 8  # half of them is hidden
    walker.boxes[20, 3] = 24
    found = steadied(walker)
    assert 17 < found.boxes[15, 3] < 20.5
    assert found.boxes[20, 3] == 24
    others = np.setdiff1d(np.arange(30), [15, 20])
    np.testing.assert_allclose(found.boxes[others], walker.boxes[others], atol=0.15)
    np.testing.assert_allclose(
        found.boxes[:, 0], np.arange(30), atol=1e-3, err_msg="who walks evenly is where they were"
    )


def test_a_long_tracklet_is_steadied_in_parts_as_it_would_be_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walker, random = tracklet(1, list(range(900))), np.random.default_rng(0)
    walker.scores[:] = random.random(900)
    walker.boxes[:, 3] += random.normal(size=900).astype(np.float32)
    parts = steadied(walker)
    monkeypatch.setattr(rows_module, "STEADY_PART", 900)
    monkeypatch.setattr(rows_module, "STEADY_REACH", 1e9)
    np.testing.assert_allclose(parts.boxes, steadied(walker).boxes, atol=1e-3)


@given(st.lists(st.integers(0, 60), min_size=1, unique=True).map(sorted), st.integers(0, 100))
def test_steadied_boxes_stay_among_boxes(frames: list[int], seed: int) -> None:
    walker = tracklet(1, frames)
    random = np.random.default_rng(seed)
    walker.scores[:] = random.random(len(frames))
    found = steadied(walker)
    np.testing.assert_allclose(found.boxes[:, 0], walker.boxes[:, 0], atol=1e-2)
    np.testing.assert_allclose(found.boxes[:, 1:4:2], walker.boxes[:, 1:4:2], atol=1e-3)
    assert (found.boxes >= walker.boxes.min(axis=0) - 1e-3).all(), "inside the picture, as what was seen is"
    assert (found.boxes <= walker.boxes.max(axis=0) + 1e-3).all()
    assert (found.frames == walker.frames).all()


@given(
    st.lists(st.lists(st.lists(st.integers(0, 40), min_size=1, unique=True).map(sorted), max_size=3), max_size=3),
    st.sampled_from([0.0, 0.3, 10.0]),
)
def test_bridging_keeps_what_was_seen_and_shows_nobody_twice(frames: list[list[list[int]]], longest: float) -> None:
    seen = [[each] for person in frames for each in person]
    rows, bridged = identity_rows(people(*seen), "a"), bridged_rows(people(*seen), "a", longest)
    pairs = list(zip(bridged.frames.tolist(), bridged.ids.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True)) <= set(pairs)
    assert pairs == sorted(pairs)
    np.testing.assert_allclose(bridged.boxes[:, 0], bridged.frames - 1, atol=1e-3)
