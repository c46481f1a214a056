"""Searching 100,000 and a million sightings: times and recall, beside numpy, torch and FAISS in one run.

python -m benchmarks.search --data market1501:DIR [--sightings N …] [--queries N] [--cache DIR] [--json FILE]

What is searched is described in `benchmarks.search_features`; queries are crops of the dataset's query part. recall@10
is the share of the ten nearest by exact matching of everything (`exact`, in 8 bits) that a search finds; `exact` itself
is compared with matching in float32, for a few queries, up to 100,000 sightings. Peers hold float32, take 200 by pooled
vectors and match those; FAISS's is its flat index. `filtered` keeps one camera of ten and one hour of twenty-four.
`peak` is the share of the matrix-multiply speed measured on this machine in the same run (torch's int8 and float32
products of 2048 × 2048) that exact matching reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from app.gallery.index_live import LiveIndex
from app.gallery.index_reading import Batch
from app.gallery.packing import Dimensions
from app.gallery.snapshot import Held, Snapshot
from benchmarks.search_features import embedded, enlarged
from reid_model.features import Features
from reid_model.matching import distances, int8

TOP, SHORTLIST = 10, 200
CAMERAS = [f"camera-{number}" for number in range(10)]
DAY, HOUR = 86400.0, 3600.0
PEERS_UP_TO = 100_000
FLOAT_QUERIES = 12
SIDE = 2048
MODEL = "benchmark"

Ids = npt.NDArray[np.int64]
Search = Callable[[Features], Ids]


@dataclass(frozen=True)
class Result:
    """One row of the table; times in milliseconds, recall in per cent."""

    name: str
    p50_ms: float
    p95_ms: float
    recall: float

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "p50_ms": round(self.p50_ms, 2),
            "p95_ms": round(self.p95_ms, 2),
            "recall@10": round(self.recall, 2),
        }


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


def reopened(index: LiveIndex, folder: Path) -> tuple[LiveIndex, float]:
    """The same index from its snapshot, and the seconds that opening it took."""
    state = index._state
    snapshot = Snapshot(folder / "gallery.index")
    columns = state.parts[0].columns
    snapshot.write(Held(MODEL, 1, state.cameras, state.parts[0].layout, state.rotation, columns))
    start = time.perf_counter()
    opened = LiveIndex(MODEL, index.size, snapshot.read(MODEL))
    return opened, time.perf_counter() - start


def timed(name: str, search: Search, queries: Features, truth: Sequence[Ids]) -> Result:
    """One query crop at a time, after a round that nobody counts."""
    seconds, recalls = [], []
    for place in range(min(10, len(queries))):
        search(queries[place : place + 1])
    for place in range(len(queries)):
        query = queries[place : place + 1]
        start = time.perf_counter()
        found = search(query)
        seconds.append(time.perf_counter() - start)
        if place < len(truth):
            recalls.append(len(np.intersect1d(found[:TOP], truth[place])) / max(1, len(truth[place])))
    times = 1000 * np.percentile(seconds, [50, 95])
    return Result(name, float(times[0]), float(times[1]), 100 * float(np.mean(recalls)))


def sized(count: int) -> str:
    """`100k`, `1M`."""
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count // 1000}k"


def measure(index: LiveIndex, queries: Features, count: int, few: int) -> list[Result]:
    """Two stages, exact, and the same under a filter."""

    def search(query: Features, *, exact: bool, filtered: bool) -> Ids:
        limits = {"cameras": CAMERAS[3:4], "start": 9 * HOUR, "end": 10 * HOUR} if filtered else {}
        return index.search(query, TOP, now=0, exact=exact, **limits).ids  # type: ignore[arg-type]

    size = sized(count)
    truth = [search(queries[place : place + 1], exact=True, filtered=False) for place in range(len(queries))]
    inside = [search(queries[place : place + 1], exact=True, filtered=True) for place in range(len(queries))]
    return [
        timed(f"two-stage {size}", lambda query: search(query, exact=False, filtered=False), queries, truth),
        timed(f"filtered {size}", lambda query: search(query, exact=False, filtered=True), queries, inside),
        timed(f"exact {size}", lambda query: search(query, exact=True, filtered=False), queries[:few], truth),
    ]


def peers(gallery: Features, queries: Features, count: int, few: int, exact: Search) -> list[Result]:
    """numpy, torch and FAISS in float32, and how near `exact` is to float32."""
    import faiss

    truth = []
    for place in range(FLOAT_QUERIES):
        order = np.argsort(distances(queries[place : place + 1], gallery)[0], kind="stable")[:TOP]
        truth.append(order + 1)
    flat = faiss.IndexFlatIP(gallery.global_.shape[1])
    flat.add(gallery.global_)
    pooled, cells = torch.from_numpy(gallery.global_), torch.from_numpy(gallery.local)

    def rerank(query: Features, rows: npt.NDArray[np.intp], product: npt.NDArray[np.float32]) -> Ids:
        scores = (query.local[0] @ gallery.local[rows].transpose(0, 2, 1)).max(axis=2) @ query.saliency[0]
        return np.asarray(rows[np.argsort(-(scores + product))[:TOP]] + 1, np.int64)

    def by_numpy(query: Features) -> Ids:
        product = gallery.global_ @ query.global_[0]
        rows = np.argpartition(-product, SHORTLIST)[:SHORTLIST]
        return rerank(query, rows, product[rows])

    def by_torch(query: Features) -> Ids:
        product, rows = (pooled @ torch.from_numpy(query.global_[0])).topk(SHORTLIST)
        scores = (torch.from_numpy(query.local[0]) @ cells[rows].transpose(1, 2)).amax(2)
        total = scores @ torch.from_numpy(query.saliency[0]) + product
        return rows[total.argsort(descending=True)[:TOP]].numpy() + 1

    def by_faiss(query: Features) -> Ids:
        product, rows = flat.search(query.global_, SHORTLIST)
        return rerank(query, rows[0], product[0])

    size = sized(count)
    some = queries[:few]
    return [
        timed(f"exact against float32 {size}", exact, queries[:FLOAT_QUERIES], truth),
        timed(f"numpy {size}", by_numpy, some, truth),
        timed(f"torch {size}", by_torch, some, truth),
        timed(f"faiss flat, then cells {size}", by_faiss, some, truth),
    ]


def peak(work: Callable[[], object]) -> float:
    """Multiplications and additions a second of a square product, the best of several."""
    best = np.inf
    for _ in range(8):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return SIDE**3 / best


def main() -> None:
    """Prints the table, and writes the JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--sightings", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--exact-queries", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path("runs/match"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    run(
        arguments.data, arguments.sightings, arguments.queries, arguments.exact_queries, arguments.cache, arguments.json
    )


def run(data: str, sightings: Sequence[int], count: int, few: int, cache: Path, json_file: Path | None) -> None:
    """The whole measurement: see the module's description."""
    query, gallery, identities = embedded(data, cache)
    queries = query[np.random.default_rng(1).permutation(len(query))[:count]]
    multiply = torch.randint(-127, 127, (SIDE, SIDE), dtype=torch.int8)
    real = torch.randn(SIDE, SIDE)
    peaks = {"int8": peak(lambda: torch._int_mm(multiply, multiply)), "fp32": peak(lambda: real @ real)}
    results: list[dict[str, object]] = []
    facts: dict[str, object] = {f"{name}_peak_gmac_s": round(value / 1e9) for name, value in peaks.items()}
    for size in sightings:
        index = LiveIndex(MODEL, Dimensions.of(gallery))
        start = time.perf_counter()
        fill(index, gallery, identities, size)
        facts[f"add_{sized(size)}_s"] = round(time.perf_counter() - start, 1)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            index, seconds = reopened(index, Path(folder))
            facts[f"open_{sized(size)}_s"] = round(seconds, 2)
            found = measure(index, queries, size, few)
            results += [result.to_dict() for result in found]
            macs = size * gallery.cells**2 * gallery.local.shape[2] / found[-1].p50_ms * 1000
            results[-1] |= {f"{name}_peak": round(100 * macs / value, 1) for name, value in peaks.items()}
            facts[f"rss_{sized(size)}_gib"] = round(resident(), 2)
            if size <= PEERS_UP_TO:
                whole = Features.concatenate(list(enlarged(gallery, identities, size)))
                searched = index
                results += [
                    result.to_dict()
                    for result in peers(
                        whole,
                        queries,
                        size,
                        few,
                        lambda one: searched.search(one, TOP, now=0, exact=True).ids,  # noqa: B023
                    )
                ]
                del whole
            del index
    facts |= {"way": int8.fastest().__name__, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    facts |= {"processor": platform.processor() or platform.machine()}
    show(results, facts)
    if json_file:
        json_file.write_text(
            json.dumps({"command": "bench search", "machine": facts, "results": results}, indent=1) + "\n"
        )


def resident() -> float:
    """Memory in use now, mapped files included, in GiB; the most there ever was, where that is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 2**20


def show(results: Sequence[dict[str, object]], facts: dict[str, object]) -> None:
    table = Table("name", "p50 ms", "p95 ms", "recall@10", "of int8 peak", "of fp32 peak")
    for result in results:
        shown = [*list(result.values())[:4], result.get("int8_peak", ""), result.get("fp32_peak", "")]
        table.add_row(*(str(value) for value in shown))
    Console(width=140).print(table)
    print(", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
