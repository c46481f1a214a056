"""Searching 100,000 and a million sightings: times and recall, beside numpy, torch and FAISS in one run.

python -m benchmarks.search [--data KIND:DIR] [--sightings N …] [--queries N] [--cache DIR] [--json FILE]

What is searched is described in `benchmarks.search_features`; queries are crops of the dataset's query part. The index
is searched by a process of its own that opens its snapshot, as one does who starts the program: `rss_gb` is that
process's memory. recall@10 is the share of the ten nearest by exact matching of everything (`exact`, in 8 bits) that a
search finds; `against float32` compares with exact matching in float32 instead, for a few queries. Peers hold float32,
take 200 by pooled vectors and match those; FAISS's is its flat index; their recall is against float32 too. `filtered`
keeps one camera of ten and one hour of twenty-four. `peak` is the share of the matrix-multiply speed measured on this
machine in the same run (torch's int8 and float32 products of 2048 × 2048) that exact matching reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.gallery.index_live import LiveIndex
from app.gallery.index_reading import Batch
from app.gallery.packing import Dimensions
from app.gallery.snapshot import Held, Snapshot
from app.shared_data import shared_data
from benchmarks.peaks import peaks
from benchmarks.search_features import embedded, enlarged
from benchmarks.search_peers import nearest, peers
from benchmarks.search_timing import CAMERAS, DAY, MODEL, TOP, opened, save_queries, sized, timed
from reid_model.features import Features
from reid_model.matching import int8

PEERS_UP_TO = 100_000
FLOAT_QUERIES = 12

Facts = dict[str, object]


def fill(index: LiveIndex, gallery: Features, identities: npt.NDArray[np.int64], count: int) -> None:
    """Adds so many sightings, at times spread over a day, cameras in turn of each sighting."""
    done = 0
    for features in enlarged(gallery, identities, count):
        ids = np.arange(done + 1, done + len(features) + 1)
        index.add(
            Batch(
                ids,
                ids // 4,
                [CAMERAS[place % len(CAMERAS)] for place in ids.tolist()],
                ids / count * DAY,
                np.full(len(ids), 1e12),
                features,
            ),
            expected=count,
        )
        done += len(features)


def write(index: LiveIndex, file: Path) -> None:
    """Writes the index's snapshot."""
    state = index._state
    columns, layout = state.parts[0].columns, state.parts[0].layout
    Snapshot(file).write(Held(MODEL, 1, state.cameras, layout, state.rotation, columns))


def searched(file: Path, queries: Features, count: int, few: int) -> Facts:
    """What `benchmarks.search_timing` measures, in a process of its own."""
    save_queries(queries, file.with_suffix(".npz"))
    command = [sys.executable, "-m", "benchmarks.search_timing", str(file), str(file.with_suffix(".npz"))]
    run = subprocess.run([*command, str(count), str(few)], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)  # type: ignore[no-any-return]


def against_float(file: Path, queries: Features, truth: list[npt.NDArray[np.int64]], size: str) -> list[Facts]:
    """How much of what exact float32 matching finds the index finds, by two stages and exactly."""
    index, few = opened(file), queries[: len(truth)]
    return [
        timed(
            f"{name} against float32 {size}",
            lambda one: index.search(one, TOP, now=0, exact=exact).ids,  # noqa: B023
            few,
            truth,
        ).to_dict()
        for name, exact in (("two-stage", False), ("exact", True))
    ]


def run(data: str, sightings: Sequence[int], count: int, few: int, cache: Path) -> tuple[list[Facts], Facts]:
    """The whole measurement: results, and facts about machine and index."""
    query, gallery, identities = embedded(data, cache)
    queries = query[np.random.default_rng(1).permutation(len(query))[:count]]
    most = peaks()
    results: list[Facts] = []
    facts: Facts = {f"{name}_peak_gmac_s": round(value / 1e9) for name, value in most.items()}
    for size in sightings:
        name = sized(size)
        index = LiveIndex(MODEL, Dimensions.of(gallery))
        start = time.perf_counter()
        fill(index, gallery, identities, size)
        facts[f"add_{name}_s"] = round(time.perf_counter() - start, 1)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            file = Path(folder) / "gallery.index"
            write(index, file)
            del index
            found = searched(file, queries, size, few)
            facts |= {f"open_{name}_s": found["open_s"], f"rss_{name}_gb": found["rss_gb"]}
            results += cast(list[Facts], found["results"])
            macs = size * gallery.cells**2 * gallery.local.shape[2] / float(str(results[-1]["p50_ms"])) * 1000
            results[-1] |= {f"{kind}_peak": round(100 * macs / value, 1) for kind, value in most.items()}
            truth = nearest(enlarged(gallery, identities, size), queries[:FLOAT_QUERIES])
            results += against_float(file, queries, truth, name)
            if size <= PEERS_UP_TO:
                whole = Features.concatenate(list(enlarged(gallery, identities, size)))
                results += [result.to_dict() for result in peers(whole, queries, few, truth)]
                del whole
    facts |= {"way": int8.fastest().__name__, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    return results, facts | {"processor": platform.processor() or platform.machine()}


def show(results: Sequence[Facts], facts: Facts) -> None:
    """Prints the table, and the facts below it."""
    table = Table("name", "p50 ms", "p95 ms", "recall@10", "of int8 peak", "of fp32 peak")
    for result in results:
        shown = [*list(result.values())[:4], result.get("int8_peak", ""), result.get("fp32_peak", "")]
        table.add_row(*(str(value) for value in shown))
    Console(width=140).print(table)
    print(", ".join(f"{name} {value}" for name, value in facts.items()))


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table, and writes the JSON if asked for."""
    market = shared_data("data/market1501")
    parser = argparse.ArgumentParser(
        prog="bench search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=f"market1501:{market}" if market else None, required=market is None)
    parser.add_argument("--sightings", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--exact-queries", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path("runs/search"), help="folder for embedded crops")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    results, facts = run(
        arguments.data, arguments.sightings, arguments.queries, arguments.exact_queries, arguments.cache
    )
    show(results, facts)
    if arguments.json:
        text = json.dumps({"command": "bench search", "machine": facts, "results": results}, indent=1)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
