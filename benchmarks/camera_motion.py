"""Following people from a moving camera, with its motion taken out and without.

    python -m benchmarks.camera_motion --sequence DIR [--still VIDEO …] [--detector WEIGHTS] [--json FILE]

A sequence with truth is filmed again by a virtual camera: a window of its picture, two thirds of it wide, that stands
still, pans slowly, or pans fast and shakes, turns and zooms as by hand. The truth moves with it: boxes stay upright,
their sides change as the zoom does, they end with the picture, and those of which less than `LEAST_SHOWN` is in it do
not count. A detector finds people in the pictures filmed, and the tracker follows the same boxes with
`tracker.camera_motion` and without. HOTA, IDF1 and MOTA are per cent, IDSW a count.

The motion measured is compared with the camera's true one, beside that of ultralytics' BoT-SORT (`sparseOptFlow`):
`off` is how far a map is off over the picture, in pixels (root of the mean of the squares), frame by frame in the
median and at the 95th percentile, and in the median for the motions of a second put together. Nothing told counts as no
motion. `ms` is the time per frame, both in turn on the same pictures.

Cameras that stand (`--still`, and the sequence as it is) show what stillness costs: motions told, `ms` in the median
and the mean, the mean as a share of the tracker's own time on boxes alone, and whether tracks are the same as without.
All run with one thread when OMP_NUM_THREADS=1 is set.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv

from app import __version__
from app.config import CameraConfig, DetectorConfig
from app.detector import Detector
from app.errors import InputError
from app.files import check_target, prepare_folder, write_json
from app.pipeline import Pipeline, Stopwatch
from app.sources import Frame, open_source
from app.ultralytics_guard import load_ultralytics
from benchmarks.tracking import one_thread, print_results
from benchmarks.tracking_boxes import Boxes, Floats
from benchmarks.tracking_run import rows_of
from benchmarks.tracking_scores import Result
from reid_model.checkpoint import WeightsError, find_weights
from reid_model.embedder import Embedder
from trackers import CameraMotion, TrackerConfig
from trackers.evaluation import Rows, Sequence, SequenceError, read_sequence, score
from trackers.gates import area
from trackers.motion import Affine, moved_centres, to_centre, to_corners

SIZE = 1280, 720
"""Of the pictures filmed."""
ZOOM = 1.2
"""Pixels filmed for each of a source of 1920 pixels."""
LEAST_SHOWN = 0.3
"""Share of a true box that must be in the picture for it to count."""

Pose = tuple[float, float, float, float]
"""Where a camera looks: x and y in pixels of a source of 1920 off its middle, turn in radians, zoom."""


def stands(seconds: float) -> Pose:
    """A tripod."""
    return 0.0, 0.0, 0.0, 1.0


def pans(seconds: float) -> Pose:
    """From side to side in ten seconds."""
    return 330 * float(np.sin(2 * np.pi * seconds / 20)), 0.0, 0.0, 1.0


def shakes(seconds: float) -> Pose:
    """From side to side in one and a half seconds, by hand."""

    def wave(rate: float, phase: float) -> float:
        return float(np.sin(2 * np.pi * rate * seconds + phase))

    x = 330 * wave(1 / 3, 0) + 6 * wave(5.3, 1) + 4 * wave(8.1, 2)
    y = 60 * wave(1 / 4, 0) + 6 * wave(4.7, 3) + 4 * wave(7.3, 4)
    return x, y, 0.015 * wave(0.7, 5) + 0.005 * wave(3.1, 6), 1 + 0.05 * wave(0.5, 7)


CAMERAS: dict[str, Callable[[float], Pose]] = {"still": stands, "slow pan": pans, "fast pan with shake": shakes}


@dataclass(frozen=True, eq=False)
class Film:
    """A sequence filmed again.

    Attributes:
        name: Of the camera.
        source: The sequence.
        maps: From the pixels of the source to those of the film, of each frame.
    """

    name: str
    source: Sequence
    maps: list[Affine]

    @classmethod
    def of(cls, name: str, source: Sequence) -> Film:
        return cls(name, source, [view(CAMERAS[name](i / source.fps), source) for i in range(source.length)])

    def frames(self) -> Iterator[Frame]:
        for frame, by in zip(frames_of(self.source.images, self.source.length), self.maps, strict=False):
            image = cv2.warpAffine(frame.image, by, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            yield replace(frame, image=np.asarray(image, np.uint8))

    def sequence(self) -> Sequence:
        """The sequence with the truth where the film has it."""
        truth = self.source.truth
        boxes = np.concatenate(
            [
                to_corners(moved_centres(to_centre(truth.boxes[[row]]), self.maps[frame - 1]))
                for row, frame in enumerate(truth.frames.tolist())
            ]
        )
        inside = np.clip(boxes, 0, np.tile(SIZE, 2))
        shown = area(inside) >= LEAST_SHOWN * area(boxes)
        moved = replace(truth, boxes=inside)[shown]
        return replace(self.source, width=SIZE[0], height=SIZE[1], images=None, truth=moved)

    def moved(self, first: int, second: int) -> Affine:
        """The true motion of the picture from one frame to another."""
        return (square(self.maps[second]) @ np.linalg.inv(square(self.maps[first])))[:2]


def view(pose: Pose, source: Sequence) -> Affine:
    """The map from a source's pixels to those of a film taken so."""
    x, y, turn, zoom = pose
    unit = source.width / 1920
    zoom *= ZOOM / unit
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([source.width / 2 + x * unit, source.height / 2 + y * unit])
    return np.column_stack([matrix, np.array(SIZE) / 2 - matrix @ middle])


