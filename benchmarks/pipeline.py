"""Frames a second of several cameras through the whole pipeline, beside ultralytics' own and the detector alone.

run.py bench pipeline [--video FILE …] [--cameras 4] [--frames 150] [--rounds 3] [--detector WEIGHTS]
    [--reid OSNET.pth] [--set SETTING=VALUE]… [--json FILE]

Each camera plays one of the videos, those of the demonstration where none is given, from another place where there are
fewer videos than cameras, at the rate of the video; all are decoded before, so that what is measured is the analysis.
In each round, in turn:

- `detector`: our detector on each moment's frames of all cameras, and nothing else: the floor;
- `ours`: the loop that `track` runs (detector, tracker, embedding within the tracker's budget), as configured;
- `ours-boxes`: the same without appearance;
- `ultralytics`: `YOLO.track` with BoT-SORT and re-ID on the same frames and detector, a tracker for each camera, frame
  by frame, as that package does it. Its re-ID network is `--reid` as ONNX (a torchreid OSNet x0.25, as large as its own
  published ones, which cannot be had offline), or its own default where none is given. Left out where it fails, and
  without `--detector`: it does not read the bundled one.

`fps` is frames of all cameras a second, the median of the rounds; `ratio` that over the detector's in the same round;
`detect_ms`, `motion_ms`, `track_ms`, `embed_ms` a frame's time in each stage. `people` is the mean number of boxes of
score 0.5 or more in a frame.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table

from app import __version__
from app.config import CameraConfig, Config
from app.demo import SCENE
from app.detector import Detector
from app.devices import processors
from app.embedding import EMBEDDED, load_embedder
from app.files import check_target, write_json
from app.live.lane import Changes, Shown
from app.live.runtime import Runtime
from app.settings import load_config
from app.sources import Frame, Image, open_source
from app.ultralytics_guard import load_ultralytics, one_line
from reid_model.peers import read_torchreid
from trackers import Tracklet


@dataclass(frozen=True)
class Moments:
    """Frames of each camera at each moment, and how many moments there are in a second."""

    images: list[list[Image]]
    rate: float

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return sum(map(len, self.images))


class Played:
    """Cameras whose frames are in memory: each moment has one of each."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.names = [f"camera{number}" for number in range(len(moments.images[0]))]
        self.next = 0

    def take(self) -> list[Frame]:
        """The frames of the next moment."""
        number, self.next = self.next, self.next + 1
        return [
            Frame(name, number, number / self.moments.rate, image)
            for name, image in zip(self.names, self.moments.images[number], strict=True)
        ]

    def wait(self, timeout: float) -> bool:
        """There is always one."""
        return True

    def states(self) -> list[Any]:
        """No news: rates are not held back."""
        return []

    def add(self, camera: CameraConfig) -> None:
        """Cameras are those of the frames."""

    def close(self) -> None:
        """Nothing to close."""


class Silent:
    """Nobody is told anything; ended tracklets are let go."""

    def tracked(self, camera: str, shown: Shown, changes: Changes) -> None: ...

    def analysed(self, camera: str, shown: Shown) -> None: ...

    def rates(self, rates: Mapping[str, float], slowed: bool) -> None: ...

    def tracklets(self, camera: str, tracklets: Sequence[Tracklet], *, finished: bool) -> None: ...

    def slowed(self, slowed: bool, rates: Mapping[str, float]) -> None: ...

    def failed(self, camera: str, error: Exception) -> None:
        raise error


def moments_of(videos: Sequence[Path], cameras: int, frames: int) -> Moments:
    """Frames of each camera at each moment."""
    streams: list[Iterator[Image]] = []
    rate = 0.0
    for number in range(cameras):
        source = open_source(CameraConfig(name="video", source=str(videos[number % len(videos)])))
        rate = max(rate, float(source.rate))
        # Cameras of one video are apart by a part of it, as long as it lasts.
        skip = number // len(videos) * frames // 2
        images = itertools.cycle(frame.image for frame in source) if skip else (frame.image for frame in source)
        streams.append(itertools.islice(images, skip, None))
    found = [list(moment) for moment in itertools.islice(zip(*streams, strict=False), frames)]
    if len(found) < frames:
        raise SystemExit(f"the videos have {len(found)} frames; give longer ones, or fewer --frames")
    return Moments(found, rate)


def run_detector(moments: Moments, detector: Detector) -> tuple[float, dict[str, float]]:
    """Seconds that the detector alone takes, and how many people it sees in a frame."""
    begun, boxes = time.perf_counter(), 0
    for images in moments.images:
        for each in detector.detect(images):
            boxes += int(np.count_nonzero(np.asarray(each.confidence if len(each) else [], np.float32) >= 0.5))
    elapsed = time.perf_counter() - begun
    return elapsed, {"people": boxes / moments.frames}


