"""How fast trackers associate a dense crowd whose boxes and features are supplied.

Everybody walks in a straight line and turns back at the borders; boxes shake, and one person in twenty is missed in
each frame, so that there are always people to be found again. A larger crowd has a larger picture: as many people
stand around each. A person's features are a prototype and noise.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.tracking_boxes import Boxes
from benchmarks.tracking_run import Failure, Run, rows_of, run_peer, run_ultralytics
from benchmarks.tracking_scores import Result
from reid_model.features import Features, FloatArray
from trackers import Tracker, TrackerConfig
from trackers.evaluation import Rows, Sequence

COUNTS = (156, 600)
"""Boxes a frame."""
FRAMES, WARM_UP = 60, 10
"""Frames of a run, and those at its begin that are not timed: tracks begin in them."""
FPS = 25.0
GLOBAL, CELLS, LOCAL = 512, 48, 128
"""Sizes of the features: one vector, cells, and the vector of a cell."""
MISSED = 0.05
AREA = 1920 * 1080 / 156
"""Square pixels of picture for each person."""
WIDTH, HEIGHT = 40.0, 100.0
NOISE = 0.5
"""Length of the noise of a feature, over that of its prototype."""

EVERY_CROP = 1000

BY_BOXES = ["roboflow SORT", "roboflow ByteTrack", "roboflow OC-SORT", "BoxMOT ByteTrack"]
BY_VECTORS = ["BoxMOT BoT-SORT", "BoxMOT BoostTrack"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Crowd:
    """Boxes of a crowd, and who each shows."""

    boxes: Boxes
    people: npt.NDArray[np.intp]
    global_: FloatArray
    local: FloatArray
    seed: int

    def vectors(self) -> FloatArray:
        """One vector of each box."""
        random = np.random.default_rng([self.seed, 1])
        return _noisy(self.global_[self.people], random)

    def features(self, vectors: FloatArray, rows: npt.NDArray[np.intp]) -> Features:
        """Features of chosen boxes."""
        random = np.random.default_rng([self.seed, 2, int(rows.sum())])
        saliency = random.uniform(0.2, 1.0, (len(rows), CELLS)).astype(np.float32)
        return Features(
            vectors[rows],
            _noisy(self.local[self.people[rows]], random),
            saliency / saliency.sum(axis=1, keepdims=True),
            random.uniform(0.2, 0.4, len(rows)).astype(np.float32),
        )


def _unit(values: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def _noisy(values: FloatArray, random: np.random.Generator) -> FloatArray:
    scale = NOISE / np.sqrt(values.shape[-1])
    return _unit(values + scale * random.standard_normal(values.shape, np.float32))


def crowd(count: int, frames: int = FRAMES, seed: int = 0) -> Crowd:
    """A crowd of which `count` people are found in every frame."""
    random = np.random.default_rng(seed)
    people = round(count / (1 - MISSED))
    size = np.sqrt(AREA * people) * np.array([4 / 3, 3 / 4])
    start = random.uniform(0, 1, (people, 2)) * size
    speed = random.normal(0, 0.6 * HEIGHT / FPS, (people, 2))
    walked = (start + speed * np.arange(frames)[:, None, None]) % (2 * size)
    place = np.where(walked > size, 2 * size - walked, walked)
    place = place + random.normal(0, 0.02 * HEIGHT, place.shape)
    seen = np.sort(random.permuted(np.tile(np.arange(people), (frames, 1)), axis=1)[:, :count], axis=1)
    centre = np.take_along_axis(place, seen[:, :, None], axis=1).reshape(-1, 2)
    half = np.array([WIDTH, HEIGHT]) / 2
    xyxy = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    scores = random.uniform(0.65, 0.95, len(xyxy)).astype(np.float32)
    width, height = (int(side) for side in size)
    empty = rows_of(np.zeros(0), np.zeros(0), np.zeros((0, 4)))
    name = f"{count} boxes"
    sequence = Sequence(name, Path(), frames, FPS, width, height, None, empty)
    boxes = Boxes(name, sequence, np.repeat(np.arange(1, frames + 1), count), xyxy, scores)
    prototypes = _unit(random.normal(size=(people, GLOBAL))), _unit(random.normal(size=(people, CELLS, LOCAL)))
    return Crowd(boxes, seen.ravel(), *prototypes, seed)


def associate(given: Crowd, config: TrackerConfig, *, appearance: bool) -> Run:
    """Our tracker with supplied features: `observe` and `update` are timed, nothing else."""
    tracker, boxes = Tracker(config), given.boxes
    vectors = given.vectors() if appearance else None
    elapsed, processor = [], []
    for frame in range(1, boxes.sequence.length + 1):
        detections = boxes.of(frame)
        first = int(np.searchsorted(boxes.frames, frame))
        observed = _timed(partial(tracker.observe, detections, frame / FPS, frame))
        wanted = observed[0]
        features = given.features(vectors, first + wanted) if vectors is not None and len(wanted) else None
        updated = _timed(partial(tracker.update, features))
        tracker.finished()
        elapsed.append(observed[1] + updated[1])
        processor.append(observed[2] + updated[2])
    nothing: Rows = rows_of(np.zeros(0), np.zeros(0), np.zeros((0, 4)))
    return Run("", nothing, np.array(elapsed), np.array(processor))


def _timed(work: Callable[[], T]) -> tuple[T, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def ours(crowds: list[Crowd]) -> dict[str, list[Run | Failure]]:
    """Our tracker by boxes alone, with as many crops a frame as by default, and with every crop embedded."""
    config = TrackerConfig()
    ways = {
        "crowdtrace, boxes only": (config, False),
        f"crowdtrace, {config.crops_per_frame} crops a frame": (config, True),
        "crowdtrace, every crop": (replace(config, crops_per_frame=EVERY_CROP), True),
    }
    return {
        name: [associate(each, settings, appearance=appearance) for each in crowds]
        for name, (settings, appearance) in ways.items()
    }


def peers(crowds: list[Crowd], python: Path | None, folder: Path) -> dict[str, list[Run | Failure]]:
    """Peers that are known for speed, and those that take a vector of each box."""
    found: dict[str, list[Run | Failure]] = {
        "ultralytics ByteTrack": [run_ultralytics("ultralytics ByteTrack", each.boxes) for each in crowds]
    }
    plain, vectors = [folder / f"{each.boxes.name}.npz" for each in crowds], []
    for each, file in zip(crowds, plain, strict=True):
        each.boxes.save(file)
        vectors.append(file.with_suffix(".vectors.npz"))
        each.boxes.save(vectors[-1], each.vectors())
    for peer in BY_BOXES + BY_VECTORS:
        label = f"{peer}, one vector a box" if peer in BY_VECTORS else peer
        files = [(file, None) for file in (vectors if peer in BY_VECTORS else plain)]
        found[label] = run_peer(python, peer, files, label=label)
    return found


def measure(rounds: int, python: Path | None) -> list[Result]:
    """Every tracker in turn, round after round, so that whatever else the machine does falls on all alike."""
    runs: defaultdict[str, list[list[Run | Failure]]] = defaultdict(list)
    crowds = [crowd(count) for count in COUNTS]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, found in (ours(crowds) | peers(crowds, python, Path(folder))).items():
                runs[name].append(found)
    return [summary(name, found) for name, found in runs.items()]


def summary(name: str, rounds: list[list[Run | Failure]]) -> Result:
    """Medians over the rounds: frames a second, and the cost of the large crowd over that of the small one."""
    failed = [each for found in rounds for each in found if isinstance(each, Failure)]
    if failed:
        return {"name": name, "failed": failed[0].reason}
    done = [[each for each in found if isinstance(each, Run)] for found in rounds]
    elapsed = np.array([[each.elapsed[WARM_UP:].mean() for each in found] for found in done])
    processor = np.array([[each.processor[WARM_UP:].mean() for each in found] for found in done])
    result: Result = {"name": name}
    for kind, seconds in (("fps", elapsed), ("processor_fps", processor)):
        for count, median in zip(COUNTS, np.median(1 / seconds, axis=0).tolist(), strict=True):
            result[f"{kind}_{count}"] = round(median, 1)
    result["ratio"] = round(float(np.median(processor[:, -1] / processor[:, 0])), 2)
    return result
