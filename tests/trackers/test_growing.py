"""Tracks as they are by now: given again and again, without a trace in what comes out in the end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.features import Features
from tests.trackers.people import boxes_at, detections, step
from trackers import Tracker, TrackerConfig
from trackers.tracklet import Book

FIELDS = ("frames", "times", "boxes", "scores", "exemplar_frames", "exemplar_times", "exemplar_boxes")


def looks(count, seed=0):
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(count, 8)).astype(np.float32)
    local = rng.normal(size=(count, 3, 4)).astype(np.float32)
    return Features(
        unit / np.linalg.norm(unit, axis=1, keepdims=True),
        local / np.linalg.norm(local, axis=2, keepdims=True),
        np.full((count, 3), 1 / 3, np.float32),
        np.full(count, 0.5, np.float32),
    )


def walk(tracker, frames, ask=None):
    """Two walkers and what `growing` says every `ask` frames."""
    said = []
    for frame in range(frames):
        there = [100 + 2 * frame, 400 - 2 * frame][: 1 if 10 <= frame < 14 else 2]
        wanted = tracker.observe(detections(boxes_at(there)), frame / 10, frame)
        tracker.update(looks(len(wanted), frame), [np.zeros((4, 2, 3), np.uint8)] * len(wanted))
        if ask and frame % ask == 0:
            said.append(tracker.growing())
    return said


def same(one, other):
    assert one.track_id == other.track_id
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.exemplars.global_, other.exemplars.global_)
    assert len(one.exemplar_crops) == len(other.exemplar_crops)


def test_what_grows_is_what_would_come_out_if_it_ended_now():
    tracker, other = Tracker(TrackerConfig(change_share=10)), Tracker(TrackerConfig(change_share=10))
    walk(tracker, 25)
    walk(other, 25)
    growing = tracker.growing()
    whole = sorted(other.flush(), key=lambda each: each.track_id)
    assert [each.track_id for each in growing] == tracker.numbers.tolist() == [each.track_id for each in whole]
    for one, another in zip(growing, whole, strict=True):
        same(one, another)


def test_asking_changes_nothing():
    quiet, asked = Tracker(), Tracker()
    walk(quiet, 40)
    said = walk(asked, 40, ask=3)
    assert len(said[-1]) == 2
    for one, other in zip(quiet.flush(), asked.flush(), strict=True):
        same(one, other)


def test_candidates_do_not_grow_and_an_open_frame_is_finished_first():
    tracker = Tracker()
    step(tracker, boxes_at([100]), 0.0, 0)
    assert tracker.growing() == []
    tracker.observe(detections(boxes_at([100])), 0.1, 1)
    with pytest.raises(RuntimeError, match="update"):
        tracker.growing()


def test_numbers_go_on_where_an_earlier_tracker_ended():
    tracker = Tracker(first_number=17)
    walk(tracker, 5)
    assert tracker.numbers.tolist() == [17, 18]
    assert tracker.next_number == 19


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(2, 50))
def test_a_long_track_is_thinned_out_from_its_older_end(rounds, most):
    book, written = Book(), 0
    for count in rounds:
        for _ in range(count):
            book.write(np.array([7, 8]), written, written / 10, np.zeros((2, 4)), np.ones(2), 1.0)
            written += 1
        rows = book.thinned(7, most)
        frames = rows["frame"].tolist()
        assert len(frames) <= most
        assert frames == sorted(set(frames))
        assert frames[0] == 0
        latest = min(count, (most + 1) // 2)
        assert frames[-latest:] == list(range(written - latest, written))
    assert book.tear_out(7)["frame"].tolist() == frames
    assert len(book.tear_out(8)) == written
