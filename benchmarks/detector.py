"""How well detectors find people: AP50 of the bundled one beside others, on test pictures, in one run.

python -m benchmarks.detector --data DATA/test [--weights W …] [--image-size N …] [--least N] [--json FILE]

Test pictures are made by `benchmarks.detector_data`. Every group is scored against its labels; one with a folder
`tiled` (yolo11n over tiles) against that too. People lower than `--least` pixels of the picture, hardly visible, or
unsure count neither way. Precision and recall are those from a confidence of 0.25 on; milliseconds are of processor
time for a frame with one thread. A fixed-size network runs at its own size only.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from app.config import DetectorConfig
from app.detector import Detector
from app.errors import InputError
from app.files import check_target, write_json
from benchmarks.average_precision import Outcome, at_confidence, average_precision, join, match
from benchmarks.detector_labels import Boxes, Image, examples, groups, read_labels

LEAST_CONFIDENCE, CONFIDENCE = 0.01, 0.25


@dataclass(frozen=True)
class Subject:
    """A detector at an image size."""

    name: str
    detector: Detector


def subjects(weights: list[str], sizes: list[int]) -> list[Subject]:
    """The detectors: each at its own size, and where it takes any, at the sizes given."""
    made = []
    for given in weights:
        name = Path(given).name.removesuffix("_openvino_model")
        for size in [None, *sizes]:
            config = DetectorConfig(weights=given, image_size=size, confidence=LEAST_CONFIDENCE, device="cpu")
            try:
                made.append(Subject(name if size is None else f"{name} {size}", Detector(config)))
            except InputError:
                if size is None:
                    raise
    return made


def found_in(detector: Detector, image: Image) -> tuple[Boxes, Boxes]:
    """Boxes (n, 4) and confidences (n,) of an image."""
    (people,) = detector.detect([image])
    return people.xyxy.astype(np.float64), np.asarray(people.confidence, np.float64)


def evaluate(group: Path, compared: list[Subject], least: float, every: int) -> list[dict[str, object]]:
    """Scores every detector on a group of pictures, against each of its truths."""
    truths = [name for name in ("labels", "tiled") if (group / name).is_dir()]
    outcomes: dict[tuple[str, str], list[Outcome]] = {}
    seconds: dict[str, list[float]] = {}
    for example in examples(group)[::every]:
        image, _ = example.read()
        height, width = image.shape[:2]
        known = {name: read_labels(group / name / example.labels.name, width, height) for name in truths}
        for subject in compared:
            start = time.process_time()
            boxes, scores = found_in(subject.detector, image)
            seconds.setdefault(subject.name, []).append(time.process_time() - start)
            for truth, labels in known.items():
                outcomes.setdefault((subject.name, truth), []).append(match(boxes, scores, labels, least))
    rows = []
    for (name, truth), parts in outcomes.items():
        whole = join(parts)
        precision, recall = at_confidence(whole, CONFIDENCE)
        row: dict[str, object] = {"name": f"{group.name}{' tiled' if truth == 'tiled' else ''}: {name}"}
        row |= {"AP50": average_precision(whole), "precision": precision, "recall": recall}
        rows.append(row | {"people": whole.people, "frames": len(parts), "ms": 1000 * float(np.median(seconds[name]))})
    return rows


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", action="append", help="bundled when left out; repeatable")
    parser.add_argument("--image-size", type=int, action="append", default=[], help="besides its own; repeatable")
    parser.add_argument("--least", type=float, default=40, help="height in pixels from which people count")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    check_target(given.json)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    compared = subjects(given.weights or ["bundled"], given.image_size)
    results = []
    for group in groups(given.data):
        results += evaluate(group, compared, given.least, given.every)
    table = Table("name", "AP50", "precision", "recall", "people", "frames", "ms", box=None)
    for row in results:
        table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=120).print(table)
    if given.json:
        rounded = [{k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()} for row in results]
        write_json(given.json, {"command": "bench detector", "results": rounded})


if __name__ == "__main__":
    main()
