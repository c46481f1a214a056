"""The timed part of `benchmarks.search`, in a process of its own that holds nothing but the index and the queries.

python -m benchmarks.search_timing SNAPSHOT QUERIES SIGHTINGS FEW

Prints one line of JSON: how long opening took, the memory in use at the end, and a result for each way of searching.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.gallery.index_live import LiveIndex
from app.gallery.snapshot import Snapshot
from reid_model.features import Features

TOP = 10
CAMERAS = [f"camera-{number}" for number in range(10)]
DAY, HOUR = 86400.0, 3600.0
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
    """Two stages, the same under a filter, and exact."""

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


def opened(file: Path) -> LiveIndex:
    """The index that a snapshot holds."""
    held = Snapshot(file).read(MODEL)
    return LiveIndex(MODEL, held.layout.size, held)


def resident() -> float:
    """Memory in use now, mapped files included, in GB; the most there ever was, where that is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e9


def save_queries(queries: Features, file: Path) -> None:
    """Writes features for the process that searches."""
    np.savez(file, pooled=queries.global_, local=queries.local, saliency=queries.saliency, mass=queries.mass)


def main() -> None:
    """See the module's description."""
    snapshot, file, count, few = sys.argv[1:]
    with np.load(file, allow_pickle=False) as held:
        queries = Features(held["pooled"], held["local"], held["saliency"], held["mass"])
    start = time.perf_counter()
    index = opened(Path(snapshot))
    seconds = time.perf_counter() - start
    results = [result.to_dict() for result in measure(index, queries, int(count), int(few))]
    print(json.dumps({"open_s": round(seconds, 2), "rss_gb": round(resident(), 2), "results": results}))


if __name__ == "__main__":
    main()
