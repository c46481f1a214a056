"""Broken boxes, strange times and calls out of order."""

import numpy as np
import pytest
import supervision as sv

from tests.trackers.people import Wardrobe, boxes_at, detections, step
from trackers import Tracker, TrackerConfig

EMPTY = sv.Detections.empty()


def test_broken_boxes_are_dropped_and_the_good_one_stays():
    nan, inf = np.nan, np.inf
    broken = [[nan, 0, 1, 1], [0, 0, inf, 9], [50, 50, 40, 90], [5, 5, 5, 50], [0, 0, 10, 0], [-1e30, 0, 1e30, 9]]
    boxes = np.concatenate([np.array(broken), boxes_at([100, 300])])
    scores = np.array([0.9] * 7 + [nan], np.float32)
    tracker = Tracker()
    for frame in range(5):
        found = step(tracker, boxes, frame / 10, frame, scores)
    np.testing.assert_allclose(found.xyxy, boxes_at([100]))


def test_detections_without_confidence_are_trusted():
    tracker = Tracker()
    for frame in range(3):
        tracker.observe(sv.Detections(xyxy=boxes_at([100]).astype(np.float32)), frame / 10, frame)
        found = tracker.update()
    assert found.tracker_id.tolist() == [1]


def test_what_else_a_detection_carries_is_kept():
    tracker = Tracker()
    for frame in range(3):
        given = detections(boxes_at([100, 300]))
        given.data["name"] = np.array(["a", "b"])
        given.class_id = np.array([4, 5])
        tracker.observe(given, frame / 10, frame)
        found = tracker.update()
    assert found.data["name"].tolist() == ["a", "b"]
    assert found.class_id.tolist() == [4, 5]
    assert found.tracker_id.tolist() == [1, 2]


@pytest.mark.parametrize("times", [[0.0] * 20, [5 - 0.1 * k for k in range(20)], [1e9 + k / 30 for k in range(20)]])
def test_time_that_stands_or_runs_back_loses_nobody(times):
    tracker = Tracker(TrackerConfig(confirm_seconds=0))
    found = [step(tracker, boxes_at([100, 300]), time, frame).tracker_id.tolist() for frame, time in enumerate(times)]
    assert found[1:] == [[1, 2]] * 19
    assert tracker.flush()[0].times.tolist() == times


def test_time_goes_on_after_a_jump_back():
    tracker = Tracker(TrackerConfig(lost_seconds=1, refind_seconds=1))
    for frame, time in enumerate([100.0, 100.1, 100.2, 3.0, 3.1]):
        found = step(tracker, boxes_at([100]), time, frame)
    assert found.tracker_id.tolist() == [1]
    for frame, time in enumerate([3.2, 4.0, 4.3], 5):
        step(tracker, [], time, frame)
    assert [each.track_id for each in tracker.finished()] == [1]


def test_after_a_long_gap_people_are_new():
    tracker = Tracker()
    for frame, time in enumerate([0, 0.1, 0.2, 3600, 3600.1, 3600.2]):
        found = step(tracker, boxes_at([100]), time, frame)
    assert found.tracker_id.tolist() == [2]


@pytest.mark.parametrize("time", [np.nan, np.inf])
def test_a_time_that_is_no_time_is_refused_and_changes_nothing(time):
    tracker = Tracker()
    with pytest.raises(ValueError, match="time: expected seconds"):
        tracker.observe(EMPTY, time, 0)
    tracker.observe(EMPTY, 0.0, 0)
    assert len(tracker.update()) == 0


def test_calls_out_of_order_are_refused():
    tracker = Tracker()
    with pytest.raises(RuntimeError, match="expected observe"):
        tracker.update()
    tracker.observe(EMPTY, 0.0, 0)
    with pytest.raises(RuntimeError, match="expected update"):
        tracker.observe(EMPTY, 0.1, 1)
    with pytest.raises(RuntimeError, match="expected update"):
        tracker.flush()
    tracker.update()


def test_features_that_do_not_fit_the_rows_are_refused():
    tracker, wardrobe = Tracker(), Wardrobe(1)
    step(tracker, boxes_at([100]), 0.0, 0)
    rows = tracker.observe(detections(boxes_at([100])), 0.1, 1)
    assert rows.tolist() == [0]
    with pytest.raises(ValueError, match="features: expected 1 as observe returned, given 2"):
        tracker.update(wardrobe.crops([0, 0]))
    with pytest.raises(ValueError, match="crops: expected 1"):
        tracker.update(wardrobe.crops([0]), [])
    assert tracker.update(wardrobe.crops([0])).tracker_id.tolist() == [1]


def test_two_thousand_boxes():
    tracker = Tracker()
    grid = np.stack(np.meshgrid(np.arange(50), np.arange(40)), axis=-1).reshape(-1, 2)
    for frame in range(3):
        boxes = boxes_at(grid[:, 0] * 30.0 + 2 * frame, grid[:, 1] * 30.0)
        found = step(tracker, boxes, frame / 10, frame)
    assert sorted(found.tracker_id.tolist()) == list(range(1, 2001))
    assert len(tracker.flush()) == 2000


def test_same_input_same_output_bit_for_bit():
    def play():
        rng, wardrobe, tracker, log = np.random.default_rng(3), Wardrobe(12, seed=1), Tracker(), []
        place, speed = rng.uniform(0, 600, (12, 2)), rng.normal(0, 40, (12, 2))
        for frame in range(120):
            seen = np.flatnonzero(rng.random(12) < 0.8)
            at = place[seen] + speed[seen] * frame / 15 + rng.normal(0, 2, (len(seen), 2))
            scores = rng.uniform(0.05, 1, len(seen)).astype(np.float32)
            rows = tracker.observe(detections(boxes_at(at[:, 0], at[:, 1]), scores), frame / 15, frame)
            found = tracker.update(wardrobe.crops(seen[rows]) if len(rows) else None)
            log += [rows.tobytes(), found.xyxy.tobytes(), found.tracker_id.tobytes()]
        for each in tracker.flush():
            log += [each.boxes.tobytes(), each.exemplars.local.tobytes() if each.exemplars else b""]
        return log

    assert play() == play()
