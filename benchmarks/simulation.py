"""How fast a process films the simulated crowd, and how much of it a detector trained on real people finds.

python -m benchmarks.simulation [--detector WEIGHTS] [--people 30] [--frames 100] [--seed N …] [--json FILE]

Speed is of one process with one thread, in frames of processor time, which other programs hardly lengthen; with what
posing, drawing, imaging (blur and noise), writing the truth and encoding take of it. Recall is on the decoded videos,
at a confidence of 0.25, of the people with at least 60 % visibility and 90 pixels of height; a person is found by a
box that overlaps their full box, cut at the edges of the picture, or their visible box by half (intersection over
union), each box finding one person at most. Precision counts a box as right where it so overlaps anybody of whom a
tenth shows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.config import CameraConfig, DetectorConfig
from app.detector import Detector
from app.simulation.figures import Figures
from app.simulation.filming import Shooting, people_in
from app.simulation.imaging import Sensor
from app.simulation.render import Renderer
from app.simulation.simulate import plan, shootings
from app.simulation.truth import FrameTruth, frame_truth, json_line, mot_rows
from app.simulation.wardrobe import wardrobe
from app.sources import open_source
from app.video import VideoWriter
from trackers.assignment import assign
from trackers.gates import iou

CONFIDENCE = 0.25
OVERLAP = 0.5
LEAST_VISIBILITY, LEAST_HEIGHT = 0.6, 90.0
"""Whom a detector is asked to find."""
EVERY = 5
"""Each so many frames are shown to the detector: neighbours hardly differ."""

STAGES = ("pose", "draw", "image", "truth", "encode")

Floats = npt.NDArray[np.float64]
Result = dict[str, str | float]


@dataclass(eq=False)
class Filmed:
    """A camera's film.

    Attributes:
        name: Seed and camera.
        video: The file.
        truth: Of each frame.
        size: Width and height of a frame.
        seconds: Processor time of each stage.
    """

    name: str
    video: Path
    size: tuple[int, int]
    truth: list[FrameTruth] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start


def film(shooting: Shooting, name: str, folder: Path) -> Filmed:
    """Films as `simulate` does, stage by stage, after one frame that is not timed: it may compile."""
    world, camera = shooting.world, shooting.world.cameras[shooting.camera]
    area = next(area for area in world.areas if area.name == camera.area)
    filmed = Filmed(name, folder / f"{name.replace(' ', '-')}.mp4", camera.size)
    with filmed.timed("prepare"):
        figures = Figures(shooting.appearances)
        renderer = Renderer(world, camera, figures, shooting.seed)
    sensor = Sensor(camera.look, camera.size, [shooting.seed, shooting.camera])
    renderer.render(figures.pose(people_in(shooting.motions[0], area)), 1)
    rate = Fraction(shooting.fps).limit_denominator(1001)
    with VideoWriter(filmed.video, *camera.size, rate, quality=camera.look.quality, threads=1) as writer:
        for frame, everybody in enumerate(shooting.motions, 1):
            motion = people_in(everybody, area)
            with filmed.timed("pose"):
                bodies = figures.pose(motion)
            with filmed.timed("draw"):
                picture = renderer.render(bodies, frame)
            with filmed.timed("image"):
                sensor.expose(picture.image, frame)
            with filmed.timed("truth"):
                truth = frame_truth(picture, motion, frame, frame / shooting.fps)
                json_line(truth)
                mot_rows(truth)
            with filmed.timed("encode"):
                writer.write(picture.image, truth.time)
            filmed.truth.append(truth)
    # Rendering contains the imaging that was then timed once more.
    filmed.seconds["draw"] -= filmed.seconds["image"]
    return filmed


def speed(films: list[Filmed]) -> Result:
    """Frames a second of all films, and milliseconds a frame of each stage."""
    frames = sum(len(each.truth) for each in films)
    spent = {stage: sum(each.seconds[stage] for each in films) for stage in STAGES}
    people = sum(len(truth.ids) for each in films for truth in each.truth)
    result: Result = {"name": "speed", "fps": round(frames / sum(spent.values()), 2)}
    result |= {f"{stage}_ms": round(1000 * seconds / frames, 1) for stage, seconds in spent.items()}
    result["prepare_s"] = round(sum(each.seconds["prepare"] for each in films) / len(films), 2)
    return result | {"people_in_picture": round(people / frames, 1)}


def found(truth: FrameTruth, boxes: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """People asked for, those found, boxes, those right."""
    full = truth.full_box.clip(0, [*size] * 2)
    overlap = np.maximum(iou(full, boxes), np.nan_to_num(iou(truth.visible_box, boxes)))
    tall = full[:, 3] - full[:, 1] >= LEAST_HEIGHT
    asked = (truth.visibility >= LEAST_VISIBILITY) & tall
    pairs = assign(1 - overlap[asked], overlap[asked] >= OVERLAP, 1.0)[0]
    shown = overlap[truth.visibility >= 0.1]
    right = (shown >= OVERLAP).any(axis=0).sum() if len(shown) else 0
    return int(asked.sum()), len(pairs), len(boxes), int(right)


def recall(detector: Detector, filmed: Filmed) -> npt.NDArray[np.int64]:
    """Sums of `found` over every `EVERY`th frame of a film, (4,)."""
    counts = np.zeros(4, np.int64)
    source = open_source(CameraConfig(name="film", source=str(filmed.video)))
    for frame in source:
        if frame.index % EVERY == 0:
            (people,) = detector.detect([frame.image])
            counts += found(filmed.truth[frame.index], people.xyxy.astype(np.float64), filmed.size)
    return counts


def score(name: str, counts: npt.NDArray[np.int64]) -> Result:
    asked, hits, boxes, right = counts.tolist()
    return {
        "name": name,
        "people": asked,
        "recall": round(100 * hits / max(asked, 1), 1),
        "boxes": boxes,
        "precision": round(100 * right / max(boxes, 1), 1),
    }


def print_results(results: list[Result]) -> None:
    for rows in (results[:1], results[1:]):
        if rows:
            table = Table(*rows[0], box=None)
            for row in rows:
                table.add_row(*(str(value) for value in row.values()))
            Console(width=140).print(table)


def main() -> None:
    """Prints the tables and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", help="weights as in detector.weights; without, only speed is measured")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--cameras", type=int, default=2, help="of each scene: two film one plaza")
    parser.add_argument("--frames", type=int, default=100, help="of each camera")
    parser.add_argument("--seed", type=int, action="append", help="a scene each; 7 and 8 when left out")
    parser.add_argument("--keep", type=Path, help="folder for the videos")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = (
        Detector(DetectorConfig(weights=arguments.detector, confidence=CONFIDENCE)) if arguments.detector else None
    )
    films: list[Filmed] = []
    counts: list[npt.NDArray[np.int64]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.keep or Path(place)
        for seed in arguments.seed or [7, 8]:
            world, config = plan(
                None, cameras=arguments.cameras, people=arguments.people, seconds=arguments.frames / 25, seed=seed
            )
            for shooting in shootings(folder, world, config, wardrobe(config.people, seed), crops=False):
                films.append(film(shooting, f"seed {seed} {world.cameras[shooting.camera].name}", folder))
                if detector is not None:
                    counts.append(recall(detector, films[-1]))
    results = [speed(films)]
    if counts:
        results += [score(each.name, count) for each, count in zip(films, counts, strict=True)]
        results.append(score("all", np.sum(counts, axis=0)))
    print_results(results)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "bench simulation", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
