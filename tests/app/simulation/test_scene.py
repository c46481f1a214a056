from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.config import SimulationConfig
from app.simulation.coverage import overlaps, sees
from app.simulation.layout import make_world
from app.simulation.scene import read_scene, write_scene
from app.simulation.wardrobe import wardrobe
from app.simulation.wording import in_words
from app.simulation.world import Area, Ground, Kind, Thing, World

CONFIG = SimulationConfig(cameras=4, people=9, seconds=1.5, fps=29.97, seed=3, start=1.5e9, size=(320, 180))


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(CONFIG)


@pytest.fixture
def path(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "scene.yaml"
    frames = {camera.name: CONFIG.frames for camera in world.cameras}
    write_scene(file, world, CONFIG, wardrobe(CONFIG.people, CONFIG.seed), frames, "run.py simulate --output DIR")
    return file


def test_a_scene_comes_back_exactly(path: Path, world: World) -> None:
    assert read_scene(path) == (world, CONFIG)


def test_what_follows_from_the_world_is_told(path: Path, world: World) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["command"] == "run.py simulate --output DIR"
    for camera in world.cameras:
        given = document["calibration"][camera.name]
        np.testing.assert_array_equal(given["intrinsics"], camera.intrinsics)
        np.testing.assert_array_equal(given["rotation"], camera.rotation)
        np.testing.assert_array_equal(given["translation"], camera.translation)
        np.testing.assert_array_equal(given["ground_to_image"], camera.ground_to_image)
    assert document["videos"][0] == {"camera": "cam1", "start": 1.5e9, "fps": 29.97, "frames": 45}
    assert [person["id"] for person in document["people"]] == list(range(1, 10))


def test_an_edited_camera_is_read(path: Path, world: World) -> None:
    document = yaml.safe_load(path.read_text())
    document["world"]["cameras"][0]["focal"] = 400
    del document["calibration"], document["overlaps"], document["people"], document["videos"]
    path.write_text(yaml.safe_dump(document))
    read, _ = read_scene(path)
    assert read.cameras == (replace(world.cameras[0], focal=400.0), *world.cameras[1:])


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("crowd.people", 0, "people 0: expected 1 to"),
        ("crowd.people", "many", "crowd.people: given 'many'"),
        ("crowd.fps", float("nan"), "fps nan: expected 1 to"),
        ("world.areas.0.height", float("nan"), "world.areas.0.height: given nan"),
        ("crowd.poeple", 5, "crowd.poeple: unknown key, given 5; did you mean 'people'?"),
        ("wrold", {}, "wrold: unknown key, given {}; did you mean 'world'?"),
        ("world.cameras.0.fcoal", 5, "world.cameras.0.fcoal: unknown key, given 5; did you mean 'focal'?"),
        ("world.cameras.0.look.colour", 5, "world.cameras.0.look.colour: unknown key, given 5"),
        ("world.cameras.0.focal", 0, "camera cam1: a focal length of 0 pixels"),
        ("world.cameras.0.focal", "long", "world.cameras.0.focal: given 'long'"),
        ("world.cameras.0.position", [1, 2], "world.cameras.0.position"),
        ("world.cameras.0.size", [1, 1], "camera cam1: pictures of 1x1 pixels; expected even sides of"),
        ("world.cameras.0.look.exposure", 0, "camera cam1: look.exposure is 0; expected more than 0"),
        ("world.cameras.0.look.quality", 52, "camera cam1: look.quality is 52; expected 0 to 51"),
        ("world.cameras.0.look.noise", -1, "camera cam1: look.noise is -1; expected 0 to 100"),
        ("world.cameras.0.area", "moon", "camera cam1: there is no area 'moon'; the areas are"),
        ("world.cameras.1.name", "cam1", "camera cam1: the name is given twice"),
        ("world.cameras.0.name", "../cam", "camera ../cam: only letters, digits, - and _ are allowed"),
        ("world.cameras", [], "the world has no camera"),
        ("world.things.0.kind", "elephant", "world.things.0.kind: given 'elephant'"),
        ("world.sun", [0, 0, 0], "world.sun: given [0.0, 0.0, 0.0]; expected a vector of length 1"),
        ("world.areas", None, "world.areas: given None"),
    ],
)
def test_what_is_wrong_in_a_scene_is_named(path: Path, place: str, value: object, problem: str) -> None:
    document = yaml.safe_load(path.read_text())
    *parents, last = place.split(".")
    target: Any = document
    for key in parents:
        target = target[int(key) if key.isdigit() else key]
    target[last] = value
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(InputError, match=re.escape(f"{path}: {problem}")) as caught:
        read_scene(path)
    assert "\n" not in str(caught.value)


