import numpy as np
import pytest

from app.simulation.config import SimulationConfig
from app.simulation.furniture import counter
from app.simulation.geometry import clearance, in_passage, inside, thing_distance
from app.simulation.layout import make_world
from app.simulation.navigation import CELL, Ground, gradient, sample, sweep
from app.simulation.world import Kind


@pytest.fixture(scope="module")
def world():
    return make_world(SimulationConfig(cameras=3, seed=2))


@pytest.fixture(scope="module")
def ground(world):
    return Ground(world, np.random.default_rng(1))


def test_on_open_ground_the_way_is_the_straight_line():
    distance = np.full((60, 80), 1e6)
    distance[20, 30] = 0
    sweep(np.full((60, 80), CELL), distance)
    rows, columns = np.mgrid[:60, :80]
    straight = np.hypot(rows - 20, columns - 30) * CELL
    far = straight > 1
    assert (np.abs(distance - straight)[far] / straight[far]).max() < 0.09


def test_the_way_leads_around_a_wall():
    cost = np.full((41, 41), CELL)
    cost[:36, 20] = 1e3
    distance = np.full((41, 41), 1e6)
    distance[5, 5] = 0
    sweep(cost, distance)
    # Down to the gap at row 36 and up again, not straight through the 30 cells between.
    around = (np.hypot(31, 15) + np.hypot(31, 15)) * CELL
    assert distance[5, 35] == pytest.approx(around, rel=0.08)


def test_clearance_is_that_of_the_geometry(world, ground):
    random = np.random.default_rng(3)
    for number, area in enumerate(world.areas):
        points = random.uniform((area.left, area.bottom), (area.right, area.top), (300, 2))
        things = [thing for thing in world.things if thing.area == area.name]
        doors = [door for door in world.doors if door.area == area.name]
        exact = clearance(points, area, things, doors)
        outside = exact > 0.2
        # Off by half a cell's diagonal at most, half way between two things.
        np.testing.assert_allclose(ground.clear(points, number)[outside], exact[outside], atol=0.7 * CELL)


def test_downhill_leads_from_everywhere_to_every_goal(world, ground):
    random = np.random.default_rng(4)
    for goal, number in enumerate(ground.area):
        area = world.areas[number]
        points = random.uniform((area.left, area.bottom), (area.right, area.top), (40, 2))
        points = points[ground.clear(points, number) > 0.35]
        which, areas = np.full(len(points), goal), np.full(len(points), number)
        lowest = np.full(len(points), np.inf)
        for _ in range(500):
            slope = gradient(ground.distance, ground.origin, which, areas, points, 0.2)
            steep = np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9)
            points = np.where((lowest > 0.5)[:, None], points - 0.1 * slope / steep, points)
            lowest = np.minimum(lowest, value(ground, which, areas, points))
        assert lowest.max() < 0.5
        if goal < len(world.doors):
            assert in_passage(points, world.doors[goal], 2.0).all()


def value(ground, which, areas, points):
    out = np.empty(len(points))
    sample(ground.distance, ground.origin, which, areas, points, out)
    return out


def test_queues_stand_in_front_of_counters(world, ground):
    kiosks = [thing for thing in world.things if thing.kind is Kind.kiosk]
    assert len(ground.slots) == len(kiosks)
    for slots in ground.slots.values():
        near = [thing for thing in kiosks if thing_distance(slots[0], thing) < 0.7]
        assert len(near) == 1
        middle, away = counter(near[0])
        assert ((slots - middle) @ away > 0.5).all()
        assert len(slots) >= 4


def test_places_to_stop_at_have_room(world, ground):
    for number, area in enumerate(world.areas):
        assert len(ground.places[number]) >= 2
        for goal in ground.places[number]:
            row, column = np.unravel_index(ground.distance[goal].argmin(), ground.distance[goal].shape)
            at = ground.origin[number] + (np.array([column, row]) + 0.5) * CELL
            assert inside(at, area, 0.8)
            assert ground.clear(at[None], number)[0] > 0.8
