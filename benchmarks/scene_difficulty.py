"""How hard a scene is to link across cameras, whoever tracks it: true tracks, linked by appearance alone.

python -m benchmarks.scene_difficulty SCENE … [--peer NETWORK …] [--weights W] [--json FILE]

Every stretch of a person in one camera is a tracklet, ended by a second out of sight; it is shown to the network by up
to ten of its pictures, evenly spread, in which at least 30 % of the person is visible. Tracklets are joined by average
linkage, those of one camera that share a frame never. Precision, recall and F1 are of pairs of tracklets in different
cameras. The threshold is each network's best on that very scene, in its favour: what is measured is how far looks can
carry there at all. A peer is represented by its mean feature (`mean-feature`), ours by pooled features (`global`) and
by the distance that association uses (`gasm`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.association.clustering import agglomerate
from app.association.constraints import simultaneous
from app.association.distance import tracklet_distances
from app.association.types import CameraTracklet
from app.config import CameraConfig
from app.config_association import AssociationConfig
from app.sources import open_source
from reid_model.embedder import Embedder, cut
from reid_model.features import Features, FloatArray
from reid_model.peers import Peer
from trackers import Tracklet
from trackers.evaluation import Rows, Sequence, read_sequence, read_visibility

LEAST_VISIBILITY = 0.3
GAP = 1.0
"""Seconds out of sight that end a tracklet."""
PICTURES = 10
"""Most pictures of a tracklet."""
THRESHOLDS = np.linspace(0.02, 1.2, 119)

Image = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A true tracklet.

    Attributes:
        camera: Where.
        person: Who.
        frames: 1-based frames in which enough of them is visible.
        boxes: Their boxes there, `(n, 4)`.
        crops: Pictures of some of them.
    """

    camera: str
    person: int
    frames: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    crops: list[Image]


def true_tracklets(folder: Path) -> list[Seen]:
    """All tracklets of a scene, with pictures."""
    cameras = sorted(path.parent for path in folder.glob("*/video.mp4"))
    return [seen for camera in cameras for seen in _of_camera(read_sequence(camera))]


def _of_camera(sequence: Sequence) -> Iterator[Seen]:
    visible = sequence.truth[read_visibility(sequence) >= LEAST_VISIBILITY]
    found: list[Seen] = []
    wanted: dict[int, list[tuple[int, int]]] = {}
    for person in np.unique(visible.ids):
        rows: Rows = visible[visible.ids == person]
        rows = rows[np.argsort(rows.frames)]
        breaks = np.flatnonzero(np.diff(rows.frames) > GAP * sequence.fps) + 1
        for part in np.split(np.arange(len(rows)), breaks):
            seen = Seen(sequence.path.name, int(person), rows.frames[part], rows.boxes[part], [])
            for place in np.unique(np.linspace(0, len(part) - 1, PICTURES).round().astype(int)):
                wanted.setdefault(int(seen.frames[place]), []).append((len(found), int(place)))
            found.append(seen)
    for frame in open_source(CameraConfig(name=sequence.path.name, source=str(sequence.images))):
        for number, place in wanted.get(frame.index + 1, []):
            found[number].crops.append(cut(frame.image, found[number].boxes[place]))
    yield from found


def as_tracklets(tracklets: list[Seen], features: list[Features]) -> list[CameraTracklet]:
    """The same as association takes them."""
    none = np.zeros(0)
    return [
        CameraTracklet(
            seen.camera,
            Tracklet(
                number,
                seen.frames,
                seen.frames.astype(np.float64),
                seen.boxes.astype(np.float32),
                np.ones(len(seen.frames), np.float32),
                exemplars,
                none.astype(np.int64),
                none,
                np.zeros((0, 4), np.float32),
                (),
            ),
        )
        for number, (seen, exemplars) in enumerate(zip(tracklets, features, strict=True), 1)
    ]


def mean_distances(parts: list[FloatArray]) -> FloatArray:
    """Cosine distance of the mean features of tracklets, `(n, n)`."""
    means = np.stack([part.mean(axis=0) for part in parts])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(1 - means @ means.T, np.float32)


def link_scores(distances: FloatArray, apart: Bools, tracklets: list[Seen], threshold: float) -> dict[str, float]:
    """Precision, recall and F1, per cent, of pairs of tracklets in different cameras."""
    cluster = np.arange(len(tracklets))
    for merge in agglomerate(np.where(apart, np.inf, distances), threshold):
        cluster[cluster == merge.second] = merge.first
    cameras, people = np.array([seen.camera for seen in tracklets]), np.array([seen.person for seen in tracklets])
    pairs = np.triu(cameras[:, None] != cameras[None], 1)
    linked = pairs & (cluster[:, None] == cluster[None])
    true = pairs & (people[:, None] == people[None])
    right = int((linked & true).sum())
    return {
        "precision": 100 * right / max(int(linked.sum()), 1),
        "recall": 100 * right / max(int(true.sum()), 1),
        "F1": 200 * right / max(int(linked.sum()) + int(true.sum()), 1),
    }


def best(name: str, distances: FloatArray, apart: Bools, tracklets: list[Seen]) -> dict[str, str | float]:
    """The scores at the threshold that serves this network best."""
    tried = [(link_scores(distances, apart, tracklets, each), float(each)) for each in THRESHOLDS]
    scores, threshold = max(tried, key=lambda pair: pair[0]["F1"])
    return {
        "name": name,
        **{metric: round(value, 1) for metric, value in scores.items()},
        "threshold": round(threshold, 2),
    }


def measure(scene: Path, peers: list[Path], embedder: Embedder) -> list[dict[str, str | float]]:
    """All networks on a scene."""
    tracklets = true_tracklets(scene)
    edges = np.cumsum([len(seen.crops) for seen in tracklets])[:-1]
    crops = [crop for seen in tracklets for crop in seen.crops]
    features = embedder.embed(crops)
    parts = np.split(np.arange(len(crops)), edges)
    items = as_tracklets(tracklets, [features[part] for part in parts])
    apart = simultaneous(items)
    spatial = tracklet_distances(items, AssociationConfig(candidates=len(items)))
    results = []
    for path in peers:
        vectors = Peer(path).embed(crops)
        distances = mean_distances([vectors[part] for part in parts])
        results.append(best(f"{path.stem} mean-feature", distances, apart, tracklets))
    pooled = mean_distances([features.global_[part] for part in parts])
    results += [best("global mean-feature", pooled, apart, tracklets), best("gasm", spatial, apart, tracklets)]
    shipped = AssociationConfig().threshold
    at_shipped = {key: round(value, 1) for key, value in link_scores(spatial, apart, tracklets, shipped).items()}
    results.append({"name": "gasm, threshold as shipped", **at_shipped, "threshold": shipped})
    people = len({seen.person for seen in tracklets})
    return [{"scene": scene.name, "people": people, "tracklets": len(tracklets), **result} for result in results]


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, nargs="+", help="folders with a folder for each camera")
    parser.add_argument("--peer", type=Path, action="append", default=[], help="another network; repeatable")
    parser.add_argument("--weights", default="default", help="of our network")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    embedder = Embedder(arguments.weights)
    results = [result for scene in arguments.scene for result in measure(scene, arguments.peer, embedder)]
    table = Table(*results[0])
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=160).print(table)
    if arguments.json is not None:
        text = json.dumps({"command": "benchmarks.scene_difficulty", "results": results}, indent=1)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
