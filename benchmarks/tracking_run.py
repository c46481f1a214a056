"""Trackers over boxes: ours, those of ultralytics, and through a subprocess those of other packages."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import supervision as sv
import yaml

from app.config import CameraConfig
from app.pipeline import Pipeline, Stopwatch
from app.sources import Frame, open_source
from app.ultralytics_guard import load_ultralytics, one_line
from benchmarks.tracking_boxes import Boxes, Floats
from reid_model.embedder import Embedder
from trackers import TrackerConfig
from trackers.evaluation import Rows

ULTRALYTICS = {
    "ultralytics ByteTrack": ("byte_tracker", "BYTETracker", "bytetrack.yaml"),
    "ultralytics BoT-SORT": ("bot_sort", "BOTSORT", "botsort.yaml"),
}
SCRIPT = Path(__file__).with_name("tracking_peers.py")
LEFT_OUT = "left out: --peers-python was not given"
LIMIT = 3600
"""Seconds after which a peer's subprocess counts as failed."""

Step = Callable[[Frame, sv.Detections], Any]
"""A frame and its boxes to rows x1, y1, x2, y2, id."""


@dataclass(frozen=True, eq=False)
class Run:
    """Tracks of one sequence.

    Attributes:
        tracker: Whose.
        tracks: As the tracker gave them frame by frame, without looking ahead.
        elapsed: Seconds that each frame took.
        processor: Seconds of processor time, of all threads, that each frame took.
        tracking: Seconds that all frames took without embedding; None where that is all there is.
    """

    tracker: str
    tracks: Rows
    elapsed: Floats
    processor: Floats
    tracking: float | None = None


@dataclass(frozen=True)
class Failure:
    """A tracker that gave no tracks, and one line of why."""

    tracker: str
    reason: str


