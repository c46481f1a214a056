"""Which crops are asked for, learned and kept."""

import numpy as np
import pytest

from tests.trackers.people import Wardrobe, boxes_at, detections, step
from trackers import Tracker, TrackerConfig


def test_exemplars_carry_their_crops_and_frames():
    tracker, wardrobe = Tracker(), Wardrobe(1)
    for frame in range(30):
        rows = tracker.observe(detections(boxes_at([100 + frame])), frame / 10, frame)
        assert len(rows) <= 1
        crops = [np.full((8, 4, 3), frame, np.uint8) for _ in rows]
        tracker.update(wardrobe.crops([0] * len(rows)) if len(rows) else None, crops)
    (tracklet,) = tracker.flush()
    assert len(tracklet.exemplars) == len(tracklet.exemplar_crops) >= 2
    for crop, frame, time, box in zip(
        tracklet.exemplar_crops,
        tracklet.exemplar_frames,
        tracklet.exemplar_times,
        tracklet.exemplar_boxes,
        strict=True,
    ):
        assert crop[0, 0, 0] == frame
        assert time == frame / 10
        np.testing.assert_allclose(box, boxes_at([100 + frame])[0])


def test_a_quiet_scene_costs_few_crops():
    tracker, wardrobe, asked = Tracker(), Wardrobe(4), 0
    for frame in range(300):
        rows = tracker.observe(detections(boxes_at([100, 300, 500, 700])), frame / 30, frame)
        tracker.update(wardrobe.crops(rows) if len(rows) else None)
        asked += len(rows)
    # Ten seconds: a first look at each person and one a second after that, of 1,200 boxes.
    assert 4 <= asked <= 50


def test_nothing_is_learned_from_a_covered_person():
    tracker, wardrobe = Tracker(), Wardrobe(2)
    boxes = np.concatenate([boxes_at([100], 200), boxes_at([104], 215)])
    for frame in range(30):
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        tracker.update(wardrobe.crops(rows) if len(rows) else None)
    by_number = {each.boxes[0, 0]: each for each in tracker.flush()}
    assert by_number[80.0].exemplars is None
    assert len(by_number[84.0].exemplars) >= 1


@pytest.mark.parametrize(("beside", "learned"), [(14, False), (60, True)])
def test_a_stranger_s_look_is_learned_only_where_nobody_else_can_be_meant(beside, learned):
    """From the second second on the box shows somebody else: beside another box a slip, alone a person who turned."""
    tracker, wardrobe = Tracker(TrackerConfig(learn_covered=1, change_share=10)), Wardrobe(3)
    boxes = np.concatenate([boxes_at([100], 200), boxes_at([100 + beside], 205)])
    for frame in range(60):
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        who = np.where(rows == 0, 2 if frame >= 20 else 0, 1)
        tracker.update(wardrobe.crops(who) if len(rows) else None)
    (first,) = [each for each in tracker.flush() if each.boxes[0, 0] == 80 and 0 in each.frames]
    assert (first.exemplar_times.max() >= 2) == learned


def test_a_track_that_went_over_to_somebody_else_ends_as_two_tracklets():
    tracker, wardrobe = Tracker(TrackerConfig(learn_overlap=1)), Wardrobe(2)
    for frame in range(60):
        rows = tracker.observe(detections(boxes_at([100])), frame / 10, frame)
        tracker.update(wardrobe.crops(np.full(len(rows), frame >= 30)) if len(rows) else None)
    first, second = tracker.flush()
    assert (first.track_id, second.track_id) == (1, 2)
    assert first.frames.tolist() + second.frames.tolist() == list(range(60))
    assert abs(second.frames[0] - 30) <= 10, "between the last view of one and the first of the other"


def test_rows_to_embed_are_bounded_and_refer_to_the_detections_given():
    tracker = Tracker(TrackerConfig(crops_per_frame=3))
    boxes = boxes_at(np.arange(10) * 100)
    boxes[::2, 2] = np.nan
    step(tracker, boxes, 0.0, 0)
    rows = tracker.observe(detections(boxes), 0.1, 1)
    assert len(rows) == 3
    assert set(rows.tolist()) <= {1, 3, 5, 7, 9}
