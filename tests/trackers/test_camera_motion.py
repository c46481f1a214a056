"""What the camera did, told from pictures: known warps, people who walk, cameras that stand."""

from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import CameraConfig
from app.shared_data import shared_data
from app.sources import open_source
from tests.trackers.people import boxes_at
from trackers import CameraMotion
from trackers.camera_motion import STILL, _free, _inside, _length

NOBODY = np.zeros((0, 4))
SIZE = 640, 360
MIDDLE = np.array(SIZE) / 2


def wall(seed=0, size=(1000, 700)):
    """A wall of patches of all sizes: something to hold on to everywhere."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((side, side, 3)), size, interpolation=cv2.INTER_CUBIC) for side in (8, 25, 70, 180)]
    total = sum(layers)
    return np.clip(255 * (total - total.min()) / (total.max() - total.min()), 0, 255).astype(np.uint8)


WALL = wall()


def view(angle=0.0, zoom=1.0, shift=(0.0, 0.0)):
    """Map from the wall's pixels to those of a picture, turned and zoomed about its middle."""
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, MIDDLE + shift - turn @ (500, 350)])


def film(by, source=WALL):
    return cv2.warpAffine(source, by, SIZE, flags=cv2.INTER_LINEAR)


def between(first, second):
    """The map from the pixels of one view to those of another."""
    turn = second[:, :2] @ np.linalg.inv(first[:, :2])
    return np.column_stack([turn, second[:, 2] - turn @ first[:, 2]])


def apart(first, second):
    """How far two maps are apart over the picture, in pixels."""
    return _length(np.eye(2, 3) + first - second, (SIZE[1], SIZE[0], 3))


def seen(pictures, boxes=None):
    """The motion at each picture."""
    motion = CameraMotion()
    return [motion(picture, NOBODY if boxes is None else boxes[at]) for at, picture in enumerate(pictures)]


def put_people(picture, boxes, seed=5):
    """The picture with people of a strong pattern of their own, which they take along."""
    picture = picture.copy()
    cloth = wall(seed)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        shown = picture[max(y1, 0) : y2, max(x1, 0) : x2]
        shown[:] = cloth[100 : 100 + shown.shape[0], 100 : 100 + shown.shape[1]]
    return picture


shifts = st.tuples(st.floats(-40, 40), st.floats(-40, 40))


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.06, 0.06), st.floats(0.93, 1.07), shifts)
def test_a_known_motion_is_found(angle, zoom, shift):
    first, second = view(), view(angle, zoom, shift)
    expected = between(first, second)
    start, found = seen([film(first), film(second)])
    assert start is None
    if found is None:
        assert apart(expected, np.eye(2, 3)) <= STILL * SIZE[0] + 0.2
    else:
        assert apart(found, expected) < 0.2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-0.03, 0.03), shifts)
def test_people_who_walk_are_not_taken_for_the_camera(seed, angle, shift):
    """Six people, a quarter of the picture, all walk the same way, against the camera's motion."""
    rng = np.random.default_rng(seed)
    before = boxes_at(rng.uniform(0, 640, 6), rng.uniform(80, 280, 6), 65, 150)
    after = before + np.tile(np.rint(-np.array(shift)) + np.array([9, 0]), 2)
    first, second = view(), view(angle, 1.0, shift)
    pictures = [put_people(film(first), before), put_people(film(second), after)]
    found = seen(pictures, [before, after])[1]
    expected = between(first, second)
    if found is None:
        assert apart(expected, np.eye(2, 3)) <= STILL * SIZE[0] + 0.5
    else:
        assert apart(found, expected) < 0.8


def test_motion_too_slow_to_be_seen_at_once_adds_up():
    """A pan of a fifth of a pixel a frame and a slow zoom: after 60 frames all of it is told, but for what is still."""
    views = [view(0.0, 1 + 1e-4 * frame, (0.2 * frame, -0.1 * frame)) for frame in range(61)]
    told = [each for each in seen(map(film, views)) if each is not None]
    total = np.eye(3)
    for each in told:
        total = np.vstack([each, [0, 0, 1]]) @ total
    assert 5 < len(told) < 50
    assert apart(total[:2], between(views[0], views[-1])) < 2 * STILL * SIZE[0] + 0.3


def test_a_shaking_camera_is_followed_and_then_stands_still():
    rng = np.random.default_rng(3)
    views = [view(*rng.normal((0, 1), 0.01), rng.normal(0, 8, 2)) for _ in range(20)]
    found = seen(map(film, views + views[-1:] * 5))
    for before, after, each in zip(views, views[1:], found[1:], strict=False):
        assert apart(each, between(before, after)) < 0.3
    assert found[20:] == [None] * 5


