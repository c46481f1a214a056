"""Filters and tracks in a picture that a moving camera carries along."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trackers.people import boxes_at, detections, step
from trackers import Tracker, TrackerConfig
from trackers.motion import MotionModel, moved_centres, to_centre, to_corners

MODEL = MotionModel(TrackerConfig())
FIELDS = ("position", "velocity", "pp", "pv", "vv", "scale")
STILL = np.eye(2, 3)


def similarity(angle=0.0, zoom=1.0, shift=(0.0, 0.0)):
    """The map that turns by `angle` radians, zooms and shifts."""
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def after(first, second):
    """The map that is `first`, then `second`."""
    return np.concatenate([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1)


def moved_boxes(boxes, by):
    return to_corners(moved_centres(to_centre(boxes), by))


shifts = st.tuples(st.floats(-500, 500), st.floats(-500, 500))
zooms = st.floats(0.5, 2)
angles = st.floats(-0.5, 0.5)
maps = st.builds(similarity, angles, zooms, shifts)


def walking():
    """Filters that were corrected once, so that place and speed are correlated."""
    start = np.array([[0.0, 0, 40, 100], [300, 50, 420, 350]])
    motion = MODEL.predict(MODEL.start(start, np.array([0.9, 0.6])), 0.3)
    return MODEL.correct(motion, start + np.array([12, -3, 15, 2]), np.array([0.8, 0.5]))


def assert_same(first, second):
    for name in FIELDS:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-7, atol=1e-7, err_msg=name)


@given(maps, st.floats(1e-3, 5))
def test_it_does_not_matter_whether_the_camera_or_the_people_move_first(by, dt):
    assert_same(MODEL.predict(walking().moved(by), dt), MODEL.predict(walking(), dt).moved(by))


@given(zooms, shifts, st.floats(0, 1))
def test_correcting_in_the_moved_picture_is_correcting_before_it_moved(zoom, shift, score):
    by, seen = similarity(0.0, zoom, shift), np.array([[3.0, 4, 41, 99], [330, 40, 450, 345]])
    moved = MODEL.correct(walking().moved(by), moved_boxes(seen, by), np.full(2, score))
    assert_same(moved, MODEL.correct(walking(), seen, np.full(2, score)).moved(by))


@given(maps)
def test_variances_are_those_of_turned_full_matrices(by):
    motion, moved = walking(), walking().moved(by)
    for person in range(2):
        for name in ("pp", "pv", "vv"):
            full = by[:, :2] @ np.diag(getattr(motion, name)[person, :2]) @ by[:, :2].T
            np.testing.assert_allclose(getattr(moved, name)[person, :2], np.diag(full), rtol=1e-9)


@given(st.lists(maps, max_size=8))
def test_covariance_stays_positive_definite(steps):
    motion = walking()
    for by in steps:
        motion = motion.moved(by)
    assert (motion.pp > 0).all()
    assert (motion.pp * motion.vv - motion.pv**2 > 0).all()


@given(zooms, shifts, zooms, shifts)
def test_two_moves_are_one(zoom, shift, then_zoom, then_shift):
    first, second = similarity(0.0, zoom, shift), similarity(0.0, then_zoom, then_shift)
    assert_same(walking().moved(first).moved(second), walking().moved(after(first, second)))


def test_nothing_moved_is_nothing_changed():
    assert_same(walking().moved(STILL), walking())


@pytest.mark.parametrize("by", [np.eye(3), np.full((2, 3), np.nan), np.zeros((2, 3)), similarity() * [[1], [-1]]])
def test_a_map_that_is_no_cameras_motion_is_refused_before_anything_happens(by):
    tracker, untouched = Tracker(), Tracker()
    for frame in range(3):
        step(tracker, boxes_at([100]), frame / 10, frame)
        step(untouched, boxes_at([100]), frame / 10, frame)
    with pytest.raises(ValueError, match="moved: expected"):
        tracker.observe(detections(boxes_at([100])), 0.3, 3, by)
    again, expected = (step(each, boxes_at([103]), 0.3, 3) for each in (tracker, untouched))
    np.testing.assert_array_equal(again.xyxy, expected.xyxy)


def filmed(maps_given, fps=10, seconds=3, present=lambda person, frame: True):
    """Two people stand close while the camera jerks by one and a half of their widths to and fro; who is who.

    Returns {person: numbers}, and the boxes given out less where the people are.
    """
    tracker, by_person, off = Tracker(), {0: [], 1: []}, []
    before = STILL
    for frame in range(fps * seconds):
        now = similarity(shift=(60.0 * (frame % 2), 0))
        there = [person for person in (0, 1) if present(person, frame)]
        boxes = moved_boxes(boxes_at([300, 360]), now)[there]
        undone = np.concatenate([now[:, :2], now[:, 2:] - before[:, 2:]], axis=1)
        tracker.observe(detections(boxes), frame / fps, frame, undone if maps_given and frame else None)
        found, before = tracker.update(), now
        owner = np.abs(found.xyxy[:, None] - boxes[None]).sum(axis=2).argmin(axis=1) if len(found) else []
        for box, number, row in zip(found.xyxy, found.tracker_id, owner, strict=True):
            by_person[there[row]].append(int(number))
            off.append(np.abs(box - boxes[row]).max())
    return {person: sorted(set(given)) for person, given in by_person.items()}, max(off)


def test_people_keep_their_numbers_while_the_camera_jerks():
    told, off = filmed(True)
    assert told == {0: [1], 1: [2]}
    assert off < 1e-3
    untold, _ = filmed(False)
    assert untold != told


def test_somebody_out_of_sight_is_waited_for_where_the_camera_now_shows_the_place():
    told, _ = filmed(True, present=lambda person, frame: person == 0 or not 10 <= frame < 21)
    assert told == {0: [1], 1: [2]}


def test_a_pan_takes_the_lost_along():
    """Two seconds of panning over eight widths; a person behind a pillar meanwhile comes out where they went in."""
    for told, expected in ((True, [1]), (False, [1, 2])):
        tracker, given = Tracker(), set()
        for frame in range(40):
            panned = 16.0 * np.clip(frame - 10, 0, 20)
            boxes = [] if 12 <= frame < 29 else boxes_at([500 - panned])
            shifted = similarity(shift=(-16.0, 0)) if told and 10 < frame <= 30 else None
            tracker.observe(detections(boxes), frame / 10, frame, shifted)
            given |= set(tracker.update().tracker_id.tolist())
        assert sorted(given) == expected


def test_a_zoom_makes_the_expected_box_larger():
    tracker = Tracker(TrackerConfig(steadiness=1))
    for frame in range(10):
        step(tracker, boxes_at(300), frame / 10, frame)
    by = similarity(zoom=1.5, shift=(-150, -100))
    tracker.observe(detections(moved_boxes(boxes_at(300), by)), 1.0, 10, by)
    np.testing.assert_allclose(tracker.update().xyxy, moved_boxes(boxes_at(300), by), atol=1e-3)


def test_boxes_given_out_end_with_the_picture_wherever_the_camera_looks():
    """The camera pans towards somebody who leaves over the picture's left edge, at 0."""
    tracker = Tracker(TrackerConfig(steadiness=1))
    for frame in range(20):
        boxes = np.clip(boxes_at(120 - 10.0 * frame), 0, 640)
        if boxes[0, 2] > 5:
            tracker.observe(detections(boxes), frame / 10, frame, similarity(shift=(-10, 0)) if frame else None)
            found = tracker.update()
            assert (found.xyxy[:, 0] >= 0).all()
