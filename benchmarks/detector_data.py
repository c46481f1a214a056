"""Pictures and person boxes for training and testing the bundled detector.

python -m benchmarks.detector_data real --shared DIR --output DATA [--only RECORDING …]
python -m benchmarks.detector_data scenes --split train|test --scenes DIR --output DATA [--workers N]
python -m benchmarks.detector_data simulated SCENE … --split train|test --output DATA [--every N]
python -m benchmarks.detector_data draw GROUP --output DIR [--number N] [--labels NAME]

`real` labels the videos of the shared data by yolo11n over tiles (`benchmarks.detector_tiles`); where a sequence has
truth it is used too. The last 100 frames of town-centre and the last 60 of ADL-Rundle-6-first are for testing only.
`scenes` simulates crowds, other ones for training than for testing, and takes them; `simulated` takes scenes already
written by `run.py simulate`. `draw` writes pictures with their boxes, to be looked at.
Everything goes to `DATA/train/GROUP` or `DATA/test/GROUP`, in the layout of `benchmarks.detector_labels`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from app.config import CameraConfig, DetectorConfig
from app.detector import Detector
from app.sources import Frame, open_source
from benchmarks.detector_labels import Boxes, Labels, examples, write_example, write_labels
from benchmarks.detector_tiles import find_tiled
from trackers.gates import iou

LABELLER = "models/detector/yolo11n_int8_openvino_model"
LARGEST = 1280
"""Longer side of training pictures in pixels; test pictures keep their size."""

SURE_TRAIN, SURE_TEST, LEAST = 0.35, 0.25, 0.1
"""Confidence from which a tiled detection is a person when training and when testing; from `LEAST` it is unsure."""

VISIBLE_TRAIN, VISIBLE_TEST = 0.25, 0.5
"""Visible share from which a person of a sequence's truth counts; others count neither way."""

LIKE_PEOPLE = (2, 7, 8, 12, 13)
"""Classes of MOT17 that count neither way: on a vehicle, standing for good, dummy, reflection, crowd."""

LEAST_HEIGHT = 24
"""Height in pixels of the source from which a simulated person counts."""


@dataclass(frozen=True)
class Recording:
    """Real frames: those before `split` train, every `every`-th of them; those from `split` on test.

    Attributes:
        exact: Whether its truth has every person, with boxes that fit.
    """

    name: str
    source: str
    every: int
    split: int | None = None
    truth: str | None = None
    exact: bool = False


RECORDINGS = (
    Recording("town-centre", "data/videos/town-centre.mp4", 2, split=202),
    Recording("ADL-Rundle-6", "data/mot/ADL-Rundle-6-first/video.mp4", 2, 202, "data/mot/ADL-Rundle-6-first/gt/gt.txt"),
    Recording("one-by-one", "data/videos/one-by-one.mp4", 7),
    Recording("corridor", "data/videos/corridor.mpg", 6),
    *(
        Recording(
            f"MOT17-{number}",
            f"data/mot/MOT17-mini/{name}/img1",
            1,
            truth=f"data/mot/MOT17-mini/{name}/gt/gt.txt",
            exact=True,
        )
        for number, name in (("02", "MOT17-02-FRCNN"), ("04", "MOT17-04-FRCNN"))
    ),
)


@dataclass(frozen=True)
class Crowds:
    """Simulated scenes of three cameras.

    Attributes:
        seeds: One scene each.
        people: How many people are in them, in turn.
        sizes: Of the pictures, in turn.
        seconds: Length of the videos.
        fps: Frames a second: few, since neighbouring frames are nearly equal.
    """

    seeds: range
    people: tuple[int, ...]
    sizes: tuple[str, ...]
    seconds: int
    fps: int


CROWDS = {
    "train": Crowds(range(1001, 1017), (30, 12, 50, 44), ("1280x720", "1280x720", "1280x720", "960x540"), 25, 2),
    "test": Crowds(range(2001, 2003), (30,), ("1280x720",), 20, 2),
}


