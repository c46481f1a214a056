import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trackers.people import Wardrobe, boxes_at
from trackers.links import Refind
from trackers.purity import parted, taken_apart
from trackers.tracklet import Tracklet


def tracklet(who, views, frames=None, scores=None):
    """One box a frame; `who` is seen in the views, which are at the frames `views`."""
    frames = np.arange(max(views) + 1 if views else 1) if frames is None else np.array(frames)
    count = len(views)
    return Tracklet(
        track_id=7,
        frames=frames.astype(np.int64),
        times=frames / 10,
        boxes=boxes_at(100 + frames).astype(np.float32),
        scores=np.full(len(frames), 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        exemplars=Wardrobe(4).crops(who) if count else None,
        exemplar_frames=np.array(views, np.int64),
        exemplar_times=np.array(views) / 10,
        exemplar_boxes=boxes_at(100 + np.array(views)).astype(np.float32),
        exemplar_crops=tuple(np.full((2, 2, 3), view % 256, np.uint8) for view in views),
    )


def test_one_person_stays_one_tracklet():
    whole = tracklet([0, 0, 0, 0], [0, 5, 9, 20])
    (same,) = taken_apart(whole, 0.5)
    assert same is whole


def test_without_views_nothing_is_known():
    whole = tracklet([], [])
    assert taken_apart(whole, 0.0) == [whole]


def test_two_people_are_cut_where_the_detector_was_least_sure():
    scores = np.full(31, 0.9)
    scores[[3, 14, 28]] = 0.2, 0.3, 0.2
    first, second = taken_apart(tracklet([0, 0, 1, 1], [0, 10, 20, 30], scores=scores), 0.5)
    assert (first.frames[-1], second.frames[0]) == (14, 15)
    assert first.exemplar_frames.tolist() == [0, 10]
    assert [int(crop[0, 0, 0]) for crop in second.exemplar_crops] == [20, 30]
    assert len(first.exemplars) == len(second.exemplars) == 2


def test_a_gap_says_more_than_a_low_score():
    frames = [*range(13), *range(18, 31)]
    scores = np.full(len(frames), 0.9)
    scores[11] = 0.2
    first, second = taken_apart(tracklet([0, 0, 1, 1], [0, 10, 20, 30], frames, scores), 0.5)
    assert (first.frames[-1], second.frames[0]) == (12, 18)


def test_where_it_is_cut_does_not_hang_on_how_frames_are_numbered():
    """A live camera numbers its frames by milliseconds, and its steps are not quite even."""
    frames = 100 * np.arange(31) + np.random.default_rng(0).integers(0, 20, 31)
    scores = np.full(31, 0.9)
    scores[14] = 0.3
    views = frames[[0, 10, 20, 30]].tolist()
    first, second = taken_apart(tracklet([0, 0, 1, 1], views, frames, scores), 0.5)
    assert (first.frames[-1], second.frames[0]) == (frames[14], frames[15])
    there = np.delete(np.arange(31), np.arange(16, 19))
    first, second = taken_apart(tracklet([0, 0, 1, 1], views, frames[there], scores[there]), 0.5)
    assert (first.frames[-1], second.frames[0]) == (frames[15], frames[19])


def test_three_people_are_three_and_one_who_comes_back_is_not_forgotten():
    parts = taken_apart(tracklet([0, 0, 1, 1, 2, 2], [0, 10, 20, 30, 40, 50]), 0.5)
    assert [part.exemplar_frames.tolist() for part in parts] == [[0, 10], [20, 30], [40, 50]]
    parts = taken_apart(tracklet([0, 0, 1, 1, 0, 0], [0, 10, 20, 30, 40, 50]), 0.4)
    assert [part.exemplar_frames.tolist() for part in parts] == [[0, 10], [20, 30], [40, 50]]


@pytest.mark.parametrize("views", [[0, 40], [30, 50]])
def test_a_view_outside_the_boxes_kept_cuts_nothing_off_that_is_not_there(views):
    parts = taken_apart(tracklet([0, 1], views, frames=range(40, 50)), 0.5)
    assert sum(len(part) for part in parts) == 10
    assert all(len(part) for part in parts)


@given(
    who=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    steps=st.lists(st.integers(1, 9), min_size=6, max_size=6),
    far=st.sampled_from([0.0, 0.3, 0.6, 3.0]),
    seed=st.integers(0, 99),
)
def test_nothing_is_lost_and_order_stays(who, steps, far, seed):
    views = np.cumsum(steps)[: len(who)].tolist()
    random = np.random.default_rng(seed)
    frames = np.flatnonzero(random.random(views[-1] + 3) < 0.8)
    frames = np.union1d(frames, views)
    whole = tracklet(who, views, frames, random.random(len(frames)))
    parts = taken_apart(whole, far)
    assert np.concatenate([part.frames for part in parts]).tolist() == whole.frames.tolist()
    assert np.concatenate([part.exemplar_frames for part in parts]).tolist() == whole.exemplar_frames.tolist()
    for part in parts:
        assert set(part.exemplar_frames.tolist()) <= set(part.frames.tolist())
        assert len(part.exemplars) == len(part.exemplar_frames) == len(part.exemplar_crops) > 0
    if far == 3.0:
        assert parts == [whole]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(5, 30), st.data())
def test_a_track_is_parted_where_nobody_was_seen(steps, gap, data):
    frames = np.cumsum([0, *steps])
    seen = data.draw(st.lists(st.sampled_from(frames.tolist()), unique=True, max_size=6).map(sorted))
    sure, refinds = np.linspace(1, 0, len(frames)), [Refind(frame, frame / 10, 1.0) for frame in frames[1:].tolist()]
    whole = replace(tracklet([0] * len(seen), seen, frames), sure=sure.astype(np.float32), refinds=tuple(refinds))
    parts = parted(whole, gap / 10 + 0.05)
    assert np.concatenate([part.frames for part in parts]).tolist() == frames.tolist()
    assert np.concatenate([part.exemplar_frames for part in parts]).tolist() == seen
    for part in parts:
        assert len(part.boxes) == len(part.times) == len(part.scores) == len(part)
        assert (np.diff(part.times) <= gap / 10 + 0.05).all()
        assert len(part.exemplar_frames) == len(part.exemplar_crops) == len(part.exemplar_boxes)
        assert part.sure.tolist() == [1.0, *whole.sure[np.isin(frames, part.frames[1:])].tolist()]
        assert [refind.frame for refind in part.refinds] == part.frames[1:].tolist()
        assert (part.exemplars is None) == (not len(part.exemplar_frames))
        if part.exemplars is not None:
            assert len(part.exemplars) == len(part.exemplar_frames)
            assert part.frames[0] <= part.exemplar_frames[0] <= part.exemplar_frames[-1] <= part.frames[-1]
    for one, two in itertools.pairwise(parts):
        assert two.times[0] - one.times[-1] > gap / 10 + 0.05
    if len(parts) == 1:
        assert parts[0] is whole
