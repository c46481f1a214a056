"""Matching speed: all methods in one pass, 8 bits, bf16 and plain forms, against one method in fp32, in one run.

python -m benchmarks.matching [--gallery N] [--json FILE]

`int8` is the way that searches take: a gallery in 8 bits beforehand. `peak` is the share of the matrix-multiply speed
measured in the same run, in float32 or, for `int8`, in 8 bits, that the products of cells alone reach.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.peaks import peaks
from reid_model.features import Features, FloatArray
from reid_model.matching import METHODS, Method, distances, distances_of, reference
from reid_model.matching.int8 import CellQueries, cell_similarities
from reid_model.matching.quantise import Quantised

CELLS, LOCAL, POOLED = 48, 128, 512
RUNS = 5
QUERIES = 64
FEW = 4
PLAIN_PAIRS = 20
NEAREST: tuple[Method, ...] = tuple(method for method in METHODS if method != "dsr")


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


def _seconds(paths: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Median seconds a pair of each path; they take turns, so that a busy machine slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(RUNS):
        for name, (work, pairs) in paths.items():
            start = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - start) / pairs)
    return {name: statistics.median(values) for name, values in times.items()}


def main(given: Sequence[str] | None = None) -> None:
    """Prints microseconds a pair, and each path's time as a multiple of one method's in fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gallery", type=int, default=2000)
    parser.add_argument("--threads", type=int, help="torch's processor threads; all when left out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    query, gallery = random_features(QUERIES, 0), random_features(arguments.gallery, 1)
    few, pairs = query[:FEW], QUERIES * len(gallery)
    stored = Quantised.of(gallery)
    most = peaks()
    costs = _seconds(
        {
            "gasm fp32": (lambda: distances(query, gallery), pairs),
            "gasm bf16": (lambda: distances_of(query, gallery, ("gasm",), precision="bf16"), pairs),
            "local int8": (lambda: cell_similarities(CellQueries.of(query), stored), pairs),
            f"local int8, {FEW} queries": (
                lambda: cell_similarities(CellQueries.of(few), stored),
                FEW * len(gallery),
            ),
            "all fp32": (lambda: distances_of(query, gallery, NEAREST), pairs),
            "all bf16": (lambda: distances_of(query, gallery, NEAREST, precision="bf16"), pairs),
            "dsr": (lambda: distances(query, gallery, "dsr"), pairs),
            f"gasm fp32, {FEW} queries": (lambda: distances(few, gallery), FEW * len(gallery)),
            f"whole array, {FEW} queries": (lambda: _whole_array(few, gallery), FEW * len(gallery)),
            "definition": (
                lambda: reference.distances(query[:1], gallery[:PLAIN_PAIRS], "gasm"),
                min(PLAIN_PAIRS, len(gallery)),
            ),
        }
    )
    results = [
        {
            "name": name,
            "us_per_pair": round(cost * 1e6, 2),
            "ratio": round(cost / costs["gasm fp32"], 3),
            "peak": round(100 * CELLS**2 * LOCAL / cost / most["int8" if "int8" in name else "fp32"], 1),
        }
        for name, cost in costs.items()
    ]
    table = Table("name", "microseconds a pair", "times gasm fp32", "per cent of peak")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "bench match", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
