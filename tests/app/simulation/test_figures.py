import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation import atlas
from app.simulation.accessories import bags
from app.simulation.body import arms, ears, head, legs, neck
from app.simulation.clothes import hood, trousers
from app.simulation.figures import Figures
from app.simulation.lofts import weave
from app.simulation.motion import Motion
from app.simulation.outfit import outfit
from app.simulation.profiles import Build
from app.simulation.skeleton import skeleton
from app.simulation.wardrobe import Bag, Bottom, Hair, Hat, Pattern, Sex, Top, wardrobe

PEOPLE = wardrobe(40, 4)


@pytest.fixture(scope="module")
def figures():
    return Figures(PEOPLE)


def moment(people, speed=1.3, phase=0.2, heading=0.0, gaze=0.0):
    count = len(people)
    full = [np.full(count, value, float) for value in (heading, speed, phase, gaze)]
    return Motion(np.asarray(people, np.int32), np.zeros((count, 2)), *full)


def vertices_of(figures, person, own_only=False):
    """Vertices of the triangles somebody shows."""
    which = figures.shown[person] & figures.template.own if own_only else figures.shown[person]
    return np.unique(figures.template.triangles[which])


def test_shapes_and_ranges(figures):
    template, bodies = figures.template, figures.pose(moment(range(40)))
    triangles, vertices = len(template.triangles), len(template.uv)
    assert template.triangles.dtype == np.int32
    assert template.triangles.min() == 0
    assert template.triangles.max() < vertices
    assert template.own.shape == template.two_sided.shape == template.gloss.shape == (triangles,)
    assert figures.shown.shape == (40, triangles)
    assert figures.shown.dtype == np.bool_
    assert figures.textures.shape == (40, *atlas.SIZE, 3)
    assert figures.textures.dtype == np.uint8
    assert template.uv.min() >= 0
    assert template.uv.max() <= 1
    assert bodies.vertices.shape == bodies.normals.shape == (40, vertices, 3)
    assert bodies.joints.shape == (40, 13, 3)
    assert bodies.vertices.dtype == bodies.normals.dtype == bodies.joints.dtype == np.float32
    assert np.isfinite(bodies.vertices).all()
    np.testing.assert_allclose(np.linalg.norm(bodies.normals, axis=2), 1, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(speed=st.floats(0, 2), phase=st.floats(0, 0.999), heading=st.floats(-4, 4), gaze=st.floats(-1.2, 1.2))
def test_joints_lie_inside_the_body(figures, speed, phase, heading, gaze):
    bodies = figures.pose(moment(range(40), speed, phase, heading, gaze))
    for person in range(40):
        own = bodies.vertices[person, vertices_of(figures, person, own_only=True)]
        assert (bodies.joints[person] > own.min(axis=0)).all()
        assert (bodies.joints[person] < own.max(axis=0)).all()


@pytest.mark.parametrize("speed", [0.0, 1.3])
def test_people_stand_on_the_ground_and_are_as_tall_as_they_are(figures, speed):
    for phase in (0.0, 0.2, 0.4, 0.6, 0.8):
        bodies = figures.pose(moment(range(40), speed, phase))
        for person, looks in enumerate(PEOPLE):
            own = bodies.vertices[person, vertices_of(figures, person, own_only=True), 2]
            assert -0.03 < own.min() < 0.025
            # Hair and hats add up to 6 cm, bent necks and knees take up to a tenth.
            assert 0.88 * looks.height < own.max() < looks.height + 0.06


def test_joints_are_left_and_right_of_each_other(figures):
    joints = figures.pose(moment(range(40), 0.0)).joints
    left, right = joints[:, 1::2], joints[:, 2::2]
    wrists = 2
    apart = left[..., 1] - right[..., 1]
    assert (np.delete(apart, wrists, axis=1) > 0.05).all()
    assert (joints[:, 0, 2] > joints[:, 1:, 2].max(axis=1)).all()


def test_heading_turns_everything(figures):
    ahead, left = figures.pose(moment([3], heading=0.0)), figures.pose(moment([3], heading=np.pi / 2))
    for one, other in ((ahead.vertices, left.vertices), (ahead.normals, left.normals), (ahead.joints, left.joints)):
        np.testing.assert_allclose(other, one[..., [1, 0, 2]] * [-1, 1, 1], atol=1e-4)


def test_poses_do_not_depend_on_who_else_is_there(figures):
    everybody, some = figures.pose(moment(range(40))), figures.pose(moment([4, 17, 30]))
    np.testing.assert_array_equal(some.person, [4, 17, 30])
    np.testing.assert_array_equal(some.vertices, everybody.vertices[[4, 17, 30]])
    np.testing.assert_array_equal(some.normals, everybody.normals[[4, 17, 30]])


def test_same_people_twice_are_the_same_bytes(figures):
    again = Figures(PEOPLE)
    assert again.textures.tobytes() == figures.textures.tobytes()
    one, other = figures.pose(moment(range(40))), again.pose(moment(range(40)))
    assert one.vertices.tobytes() == other.vertices.tobytes()
    assert one.normals.tobytes() == other.normals.tobytes()


def test_nobody():
    figures = Figures(())
    bodies = figures.pose(moment([]))
    assert figures.textures.shape == (0, *atlas.SIZE, 3)
    assert bodies.vertices.shape == (0, len(figures.template.uv), 3)


def test_closed_parts_face_outwards():
    people = wardrobe(12, 2)
    build, worn = Build(skeleton(people)), outfit(people)
    closed = [head(build), *ears(build), *(part for part in arms(build, worn) if part.region == atlas.HAND)]
    closed += [part for part in legs(build, worn) if part.region == atlas.SHOE]
    closed += [hood(build, worn), trousers(build, worn)[0], *bags(build, worn)[:3]]
    for part in closed:
        woven = weave([part], atlas.SIZE)
        corners = woven.rest[:, woven.template.triangles].astype(np.float64)
        corners -= corners.mean(axis=(1, 2), keepdims=True)
        volume = np.linalg.det(corners).sum(axis=1) / 6
        assert (volume > 0).all(), part.region


def test_open_tubes_face_outwards():
    build = Build(skeleton(PEOPLE))
    parts = [neck(build), *trousers(build, outfit(PEOPLE))[1:]]
    for part in parts:
        first, right, below = part.rest[:, 2, 3], part.rest[:, 2, 4], part.rest[:, 3, 3]
        outwards = np.cross(below - first, right - first)
        away = first - part.rest[:, 2].mean(axis=1)
        assert (np.sum(outwards * away, axis=1) > 0).all(), part.region


def test_weights_add_up(figures):
    np.testing.assert_allclose(figures._woven.weights.sum(axis=2), 1, atol=1e-5)


def dressed(**changes):
    plain = {"hat": Hat.none, "pattern": Pattern.plain, "bag": Bag.none, "umbrella": False, "push_chair": False}
    looks = {"top": Top.sweater, "bottom": Bottom.straight, "hair": Hair.short, "sex": Sex.woman}
    return dataclasses.replace(PEOPLE[0], **(plain | looks | changes))


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"umbrella": True}, False),
        ({"push_chair": True}, False),
        ({"bag": Bag.backpack}, True),
        ({"bag": Bag.hand}, True),
        ({"hat": Hat.cap}, True),
        ({"hair": Hair.bun}, True),
        ({"top": Top.coat}, True),
        ({"bottom": Bottom.skirt}, True),
    ],
)
def test_what_is_worn_is_own_and_what_is_held_over_or_pushed_is_not(changes, more):
    figures = Figures([dressed(), dressed(**changes)])
    own = (figures.shown & figures.template.own).sum(axis=1)
    things = (figures.shown & ~figures.template.own).sum(axis=1)
    assert bool(own[1] > own[0]) is more
    assert bool(things[1] > 0) is not more
    assert things[0] == 0


