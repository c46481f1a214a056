"""How many people `annotate --blur all` leaves recognisable: true boxes of scenes with truth, against what is blurred.

python -m benchmarks.blurring SCENE … [--detector WEIGHTS] [--json FILE]

A scene is `DIR/<camera>/{video.mp4,gt/gt.txt,seqinfo.ini}` with visibilities. Of people of which at least 30 % can be
seen, per person and frame: the share whose head (the upper fifth of the box) and whose whole box is blurred, to 95 % of
its area. `detections` is what the detector alone would blur; `blurred` is what is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.blurring import Sightings, pixelated
from app.blurring_choice import Blurring
from app.offline import annotate
from app.settings import load_config
from app.sources import name_sources
from trackers.evaluation import Rows, Sequence, read_sequence, read_visibility
from trackers.mot import read_mot

LEAST_VISIBILITY = 0.3
COVERED = 0.95
HEAD = 0.2
HEIGHTS = ((30, 60), (60, 120), (120, 10_000))
"""Pixels."""

Floats = npt.NDArray[np.float64]


def covered(areas: list[Floats], truth: Rows, width: int, height: int) -> Floats:
    """Share of each true head and of each true box that is blurred, `(n, 2)`; frames of `truth` in order."""
    shares = np.zeros((len(truth), 2))
    last, mask = -1, np.zeros((height, width), np.bool_)
    for row, (frame, box) in enumerate(zip(truth.frames.tolist(), truth.boxes, strict=True)):
        if frame != last:
            last = frame
            # What is blurred is found by blurring: a picture of noise changes wherever it is.
            noise = np.random.default_rng(frame).integers(0, 256, (height, width, 3), dtype=np.uint8)
            mask = (pixelated(noise, areas[frame - 1]) != noise).any(axis=2)
        left, top, right, bottom = np.clip(box, 0, [width, height, width, height])
        for column, end in enumerate((top + HEAD * (bottom - top), bottom)):
            part = mask[int(top) : max(int(end), int(top) + 1), int(left) : max(int(right), int(left) + 1)]
            shares[row, column] = part.mean() if part.size else 1.0
    return shares


def measure(scene: Path, weights: str) -> list[dict[str, object]]:
    """Rows of the table, one for each range of heights and each way."""
    sequences = [read_sequence(path.parent) for path in sorted(scene.glob("*/gt"))]
    named = name_sources([f"{each.path.name}={each.images}" for each in sequences])
    config = load_config(None, [f"detector.weights={weights}"])
    heights: list[Floats] = []
    blurred: list[Floats] = []
    detected: list[Floats] = []
    with tempfile.TemporaryDirectory() as folder:
        done = annotate(named, Path(folder), config, lambda *_: None, Blurring())
        for sequence, recording in zip(sequences, done.recordings, strict=True):
            assert recording.sightings is not None
            truth = _visible(sequence)
            truth = truth[truth.frames <= recording.frames]
            size = sequence.width, sequence.height
            rows = read_mot(Path(folder) / f"{sequence.path.name}.txt")
            heights.append(truth.boxes[:, 3] - truth.boxes[:, 1])
            blurred.append(covered(recording.sightings.areas(rows, (), recording.frames), truth, *size))
            detected.append(covered(_detections(recording.sightings, recording.frames), truth, *size))
    tall = np.concatenate(heights)
    results: list[dict[str, object]] = []
    for low, high in HEIGHTS:
        chosen = (tall >= low) & (tall < high)
        for name, shares in (("detections", np.concatenate(detected)), ("blurred", np.concatenate(blurred))):
            head, whole = 100 * (shares[chosen] >= COVERED).mean(axis=0) if chosen.any() else (np.nan, np.nan)
            results.append(
                {
                    "name": f"{scene.name} {low}+ px {name}",
                    "boxes": int(chosen.sum()),
                    "heads": round(float(head), 1),
                    "whole": round(float(whole), 1),
                }
            )
    return results


def _visible(sequence: Sequence) -> Rows:
    truth = sequence.truth[read_visibility(sequence) >= LEAST_VISIBILITY]
    return truth[np.argsort(truth.frames, kind="stable")]


def _detections(sightings: Sightings, frames: int) -> list[Floats]:
    return [sightings.detections(frame).astype(np.float64) for frame in range(frames)]


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--detector", default="bundled")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = [row for scene in arguments.scenes for row in measure(scene, arguments.detector)]
    table = Table("scene", "boxes", "heads %", "whole %")
    for row in results:
        table.add_row(*map(str, row.values()))
    Console(width=100).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "blurring", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
