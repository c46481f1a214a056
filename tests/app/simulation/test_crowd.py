import math
from itertools import pairwise

import numpy as np
import pytest

from app.simulation.camera import Camera
from app.simulation.checks import check_world
from app.simulation.config import SimulationConfig
from app.simulation.crowd import Crowd, walk
from app.simulation.geometry import clearance, in_passage, inside
from app.simulation.layout import make_world
from app.simulation.navigation import Ground as Ways
from app.simulation.people import People
from app.simulation.plans import Activity, Plans
from app.simulation.skeleton import stride_length
from app.simulation.world import Area, Door, Ground, World

PEOPLE, FPS, FRAMES = 40, 25.0, 750


class Seen:
    """Everybody's motion as arrays (frames, people), NaN where they are absent."""

    def __init__(self, world, motions, people):
        shape = (len(motions), people)
        self.x = np.full((*shape, 2), np.nan)
        self.heading, self.speed, self.phase, self.gaze = (np.full(shape, np.nan) for _ in range(4))
        for frame, motion in enumerate(motions):
            self.x[frame, motion.person] = motion.position
            for values, name in ((self.heading, "heading"), (self.speed, "speed"), (self.phase, "phase")):
                values[frame, motion.person] = getattr(motion, name)
            self.gaze[frame, motion.person] = motion.gaze
        self.present = ~np.isnan(self.speed)
        self.area = np.full(shape, -1)
        for number, area in enumerate(world.areas):
            self.area[inside(np.nan_to_num(self.x, nan=-1e9), area, -2.0)] = number
        # Steps from one frame to the next within one stay.
        self.steps = self.present[1:] & self.present[:-1] & (self.area[1:] == self.area[:-1])


@pytest.fixture(scope="module")
def crowd():
    random = np.random.default_rng(1)
    world = make_world(SimulationConfig(cameras=3, seed=2))
    radii, paces = random.uniform(0.22, 0.32, PEOPLE), random.uniform(0.9, 1.5, PEOPLE)
    motions = walk(world, radii, paces, FRAMES, FPS, 2)
    return world, radii, motions, Seen(world, motions, PEOPLE)


def test_a_motion_a_frame_with_each_person_at_most_once(crowd):
    _, _, motions, _ = crowd
    assert len(motions) == FRAMES
    for motion in motions:
        assert motion.person.dtype == np.int32
        assert (np.diff(motion.person) > 0).all()
        assert motion.position.shape == (len(motion.person), 2)


def test_the_first_frame_is_crowded(crowd):
    world, _, motions, seen = crowd
    assert len(motions[0].person) > 0.8 * PEOPLE
    assert (np.bincount(seen.area[0][seen.present[0]], minlength=len(world.areas)) >= 5).all()


def test_everybody_is_in_an_area_or_a_passage_clear_of_walls_and_things(crowd):
    world, radii, _, seen = crowd
    for number, area in enumerate(world.areas):
        things = [thing for thing in world.things if thing.area == area.name]
        doors = [door for door in world.doors if door.area == area.name]
        here = seen.area == number
        points = seen.x[here]
        allowed = inside(points, area)
        for door in doors:
            allowed |= in_passage(points, door)
        assert allowed.all()
        spare = clearance(points, area, things, doors) - np.broadcast_to(radii, here.shape)[here]
        assert spare.min() > -0.05
    assert (seen.area[seen.present] >= 0).all()


def test_bodies_hardly_ever_overlap(crowd):
    _, radii, _, seen = crowd
    near, overlapping, deepest = 0, 0, 0.0
    for frame in range(0, FRAMES, 5):
        there = np.flatnonzero(seen.present[frame])
        apart = np.linalg.norm(seen.x[frame, there][:, None] - seen.x[frame, there], axis=-1)
        over = (radii[there][:, None] + radii[there] - apart)[np.triu_indices(len(there), 1)]
        near += (over > -1).sum()
        overlapping += (over > 0.02).sum()
        deepest = max(deepest, float(over.max()))
    assert near > 1000
    assert overlapping < 0.002 * near
    assert deepest < 0.1


def test_people_move_like_people(crowd):
    _, _, _, seen = crowd
    assert np.nanmin(seen.speed) == 0
    assert np.nanmax(seen.speed) < 2
    moving = seen.speed[seen.present] > 0.3
    assert 0.5 < moving.mean() < 0.95
    assert 0.7 < np.median(seen.speed[seen.present][moving]) < 1.4
    # No jitter: bodies turn slowly and speed changes gently.
    turning = np.abs(np.angle(np.exp(1j * np.diff(seen.heading, axis=0))))[seen.steps] * FPS
    assert turning.max() < 2.5
    both = seen.steps[1:] & seen.steps[:-1]
    change = np.linalg.norm(np.diff(seen.x, 2, axis=0), axis=-1)[both] * FPS**2
    assert np.quantile(change, 0.99) < 2
    assert change.max() < 5


def test_walkers_face_where_they_go(crowd):
    _, _, _, seen = crowd
    move = np.diff(seen.x, axis=0)
    walking = seen.steps & (np.nan_to_num(seen.speed[1:]) > 0.5)
    off = np.angle(np.exp(1j * (np.arctan2(move[..., 1], move[..., 0]) - seen.heading[1:])))[walking]
    assert np.quantile(np.abs(off), 0.95) < math.radians(30)