def run_ours(moments: Moments, detector: Detector, embedder: Any, config: Config) -> tuple[float, dict[str, float]]:
    """Seconds that the live loop takes, and milliseconds a frame in each stage."""
    cameras: Any = Played(moments)
    runtime = Runtime(cameras, detector, embedder, config, Silent(), time.monotonic)
    for name in cameras.names:
        runtime.add(CameraConfig(name=name, source="played"))
    begun = time.perf_counter()
    for _ in moments.images:
        runtime.step(0)
    elapsed = time.perf_counter() - begun
    frames = sum(runtime.analysed.values())
    assert frames == moments.frames, "every frame is analysed"
    return elapsed, {f"{stage}_ms": 1000 * spent / frames for stage, spent in runtime.watch.seconds.items()}


def run_ultralytics(
    moments: Moments, weights: str, confidence: float, settings: Path
) -> tuple[float, dict[str, float]]:
    """Seconds that ultralytics' own tracking takes, one model and tracker for each camera."""
    ultralytics = load_ultralytics()
    models = [ultralytics.YOLO(weights, task="detect") for _ in moments.images[0]]
    options = {"persist": True, "tracker": str(settings), "conf": confidence, "classes": [0], "verbose": False}
    for model, image in zip(models, moments.images[0], strict=True):
        model.predict(image, verbose=False)
    begun = time.perf_counter()
    for images in moments.images:
        for model, image in zip(models, images, strict=True):
            model.track(image, **options)
    return time.perf_counter() - begun, {}


def tracker_settings(folder: Path, reid: Path | None) -> Path:
    """ultralytics' published settings of BoT-SORT, with re-ID switched on."""
    published = Path(str(load_ultralytics().__file__)).parent / "cfg" / "trackers" / "botsort.yaml"
    settings = yaml.safe_load(published.read_text(encoding="utf-8")) | {"with_reid": True}
    if reid is not None:
        settings["model"] = str(folder / "osnet.onnx")
        network = read_torchreid(reid).eval()
        example = torch.zeros(1, 3, 256, 128)
        shapes = {"images": {0: "count"}}
        torch.onnx.export(
            network, (example,), settings["model"], input_names=["images"], dynamic_axes=shapes, dynamo=False
        )
    target = folder / "botsort.yaml"
    target.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return target


def main(given: Sequence[str] | None = None) -> None:
    """Runs the rounds and prints a table."""
    parser = argparse.ArgumentParser(
        "bench pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, action="append")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", default="bundled")
    parser.add_argument("--reid", type=Path)
    parser.add_argument("--set", action="append", default=[], help="As of `track`.")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    check_target(arguments.json)
    videos = arguments.video or sorted(SCENE.glob("*/video.mp4"))
    config = load_config(None, [f"detector.weights={arguments.detector}", *arguments.set]).for_live()
    moments = moments_of(videos, arguments.cameras, arguments.frames)
    detector, embedder = Detector(config.detector), load_embedder(config.embedder, threads=processors())
    embedder.prepare(EMBEDDED)
    with tempfile.TemporaryDirectory() as place:
        settings = tracker_settings(Path(place), arguments.reid)
        runs: dict[str, Callable[[], tuple[float, dict[str, float]]]] = {
            "detector": lambda: run_detector(moments, detector),
            "ours": lambda: run_ours(moments, detector, embedder, config),
            "ours-boxes": lambda: run_ours(moments, detector, None, config),
            "ultralytics": lambda: run_ultralytics(moments, arguments.detector, config.detector.confidence, settings),
        }
        if arguments.detector == "bundled":
            del runs["ultralytics"]
        results = measure(runs, arguments.rounds, moments.frames)
    show(results)
    if arguments.json:
        facts = {
            "cameras": arguments.cameras,
            "frames": arguments.frames,
            "rounds": arguments.rounds,
            "rate": moments.rate,
        }
        write_json(arguments.json, {"command": "bench pipeline", "version": __version__, **facts, "results": results})


def measure(
    runs: dict[str, Callable[[], tuple[float, dict[str, float]]]], rounds: int, frames: int
) -> list[dict[str, Any]]:
    """Medians over rounds in which everything runs once, after a first round that does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    details: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    failures: dict[str, str] = {}
    for number in range(rounds + 1):
        for name, run in runs.items():
            if name in failures:
                continue
            try:
                elapsed, more = run()
            except Exception as error:  # whatever a peer raises is its result
                if not name.startswith("ultralytics"):
                    raise
                failures[name] = one_line(error)
                continue
            if number:
                speeds[name].append(frames / elapsed)
                details[name].append(more)
    results: list[dict[str, Any]] = []
    for name in runs:
        if name in failures:
            results.append({"name": name, "failed": failures[name]})
            continue
        ratios = [mine / floor for mine, floor in zip(speeds[name], speeds["detector"], strict=True)]
        row: dict[str, Any] = {"name": name, "fps": statistics.median(speeds[name]), "ratio": statistics.median(ratios)}
        for key in details[name][0]:
            row[key] = statistics.median(each[key] for each in details[name])
        results.append({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()})
    return results


def show(results: Sequence[Mapping[str, Any]]) -> None:
    """Prints the table."""
    columns = list(dict.fromkeys(key for result in results for key in result))
    table = Table(*columns)
    for result in results:
        table.add_row(*(str(result.get(column, "")) for column in columns))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
