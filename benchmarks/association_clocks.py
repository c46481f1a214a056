"""What cameras' clocks, late tracklets and a camera that is gone cost: identities of scenes as live cameras show them.

    python -m benchmarks.association_clocks --scene DIR … [--set detector.weights=bundled] [--json FILE]

Each scene is tracked once with the settings of live cameras; then its tracklets come as they grow, every second, and
when they end:

- `as they are`;
- `clocks off`: the cameras' times are 0, 2 and −2 s wrong, in turn;
- `late`: those of the cameras come 0, 5 and 10 s late, in turn;
- `clocks off and late`;
- `a camera gone`: the last camera shows the second half of the scene 300 s later than the others, and whoever it sees
  at the middle is cut in two; `all at once, a camera gone` is the offline clustering of the same.

IDF1 is over all cameras, from real boxes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app import reports
from app.association import CameraTracklet, Identity, associate, replay
from app.association_evaluation import Result, across_cameras, track_scene
from app.association_scene import Scene, read_scene
from app.config_association import AssociationConfig
from app.detector import Detector
from app.embedding import load_embedder
from app.errors import InputError
from app.files import check_target
from app.settings import load_config
from reid_model.checkpoint import WeightsError
from trackers.evaluation import SequenceError
from trackers.tracklet import Tracklet

OFF, LATE, GONE, GROWING = (0.0, 2.0, -2.0), (0.0, 5.0, 10.0), 300.0, 1.0
"""Seconds: clocks are off, tracklets are late, a camera is gone, between two states of a growing tracklet."""

Link = Callable[[Sequence[CameraTracklet], AssociationConfig], list[Identity]]


def by_camera(tracklets: Sequence[CameraTracklet], seconds: Sequence[float]) -> dict[str, float]:
    """Seconds for each camera, in turn."""
    names = sorted({item.camera for item in tracklets})
    return {name: seconds[i % len(seconds)] for i, name in enumerate(names)}


def moved(item: CameraTracklet, seconds: float) -> CameraTracklet:
    """A tracklet by a clock that is off."""
    whole = item.tracklet
    later = replace(whole, times=whole.times + seconds, exemplar_times=whole.exemplar_times + seconds)
    return CameraTracklet(item.camera, later)


def off(tracklets: Sequence[CameraTracklet]) -> list[CameraTracklet]:
    """Tracklets by the cameras' clocks."""
    seconds = by_camera(tracklets, OFF)
    return [moved(item, seconds[item.camera]) for item in tracklets]


def interrupted(tracklets: Sequence[CameraTracklet]) -> list[CameraTracklet]:
    """Tracklets of a scene in whose middle the last camera is gone for `GONE` seconds, and then shows the rest."""
    gone = max((item.camera for item in tracklets), default="")
    middle = float(np.median(np.concatenate([item.tracklet.times for item in tracklets])))
    number = 1 + max(item.tracklet.track_id for item in tracklets)
    parts: list[CameraTracklet] = []
    for item in tracklets:
        if item.camera != gone:
            parts.append(item)
            continue
        before, after = _rows(item, item.tracklet.times < middle), _rows(item, item.tracklet.times >= middle)
        if before is not None:
            parts.append(before)
        if after is not None:
            later = moved(after, GONE)
            if before is not None:
                later = CameraTracklet(item.camera, replace(later.tracklet, track_id=number))
                number += 1
            parts.append(later)
    return parts


def _rows(item: CameraTracklet, rows: np.ndarray) -> CameraTracklet | None:
    if not rows.any():
        return None
    whole = item.tracklet
    views = np.flatnonzero(np.isin(whole.exemplar_frames, whole.frames[rows]))
    part: Tracklet = replace(
        whole,
        **{name: getattr(whole, name)[rows] for name in ("frames", "times", "boxes", "scores")},
        exemplars=whole.exemplars[views] if whole.exemplars is not None and len(views) else None,
        **{name: getattr(whole, name)[views] for name in ("exemplar_frames", "exemplar_times", "exemplar_boxes")},
        exemplar_crops=tuple(whole.exemplar_crops[view] for view in views.tolist()),
    )
    return CameraTracklet(item.camera, part)


def ways(homographies: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Link]:
    """What is measured, by name."""

    def live(tracklets: Sequence[CameraTracklet], config: AssociationConfig, *, late: bool = False) -> list[Identity]:
        delays = by_camera(tracklets, LATE) if late else None
        return replay(tracklets, config, homographies=homographies, delays=delays, growing_seconds=GROWING)

    return {
        "all at once": associate,
        "as they are": live,
        "clocks off": lambda tracklets, config: live(off(tracklets), config),
        "late": lambda tracklets, config: live(tracklets, config, late=True),
        "clocks off and late": lambda tracklets, config: live(off(tracklets), config, late=True),
        "a camera gone": lambda tracklets, config: live(interrupted(tracklets), config),
        "all at once, a camera gone": lambda tracklets, config: associate(interrupted(tracklets), config),
    }


def measure(scene: Scene, tracklets: Sequence[CameraTracklet], config: AssociationConfig) -> dict[str, float]:
    """IDF1 of each way, per cent."""
    settings = scene.settings(config)
    return {
        name: float(across_cameras(scene, "real-boxes", way(tracklets, settings))["IDF1"])
        for name, way in ways(scene.homographies).items()
    }


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(
        prog="association_clocks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scene", type=Path, nargs="+", required=True, help="scenes with truth")
    parser.add_argument("--calibrated", action="store_true", help="use their overlaps and homographies")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as embedder.weights=small")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    try:
        check_target(arguments.json)
        config = load_config(None, arguments.set)
        detector, embedder = Detector(config.detector), load_embedder(config.embedder)
        scores: list[dict[str, float]] = []
        with reports.Progress() as progress:
            for folder in arguments.scene:
                scene = read_scene(folder, config, calibrated=arguments.calibrated)
                found = track_scene(scene, config, detector, embedder, progress.update)["real-boxes"]
                scores.append(measure(scene, found.tracklets, config.association))
        results: list[Result] = [
            {"name": name, "IDF1": round(float(np.mean([each[name] for each in scores])), 2), "scenes": len(scores)}
            for name in scores[0]
        ]
        reports.print_results("bench association_clocks", results, arguments.json)
    except (InputError, SequenceError, WeightsError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
