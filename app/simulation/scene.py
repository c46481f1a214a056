"""`scene.yaml`: what a simulation was made from, to be read, edited and filmed again, and what follows from it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field

from app import __version__
from app.config_base import Section
from app.errors import InputError
from app.files import write_text
from app.settings import load_as
from app.simulation.camera import Camera
from app.simulation.config import SimulationConfig
from app.simulation.coverage import overlaps
from app.simulation.layout import check_world
from app.simulation.wardrobe import Appearance
from app.simulation.wording import in_words
from app.simulation.world import World

HEADER = """\
# A simulated scene. Edit `crowd` and `world` and film it again:
#     run.py simulate --scene scene.yaml --output DIR
# Metres, z up, the ground at z = 0; angles in radians, counter-clockwise from the x axis. A person's x and y on the
# ground, and 1, times `ground_to_image` is the pixel they stand at. All below `world` follows from what is above it
# and is not read again.
"""
MOST = {"noise": 100, "blur": 20, "quality": 51}
"""Largest values of a camera's look."""
DIGITS = 4
"""Decimals of numbers that are only for people to read."""


class Crowd(Section):
    """Who is filmed, and when."""

    people: int = Field(description="How many people there are in the whole simulation.")
    seconds: float = Field(description="Length of the videos.")
    fps: float = Field(description="Frames a second.")
    seed: int = Field(description="Decides who the people are, where they walk, and the noise in the pictures.")
    start: float = Field(default=0.0, description="Time of the first frame, seconds since the epoch.")


class SceneFile(Section):
    """What is in the file. What is computed is accepted and left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    crowd: Crowd = Field(description="Who is filmed, and when.")
    world: World = Field(description="Areas, things, doors, cameras and the sun.")
    command: Any = Field(default=None, description="The command that made the scene.")
    version: Any = Field(default=None, description="The version that made the scene.")
    videos: Any = Field(default=None, description="What was filmed.")
    calibration: Any = Field(default=None, description="Computed from the cameras.")
    overlaps: Any = Field(default=None, description="Computed from world and cameras.")
    people: Any = Field(default=None, description="Computed from the crowd's seed.")


def read_scene(path: Path) -> tuple[World, SimulationConfig]:
    """A world, and the crowd in it, as `write_scene` wrote or somebody edited them.

    Raises:
        InputError: Naming the file and what in it is unknown, missing or impossible.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a scene.yaml that run.py simulate wrote")
    return check_scene(load_as(SceneFile, path), path)


def check_scene(scene: SceneFile, path: Path) -> tuple[World, SimulationConfig]:
    """The world and the crowd of a scene, if they can be.

    Args:
        scene: As it was read.
        path: Where from, for messages.

    Raises:
        InputError: Naming the file and what in it is impossible.
    """
    cameras = scene.world.cameras
    try:
        check_world(scene.world)
        _check_looks(scene.world)
        config = SimulationConfig(**scene.crowd.model_dump(), cameras=len(cameras), size=cameras[0].size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return scene.world, config


def _check_looks(world: World) -> None:
    """What only matters to a renderer; the rest is `check_world`'s."""
    if not abs(math.hypot(*world.sun) - 1) < 0.005:
        raise InputError(f"world.sun: given {list(world.sun)}; expected a vector of length 1")
    for camera in world.cameras:
        look = camera.look
        for key, value in {"exposure": look.exposure, "balance": min(look.balance)}.items():
            if value <= 0:
                raise InputError(f"camera {camera.name}: look.{key} is {value:g}; expected more than 0")
        for key, value in {"noise": look.noise, "blur": look.blur, "quality": look.quality}.items():
            if not 0 <= value <= MOST[key]:
                raise InputError(f"camera {camera.name}: look.{key} is {value:g}; expected 0 to {MOST[key]}")


def write_scene(
    path: Path,
    world: World,
    config: SimulationConfig,
    appearances: Sequence[Appearance],
    frames: Mapping[str, int],
    command: str,
) -> None:
    """Writes a scene.

    Args:
        path: The file.
        world: The world.
        config: Who was filmed, and when.
        appearances: Everybody's looks.
        frames: How many frames were filmed of each camera, by name; fewer than the configuration says if interrupted.
        command: The command that made it.

    Raises:
        InputError: If the file cannot be written.
    """
    document = {
        "command": command,
        "version": __version__,
        "crowd": {key: getattr(config, key) for key in Crowd.model_fields},
        # Through JSON, because YAML knows neither tuples nor enumerations.
        "world": json.loads(json.dumps(dataclasses.asdict(world))),
        "videos": [
            {"camera": name, "start": config.start, "fps": config.fps, "frames": count}
            for name, count in frames.items()
        ],
        "calibration": {camera.name: _calibration(camera) for camera in world.cameras},
        "overlaps": [
            {"cameras": list(pair.cameras), "square_metres": round(pair.square_metres, DIGITS)}
            for pair in overlaps(world)
        ],
        "people": [{"id": number, "looks": in_words(looks)} for number, looks in enumerate(appearances, 1)],
    }
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    write_text(path, HEADER + text)


def _calibration(camera: Camera) -> dict[str, Any]:
    return {
        "intrinsics": camera.intrinsics.tolist(),
        "rotation": camera.rotation.tolist(),
        "translation": camera.translation.tolist(),
        "ground_to_image": camera.ground_to_image.tolist(),
    }
