"""Runs one tracker of the roboflow or BoxMOT package over boxes from files. Standalone: it knows nothing of crowdtrace.

python -P tracking_peers.py JOB.json

It runs in a virtual environment of its own (see benchmarks.tracking). JOB.json names the `peer`, the `reid` weights or
null, a `report`, and `sequences`. Each has its `boxes` (.npz: `frames`, `xyxy`, `scores`, `length`, and `vectors` where
appearance is supplied), its `video`, folder of images or null, and its `tracks`, which is written (.npz: `frames`,
`ids`, `xyxy`, and of each frame `elapsed` and `processor`, the seconds that the tracker's step took). The report, JSON,
is a list with null or one line of what went wrong for each sequence.

Every tracker has the settings its package publishes as defaults. Without a picture, BoxMOT's trackers do without
camera-motion compensation; without weights and vectors, without appearance. With weights, the step contains their
embedding of every box.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROBOFLOW = {
    "roboflow SORT": "SORTTracker",
    "roboflow ByteTrack": "ByteTrackTracker",
    "roboflow OC-SORT": "OCSORTTracker",
}
BOXMOT = {
    "BoxMOT ByteTrack": ("bytetrack", "ByteTrack"),
    "BoxMOT OC-SORT": ("ocsort", "OcSort"),
    "BoxMOT BoT-SORT": ("botsort", "BotSort"),
    "BoxMOT BoostTrack": ("boosttrack", "BoostTrack"),
}
IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
WITH_APPEARANCE = {"BoxMOT BoT-SORT", "BoxMOT BoostTrack"}

Step = Callable[[Any, Any, Any, Any], Any]
"""Boxes (n, 4), scores (n,), vectors (n, d) or None and a BGR picture or None, to rows x1, y1, x2, y2, id."""


def roboflow(name: str) -> Step:
    supervision = importlib.import_module("supervision")
    tracker = getattr(importlib.import_module("trackers"), ROBOFLOW[name])()

    def step(boxes: Any, scores: Any, vectors: Any, picture: Any) -> Any:
        given = supervision.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(boxes), int))
        found = tracker.update(given)
        shown = found.tracker_id >= 0
        return np.column_stack([found.xyxy[shown], found.tracker_id[shown]])

    return step


def boxmot(name: str, *, pictures: bool, vectors: bool, reid: str | None) -> Step:
    settings, kind = BOXMOT[name]
    options: dict[str, bool] = {}
    weights: dict[str, str] = {}
    if name in WITH_APPEARANCE:
        options = {"use_cmc": pictures, "use_embeddings": vectors or (pictures and reid is not None)}
        if options["use_embeddings"] and not vectors and reid:
            weights = {"reid_weights": reid}
    defaults = importlib.import_module("boxmot.trackers.config").load_tracker_config(settings, None, {})
    tracker = getattr(importlib.import_module("boxmot"), kind)(**{**defaults, **options}, **weights)

    def step(boxes: Any, scores: Any, vectors: Any, picture: Any) -> Any:
        if vectors is None:
            rows = np.column_stack([boxes, scores, np.zeros(len(boxes))]).astype(np.float32)
            return tracker.update(rows, picture)[:, :5]
        tracker.update(with_vectors(boxes, scores, vectors), picture)
        return np.zeros((0, 5))

    return step


def with_vectors(boxes: Any, scores: Any, vectors: Any) -> Any:
    """BoxMOT's own detections, the only ones that carry vectors."""
    torch, structures = importlib.import_module("torch"), importlib.import_module("boxmot.structures")
    return structures.Detections(
        geometry=structures.Boxes(torch.from_numpy(boxes)),
        scores=torch.from_numpy(scores),
        class_ids=torch.zeros(len(boxes), dtype=torch.int64),
        sample_id="frame",
        embeddings=torch.from_numpy(vectors),
    )


def pictures_of(video: str | None) -> Iterator[Any]:
    """The frames of a video or of a folder of images, or None for ever."""
    if video is None:
        yield from itertools.repeat(None)
        return
    if Path(video).is_dir():
        read = importlib.import_module("cv2").imread
        yield from (read(str(path)) for path in sorted(Path(video).iterdir()) if path.suffix.lower() in IMAGES)
        return
    with importlib.import_module("av").open(video) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24")


def track(peer: str, reid: str | None, sequence: dict[str, str | None]) -> dict[str, Any]:
    """Tracks and seconds of one sequence."""
    boxes = dict(np.load(str(sequence["boxes"]), allow_pickle=False))
    vectors, video = boxes.get("vectors"), sequence["video"]
    if peer in ROBOFLOW:
        step = roboflow(peer)
    else:
        step = boxmot(peer, pictures=video is not None, vectors=vectors is not None, reid=reid)
    starts = np.searchsorted(boxes["frames"], np.arange(1, int(boxes["length"]) + 2))
    found, elapsed, processor = [], [], []
    for (start, end), picture in zip(itertools.pairwise(starts), pictures_of(video), strict=False):
        given = boxes["xyxy"][start:end], boxes["scores"][start:end], None if vectors is None else vectors[start:end]
        wall, cpu = time.perf_counter(), time.process_time()
        rows = step(*given, picture)
        elapsed.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
        found.append(np.asarray(rows, np.float64).reshape(-1, 5))
    rows = np.concatenate(found)
    frames = np.repeat(np.arange(1, len(found) + 1), [len(each) for each in found])
    return {
        "frames": frames,
        "ids": rows[:, 4].astype(np.int64),
        "xyxy": rows[:, :4],
        "elapsed": np.array(elapsed),
        "processor": np.array(processor),
    }


def one_thread() -> None:
    """Figures are of one thread; the environment has told numpy's libraries so."""
    importlib.import_module("cv2").setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def main() -> None:
    """Tracks every sequence; what fails in one does not stop the next."""
    job = json.loads(Path(sys.argv[1]).read_text())
    importlib.import_module("trackers" if job["peer"] in ROBOFLOW else "boxmot.trackers.base")
    one_thread()
    report: list[str | None] = []
    for sequence in job["sequences"]:
        try:
            np.savez(sequence["tracks"], **track(job["peer"], job["reid"], sequence))
            report.append(None)
        except Exception as error:  # whatever a package raises is its result
            report.append(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
    Path(job["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