def test_a_camera_inside_a_wall(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    camera = document["world"]["cameras"][0]
    area = next(area for area in document["world"]["areas"] if area["name"] == camera["area"])
    camera["position"] = [area["left"], (area["bottom"] + area["top"]) / 2, 2.5]
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(InputError, match=r"scene\.yaml: camera cam1 at .*: it is inside a wall of area"):
        read_scene(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "crowd: required, but not given"),
        (b"[1, 2]", "expected sections"),
        (b"world: {areas: [", "not valid YAML"),
        (b"\xff\xfe\x00garbage", "cannot be read as text"),
        (b"crowd: 5\nworld: 5\n", "crowd: given 5"),
    ],
)
def test_garbled_files(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "scene.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(problem)) as caught:
        read_scene(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_scene(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; name a scene"):
        read_scene(tmp_path)


SQUARE = Area("square", Ground.plaza, 0, 0, 20, 20, 8)
EAST = Camera("east", "square", (1, 10, 3), (10, 10, 0), 700, (1280, 720))
SOUTH = Camera("south", "square", (10, 19, 3), (10, 10, 0), 700, (1280, 720))
WALL = Thing(Kind.wall, "square", (6, 10), 0.4, 8, 4)


def test_a_wall_hides_the_ground_behind_it() -> None:
    points = np.array([[5.0, 10.0], [8.0, 10.0], [12.0, 12.0], [8.0, 18.0], [0.5, 10.0]])
    assert sees(EAST, points, []).tolist() == [True, True, True, False, False]
    assert sees(EAST, points, [WALL]).tolist() == [True, False, False, False, False]


def test_a_low_thing_hides_only_what_is_close_behind_it() -> None:
    low = replace(WALL, height=1.5)
    points = np.array([[6.5, 10.0], [10.0, 10.0], [12.0, 10.0]])
    # From 3 m up, over an edge 1.5 m high and 5.2 m away, the ground shows from twice as far.
    assert sees(EAST, points, [low]).tolist() == [False, False, True]


def test_overlaps_are_the_ground_both_cameras_see() -> None:
    open_world = World((SQUARE,), (), (), (EAST, SOUTH), (0, 0, 1), 0)
    (pair,) = overlaps(open_world)
    assert pair.cameras == ("east", "south")
    random = np.random.default_rng(0).uniform(0, 20, (40_000, 2))
    both = (sees(EAST, random, []) & sees(SOUTH, random, [])).mean() * 400
    assert pair.square_metres == pytest.approx(both, rel=0.05)
    (less,) = overlaps(replace(open_world, things=(WALL,)))
    assert less.square_metres < pair.square_metres
    apart = replace(SOUTH, target=(10, 30, 0))
    assert overlaps(replace(open_world, cameras=(EAST, apart))) == ()


def test_cameras_of_different_areas_see_no_common_ground() -> None:
    other = replace(SQUARE, name="other", left=30, right=50)
    world = World((SQUARE, other), (), (), (EAST, replace(SOUTH, area="other", position=(40, 19, 3))), (0, 0, 1), 0)
    assert overlaps(world) == ()


def test_looks_are_words() -> None:
    people = wardrobe(300, 5)
    words = [in_words(looks) for looks in people]
    for line, looks in zip(words, people, strict=True):
        assert f"{looks.height:.2f} m" in line
        assert ("umbrella" in line) == looks.umbrella
        assert ("push-chair" in line) == looks.push_chair
        assert "none" not in line
        assert "coloured " not in line.replace("two-coloured", "")
    assert len(set(words)) > 290
