"""Linking across cameras: GASM beside pooled features, mean features and scikit-learn's clustering, in one run.

python -m benchmarks.association --tracklets KIND:DIR [--occlude SEED …] [--json FILE]
python -m benchmarks.association --scene DIR … [--validation DIR …] [--peer NETWORK …] [--json FILE]

What is linked are true tracklets, so that nothing but linking is measured: those that the crops of a dataset make,
plain and covered, and those of simulated scenes. All ways see the same views of each tracklet, those that the tracker
would keep, but for the mean feature of a dataset's tracklets, which is that of all their crops. The ways:

- `gasm`: our association, all at once; `gasm online`: the same as tracklets come;
- `global`: the same with pooled features instead of spatial matching;
- `mean-feature`: cosine of mean pooled features, average linkage, as other pipelines link; with a peer's name before
  it, of the peer's features (scenes only);
- `scikit-learn`: its AgglomerativeClustering with average linkage over our distances, all of them at hand at once.

Each has a threshold of its own, chosen by one rule: on datasets the one of `run.py evaluate association`, on the people
kept out of training; on scenes the highest mean F1 on the validation scenes or, without any, again that one. `as
configured` is our association with the threshold of the settings.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from app import reports
from app.association import CameraTracklet, Identity
from app.association.constraints import simultaneous
from app.association.distance import tracklet_distances
from app.association_crops import (
    THRESHOLDS,
    CropsRequest,
    Linked,
    Shown,
    by_mean_feature,
    chosen_among,
    chosen_threshold,
    linked_by,
    read_shown,
    score_shown,
)
from app.association_evaluation import Associator, Result, across_cameras
from app.association_scene import Scene, read_scene
from app.association_tracklets import Labels, Progress, TrueTracks
from app.config import Config
from app.config_association import AssociationConfig
from app.embedding import load_embedder
from app.errors import InputError
from app.files import check_target
from app.linking_scores import linking_scores
from app.settings import load_config
from reid_model.checkpoint import WeightsError
from reid_model.datasets import DatasetError
from reid_model.embedder import Embedder
from reid_model.features import FloatArray
from reid_model.peers import Peer
from trackers.evaluation import SequenceError

NEVER = 9.0
"""Distance of tracklets that can never be one person, for a clustering that takes no infinity."""

Threshold = Callable[[str, Linked, Shown], float]
"""Chooses the threshold of a way to match, by its name, for these tracklets."""


@dataclasses.dataclass(frozen=True, eq=False)
class Filmed:
    """The true tracklets of a scene.

    Attributes:
        scene: The scene.
        shown: Its tracklets.
        peers: The same with the mean features of other networks, by their names.
    """

    scene: Scene
    shown: Shown
    peers: dict[str, Shown]


def ways_of(config: AssociationConfig) -> dict[str, Linked]:
    """All ways to link."""
    ours = linked_by(config, Associator.offline)
    return {
        "gasm": ours["gasm"],
        "gasm online": linked_by(config, Associator.online)["gasm"],
        "global": ours["global"],
        "mean-feature": ours["mean-feature"],
        "scikit-learn": partial(by_scikit_learn, config=config),
    }


def by_scikit_learn(shown: Shown, threshold: float, *, config: AssociationConfig) -> Labels:
    """Identities by scikit-learn's agglomerative clustering of our distances."""
    settings = config.model_copy(update={"matching": "gasm", "threshold": threshold})
    distances = tracklet_distances(shown.tracklets, settings).astype(np.float64)
    distances[simultaneous(shown.tracklets, config.shared_overlap, config.shared_frames)] = NEVER
    distances = np.minimum(distances, NEVER)
    np.fill_diagonal(distances, 0)
    above = float(np.nextafter(threshold, NEVER))  # it joins what is nearer than the threshold; ours at it, too
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=above
    )
    return np.asarray(clustering.fit_predict(distances), np.int64)


def film(scene: Scene, config: Config, embedder: Embedder, peers: Sequence[Peer], progress: Progress) -> Filmed:
    """The true tracklets of a scene, as the tracker would show them."""
    tracklets: list[CameraTracklet] = []
    people: list[Labels] = []
    for camera in scene.cameras:
        true = TrueTracks(camera, embedder, config.tracker)
        for frame in camera.source:
            if frame.index < camera.sequence.length:
                true.look(frame)
            progress("look", f"{scene.name} {camera.name}", frame.index + 1, camera.sequence.length)
        found, owners = true.finish()
        tracklets += [CameraTracklet(camera.name, each) for each in found]
        people.append(owners)
    everybody = np.concatenate(people)
    pooled = [None if (seen := item.tracklet.exemplars) is None else seen.global_ for item in tracklets]
    shown = Shown(tracklets, means_of(pooled), everybody)
    others = {}
    for peer in peers:
        vectors = [peer.embed(crops) if (crops := _crops(item)) else None for item in tracklets]
        others[peer.name] = dataclasses.replace(shown, means=means_of(vectors))
    return Filmed(scene, shown, others)


def _crops(item: CameraTracklet) -> list[np.ndarray]:
    return [crop for crop in item.tracklet.exemplar_crops if crop is not None]


def means_of(vectors: Sequence[FloatArray | None]) -> FloatArray:
    """Mean features of unit length, `(n, D)`; zero, which is far from everybody, where there is no view."""
    width = next((each.shape[1] for each in vectors if each is not None), 1)
    means = np.stack([np.zeros(width) if each is None else each.mean(axis=0) for each in vectors])
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12), np.float32)


