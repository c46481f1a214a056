import math
from dataclasses import replace

import pytest

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.checks import check_world
from app.simulation.world import Area, Door, Ground, Kind, Thing, World

HALL = Area("hall-1", Ground.hall, 0, 0, 12, 10, 4.5)
YARD = Area("yard-2", Ground.plaza, 20, 0, 32, 10, 8)
EAST = Door("east", "hall-1", (12.0, 5.0), math.pi, 2.0, "west", 3.0)
WEST = Door("west", "yard-2", (20.0, 5.0), 0.0, 2.0, "east", 3.0)
OUT = Door("out", "hall-1", (6.0, 0.0), math.pi / 2, 2.0)
CAMERA = Camera("cam1", "hall-1", (0.4, 9.6, 3.0), (6.0, 5.0, 1.0), 900, (1280, 720))
KIOSK = Thing(Kind.kiosk, "hall-1", (6.0, 6.0), 2.0, 1.5, 2.5)
WORLD = World((HALL, YARD), (KIOSK,), (EAST, WEST, OUT), (CAMERA,), (0.0, 0.6, 0.8), 1)


def wall(x, y, length, width):
    return Thing(Kind.wall, "hall-1", (x, y), length, width, 3.5)


def camera(**changes):
    return replace(WORLD, cameras=(replace(CAMERA, **changes),))


def test_a_sound_world_passes():
    check_world(WORLD)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (camera(position=(0.05, 9.6, 3.0)), "inside a wall"),
        (camera(position=(6.0, 6.0, 2.0)), "inside the kiosk"),
        (replace(WORLD, things=(wall(0.4, 9.0, 0.2, 2.0),)), "inside a wall at"),
        (camera(position=(-3.0, 9.6, 3.0)), "outside the walls"),
        (camera(position=(0.4, 9.6, 5.0)), "4.5 m"),
        (camera(position=(0.4, 9.6, 0.0)), "between the ground"),
        (camera(target=(0.4, 9.6, 3.0)), "its own position"),
        (camera(target=(0.4, 9.6, 0.0)), "straight above or below"),
        (camera(target=(1e308, -1e308, 1.0)), "its target is too far away"),
        (replace(WORLD, things=(replace(KIOSK, centre=(1e308, 8.0)),)), "kiosk at (1e+308, 8): it reaches beyond"),
        (camera(focal=0.0), "focal length of 0"),
        (camera(focal=math.nan), "must be numbers"),
        (camera(size=(1, 1)), "1x1"),
        (camera(size=(1280, 721)), "even"),
        (camera(name="cam 1"), "letters, digits"),
        (camera(area="nowhere"), "no area 'nowhere'"),
        (replace(WORLD, cameras=()), "no camera"),
        (replace(WORLD, areas=()), "no area"),
        (replace(WORLD, cameras=(CAMERA, CAMERA)), "given twice"),
        (replace(WORLD, doors=(EAST, WEST, replace(OUT, name="east"))), "door east: the name is given twice"),
        (replace(WORLD, areas=(HALL, replace(YARD, left=10.0))), "overlap"),
        (replace(WORLD, areas=(replace(HALL, top=2.0), YARD)), "too small"),
        (replace(WORLD, areas=(replace(HALL, top=math.nan), YARD)), "too small"),
        (replace(WORLD, areas=(replace(HALL, top=1e9), YARD)), "too large"),
        (replace(WORLD, areas=(HALL, replace(YARD, left=5000.0, right=5190.0, bottom=0.0, top=190.0))), "too large"),
        (replace(WORLD, areas=(HALL, replace(YARD, left=1e7, right=1e7 + 50, bottom=0.0, top=50.0))), "too far away"),
        (replace(WORLD, areas=(HALL, replace(YARD, name="Yard 2"))), "a-z, 0-9"),
        (replace(WORLD, things=(replace(KIOSK, area="cellar"),)), "kiosk at (6, 6): there is no area 'cellar'"),
        (replace(WORLD, things=(replace(KIOSK, centre=(11.5, 8.0)),)), "beyond the walls"),
        (replace(WORLD, things=(replace(KIOSK, width=0.0),)), "more than 0"),
        (replace(WORLD, doors=(replace(EAST, leads_to="north"), WEST)), "'north', which does not exist"),
        (replace(WORLD, doors=(replace(EAST, leads_to="east"), WEST)), "leads to itself"),
        (replace(WORLD, doors=(replace(EAST, seconds=-1.0), WEST)), "a walk of -1.0 s"),
        (replace(WORLD, doors=(replace(EAST, position=(11.0, 5.0)), WEST)), "not on an edge"),
        (replace(WORLD, doors=(replace(EAST, inwards=0.0), WEST)), "not on an edge"),
        (replace(WORLD, doors=(replace(EAST, position=(12.0, 9.5)), WEST)), "around a corner"),
        (replace(WORLD, doors=(replace(EAST, width=0.3), WEST)), "0.3 m wide"),
        (replace(WORLD, doors=(EAST, WEST, OUT, replace(OUT, name="b", position=(7.0, 0.0)))), "overlap"),
        (replace(WORLD, things=(Thing(Kind.planter, "hall-1", (6.5, 0.4), 1, 0.6, 1),)), "stands in door out"),
        (replace(WORLD, things=(wall(8.0, 5.0, 0.2, 9.9),)), "no way from it"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(world, words):
    with pytest.raises(InputError) as caught:
        check_world(world)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_camera_may_hang_above_a_low_thing():
    bench = Thing(Kind.bench, "hall-1", (1.2, 9.6), 2.0, 0.5, 0.5)
    check_world(replace(WORLD, things=(bench,)))