def test_textures_show_the_colours_of_the_clothes():
    figures = Figures([dressed(shirt=(160, 40, 40)), dressed(shirt=(40, 40, 160)), dressed(trousers=(150, 140, 110))])
    torso = figures.textures[:, *atlas.TORSO.slices].mean(axis=(1, 2))
    leg = figures.textures[:, *atlas.TROUSER_LEG.slices].mean(axis=(1, 2))
    assert torso[0, 0] > 2.5 * torso[0, 2]
    assert torso[1, 2] > 2.5 * torso[1, 0]
    np.testing.assert_allclose(leg[2], np.array([150, 140, 110]) * 0.85, atol=25)


def test_people_in_the_same_colours_do_not_look_the_same():
    one, other = dressed(), dressed(seed=PEOPLE[0].seed + 1)
    textures = Figures([one, other]).textures.astype(int)
    assert np.abs(textures[0] - textures[1]).mean() > 1


def test_push_chair_is_held_by_its_handle():
    figures = Figures([dressed(push_chair=True)])
    things = np.unique(figures.template.triangles[figures.shown[0] & ~figures.template.own])
    for phase in (0.0, 0.3, 0.6):
        bodies = figures.pose(moment([0], 1.0, phase))
        for wrist in (5, 6):
            away = np.linalg.norm(bodies.vertices[0, things] - bodies.joints[0, wrist], axis=1)
            assert away.min() < 0.15
        assert bodies.vertices[0, things, 2].min() == pytest.approx(0.0, abs=0.01)
