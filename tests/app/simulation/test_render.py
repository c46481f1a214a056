from dataclasses import replace

import numpy as np
import pytest

from app.simulation.camera import Camera, Look
from app.simulation.render import Renderer
from app.simulation.world import Area, Door, Ground, Kind, Thing, World
from tests.app.simulation.boxes import BoxPeople

SIZE = (320, 192)
SUN = (0.36, -0.48, 0.8)
PLAZA = Area("plaza", Ground.plaza, 0.0, 0.0, 14.0, 12.0, 7.0)
HALL = Area("hall", Ground.hall, 30.0, 0.0, 38.0, 9.0, 3.2)
THINGS = (
    Thing(Kind.pillar, "plaza", (9.0, 5.0), 0.8, 0.8, 3.0),
    Thing(Kind.kiosk, "plaza", (12.0, 10.0), 2.0, 1.6, 2.5, 0.3),
    Thing(Kind.bench, "hall", (32.0, 8.0), 1.6, 0.5, 0.45),
)
DOORS = (
    Door("gate", "plaza", (14.0, 6.0), np.pi, 2.0),
    Door("back", "hall", (34.0, 9.0), -np.pi / 2, 1.6),
    Door("side", "hall", (38.0, 4.0), np.pi, 1.2),
)
OUTSIDE = Camera("outside", "plaza", (1.0, 5.0, 2.5), (9.0, 5.0, 1.0), 220.0, SIZE)
INSIDE = Camera("inside", "hall", (30.5, 0.5, 2.6), (35.0, 6.0, 1.0), 200.0, SIZE, Look((1.1, 1.0, 0.9), 1.2, 2.0, 0.8))
WORLD = World((PLAZA, HALL), THINGS, DOORS, (OUTSIDE, INSIDE), SUN, 5)
PEOPLE = BoxPeople()


@pytest.fixture(scope="module")
def plaza():
    return Renderer(WORLD, OUTSIDE, PEOPLE, 3)


@pytest.fixture(scope="module")
def hall():
    return Renderer(WORLD, INSIDE, PEOPLE, 3)


def picture(renderer, frame=1, **places):
    return renderer.render(PEOPLE.at({int(name[1:]): place for name, place in places.items()}), frame)


def row(found, person):
    return list(found.person).index(person)


def test_who_is_unhidden_is_wholly_visible(plaza):
    found = picture(plaza, p0=(5, 5.5), p1=(5, 4))
    np.testing.assert_array_equal(found.visibility, [1, 1])
    # The outermost pixels may hold less than half of a person: boxes of pixels end within one of the true ones.
    np.testing.assert_allclose(found.visible_box, found.full_box, atol=1.0)
    assert (found.full_box[:, 3] - found.full_box[:, 1] > 40).all()


def test_pixels_boxes_and_visibility_agree(plaza):
    places = {0: (5, 5.2), 1: (5.8, 5), 2: (4, 4.8), 3: (11.5, 5.1)}
    found = plaza.render(PEOPLE.at(places), 1)
    for each, (visibility, box) in enumerate(zip(found.visibility, found.visible_box, strict=True)):
        y, x = np.nonzero(found.visible == each)
        if visibility == 0:
            assert not len(x)
            assert np.isnan(box).all()
            continue
        np.testing.assert_array_equal(box, [x.min(), y.min(), x.max() + 1, y.max() + 1])
        alone = picture(
            plaza, **{f"p{found.person[each]}": {0: (5, 5.2), 1: (5.8, 5), 2: (4, 4.8), 3: (11.5, 5.1)}[each]}
        )
        if alone.visibility[0] == 1:
            assert visibility == pytest.approx(len(x) / (alone.visible == 0).sum())
    assert (found.visibility < 1).any()


def test_who_is_behind_another_or_a_thing_is_hidden(plaza):
    found = picture(plaza, p0=(5, 5), p1=(6.2, 5), p2=(11, 5))
    assert found.visibility[0] == 1
    assert found.visibility[1] < 0.6
    assert found.visibility[2] == 0  # behind the pillar
    assert np.isnan(found.visible_box[2]).all()
    assert np.isfinite(found.full_box[2]).all()


def test_boxes_and_visibility_go_on_beyond_the_picture(plaza):
    edge = OUTSIDE.position[1] + 4 * (SIZE[0] / 2) / OUTSIDE.focal
    found = picture(plaza, p0=(5, edge))
    box = found.full_box[0]
    assert box[0] < 0 < box[2] or box[0] < SIZE[0] < box[2]
    inside = np.clip(box[[0, 2]], 0, SIZE[0])
    assert found.visibility[0] == pytest.approx(np.diff(inside)[0] / (box[2] - box[0]), abs=0.15)
    assert found.visible_box[0, 0] == 0 or found.visible_box[0, 2] == SIZE[0]


