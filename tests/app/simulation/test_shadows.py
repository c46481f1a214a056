import numpy as np
import pytest

from app.simulation.lighting import illuminate
from app.simulation.render import scene_surfaces, setting_of
from app.simulation.shadows import GroundShadows, corner_map, sun_map
from app.simulation.solids import Surface, box
from app.simulation.world import Area, Ground, Kind, Thing, World
from tests.app.simulation.boxes import SIZE, BoxPeople

PLAZA = Area("plaza", Ground.plaza, 0.0, 0.0, 10.0, 10.0, 3.0)
SUN = np.array([0.6, 0.0, 0.8], np.float32)
TEXTURE = np.full((4, 4, 3), 128, np.uint8)


def test_the_suns_map_holds_what_is_nearest_to_the_sun():
    cube = Surface(box((2, 3, 0), (1, 1, 2), 0.4, TEXTURE, (1, 1)))
    seen, to_map = sun_map([cube], SUN)
    for point, lit in (((2, 3, 2.0), True), ((2, 3, 1.0), False), ((2 - 0.75, 3, 0), False)):
        column, row, near = to_map @ np.array([*point, 1.0])
        assert (seen[int(row), int(column)] <= near + 0.02) == lit


def test_the_shadow_of_a_person_lies_away_from_the_light():
    people = BoxPeople(2)
    bodies = people.at({0: (5, 5)})
    used = np.zeros((1, len(people.template.uv)), bool)
    used[0, people.template.triangles[people.shown[0]]] = True
    shadows = GroundShadows(PLAZA, SUN, 0.02)
    cast, contact = shadows.draw(bodies.vertices, used, people.template, people.shown[:1])
    cell = 1 / float(shadows.at[2])
    y, x = np.nonzero(cast > 127)
    x, y = (x + 0.5) * cell + shadows.at[0], (y + 0.5) * cell + shadows.at[1]
    length = SIZE[2] * 0.75
    np.testing.assert_allclose(
        [x.min(), x.max(), y.min(), y.max()],
        [5 - SIZE[0] / 2 - length, 5 + SIZE[0] / 2, 5 - SIZE[1] / 2, 5 + SIZE[1] / 2],
        atol=0.05,
    )
    y, x = np.unravel_index(contact.argmax(), contact.shape)
    np.testing.assert_allclose([x * cell + shadows.at[0], y * cell + shadows.at[1]], [5, 5], atol=0.25)
    reach = shadows.reach(bodies.vertices, used)[0]
    assert reach[0] < 5 - length < 5 + SIZE[0] / 2 < reach[2]
    again, _ = shadows.draw(bodies.vertices[:0], used[:0], people.template, people.shown[:0])
    assert not again.any()


def test_the_floor_is_darker_beside_walls_and_things():
    share, at = corner_map(PLAZA, [Thing(Kind.pillar, "plaza", (5, 5), 1, 1, 3)])

    def there(x, y):
        return share[int((y - at[1]) * at[2]), int((x - at[0]) * at[2])]

    assert there(2.5, 7.5) == pytest.approx(1, abs=0.01)
    assert there(5.6, 5) < there(6.2, 5) < there(7.2, 5)
    assert there(0.05, 7) < 0.85


def test_sun_sky_and_lamps_light_what_they_reach():
    hall = Area("hall", Ground.hall, 20.0, 0.0, 28.0, 8.0, 3.0)
    world = World((PLAZA, hall), (Thing(Kind.wall, "plaza", (5, 5), 0.3, 4, 3),), (), (), (0.6, 0.0, 0.8), 1)
    setting = setting_of(world, PLAZA, scene_surfaces(world, PLAZA))
    eye = np.array([5, 0, 3], np.float32)

    def light(setting, points, normal=(0, 0, 1)):
        points = np.array(points, np.float32)
        lit = np.zeros((len(points), 5), np.float32)
        normals = np.tile(np.array(normal, np.float32), (len(points), 1))
        illuminate(setting, points, normals, np.ones(len(points), bool), eye, lit)
        return lit

    # East of the wall the sun reaches the floor, west of it not; the houses' shadows are short of both.
    east, west = light(setting, [(6.5, 5, 0), (3.8, 5, 0)])
    assert east[4] > 0.5
    assert west[4] == 0
    assert east[:3].min() > 1.5 * west[:3].max() > 0
    toward, away = light(setting, [(8, 5, 1)], (0.6, 0, 0.8)), light(setting, [(8, 5, 1)], (-0.6, 0, -0.8))
    assert toward[0, 0] > 2 * away[0, 0]

    indoors = setting_of(world, hall, scene_surfaces(world, hall))
    lamp = indoors.lamps[0]
    below, doorway = light(indoors, [(lamp[0], lamp[1], 0), (20 - 2.5, 4, 0)])
    assert below[0] > 5 * doorway[0]
    assert below[4] == 0
