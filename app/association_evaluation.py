"""Scoring identities across cameras on scenes with truth, in three rungs: what each stage costs shows between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np

from app.association import CameraTracklet, Identity, associate, replay
from app.association_scene import Scene, read_scene
from app.association_tracklets import Labels, Linkable, Progress, track_scene_camera
from app.config import Config
from app.config_association import AssociationConfig
from app.detector import Detector
from app.embedding import load_embedder
from app.linking_scores import linking_scores
from app.offline import BRIDGED
from app.pipeline import Stopwatch
from app.rows import bridged_rows, identity_rows
from reid_model.embedder import Embedder
from trackers import evaluation as mot

Result = dict[str, str | float]
Matrices = Mapping[str, Sequence[Sequence[float]]]
Link = Callable[[Sequence[CameraTracklet], AssociationConfig, Matrices], list[Identity]]

RUNGS = ("real-boxes", "true-boxes", "true-tracks")
ACROSS = ("IDF1", "HOTA", "AssA", "DetA")


class Associator(StrEnum):
    """How tracklets are linked: all at once, as recordings are, or as they come, as live cameras are."""

    offline = "offline"
    online = "online"


def linker(name: Associator) -> Link:
    """The associator of a name, as a function of tracklets, settings and the cameras' homographies."""
    if name is Associator.online:
        return lambda tracklets, config, homographies: replay(tracklets, config, homographies=homographies)
    return lambda tracklets, config, homographies: associate(tracklets, config)


def evaluate_scenes(
    folders: Sequence[Path], config: Config, associator: Associator, *, calibrated: bool, progress: Progress
) -> list[Result]:
    """Scores identities across the cameras of scenes.

    Args:
        folders: Scenes, as `read_scene` reads them.
        config: Settings; all at once, recordings are looked at as `annotate` does, as its section `recordings` says.
        associator: How tracklets are linked.
        calibrated: Whether a scene's overlaps and calibration are used, where its file has them.
        progress: Called after each frame.

    Returns:
        For each scene and rung `name`, `IDF1`, `HOTA`, `AssA` and `DetA` over all cameras, `precision`, `recall`, `F1`,
        `B3` and `unknown` of its tracklets (see `linking_scores`), and how many `tracklets` and true `people` there
        are; of several scenes the `scene` too, and in the end means over all.

    Raises:
        InputError: If a scene, pictures or weights cannot be used.
        trackers.evaluation.SequenceError: If a camera's truth cannot be used.
    """
    if associator is Associator.offline:
        config = config.for_recordings()
    scenes = [read_scene(folder, config, calibrated=calibrated) for folder in folders]
    detector, embedder = Detector(config.detector), load_embedder(config.embedder)
    results: list[Result] = []
    for scene in scenes:
        found = track_scene(scene, config, detector, embedder, progress)
        results += [
            {"name": rung, "scene": scene.name, **score_rung(scene, rung, found[rung], config, linker(associator))}
            for rung in RUNGS
        ]
    if len(scenes) == 1:
        return [{key: value for key, value in result.items() if key != "scene"} for result in results]
    return results + [mean_result([result for result in results if result["name"] == rung]) for rung in RUNGS]


def mean_result(results: Sequence[Result]) -> Result:
    """One rung over several scenes: means of the scores, sums of the counts."""
    counted = ("tracklets", "people")
    scores = [key for key in results[0] if key not in ("name", "scene", *counted)]
    return {
        "name": results[0]["name"],
        "scene": "mean",
        **{key: round(float(np.mean([float(each[key]) for each in results])), 2) for key in scores},
        **{key: sum(int(each[key]) for each in results) for key in counted},
    }


def track_scene(
    scene: Scene, config: Config, detector: Detector | None, embedder: Embedder, progress: Progress
) -> dict[str, Linkable]:
    """The tracklets of a scene by rung; without a detector, of the last two."""
    watch = Stopwatch()
    parts = [track_scene_camera(each, detector, embedder, config.tracker, watch, progress) for each in scene.cameras]
    return {
        rung: Linkable(
            [tracklet for part in parts for tracklet in part[rung].tracklets],
            np.concatenate([part[rung].people for part in parts]),
        )
        for rung in parts[0]
    }


def score_rung(scene: Scene, rung: str, given: Linkable, config: Config, link: Link) -> Result:
    """Links the tracklets of a rung and scores the identities and the links."""
    settings = scene.settings(config.association)
    identities = link(given.tracklets, settings, scene.homographies)
    return {**across_cameras(scene, rung, identities), **links(scene, given, identities)}


def across_cameras(scene: Scene, rung: str, identities: Sequence[Identity]) -> Result:
    """`IDF1`, `HOTA`, `AssA` and `DetA` of all cameras as one; one frame of one camera is one time step.

    Tracked boxes are scored as `annotate` writes them, steadied and bridged; true boxes as they are.
    """
    sequences, rows = [], []
    for camera in scene.cameras:
        if rung == "true-tracks":
            boxes = identity_rows(identities, camera.name)
        else:
            boxes = bridged_rows(identities, camera.name, BRIDGED)
        rows.append(camera.counted(boxes))
        sequence, truth = camera.sequence, camera.counted(camera.sequence.truth)
        fields = (sequence.name, sequence.path, sequence.length, sequence.fps, sequence.width, sequence.height)
        sequences.append(mot.Sequence(*fields, sequence.images, truth))
    scores = mot.score_cameras(sequences, rows)
    return {key: round(scores[key], 2) for key in ACROSS}


def links(scene: Scene, given: Linkable, identities: Sequence[Identity]) -> Result:
    """The scores of the links between tracklets; one that is never where people count is left out."""
    regions = {camera.name: camera.regions for camera in scene.cameras}
    seen = [bool(regions[item.camera].keep(item.tracklet.boxes).any()) for item in given.tracklets]
    kept = np.flatnonzero(np.array(seen, np.bool_))
    tracklets, people = [given.tracklets[row] for row in kept.tolist()], given.people[kept]
    scores = linking_scores(people, cameras_of(tracklets), identities_of(tracklets, identities))
    counts = {"tracklets": len(tracklets), "people": len(np.unique(people[people >= 0]))}
    return {**{key: round(value, 2) for key, value in scores.items()}, **counts}


def cameras_of(tracklets: Sequence[CameraTracklet]) -> Labels:
    """Number of each tracklet's camera, `(n,)`."""
    return np.unique([item.camera for item in tracklets], return_inverse=True)[1].astype(np.int64)


def identities_of(tracklets: Sequence[CameraTracklet], identities: Sequence[Identity]) -> Labels:
    """Number of the identity of each tracklet, `(n,)`."""
    numbers = {member.key: identity.number for identity in identities for member in identity.members}
    return np.array([numbers[item.key] for item in tracklets], np.int64)