def read_truth(path: Path, visible: float) -> Callable[[int], Labels]:
    """The truth of a sequence, by frame number from 1.

    Who is visible by less than `visible` counts neither way (column 9, where it is a share; −1 where a sequence does
    not say), nor do things like people and pedestrians with column 7 = 0. Other classes (column 8) are things.
    """
    rows = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    rows = rows if rows.size else np.zeros((0, 9))
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
    person = np.isin(rows[:, 7], (1, -1))
    counts = person & (rows[:, 6] != 0) & ((rows[:, 8] >= visible) | (rows[:, 8] < 0))
    unsure = (person | np.isin(rows[:, 7], LIKE_PEOPLE)) & ~counts

    def at(frame: int) -> Labels:
        here = rows[:, 0] == frame
        return Labels(boxes[here & counts], boxes[here & unsure])

    return at


def from_detections(boxes: Boxes, scores: Boxes, sure: float) -> Labels:
    """Labels from tiled detections: people from a confidence of `sure` on, the others unsure."""
    return Labels(boxes[scores >= sure], boxes[scores < sure])


def with_truth(found: Labels, truth: Labels, *, exact: bool) -> Labels:
    """Labels for training from tiled detections and a sequence's truth.

    Args:
        found: From detections.
        truth: Of the sequence.
        exact: Whether every person is in the truth, with a box that fits. Where not, the detections' boxes are taken,
            and people only the truth knows count neither way.
    """
    if exact:
        return truth
    missed = truth.people[~(iou(truth.people, found.people) > 0.4).any(axis=1)]
    return Labels(found.people, np.concatenate([found.unsure, missed, truth.unsure]))


def frames_of(path: Path) -> Iterator[Frame]:
    """All frames of a video or an image folder."""
    return iter(open_source(CameraConfig(name="data", source=str(path))))


def label_recording(recording: Recording, shared: Path, output: Path, detector: Detector) -> int:
    """Writes the frames of a recording with their labels, and returns how many people training frames have."""
    truth = read_truth(shared / recording.truth, VISIBLE_TRAIN) if recording.truth else None
    people = 0
    for frame in frames_of(shared / recording.source):
        testing = recording.split is not None and frame.index >= recording.split
        if not testing and frame.index % recording.every:
            continue
        name = f"{frame.index + 1:06d}"
        found = find_tiled(detector, frame.image)
        if testing:
            write_test(output / "test" / recording.name, name, frame, from_detections(*found, SURE_TEST), truth)
            continue
        labels = from_detections(*found, SURE_TRAIN)
        if truth is not None:
            labels = with_truth(labels, truth(frame.index + 1), exact=recording.exact)
        people += len(labels.people)
        write_example(output / "train" / f"real-{recording.name}", name, frame.image, labels, LARGEST)
    return people


def write_test(folder: Path, name: str, frame: Frame, tiled: Labels, truth: Callable[[int], Labels] | None) -> None:
    """Writes a test frame: the tiled detections as its labels, or the truth, then with the tiled ones in `tiled`."""
    height, width = frame.image.shape[:2]
    if truth is None:
        write_example(folder, name, frame.image, tiled)
        return
    write_example(folder, name, frame.image, truth(frame.index + 1))
    (folder / "tiled").mkdir(exist_ok=True)
    write_labels(folder / "tiled" / f"{name}.txt", tiled, width, height)


def make_real(shared: Path, output: Path, only: list[str]) -> None:
    """All real data, or that of the recordings named."""
    detector = Detector(DetectorConfig(weights=str(shared / LABELLER), confidence=LEAST, device="cpu"))
    for recording in (each for each in RECORDINGS if not only or each.name in only):
        people = label_recording(recording, shared, output, detector)
        print(f"{recording.name}: {people} people in training frames", flush=True)