def test_noise_and_changing_light_are_no_motion():
    rng = np.random.default_rng(0)
    light = np.linspace(1, 0.5, 40)
    pictures = [
        np.clip(film(view()) * each + rng.normal(0, 4, (SIZE[1], SIZE[0], 3)), 0, 255).astype(np.uint8)
        for each in light
    ]
    assert seen(pictures) == [None] * 40


def test_a_cut_is_no_motion_and_what_follows_it_is_told_anew():
    other = wall(9)
    views = [view(), view(shift=(5, 0)), view(), view(shift=(0, 7))]
    found = seen([film(views[0]), film(views[1]), film(views[2], other), film(views[3], other)])
    assert found[2] is None
    assert apart(found[1], between(*views[:2])) < 0.2
    assert apart(found[3], between(*views[2:])) < 0.2


@pytest.mark.parametrize("blank", [0, 128, 255])
def test_a_blank_picture_is_skipped(blank):
    """The picture after it is compared with the one before it."""
    nothing = np.full((SIZE[1], SIZE[0], 3), blank, np.uint8)
    views = [view(), view(shift=(3, 3)), view(shift=(9, 3))]
    found = seen([nothing, film(views[0]), film(views[1]), nothing, nothing, film(views[2])])
    assert [each is None for each in found] == [True, True, False, True, True, False]
    assert apart(found[5], between(*views[1:])) < 0.2


@pytest.mark.parametrize("size", [(1, 1), (20, 640), (640, 20)])
def test_a_picture_too_small_to_see_anything_tells_nothing(size):
    assert seen([np.full((*size, 3), 9, np.uint8)] * 3) == [None] * 3


def test_a_picture_of_another_size_begins_anew():
    half = cv2.resize(film(view(shift=(5, 0))), (320, 180))
    assert seen([film(view()), half]) == [None, None]


def test_among_people_only_nobody_can_tell():
    everybody = np.array([[0.0, 0, *SIZE]])
    assert seen([film(view()), film(view(shift=(9, 0)))], [everybody] * 2) == [None, None]


def test_a_strip_between_people_is_enough():
    """All that is left of the background is a sixth of the picture's width, from top to bottom."""
    beside = np.array([[0.0, 0, 240, 360], [360, 0, 640, 360]])
    first, second = view(), view(0.01, 1.01, (6, -4))
    found = seen([film(first), film(second)], [beside] * 2)[1]
    assert apart(found, between(first, second)) < 1


def test_boxes_may_be_anything():
    odd = np.array([[-1e9, -1e9, 1e9, -9], [np.nan, 0, 5, 5], [np.inf, 0, -np.inf, 5], [700, 400, 650, 380]])
    found = seen([film(view()), film(view(shift=(9, 0)))], [odd, odd.astype(np.float32)])[1]
    assert apart(found, between(view(), view(shift=(9, 0)))) < 0.2


def test_the_same_pictures_give_the_same_motion_bit_for_bit():
    rng = np.random.default_rng(8)
    pictures = [film(view(rng.normal(0, 0.01), 1.0, rng.normal(0, 6, 2))) for _ in range(8)]
    first = seen(pictures)
    cv2.setRNGSeed(12345)
    second = seen(pictures)
    assert sum(each is not None for each in first) > 5
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)


box = st.tuples(*[st.floats(-10, 60)] * 2, *[st.floats(0, 40)] * 2)


@given(st.lists(box, max_size=6))
def test_pixels_outside_of_boxes_are_counted_right(rows):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows]).reshape(-1, 4)
    plain = np.full((30, 50), 255, np.uint8)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        plain[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = 0
    np.testing.assert_array_equal(_free((30, 50), boxes), plain)


@given(st.lists(box, max_size=6), st.lists(st.tuples(*[st.floats(-10, 60)] * 2), max_size=6))
def test_points_in_boxes(rows, points):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows]).reshape(-1, 4)
    expected = [any(x1 <= x <= x2 and y1 <= y <= y2 for x1, y1, x2, y2 in boxes) for x, y in points]
    assert _inside(np.array(points).reshape(-1, 2), boxes).tolist() == expected


def test_real_people_in_a_street_move_no_standing_camera():
    """Nobody is masked here: dozens of people walk all over the picture, and the camera stands for three seconds."""
    video = shared_data("data/videos/town-centre.mp4")
    if video is None:
        pytest.skip("needs the shared videos")
    frames = islice(open_source(CameraConfig(name="street", source=str(video))), 90)
    assert seen(frame.image for frame in frames) == [None] * 90
