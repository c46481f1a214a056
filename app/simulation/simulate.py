"""`simulate`: a world, a crowd that walks through it once, and every camera's view of it with the truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from app.errors import InputError
from app.files import prepare_folder
from app.runtime import Interruption
from app.simulation.config import SimulationConfig
from app.simulation.crops import STAGING, Crowd, Part, settle
from app.simulation.crowd import walk
from app.simulation.filming import Footage, Shooting, shoot
from app.simulation.layout import make_world
from app.simulation.scene import read_scene, write_scene
from app.simulation.wardrobe import Appearance, wardrobe
from app.simulation.workers import cores, run_jobs
from app.simulation.world import World

Progress = Callable[[str, str, int, int | None], None]
"""Told the stage, the camera, the frames done and the frames expected."""


class Wishes(TypedDict, total=False):
    """What is asked for; what is not, is as `SimulationConfig` has it by itself, or as a scene says."""

    cameras: int
    people: int
    seconds: float
    fps: float
    size: tuple[int, int]
    seed: int
    start: float
    every: float
    workers: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was simulated.

    Attributes:
        world: Where.
        config: Who, and when.
        footage: What was filmed, by the cameras' names; those that had not begun when it was interrupted are left out.
        parts: Of the re-identification dataset, where one was asked for.
        interrupted: Whether Ctrl-C ended it early; what was done by then is complete.
    """

    world: World
    config: SimulationConfig
    footage: Mapping[str, Footage]
    parts: Sequence[Part]
    interrupted: bool


def simulate(
    output: Path, scene: Path | None, crops: bool, command: str, progress: Progress, **wishes: Unpack[Wishes]
) -> Simulation:
    """Simulates a crowd and writes videos and truth, or a re-identification dataset, into a new folder.

    Args:
        output: The folder; it may be there already if nothing is in it.
        scene: A `scene.yaml` to film again, instead of a new world.
        crops: Whether people are cut out instead of filmed.
        command: The command that asks for this, to be kept with the results.
        progress: Called after each frame.
        **wishes: What is asked for.

    Raises:
        InputError: If something asked for is impossible, the scene cannot be used or the output not be written.
    """
    world, config = plan(scene, **wishes)
    if crops and len(world.cameras) < 2:
        raise InputError("--crops needs two cameras or more: who is asked for is found in another camera's view")
    _check_output(output)
    people = wardrobe(config.people, config.seed)
    jobs = shootings(output, world, config, people, crops)
    names = [camera.name for camera in world.cameras]
    expected = len(jobs[0].frames)
    stage = "cut" if crops else "film"
    try:
        with Interruption() as interruption:
            footage = run_jobs(
                shoot,
                jobs,
                [f"camera {name}" for name in names],
                config.workers or cores(),
                lambda number, done: progress(stage, names[number], done, expected),
                lambda: interruption.requested,
            )
        filmed = {name: each for name, each in zip(names, footage, strict=True) if each is not None and each.frames}
        parts = _settled(output, interruption.requested) if crops else []
    finally:
        for place in (STAGING, *(f".{name}.part" for name in names)):
            shutil.rmtree(output / place, ignore_errors=True)
    if filmed:
        frames = {name: each.frames for name, each in filmed.items()}
        write_scene(output / "scene.yaml", world, config, people, {} if crops else frames, command)
    return Simulation(world, config, filmed, parts, interruption.requested)


def plan(scene: Path | None, **wishes: Unpack[Wishes]) -> tuple[World, SimulationConfig]:
    """The world and the crowd that are asked for.

    Raises:
        InputError: If a wish is impossible, or the scene cannot be used.
    """
    if scene is None:
        config = SimulationConfig(**wishes)
        return make_world(config), config
    for name in ("cameras", "size"):
        if name in wishes:
            raise InputError(f"--{name}: the cameras are the scene's own; leave it out, or edit {scene}")
    world, config = read_scene(scene)
    return world, replace(config, **wishes)


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; give a new folder as --output")
    prepare_folder(output)
    others = sorted(path.name for path in output.iterdir() if not path.name.startswith("."))
    if others:
        raise InputError(f"{output}: holds something already, such as {others[0]}; give a new folder as --output")


def shootings(
    output: Path, world: World, config: SimulationConfig, people: Sequence[Appearance], crops: bool
) -> list[Shooting]:
    """What each camera has to do."""
    radii, paces, heights = (
        np.array([getattr(each, name) for each in people]) for name in ("radius", "pace", "height")
    )
    motions = walk(world, radii, paces, config.frames, config.fps, config.seed, heights)
    step = max(1, round(config.every * config.fps)) if crops else 1
    return [
        Shooting(
            world=world,
            camera=number,
            appearances=people,
            motions=motions[::step],
            frames=range(1, len(motions) + 1, step),
            fps=config.fps,
            start=config.start,
            seed=config.seed,
            folder=output,
            crowd=Crowd.split(config.people, config.seed) if crops else None,
        )
        for number in range(len(world.cameras))
    ]


def _settled(output: Path, interrupted: bool) -> list[Part]:
    """The dataset; when interrupted too early for one, nothing."""
    try:
        return settle(output)
    except InputError:
        if interrupted:
            return []
        raise
