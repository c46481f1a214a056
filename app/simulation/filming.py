"""One camera films the crowd, frame by frame. What runs in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.simulation.camera import Camera
from app.simulation.crops import CropWriter, Crowd
from app.simulation.figures import Figures
from app.simulation.geometry import inside
from app.simulation.motion import Motion
from app.simulation.picture import Picture
from app.simulation.render import Renderer
from app.simulation.surroundings import RECESS
from app.simulation.truth import frame_truth
from app.simulation.wardrobe import Appearance
from app.simulation.workers import Report
from app.simulation.world import Area, World
from app.simulation.writing import CameraWriter


@dataclass(frozen=True, slots=True)
class Shooting:
    """What one camera is to film.

    Attributes:
        world: Where.
        camera: Number of the camera in the world, from 0.
        appearances: Looks of everybody in the world.
        motions: Where everybody is in each frame that is to be filmed.
        frames: Their numbers, from 1.
        fps: Frames a second.
        start: Time of frame 1, seconds since the epoch.
        seed: Of the noise in the pictures.
        folder: Where the results go.
        crowd: Who is cut out for what, where crops are wanted instead of a video.
    """

    world: World
    camera: int
    appearances: Sequence[Appearance]
    motions: Sequence[Motion]
    frames: Sequence[int]
    fps: float
    start: float
    seed: int
    folder: Path
    crowd: Crowd | None = None


@dataclass(frozen=True, slots=True)
class Footage:
    """What came of it.

    Attributes:
        frames: How many were filmed; fewer than asked for if it was stopped.
        boxes: Rows of gt.txt, or crops.
    """

    frames: int
    boxes: int


def shoot(shooting: Shooting, report: Report) -> Footage:
    """Films, and writes what a camera's folder holds, or crops.

    Raises:
        InputError: If the folder cannot be written.
    """
    cv2.setNumThreads(1)
    camera = shooting.world.cameras[shooting.camera]
    if shooting.crowd is not None:
        return _cut(shooting, camera, shooting.crowd, report)
    with CameraWriter(shooting.folder / camera.name, camera, shooting.fps) as writer:
        for frame, motion, picture in pictures(shooting):
            time = shooting.start + (frame - 1) / shooting.fps
            writer.write(picture.image, frame_truth(picture, motion, frame, time))
            if not report(writer.frames):
                break
    return Footage(writer.frames, writer.boxes)


def _cut(shooting: Shooting, camera: Camera, crowd: Crowd, report: Report) -> Footage:
    done = 0
    writer = CropWriter(shooting.folder, camera, shooting.camera + 1, crowd, shooting.seed)
    for done, (frame, _, picture) in enumerate(pictures(shooting), 1):
        writer.write(picture, frame)
        if not report(done):
            break
    writer.finish()
    return Footage(done, writer.crops)


def pictures(shooting: Shooting) -> Iterator[tuple[int, Motion, Picture]]:
    """Number, people and picture of each frame."""
    camera = shooting.world.cameras[shooting.camera]
    area = next(area for area in shooting.world.areas if area.name == camera.area)
    figures = Figures(shooting.appearances)
    renderer = Renderer(shooting.world, camera, figures, shooting.seed)
    for frame, motion in zip(shooting.frames, shooting.motions, strict=True):
        here = people_in(motion, area)
        yield frame, here, renderer.render(figures.pose(here), frame)


def people_in(motion: Motion, area: Area) -> Motion:
    """Those in an area or in the passages behind its doors; a camera sees nobody else."""
    rows = np.flatnonzero(inside(motion.position, area, -RECESS))
    return Motion(
        motion.person[rows],
        motion.position[rows],
        motion.heading[rows],
        motion.speed[rows],
        motion.phase[rows],
        motion.gaze[rows],
    )
