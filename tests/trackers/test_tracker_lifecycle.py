"""Which boxes begin a track, keep it alive and are given out, and how tracks end."""

import numpy as np
import pytest

from tests.trackers.people import boxes_at, detections, step
from trackers import Tracker, TrackerConfig


def test_a_single_box_is_never_shown():
    tracker = Tracker()
    shown = [len(step(tracker, boxes_at([100]) if frame == 3 else [], frame / 10, frame)) for frame in range(10)]
    assert sum(shown) == 0
    assert tracker.flush() == []


def test_tracklet_holds_the_boxes_before_confirmation_and_no_guesses():
    tracker, shown = Tracker(TrackerConfig(steadiness=0)), []
    for frame in range(20):
        there = not 8 <= frame < 11
        found = step(tracker, boxes_at([100 + 2 * frame]) if there else [], frame / 10, frame)
        shown += [frame] * len(found)
    (tracklet,) = tracker.flush()
    expected = [frame for frame in range(20) if not 8 <= frame < 11]
    assert tracklet.frames.tolist() == expected
    assert shown == expected[1:]
    np.testing.assert_allclose(tracklet.times, np.array(expected) / 10)
    np.testing.assert_allclose(tracklet.boxes, boxes_at(100 + 2 * np.array(expected)), atol=1e-3)
    assert tracklet.exemplars is None
    assert tracklet.track_id == 1


def test_boxes_that_tremble_are_given_out_steadied():
    """A walker of 40 × 100 pixels whose boxes tremble by 4: what is given out is nearer to the truth."""
    random, truth = np.random.default_rng(0), boxes_at(100 + 3.0 * np.arange(100))
    seen, shown = truth + random.normal(0, 4, truth.shape), {}
    for share in (0.0, 0.5, 1.0):
        tracker = Tracker(TrackerConfig(steadiness=share))
        for frame, box in enumerate(seen):
            step(tracker, box, frame / 10, frame)
        (tracklet,) = tracker.flush()
        shown[share] = np.abs(tracklet.boxes - truth).mean()
    assert shown[0.0] == pytest.approx(np.abs(seen - truth).mean(), rel=1e-4)
    assert shown[0.5] < 0.9 * shown[0.0]


def test_steadied_boxes_end_with_the_picture():
    """Somebody walks out of a picture 400 pixels wide; the detector cuts their boxes off at its edge."""
    tracker = Tracker(TrackerConfig(steadiness=1))
    for frame in range(24):
        box = boxes_at(300 + 5 * frame)
        step(tracker, np.minimum(box, [400, 400, 400, 400]), frame / 10, frame)
    (tracklet,) = tracker.flush()
    assert tracklet.boxes[:, 2].max() == 400


def test_low_scores_continue_a_track_but_start_none():
    tracker = Tracker()
    for frame in range(10):
        scores = np.array([0.9 if frame < 5 else 0.2, 0.2], np.float32)
        found = step(tracker, boxes_at([100, 400]), frame / 10, frame, scores)
    assert found.tracker_id.tolist() == [1]
    np.testing.assert_allclose(found.xyxy, boxes_at([100]))


@pytest.mark.parametrize(("share", "held"), [(0.7, False), (1.0, True)])
def test_a_second_box_of_the_person_in_front_does_not_go_to_the_one_behind(share, held):
    """Somebody walks behind somebody else, whom the detector then boxes whole and once more without the legs."""
    tracker = Tracker(TrackerConfig(part_share=share, low_seconds=0.5))
    front, part = boxes_at([200], 200, 44, 130), boxes_at([204], 180, 40, 88)
    hidden = []
    for frame in range(40):
        x = 120 + 4.0 * frame
        if abs(x - 200) < 20:
            hidden.append(frame)
        other = part if hidden and hidden[-1] == frame else boxes_at([x], 185, 40, 100)
        scores = np.array([0.9, 0.3 if other is part else 0.9], np.float32)
        step(tracker, np.concatenate([front, other]), frame / 10, frame, scores)
    one, two = sorted(tracker.flush(), key=len)
    assert len(two) == 40
    assert bool(set(one.frames.tolist()) & set(hidden)) == held
    assert one.frames[-1] == 39, "found again on the other side"


@pytest.mark.parametrize("fps", [5, 30])
def test_somebody_faint_is_shown_once_seen_for_long_enough(fps):
    """A small or distant person never gets a high score; the record goes back to the first box all the same."""
    tracker = Tracker(TrackerConfig(faint_score=0.25, faint_seconds=0.4))
    shown = []
    for frame in range(2 * fps):
        tracker.observe(detections(boxes_at(100 + 20 * frame / fps), 0.3), frame / fps, frame)
        shown += [(frame / fps, int(number)) for number in tracker.update().tracker_id]
    assert {number for _, number in shown} == {1}
    assert 0.4 - 1e-9 <= shown[0][0] <= 0.4 + 1 / fps
    (tracklet,) = tracker.flush()
    assert len(tracklet) == 2 * fps


@pytest.mark.parametrize("scores", [[0.3] * 6 + [0.0] + [0.3] * 6, [0.2] * 30], ids=["with a gap", "too faint"])
def test_a_flicker_is_nobody(scores):
    tracker = Tracker(TrackerConfig(faint_score=0.25, faint_seconds=0.4))
    for frame, score in enumerate(scores):
        tracker.observe(detections(boxes_at(100), score), frame / 15, frame)
        assert len(tracker.update()) == 0
    assert tracker.flush() == []


def test_one_sure_box_makes_a_faint_candidate_firm():
    tracker = Tracker(TrackerConfig(faint_seconds=5))
    for frame, score in enumerate([0.4, 0.4, 0.4, 0.9]):
        tracker.observe(detections(boxes_at(100), score), frame / 10, frame)
        assert len(tracker.update()) == (1 if score > 0.5 else 0)


def test_twins_on_one_person_do_not_become_two_tracks():
    tracker = Tracker()
    for frame in range(20):
        found = step(tracker, boxes_at([100, 104]), frame / 10, frame, np.array([0.9, 0.6], np.float32))
    assert found.tracker_id.tolist() == [1]


def test_ended_tracks_come_out_once_and_live_ones_at_the_flush():
    config = TrackerConfig(lost_seconds=1, refind_seconds=1)
    tracker = Tracker(config)
    for frame in range(40):
        boxes = boxes_at([100, 500]) if frame < 10 else boxes_at([100])
        step(tracker, boxes, frame / 10, frame)
        ended = tracker.finished()
        assert [each.track_id for each in ended] == ([2] if frame == 20 else [])
    assert [each.track_id for each in tracker.flush()] == [1]
    assert tracker.flush() == []


def test_numbers_go_on_after_a_flush():
    tracker = Tracker()
    for frame in range(5):
        step(tracker, boxes_at([100]), frame / 10, frame)
    tracker.flush()
    for frame in range(5, 10):
        found = step(tracker, boxes_at([100]), frame / 10, frame)
    assert found.tracker_id.tolist() == [2]
