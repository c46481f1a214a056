"""Re-identification on Market-1501, ours beside OpenVINO's re-ID networks, in one run.

python -m benchmarks.reid --data DIR [--weights W] [--peer NETWORK.xml …] [--every N]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from reid_model.checkpoint import DEFAULT_WEIGHTS
from reid_model.datasets import ReidImages, read_market1501
from reid_model.embedder import Embedder
from reid_model.evaluation import score
from reid_model.features import Features, FloatArray
from reid_model.matching import METHODS, distances
from reid_model.training.teachers import reid_features

NATIVE = (128, 64)


def _ours(weights: Path, query: ReidImages, gallery: ReidImages) -> list[dict[str, object]]:
    embedder = Embedder(weights, threads=os.cpu_count())
    sets: list[Features] = []
    start = time.monotonic()
    for images in (query, gallery):
        pixels = images.decode(*NATIVE)[..., ::-1]
        step = embedder.batch * 4
        sets.append(
            Features.concatenate([embedder.embed(list(pixels[i : i + step])) for i in range(0, len(pixels), step)])
        )
    rate = (len(query) + len(gallery)) / (time.monotonic() - start)
    rows = []
    for method in METHODS:
        start = time.monotonic()
        distance = distances(sets[0], sets[1], method)
        seconds = time.monotonic() - start
        rows.append(_row(method, distance, query, gallery, {"embed_per_s": rate, "match_s": seconds}))
    return rows


def _row(
    name: str, distance: FloatArray, query: ReidImages, gallery: ReidImages, extra: dict[str, float]
) -> dict[str, object]:
    scores = score(distance, query.identities, query.cameras, gallery.identities, gallery.cameras)
    return {"name": name, **{k: round(v, 2) for k, v in (scores.as_dict() | extra).items()}}


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--peer", type=Path, action="append", default=[])
    parser.add_argument("--every", type=int, default=1, help="use every N-th query")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    gallery, full = read_market1501(arguments.data, "gallery"), read_market1501(arguments.data, "query")
    rows = np.arange(0, len(full), arguments.every)
    query = ReidImages(
        [full.names[i] for i in rows], [full.encoded[i] for i in rows], full.identities[rows], full.cameras[rows]
    )
    results = _ours(arguments.weights, query, gallery)
    for peer in arguments.peer:
        features = [reid_features(peer, images.decode(*NATIVE)) for images in (query, gallery)]
        results.append(_row(peer.stem, 1 - features[0] @ features[1].T, query, gallery, {}))
    columns = list(results[0])
    table = Table(*columns)
    for result in results:
        table.add_row(*(str(result.get(column, "")) for column in columns))
    Console(width=140).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "benchmarks.reid", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