def test_who_is_behind_too_near_beside_or_elsewhere_is_not_in_the_picture(plaza):
    places = {"p0": (5, 5), "p1": (0.5, 5), "p2": (1.0, 5.1), "p3": (3, 11.5), "p4": (34, 4)}
    assert list(picture(plaza, **places).person) == [0]


def test_who_is_partly_behind_the_camera_is_not_in_the_picture(plaza):
    # Lifted to the camera's height, so that what is in front of it fills the picture.
    bodies = PEOPLE.at({0: (1.1, 5), 1: (2.0, 5)})
    bodies.vertices[..., 2] += 1.5
    assert list(plaza.render(bodies, 1).person) == [1]


def test_what_is_carried_hides_but_is_not_of_the_person(plaza):
    under = picture(plaza, p5=(4, 5))
    bare = picture(plaza, p0=(4, 5))
    np.testing.assert_allclose(under.full_box, bare.full_box)
    # The board is above the head; seen from above it hides part of the body and of who stands behind.
    assert under.visibility[0] < 1
    behind = picture(plaza, p5=(4, 5), p1=(6.5, 5.0))
    assert behind.visibility[row(behind, 1)] < picture(plaza, p0=(4, 5), p1=(6.5, 5.0)).visibility[1]


def test_joints_are_where_the_camera_projects_them(plaza):
    bodies = PEOPLE.at({0: (5, 5), 1: (6, 4)})
    expected, _ = OUTSIDE.project(bodies.joints.astype(float))
    found = plaza.render(bodies, 1)
    np.testing.assert_allclose(found.joints, expected)
    low, high = found.full_box[:, None, :2], found.full_box[:, None, 2:]
    assert ((found.joints > low) & (found.joints < high)).all()


def test_a_picture_does_not_depend_on_the_ones_before(plaza):
    busy = picture(plaza, 4, p0=(4, 5), p1=(5.5, 5), p5=(4.5, 4))
    fresh = Renderer(WORLD, OUTSIDE, BoxPeople(), 3)
    again = picture(fresh, 4, p0=(4, 5), p1=(5.5, 5), p5=(4.5, 4))
    np.testing.assert_array_equal(busy.image, again.image)
    np.testing.assert_array_equal(busy.visible, again.visible)
    empty = picture(fresh, 9)
    np.testing.assert_array_equal(empty.image, picture(plaza, 9).image)
    assert (empty.image != picture(plaza, 8).image).any()


def test_people_darken_the_floor_on_the_side_away_from_the_sun(plaza):
    plain = replace(OUTSIDE, look=Look(noise=0, blur=0))
    still = Renderer(replace(WORLD, cameras=(plain,)), plain, PEOPLE, 3)
    empty, found = picture(still), picture(still, p0=(6, 5))
    darker = empty.image.astype(int).sum(axis=2) - found.image.astype(int).sum(axis=2)

    def on_the_floor(step):
        """The pixel of the place that is `step` metres of a person's height away from the sun."""
        place = (6 - step * SUN[0] / SUN[2], 5 - step * SUN[1] / SUN[2], 0.0)
        x, y = OUTSIDE.project(np.array(place))[0].astype(int)
        assert found.visible[y, x] < 0
        return darker[y, x]

    assert on_the_floor(1.0) > 60
    assert on_the_floor(-1.0) == 0


def test_a_hall_is_closed_all_around():
    for target in ((35.0, 8.0, 0.5), (37.0, 2.0, 2.0)):
        camera = replace(INSIDE, target=target, focal=40.0, size=(160, 96))
        renderer = Renderer(replace(WORLD, cameras=(camera,)), camera, PEOPLE, 3)
        # Nearness is 0 where a sample shows the sky.
        assert (renderer._scene.nearness > 0).all()


def test_indoors_as_outdoors(hall):
    found = picture(hall, p0=(34, 4), p1=(35, 6))
    np.testing.assert_array_equal(found.visibility, [1, 1])
    assert 40 < found.image.mean() < 200
    assert found.image.std() > 15


def test_exposure_and_white_balance_show(hall):
    neutral = replace(INSIDE, look=Look(exposure=0.6))
    dark = Renderer(replace(WORLD, cameras=(OUTSIDE, neutral)), neutral, PEOPLE, 3)
    bright, dim = picture(hall).image.astype(float), picture(dark).image.astype(float)
    assert bright.mean() > dim.mean() + 20
    # More red and less blue; pictures are blue, green, red.
    assert (bright[..., 2].mean() / bright[..., 0].mean()) > (dim[..., 2].mean() / dim[..., 0].mean()) + 0.05