def square(by: Affine) -> Affine:
    """A map `(2, 3)` as a matrix `(3, 3)`."""
    return np.vstack([by, [0.0, 0.0, 1.0]])


def off(found: Affine, true: Affine) -> float:
    """How far two maps are apart over the picture, in pixels."""
    x, y = np.meshgrid(np.linspace(0, SIZE[0], 17), np.linspace(0, SIZE[1], 10))
    apart = (found - true) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return float(np.sqrt((apart**2).sum(axis=0).mean()))


def frames_of(images: Path | None, length: int) -> Iterator[Frame]:
    """The frames of a video or a folder."""
    yield from islice(open_source(CameraConfig(name="sequence", source=str(images))), length)


def found_boxes(name: str, sequence: Sequence, frames: Iterator[Frame], detector: Detector, cache: Path) -> Boxes:
    """What the detector finds, found once and then read from the cache folder."""
    file = cache / f"{sequence.name}-{name.replace(' ', '-')}.boxes.npz"
    if not file.is_file():
        found = [detector.detect([frame.image])[0] for frame in frames]
        np.savez(
            file,
            frames=np.repeat(np.arange(1, len(found) + 1), [len(each) for each in found]),
            xyxy=np.concatenate([np.zeros((0, 4), np.float32), *(each.xyxy for each in found)]),
            scores=np.concatenate([np.zeros(0, np.float32), *(each.confidence for each in found)]),
        )
    kept = np.load(file, allow_pickle=False)
    return Boxes(name, sequence, kept["frames"], kept["xyxy"], kept["scores"])


def tracked(boxes: Boxes, frames: Iterator[Frame], embedder: Embedder | None, told: bool) -> tuple[Rows, Stopwatch]:
    """The tracks, and where the time went."""
    pipeline = Pipeline(embedder, TrackerConfig(camera_motion=told))
    found = [np.zeros((0, 6))]
    for frame in frames:
        people: sv.Detections = pipeline.process(frame, boxes.of(frame.index + 1))
        pipeline.finished()
        if people.tracker_id is not None and len(people):
            found.append(np.column_stack([np.full(len(people), frame.index + 1), people.tracker_id, people.xyxy]))
    rows = np.concatenate(found)
    return rows_of(rows[:, 0], rows[:, 1], rows[:, 2:]), pipeline.watch


def scores_of(film: Film, boxes: Boxes, embedder: Embedder) -> Iterator[Result]:
    """How well people are followed in a film."""
    for looks, uses in (("boxes only", None), ("appearance", embedder)):
        for told in (False, True):
            rows, _ = tracked(boxes, film.frames(), uses, told)
            label = f"{looks}, {'compensated' if told else 'as filmed'}"
            scores = {
                key: round(value, None if key == "IDSW" else 1) for key, value in score(boxes.sequence, rows).items()
            }
            yield {"name": f"{film.name}: {label}", "sequence": film.name, "tracker": label, **scores}