def test_strides_fit_the_ground_they_cover(crowd):
    _, _, _, seen = crowd
    advance = (np.diff(seen.phase, axis=0) % 1)[seen.steps]
    speed = seen.speed[1:][seen.steps]
    expected = speed / FPS / stride_length(speed, 1.7)
    np.testing.assert_allclose(np.minimum(np.abs(advance - expected), 1 - np.abs(advance - expected)), 0, atol=1e-6)
    covered = np.linalg.norm(np.diff(seen.x, axis=0), axis=-1)[seen.steps] * FPS
    assert np.abs(covered - speed).max() < 0.35
    assert np.nanmin(seen.phase) >= 0
    assert np.nanmax(seen.phase) < 1


def test_heads_turn_smoothly_and_not_too_far(crowd):
    _, _, _, seen = crowd
    assert np.nanmax(np.abs(seen.gaze)) <= 1.2
    assert np.abs(np.diff(seen.gaze, axis=0)[seen.steps]).max() * FPS < 6
    assert np.nanstd(seen.gaze) > 0.1


def test_people_come_through_doors_after_the_time_it_takes(crowd):
    world, _, _, seen = crowd
    doors = {door.name: door for door in world.doors}
    names = [area.name for area in world.areas]
    changes = 0
    for person in range(PEOPLE):
        there = np.flatnonzero(seen.present[:, person])
        for before, after in pairwise(there):
            if seen.area[before, person] == seen.area[after, person]:
                continue
            changes += 1
            gone = [
                door
                for door in world.doors
                if door.area == names[seen.area[before, person]]
                and in_passage(seen.x[before, person], door)
                and door.leads_to is not None
                and in_passage(seen.x[after, person], doors[door.leads_to])
            ]
            outside = after - before > 4 * FPS
            assert outside or (len(gone) == 1 and (after - before) / FPS >= gone[0].seconds - 0.1)
    assert changes > 10


def test_one_seed_walks_alike_and_another_does_not():
    world = make_world(SimulationConfig(cameras=1, seed=3))
    radii, paces = np.full(12, 0.25), np.full(12, 1.2)
    one, same, other = (walk(world, radii, paces, 30, 10, seed) for seed in (1, 1, 2))
    for first, second in zip(one, same, strict=True):
        for name in ("person", "position", "heading", "speed", "phase", "gaze"):
            assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert one[0].position.tobytes() != other[0].position.tobytes()


def test_a_longer_walk_begins_like_a_shorter_one():
    world = make_world(SimulationConfig(cameras=1, seed=3))
    radii, paces = np.full(8, 0.25), np.full(8, 1.2)
    short, long = (walk(world, radii, paces, frames, 10, 1) for frames in (20, 40))
    for first, second in zip(short[:10], long, strict=False):
        np.testing.assert_array_equal(first.person, second.person)
        np.testing.assert_allclose(first.position, second.position, atol=1e-9)


def test_a_narrow_door_between_two_rooms_does_not_jam():
    rooms = Area("hall-1", Ground.hall, 0, 0, 9, 8, 4), Area("hall-2", Ground.hall, 20, 0, 29, 8, 4)
    doors = (
        Door("east", "hall-1", (9.0, 4.0), math.pi, 1.6, "west", 2.0),
        Door("west", "hall-2", (20.0, 4.0), 0.0, 1.6, "east", 2.0),
    )
    camera = Camera("cam1", "hall-1", (0.5, 0.5, 3.0), (6, 5, 1), 900, (1280, 720))
    world = World(rooms, (), doors, (camera,), (0.0, 0.6, 0.8), 1)
    check_world(world)
    people = 16
    motions = walk(world, np.full(people, 0.27), np.full(people, 1.3), 900, 10, 5)
    seen = Seen(world, motions, people)
    # People keep coming through all the time, and most have wished to and been on both sides in a minute and a half.
    came = (seen.area[1:] >= 0) & (seen.area[:-1] == -1)
    assert all(third.sum() >= 5 for third in np.array_split(came, 3))
    assert sum({0, 1} <= set(seen.area[:, person].tolist()) for person in range(people)) >= 0.75 * people


@pytest.mark.parametrize(("cameras", "people", "seed"), [(3, 40, 7), (1, 30, 4)])
def test_everybody_who_wants_to_leave_gets_to_the_door(cameras, people, seed):
    random = np.random.default_rng(seed)
    world = make_world(SimulationConfig(cameras=cameras, seed=seed))
    ground, crowd = Ways(world, random), People(np.full(people, 0.27), np.full(people, 1.2), random)
    plans = Plans(world, ground, crowd, random)
    walking = Crowd(ground, crowd, plans, random, 0.05)
    longest, left, held = 0.0, 0, []
    before = crowd.present.copy()
    for _ in range(75 * 20):
        walking.step(0.05)
        left += int((before & ~crowd.present).sum())
        before = crowd.present.copy()
        held.append((walking.held[crowd.present] > 3).mean())
        inside_now = np.array([crowd.present[members].all() for members in crowd.members])
        leaving = inside_now & (plans.activity == Activity.leave)
        longest = max(longest, float((walking.now - plans.since)[leaving].max(initial=0)))
    # The farthest way is about 30 metres, half a minute's walk.
    assert longest < 60
    assert left > people
    assert np.mean(held) < 0.02


@pytest.mark.parametrize(("people", "radius"), [(1, 0.25), (3, 0.55)])
def test_few_or_broad_people_walk_too(people, radius):
    world = make_world(SimulationConfig(cameras=2, people=people, seed=1))
    motions = walk(world, np.full(people, radius), np.full(people, 1.0), 1000, 25, 1)  # who stands walks on in time
    assert max(len(motion.person) for motion in motions) == people
    ends = [motion.position[0] for motion in motions if 0 in motion.person]
    assert np.linalg.norm(ends[0] - ends[-1]) > 0.5