def rows_of(frames: Any, ids: Any, xyxy: Any) -> Rows:
    """Rows of tracks; what is not finite is left out."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    ones = np.ones(len(boxes))
    rows = Rows(np.asarray(frames, np.int64), np.asarray(ids, np.int64), boxes, ones, ones)
    return rows[np.flatnonzero(np.isfinite(boxes).all(axis=1))]


def frames_of(boxes: Boxes, *, pictures: bool) -> Iterator[Frame]:
    """The frames of a sequence, with empty pictures where none are there or asked for."""
    if pictures and boxes.video is not None:
        yield from itertools.islice(
            open_source(CameraConfig(name="sequence", source=str(boxes.video))), boxes.sequence.length
        )
        return
    blank = np.zeros((1, 1, 3), np.uint8)
    for index in range(boxes.sequence.length):
        yield Frame("sequence", index, index / boxes.sequence.fps, blank)


def run(tracker: str, step: Step, boxes: Boxes, frames: Iterable[Frame]) -> Run:
    """Tracks a sequence and takes the time of each step."""
    found, elapsed, processor = [], [], []
    for frame in frames:
        given = boxes.of(frame.index + 1)
        wall, cpu = time.perf_counter(), time.process_time()
        rows = step(frame, given)
        elapsed.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
        found.append(np.asarray(rows, np.float64).reshape(-1, 5))
    rows = np.concatenate([np.zeros((0, 5)), *found])
    numbers = np.repeat(np.arange(1, len(found) + 1), [len(each) for each in found])
    return Run(tracker, rows_of(numbers, rows[:, 4], rows[:, :4]), np.array(elapsed), np.array(processor))


def run_ours(tracker: str, boxes: Boxes, config: TrackerConfig, embedder: Embedder | None) -> Run:
    """Our tracker, with appearance where there is an embedder; the embedding of a frame counts towards its time."""
    watch = Stopwatch()
    pipeline = Pipeline(embedder, config, watch)

    def step(frame: Frame, given: sv.Detections) -> Any:
        people = pipeline.process(frame, given)
        # Ended tracklets are taken as in the pipeline, where they would pile up otherwise.
        pipeline.finished()
        numbers = people.tracker_id if people.tracker_id is not None else np.zeros(0)
        return np.column_stack([people.xyxy.reshape(-1, 4), numbers])

    done = run(tracker, step, boxes, frames_of(boxes, pictures=embedder is not None))
    return Run(tracker, done.tracks, done.elapsed, done.processor, watch.seconds["motion"] + watch.seconds["track"])


def run_ultralytics(tracker: str, boxes: Boxes) -> Run | Failure:
    """A tracker of ultralytics with its published settings; BoT-SORT sees the pictures where there are some."""
    try:
        made = _ultralytics_tracker(*ULTRALYTICS[tracker])
        pictures = "BoT-SORT" in tracker and boxes.video is not None
        size = (boxes.sequence.height, boxes.sequence.width)
        from ultralytics.engine.results import Boxes as TheirBoxes

        def step(frame: Frame, given: sv.Detections) -> Any:
            assert given.confidence is not None
            rows = np.column_stack([given.xyxy, given.confidence, np.zeros(len(given))]).astype(np.float32)
            found = made.update(TheirBoxes(rows, size), frame.image if pictures else None)
            return found.reshape(-1, 8)[:, :5]

        return run(tracker, step, boxes, frames_of(boxes, pictures=pictures))
    except Exception as error:  # whatever the package raises is its result
        return Failure(tracker, f"{type(error).__name__}: {one_line(error)}")


def _ultralytics_tracker(module: str, name: str, settings: str) -> Any:
    package = Path(str(load_ultralytics().__file__)).parent
    kind = getattr(importlib.import_module(f"ultralytics.trackers.{module}"), name)
    published = (package / "cfg" / "trackers" / settings).read_text(encoding="utf-8")
    return kind(SimpleNamespace(**yaml.safe_load(published)))


def run_peer(
    python: Path | None,
    peer: str,
    files: Sequence[tuple[Path, Path | None]],
    reid: Path | None = None,
    label: str | None = None,
) -> list[Run | Failure]:
    """A tracker of another package over several sequences, in its own environment.

    Args:
        python: Of the environment; None: the peer is left out.
        peer: A name that benchmarks/tracking_peers.py knows.
        files: Boxes as `Boxes.save` writes them, and the video or None, of each sequence.
        reid: Weights with which the tracker embeds boxes itself.
        label: Its name in the results; the peer's if None.

    Returns:
        One result a sequence. Whatever happens, a peer that gives no tracks is a failure with a reason.
    """
    label = label or peer
    if python is None:
        return [Failure(label, LEFT_OUT)] * len(files)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tracks = [folder / f"{number}.npz" for number in range(len(files))]
        job = {
            "peer": peer,
            "reid": str(_renamed(reid, folder)) if reid else None,
            "report": str(folder / "report.json"),
            "sequences": [
                {"boxes": str(boxes.resolve()), "video": str(video.resolve()) if video else None, "tracks": str(target)}
                for (boxes, video), target in zip(files, tracks, strict=True)
            ],
        }
        (folder / "job.json").write_text(json.dumps(job))
        problem = _call(python, folder)
        if problem is not None:
            return [Failure(label, problem)] * len(files)
        report = json.loads((folder / "report.json").read_text())
        return [
            Failure(label, reason) if reason else _read(label, target)
            for reason, target in zip(report, tracks, strict=True)
        ]


def _renamed(reid: Path, folder: Path) -> Path:
    """The weights under a name ending in .pt, as BoxMOT wants them."""
    link = folder / f"{reid.stem}.pt"
    link.symlink_to(reid.resolve())
    return link


def _call(python: Path, folder: Path) -> str | None:
    """Runs the script away from this project, whose `trackers` is another; returns what went wrong."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | threads
    # Not resolved: a virtual environment's python is a link, and only under its own name it finds its packages.
    command = [str(python.absolute()), "-P", str(SCRIPT), str(folder / "job.json")]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT} seconds"
    except OSError as error:
        return f"{python}: {error.strerror}"
    if done.returncode or not (folder / "report.json").is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return f"exit code {done.returncode}: {lines[-1].strip()[:160] if lines else 'no message'}"
    return None


def _read(label: str, target: Path) -> Run:
    found = np.load(target, allow_pickle=False)
    tracks = rows_of(found["frames"], found["ids"], found["xyxy"])
    return Run(label, tracks, found["elapsed"], found["processor"])
