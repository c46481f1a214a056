"""Lists of pairs against matrices of all pairs: the same to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tracking_speed import FPS, crowd
from tests.trackers.plain import PlainTracker, plain_contested, plain_touching
from trackers import Tracker, TrackerConfig, gates
from trackers.crops import contested
from trackers.pairs import Pairs, touching

place, side = st.floats(-100, 2000), st.one_of(st.floats(0.1, 30), st.floats(1, 3000))
boxes = st.lists(
    st.tuples(place, place, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])), max_size=12
).map(lambda rows: np.array(rows, float).reshape(-1, 4))


def assert_same(found: Pairs, expected: Pairs) -> None:
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    assert found.values.tobytes() == expected.values.tobytes()


@given(boxes, boxes)
def test_touching_finds_what_looking_at_every_pair_does(first, second):
    assert_same(touching(first, second), plain_touching(first, second))
    overlap = gates.iou(first, second)
    assert_same(gates.overlapping(first, second), Pairs.of(overlap, overlap > 0))


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 2**32 - 1), st.sampled_from([(900, 90), (90, 900)]))
def test_touching_in_crowds_along_either_side(count, others, seed, size):
    random = np.random.default_rng(seed)
    # Whole numbers: many boxes begin where others end, and touch in no area.
    first, second = (random.integers(0, size, (many, 2)).astype(float) for many in (count, others))
    first, second = (
        np.concatenate([each, each + random.integers(1, 40, each.shape)], axis=1) for each in (first, second)
    )
    assert_same(touching(first, second), plain_touching(first, second))


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_contested_boxes_are_those_of_the_matrix(tracks, count, seed, margin):
    random = np.random.default_rng(seed)
    cost, allowed = random.uniform(0, 1, (tracks, count)).round(1), random.uniform(size=(tracks, count)) < 0.6
    found = contested(Pairs.of(cost, allowed), count, 0.9, margin)
    assert found.tolist() == plain_contested(cost, allowed, 0.9, margin).tolist()


@pytest.mark.parametrize(("crops", "frames"), [(0, 40), (8, 40), (1000, 15)])
@pytest.mark.parametrize("overlap", [0.85, 0.3])
def test_a_crowd_is_followed_as_with_matrices(crops: int, frames: int, overlap: float) -> None:
    config = TrackerConfig(crops_per_frame=crops, duplicate_overlap=overlap)
    given_ = crowd(80, frames, seed=3)
    random, vectors = np.random.default_rng(0), given_.vectors()
    # Some people are faint, and some are boxed twice.
    dense = replace(given_.boxes, scores=random.uniform(0.12, 0.95, len(given_.boxes.scores)).astype(np.float32))
    dense.xyxy[::9] = dense.xyxy[1::9][: len(dense.xyxy[::9])] + 3
    trackers = [Tracker(config), PlainTracker(config)]
    followed = 0
    for frame in range(1, frames + 1):
        first = int(np.searchsorted(dense.frames, frame))
        wanted = [each.observe(dense.of(frame), frame / FPS, frame) for each in trackers]
        assert wanted[0].tolist() == wanted[1].tolist()
        features = given_.features(vectors, first + wanted[0]) if len(wanted[0]) else None
        fast, plain = (each.update(features) for each in trackers)
        assert fast.tracker_id.tolist() == plain.tracker_id.tolist()
        assert fast.xyxy.tobytes() == plain.xyxy.tobytes()
        followed += len(fast)
    assert followed > 10 * frames
    ended = [each.flush() for each in trackers]
    assert [each.track_id for each in ended[0]] == [each.track_id for each in ended[1]]
    assert all(one.boxes.tobytes() == other.boxes.tobytes() for one, other in zip(*ended, strict=True))