def simulated_labels(labels: Labels) -> Labels:
    """The same, with people too small to count among the unsure."""
    tall = labels.people[:, 3] - labels.people[:, 1] >= LEAST_HEIGHT
    return Labels(labels.people[tall], np.concatenate([labels.unsure, labels.people[~tall]]))


def make_scenes(split: str, scenes: Path, output: Path, workers: int) -> None:
    """Simulates the scenes of a split that are not there yet, and makes them into pictures."""
    crowds = CROWDS[split]
    for number, seed in enumerate(crowds.seeds):
        scene = scenes / f"{split}-{seed}"
        words = ["run.py", "simulate", "--output", scene, "--cameras", 3, "--seed", seed, "--workers", workers]
        words += ["--people", crowds.people[number % len(crowds.people)], "--seconds", crowds.seconds]
        words += ["--size", crowds.sizes[number % len(crowds.sizes)], "--fps", crowds.fps]
        if not (scene / "scene.yaml").is_file():
            scenes.mkdir(parents=True, exist_ok=True)
            subprocess.run([sys.executable, *map(str, words)], check=True)
        make_simulated([scene], split, output, every=1)


def make_simulated(scenes: list[Path], split: str, output: Path, every: int) -> None:
    """All cameras of simulated scenes, every `every`-th frame."""
    for scene in scenes:
        for video in sorted(scene.glob("*/video.mp4")):
            truth = read_truth(video.parent / "gt" / "gt.txt", VISIBLE_TEST if split == "test" else VISIBLE_TRAIN)
            folder = output / split / f"simulated-{scene.name}-{video.parent.name}"
            for frame in frames_of(video):
                if frame.index % every == 0:
                    labels = simulated_labels(truth(frame.index + 1))
                    write_example(folder, f"{frame.index + 1:06d}", frame.image, labels, LARGEST)
            print(f"{folder}: {len(examples(folder))} pictures", flush=True)


def draw(group: Path, output: Path, number: int, labels: str) -> None:
    """Pictures of a group, evenly chosen, with people in green and what counts neither way in red."""
    output.mkdir(parents=True, exist_ok=True)
    found = examples(group, labels)
    for row in np.unique(np.linspace(0, len(found) - 1, number).astype(int)):
        image, truth = found[row].read()
        for boxes, colour in ((truth.unsure, (0, 0, 255)), (truth.people, (0, 255, 0))):
            for left, top, right, bottom in boxes.round().astype(int).tolist():
                cv2.rectangle(image, (left, top), (right, bottom), colour, 2)
        cv2.imwrite(str(output / f"{group.name}-{found[row].image.stem}.png"), image)


def main() -> None:
    """Makes what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    real = commands.add_parser("real")
    real.add_argument("--shared", type=Path, required=True)
    real.add_argument("--only", nargs="+", default=[], choices=[each.name for each in RECORDINGS])
    simulated = commands.add_parser("simulated")
    simulated.add_argument("scene", type=Path, nargs="+")
    simulated.add_argument("--split", choices=["train", "test"], required=True)
    simulated.add_argument("--every", type=int, default=10)
    scenes = commands.add_parser("scenes")
    scenes.add_argument("--scenes", type=Path, required=True, help="folder of the scenes")
    scenes.add_argument("--split", choices=list(CROWDS), required=True)
    scenes.add_argument("--workers", type=int, default=1)
    drawn = commands.add_parser("draw")
    drawn.add_argument("group", type=Path)
    drawn.add_argument("--number", type=int, default=8)
    drawn.add_argument("--labels", default="labels")
    for command in (real, simulated, scenes, drawn):
        command.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.command == "real":
        make_real(given.shared, given.output, given.only)
    elif given.command == "simulated":
        make_simulated(given.scene, given.split, given.output, given.every)
    elif given.command == "scenes":
        make_scenes(given.split, given.scenes, given.output, given.workers)
    else:
        draw(given.group, given.output, given.number, given.labels)


if __name__ == "__main__":
    main()
