"""A re-identification dataset as a gallery: does `search --exact` rank as `evaluate reid` does?

python -m benchmarks.gallery_market [--data KIND:DIR] [--every N] [--cache DIR] [--json FILE]

Every gallery crop is a tracklet with one sighting in a store of its own; every N-th query is searched for, exactly,
until everything is ranked. Results `evaluate` (distances of all pairs, as `evaluate reid` scores them) and `search`
have the same queries and the same rules: same camera and same person left out, distractors stay. `furthest` is the
largest difference of a distance.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.config import GalleryConfig
from app.gallery import CameraRow, Gallery, LiveIndex
from app.search import search
from app.shared_data import shared_data
from benchmarks.search_features import embedded
from reid_model.datasets.registry import read_dataset
from reid_model.evaluation import score
from reid_model.features import Features, FloatArray
from reid_model.matching import distances
from trackers.tracklet import Tracklet

MODEL = "benchmark"
BATCH = 500

Ints = npt.NDArray[np.int64]


def fill(gallery: Gallery, crops: Features, cameras: Ints) -> None:
    """Stores every crop as a tracklet of its camera; tracks are numbered by the crop's place, from 1."""
    for number in np.unique(cameras).tolist():
        name = f"c{number}"
        gallery.add_camera(CameraRow(name, "none", 0.0, 64, 128, 1.0, len(crops)))
        mine = np.flatnonzero(cameras == number)
        for first in range(0, len(mine), BATCH):
            gallery.add_tracklets(name, [_tracklet(place, crops) for place in mine[first : first + BATCH].tolist()])


def _tracklet(place: int, crops: Features) -> Tracklet:
    frame, box = np.array([place]), np.array([[0, 0, 64, 128]], np.float32)
    return Tracklet(
        track_id=place + 1,
        frames=frame,
        times=frame.astype(np.float64),
        boxes=box,
        scores=np.ones(1, np.float32),
        exemplars=crops[[place]],
        exemplar_frames=frame,
        exemplar_times=frame.astype(np.float64),
        exemplar_boxes=box,
        exemplar_crops=(None,),
    )


def searched(gallery: Gallery, queries: Features, count: int) -> FloatArray:
    """The distance of every sighting to each query, `(q, count)`, by searching for it; 2 where it was not found."""
    index = LiveIndex.open(gallery)
    result = np.full((len(queries), count), 2, np.float32)
    for place in range(len(queries)):
        for match in search(gallery, queries[[place]], top=count, exact=True, index=index):
            result[place, match.track - 1] = match.distance
    return result


def run(data: str, every: int, cache: Path) -> list[dict[str, object]]:
    """Both results, and how far apart they are."""
    queries, crops, _ = embedded(data, cache)
    asked, kept = read_dataset(data, "query"), read_dataset(data, "gallery")
    queries, asked = queries[::every], asked.subset(slice(None, None, every))
    labels = (asked.identities, asked.cameras, kept.identities, kept.cameras)
    plain = distances(queries, crops)
    with (
        tempfile.TemporaryDirectory(dir=cache) as folder,
        Gallery.create(Path(folder) / "gallery.db", MODEL, config=GalleryConfig(crops=False)) as gallery,
    ):
        fill(gallery, crops, kept.cameras)
        found = searched(gallery, queries, len(crops))
    results: list[dict[str, object]] = []
    for name, apart in (("evaluate", plain), ("search", found)):
        scores = {key: round(value, 2) for key, value in score(apart, *labels).as_dict().items()}
        results.append({"name": name, **scores, "furthest": round(float(np.abs(apart - plain).max()), 6)})
    return results


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table, and writes the JSON if asked for."""
    market = shared_data("data/market1501")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=f"market1501:{market}" if market else None, required=market is None)
    parser.add_argument("--every", type=int, default=32, help="every N-th query")
    parser.add_argument("--cache", type=Path, default=Path("runs/search"), help="folder for embedded crops")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    results = run(arguments.data, arguments.every, arguments.cache)
    table = Table(*results[0])
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        text = json.dumps({"command": "benchmarks.gallery_market", "results": results}, indent=1)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