def accuracy_of(film: Film, boxes: Boxes) -> Iterator[Result]:
    """How well the camera's motion is measured in a film, by us and by ultralytics."""
    load_ultralytics()
    from ultralytics.trackers.utils.gmc import GMC

    ours, theirs = CameraMotion(), GMC(method="sparseOptFlow")

    def our_motion(frame: Frame, given: Any) -> Affine:
        found = ours(frame.image, given)
        return np.eye(2, 3) if found is None else found

    def their_motion(frame: Frame, given: Any) -> Affine:
        return np.asarray(theirs.apply(frame.image, given), np.float64)

    ways = {"crowdtrace": our_motion, "ultralytics sparseOptFlow": their_motion}
    maps: dict[str, list[Affine]] = {name: [] for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for frame in film.frames():
        given = boxes.of(frame.index + 1).xyxy
        for name, way in ways.items():
            start = time.perf_counter()
            maps[name].append(way(frame, given))
            seconds[name].append(time.perf_counter() - start)
    for name, found in maps.items():
        whose: Result = {"name": f"{film.name}: {name}", "sequence": f"{film.name}: motion", "tracker": name}
        yield whose | _accuracy(film, found, np.array(seconds[name]))


def _accuracy(film: Film, found: list[Affine], seconds: Floats) -> Result:
    step = round(film.source.fps)
    single = [off(found[at], film.moved(at - 1, at)) for at in range(1, len(found))]
    second = []
    for end in range(step, len(found)):
        total = np.eye(3)
        for at in range(end - step + 1, end + 1):
            total = square(found[at]) @ total
        second.append(off(total[:2], film.moved(end - step, end)))
    moved = [off(np.eye(2, 3), film.moved(at - 1, at)) for at in range(1, len(found))]
    return {
        "moved_px": round(float(np.median(moved)), 2),
        "off_px": round(float(np.median(single)), 2),
        "off_p95_px": round(float(np.percentile(single, 95)), 2),
        "off_1s_px": round(float(np.median(second)), 2),
        "ms": round(1e3 * float(np.median(seconds)), 2),
    }


def stillness_of(name: str, images: Path, length: int, boxes: Boxes) -> Result:
    """What a standing camera costs, and whether it moves anybody."""
    motion, told, seconds = CameraMotion(), 0, []
    for frame in frames_of(images, length):
        start = time.perf_counter()
        told += motion(frame.image, boxes.of(frame.index + 1).xyxy) is not None
        seconds.append(time.perf_counter() - start)
    without, _ = tracked(boxes, frames_of(images, length), None, False)
    rows, watch = tracked(boxes, frames_of(images, length), None, True)
    same = len(rows) == len(without) and bool((rows.ids == without.ids).all() and (rows.boxes == without.boxes).all())
    return {
        "name": f"{name}: as it is",
        "sequence": "standing cameras",
        "tracker": name,
        "frames": len(seconds),
        "motions": told,
        "ms": round(1e3 * float(np.median(seconds)), 2),
        "mean_ms": round(1e3 * float(np.mean(seconds)), 2),
        "tracker_ms": round(1e3 * watch.seconds["track"] / len(seconds), 2),
        "share": round(100 * watch.seconds["motion"] / watch.seconds["track"], 1),
        "same_tracks": str(same).lower(),
    }


def measure(arguments: argparse.Namespace) -> list[Result]:
    """All tables."""
    source = read_sequence(arguments.sequence)
    if source.images is None:
        raise SequenceError(f"{arguments.sequence}: neither video.mp4 nor img1/ is there; give a filmed sequence")
    prepare_folder(arguments.output)
    detector = Detector(DetectorConfig(weights=arguments.detector))
    embedder = Embedder(find_weights("default"), "cpu", threads=1)
    results: list[Result] = []
    for name in CAMERAS:
        film = Film.of(name, source)
        boxes = found_boxes(name, film.sequence(), film.frames(), detector, arguments.output)
        results += [*scores_of(film, boxes, embedder), *accuracy_of(film, boxes)]
        print(f"done: {name}", file=sys.stderr)
    standing = [(source.name, source.images, source.length)]
    standing += [(video.stem, video, sum(1 for _ in frames_of(video, sys.maxsize))) for video in arguments.still]
    for name, images, length in standing:
        place = replace(source, name=name, length=length)
        boxes = found_boxes("as it is", place, frames_of(images, length), detector, arguments.output)
        results.append(stillness_of(name, images, length, boxes))
    return results


def main() -> None:
    """Prints the tables and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", type=Path, required=True, help="folder of a MOT sequence with pictures")
    parser.add_argument("--still", type=Path, nargs="*", default=[], help="videos of cameras that stand")
    parser.add_argument("--detector", default="bundled", help="weights as in detector.weights")
    parser.add_argument("--output", type=Path, default=Path("runs/camera_motion"), help="folder for detected boxes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        check_target(arguments.json)
        with one_thread():
            results = measure(arguments)
        print_results(results)
        if arguments.json:
            write_json(arguments.json, {"command": "bench camera motion", "version": __version__, "results": results})
    except (InputError, SequenceError, WeightsError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