def as_identities(tracklets: Sequence[CameraTracklet], labels: Labels) -> list[Identity]:
    """Labels as identities."""
    groups: dict[int, list[CameraTracklet]] = {}
    for item, label in zip(tracklets, labels.tolist(), strict=True):
        groups.setdefault(label, []).append(item)
    return [
        Identity(number, "linked" if len(members) > 1 else "unknown", tuple(members), (), None, "")
        for number, members in enumerate(groups.values(), 1)
    ]


def on_crops(request: CropsRequest, config: Config, progress: Progress) -> tuple[list[Result], Threshold]:
    """All ways on a dataset's tracklets, and how their thresholds were chosen."""
    shown, kept = read_shown(request, config, progress)

    def threshold(name: str, way: Linked, of: Shown) -> float:
        return chosen_threshold(kept, way, chosen_among(name, of, kept))

    covered = "" if request.occlude is None else f", covered {request.occlude}"
    place = request.data.partition(":")[0] + covered
    ways = ways_of(config.association)
    results = [score_shown(name, shown, way, threshold(name, way, shown)) for name, way in ways.items()]
    results.append(score_shown("as configured", shown, ways["gasm"], config.association.threshold))
    return [{"name": f"{place}: {result['name']}", "data": place, **_without_name(result)} for result in results], (
        threshold
    )


def on_scene(filmed: Filmed, config: Config, thresholds: dict[str, float], peers: dict[str, float]) -> list[Result]:
    """All ways on a scene's true tracklets, with identities scored over all cameras as well."""
    rows: list[tuple[str, Shown, Linked, float]] = []
    ways = ways_of(filmed.scene.settings(config.association))
    for name, way in ways.items():
        rows.append((name, filmed.shown, way, thresholds[name]))
    rows.append(("as configured", filmed.shown, ways["gasm"], config.association.threshold))
    for name, shown in filmed.peers.items():
        rows.append((f"{name} mean-feature", shown, by_mean_feature, peers[name]))
    return [_scored(filmed, *row) for row in rows]


def _scored(filmed: Filmed, name: str, shown: Shown, way: Linked, threshold: float) -> Result:
    place = filmed.scene.name
    result = score_shown(name, shown, way, threshold)
    found = as_identities(shown.tracklets, way(shown, threshold))
    across = across_cameras(filmed.scene, "true-tracks", found)
    return {"name": f"{place}: {name}", "data": place, "IDF1": across["IDF1"], **_without_name(result)}


def _without_name(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "name"}


def best_on(validation: Sequence[Shown]) -> Callable[[Linked], float]:
    """Chooses the threshold with the highest mean F1 on validation scenes."""

    def threshold(way: Linked) -> float:
        scores = [
            np.mean([linking_scores(each.people, each.cameras, way(each, value))["F1"] for each in validation])
            for value in THRESHOLDS.tolist()
        ]
        return round(float(THRESHOLDS[int(np.argmax(scores))]), 2)

    return threshold


def measure(arguments: argparse.Namespace, config: Config, progress: Progress) -> Iterator[Result]:
    """What the arguments ask for."""
    threshold: Threshold | None = None
    if arguments.tracklets:
        for seed in [None, *arguments.occlude]:
            covering = None if seed is None else arguments.occluders
            request = CropsRequest(arguments.tracklets, seed, covering)
            results, chosen = on_crops(request, config, progress)
            threshold = threshold or chosen
            yield from results
    if not arguments.scene:
        return
    if threshold is None and not arguments.validation:
        raise InputError("--scene: thresholds are chosen elsewhere; give --validation DIR or --tracklets KIND:DIR")
    if arguments.peer and not arguments.validation:
        raise InputError("--peer: a peer's threshold is chosen on scenes; give --validation DIR")
    embedder = load_embedder(config.embedder)
    peers = [Peer(path) for path in arguments.peer]
    filming = partial(film, config=config, embedder=embedder, peers=peers, progress=progress)
    validation = [filming(read_scene(folder, config)) for folder in arguments.validation]
    peer_thresholds: dict[str, float] = {}
    best: dict[str, float] = {}
    if validation:
        on_ours = best_on([each.shown for each in validation])
        best = {name: on_ours(way) for name, way in ways_of(config.association).items()}
        for peer in peers:
            peer_thresholds[peer.name] = best_on([each.peers[peer.name] for each in validation])(by_mean_feature)
    for folder in arguments.scene:
        filmed = filming(read_scene(folder, config))
        if threshold is not None and not validation:
            best = {name: threshold(name, way, filmed.shown) for name, way in ways_of(config.association).items()}
        yield from on_scene(filmed, config, best, peer_thresholds)


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(
        prog="association", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracklets", metavar="KIND:DIR", help="crops of people, such as market1501:DIR")
    parser.add_argument("--occlude", type=int, nargs="*", default=[], metavar="SEED", help="and covered by these seeds")
    parser.add_argument("--occluders", type=Path, help="Penn-Fudan folder")
    parser.add_argument("--scene", type=Path, nargs="*", default=[], help="scenes with truth")
    parser.add_argument("--validation", type=Path, nargs="*", default=[], help="other scenes, to choose thresholds on")
    parser.add_argument("--peer", type=Path, action="append", default=[], help="another network; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as embedder.weights=small")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    try:
        check_target(arguments.json)
        if not arguments.tracklets and not arguments.scene:
            raise InputError("nothing to measure; give --tracklets KIND:DIR or --scene DIR")
        config = load_config(None, arguments.set)
        with reports.Progress() as progress:
            results = list(measure(arguments, config, progress.update))
        reports.print_results("bench association", results, arguments.json)
    except (InputError, SequenceError, WeightsError, DatasetError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
