"""Matching speed: the blocked form against the definition and against one plain array expression, in one run.

python -m benchmarks.matching [--gallery N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from reid_model.features import Features, FloatArray
from reid_model.matching import distances, reference

CELLS, LOCAL, POOLED = 48, 128, 512
RUNS = 5
PLAIN_PAIRS = 20


def random_features(count: int, seed: int) -> Features:
    """Features of no meaning, but of the default shape."""
    random = np.random.default_rng(seed)

    def unit(*shape: int) -> FloatArray:
        values = random.standard_normal(shape, np.float32)
        return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)

    saliency = random.random((count, CELLS), np.float32)
    saliency /= saliency.sum(axis=1, keepdims=True)
    return Features(unit(count, POOLED), unit(count, CELLS, LOCAL), saliency, random.random(count, np.float32))


def _whole_array(query: Features, gallery: Features) -> FloatArray:
    """The definition as one expression that holds every cell score at once."""
    scores = np.einsum("ipd,jqd->ijpq", query.local, gallery.local, optimize=True)
    local = 1 - (scores.max(axis=3) * query.saliency[:, None]).sum(axis=2)
    return np.asarray((local + 1 - query.global_ @ gallery.global_.T) / 2, np.float32)


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Prints microseconds a pair, and how many times faster the blocked form is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gallery", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    query, gallery, few = random_features(4, 0), random_features(arguments.gallery, 1), random_features(PLAIN_PAIRS, 2)
    pairs = len(query) * len(gallery)
    costs = {
        "blocked": _seconds(lambda: distances(query, gallery)) / pairs,
        "whole array": _seconds(lambda: _whole_array(query, gallery)) / pairs,
        "definition": _seconds(lambda: reference.distances(query[:1], few, "gasm")) / PLAIN_PAIRS,
    }
    results = [
        {"name": name, "us_per_pair": round(cost * 1e6, 2), "ratio": round(cost / costs["blocked"], 2)}
        for name, cost in costs.items()
    ]
    table = Table("name", "microseconds a pair", "times the blocked form")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "benchmarks.matching", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
