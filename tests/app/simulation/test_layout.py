import numpy as np
import pytest

from app.simulation.config import SimulationConfig
from app.simulation.geometry import thing_distance
from app.simulation.layout import make_world
from app.simulation.viewpoints import SMALLEST_VIEW, heights_seen, looks
from app.simulation.world import Ground


def spots(area):
    across, along = np.arange(area.left + 0.5, area.right), np.arange(area.bottom + 0.5, area.top)
    return np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("cameras", [1, 2, 3, 4, 6, 9])
def test_worlds_pass_their_own_check_and_have_every_camera(cameras):
    # make_world ends with check_world: cameras off walls and things, ways open, doors that lead somewhere.
    world = make_world(SimulationConfig(cameras=cameras, seed=cameras))
    assert [camera.name for camera in world.cameras] == [f"cam{number + 1}" for number in range(cameras)]
    for area in world.areas:
        filming = sum(camera.area == area.name for camera in world.cameras)
        assert 1 <= filming <= (3 if area.ground is Ground.plaza else 2)


def test_one_seed_makes_one_world_and_another_seed_another():
    config = SimulationConfig(cameras=3, seed=3)
    assert make_world(config) == make_world(config)
    assert make_world(config) != make_world(SimulationConfig(cameras=3, seed=4))


@pytest.mark.parametrize("seed", range(4))
def test_three_cameras_overlap_on_a_plaza_that_doors_join_to_the_third(seed):
    world = make_world(SimulationConfig(cameras=3, seed=seed))
    plaza, other = world.areas
    assert plaza.ground is Ground.plaza
    assert [camera.area for camera in world.cameras] == [plaza.name, plaza.name, other.name]
    seen = np.array([heights_seen(camera, spots(plaza)) >= SMALLEST_VIEW for camera in world.cameras[:2]])
    assert seen.all(axis=0).mean() > 0.12
    assert (heights_seen(world.cameras[2], spots(other)) >= SMALLEST_VIEW).mean() > 0.4
    joins = [door for door in world.doors if door.area == plaza.name and door.leads_to is not None]
    assert len(joins) == 2
    assert all(2 <= door.seconds <= 6 for door in joins)


def test_doors_lead_back():
    world = make_world(SimulationConfig(cameras=9, seed=1))
    doors = {door.name: door for door in world.doors}
    for door in world.doors:
        if door.leads_to is not None:
            assert doors[door.leads_to].leads_to == door.name
            assert doors[door.leads_to].area != door.area
    # From the first area a walk through doors comes to every other.
    reached = {world.areas[0].name}
    for _ in world.areas:
        reached |= {doors[door.leads_to].area for door in world.doors if door.area in reached and door.leads_to}
    assert reached == {area.name for area in world.areas}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_tall_is_close_in_front_of_a_camera(seed):
    world = make_world(SimulationConfig(cameras=4, seed=seed))
    for camera in world.cameras:
        for thing in world.things:
            if thing.area != camera.area or thing.height < 1.5:
                continue
            away = thing_distance(np.asarray(camera.position[:2]), thing)
            top, depth = camera.project(np.array([*thing.centre, 1.5]))
            in_picture = depth > 0 and 0 < top[0] < camera.size[0]
            assert away > 5 or not in_picture


def test_looks_differ_visibly():
    those = looks(6, np.random.default_rng(1))
    warmth = sorted(look.balance[0] / look.balance[2] for look in those)
    assert np.diff(warmth).min() > 0.04
    assert warmth[0] < 0.85
    assert warmth[-1] > 1.15
    assert len({look.exposure for look in those}) == 6


def test_views_scale_with_the_size_of_the_pictures():
    large, small = (make_world(SimulationConfig(cameras=1, seed=5, size=size)) for size in ((1280, 720), (640, 360)))
    assert small.cameras[0].focal == pytest.approx(large.cameras[0].focal / 2)
    assert small.cameras[0].position == large.cameras[0].position
