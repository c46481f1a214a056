"""Hundreds of virtual cameras into a PostgreSQL server and index shards, searched meanwhile: what holds, what is next.

python -m benchmarks.cluster [--cameras N] [--rate N] [--sightings N] [--searches N] [--seconds N] [--json FILE]

A server of its own is made, with everything on that makes an acknowledged change survive a power cut. The gallery is
first filled (`fill`: one writer, as fast as it can). Then a process of its own plays the associator's writing: each
half second, the tracklets of whichever of the cameras have some, in one transaction as a live run writes them, at the
given rate. Shards, as actors of Ray, take them in, and searches (two stages: shortlist, then all cells of it; hits,
rows and pictures from the store, an entry in the audit log) are made at the given rate. Linking is not in it, nor are
cameras: those are `benchmarks.association` and `benchmarks.pipeline`. At the end every acknowledged sighting is looked
for.
`busy_percent` says how much of the time the writer wrote: 100 is the limit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.config import Config
from app.gallery import Gallery
from app.gallery.growing import Grown, put_all
from app.gallery.rows import CameraRow
from benchmarks.gallery_made import MODEL, VIEWS, Maker, batches

Result = dict[str, float | str]

ALL = np.arange(VIEWS)
TURN = 0.5
"""Seconds between two turns of writing, as a live run has them."""

HELD = 0.97
"""Share of the rate that counts as all of it: in a short run what is due at the end is left."""

SAFE = (
    "fsync = on",
    "synchronous_commit = on",
    "full_page_writes = on",
    "shared_buffers = 256MB",
    "max_wal_size = 2GB",
)


def names(cameras: int) -> list[str]:
    """The cameras' names."""
    return [f"camera-{number}" for number in range(cameras)]


def fill(address: str, cameras: int, sightings: int) -> Result:
    """Makes a gallery as fast as one writer can."""
    maker, known = Maker(0), names(cameras)
    with Gallery.create(address, MODEL) as gallery:
        for name in known:
            gallery.add_camera(CameraRow(name, "none", 0.0, 1920, 1080, 10.0, 0))
        spent = 0.0
        for place, batch in enumerate(batches(maker, sightings // VIEWS, 50)):
            begun = time.perf_counter()
            gallery.add_tracklets(known[place % cameras], batch)
            spent += time.perf_counter() - begun
    return {"name": "fill", "sightings": sightings, "per_second": round(sightings / spent, 1)}


def write(address: str, cameras: int, rate: float, seconds: float) -> Result:
    """Adds tracklets at a rate; those behind time are made up for at once."""
    maker, known, random = Maker(1), names(cameras), np.random.default_rng(1)
    number, waits, busy = 1_000_000, [], 0.0
    with Gallery.open(address, model_id=MODEL) as gallery:
        print("ready", flush=True)
        sys.stdin.readline()
        begun, added, commits = time.perf_counter(), 0, 0
        while (now := time.perf_counter() - begun) < seconds:
            due = int(now * rate) - added
            if due < rate * TURN:
                time.sleep(TURN - due / rate)
                continue
            ready = time.perf_counter()
            owners = random.integers(0, cameras, due)
            given: dict[str, list[Grown]] = {}
            for owner, item in zip(owners.tolist(), maker.batch(number, due), strict=True):
                given.setdefault(known[owner], []).append(Grown(item, ALL))
            number += due
            put_all(gallery, given)
            commits += 1
            added += due
            waits.append(time.perf_counter() - ready)
            busy += waits[-1]
        elapsed = time.perf_counter() - begun
    return {
        "name": "write",
        "cameras": cameras,
        "tracklets": added,
        "sightings": added * VIEWS,
        "tracklets_per_second": round(added / elapsed, 1),
        "commits_per_second": round(commits / elapsed, 1),
        "turn_p95_ms": _quantile(waits, 0.95),
        "turn_max_ms": _quantile(waits, 1),
        "busy_percent": round(100 * busy / elapsed, 1),
    }


def search(cluster: Any, rate: float, seconds: float) -> Result:
    """Searches at a rate, each with a crop of its own."""
    queries, waits, missing = Maker(2).features, [], 0
    begun, done = time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < seconds:
        if done > now * rate:
            time.sleep(done / rate - now)
            continue
        start = time.perf_counter()
        answer = cluster.search(queries[[done % len(queries)]], top=20)
        waits.append(time.perf_counter() - start)
        missing += bool(answer.missing)
        done += 1
    return {
        "name": "search",
        "searches": done,
        "incomplete": missing,
        "p50_ms": _quantile(waits, 0.5),
        "p95_ms": _quantile(waits, 0.95),
        "max_ms": _quantile(waits, 1),
    }


def _quantile(seconds: list[float], share: float) -> float:
    return round(1000 * float(np.quantile(seconds, share)), 1) if seconds else 0.0


def run(given: argparse.Namespace, folder: Path) -> list[Result]:
    """All of it, on a server and a Ray of its own."""
    import ray

    from app.cluster.cluster import Cluster
    from app.cluster.starting import start
    from tests.postgres import server

    with server(*SAFE) as postgres:
        address = postgres.address()
        results = [fill(address, given.cameras, given.sightings)]
        config = Config.model_validate(
            {
                "gallery": {"url": address},
                "live": {"folder": str(folder)},
                "cluster": {"shards": given.shards, "shard_cpus": 0.1, "answer_seconds": 30, "slice_minutes": 5},
            }
        )
        start("local", megabytes=200, processors=4)
        cluster = Cluster(config, MODEL)
        try:
            cluster.sync()
            words = [sys.executable, "-m", "benchmarks.cluster", "--role", "write", "--address", address]
            words += ["--cameras", given.cameras, "--rate", given.rate, "--seconds", given.seconds]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            with subprocess.Popen([*map(str, words)], **pipes) as writer:  # type: ignore[call-overload]
                writer.stdout.readline()
                writer.stdin.write("\n")
                writer.stdin.flush()
                found = search(cluster, given.searches, given.seconds)
                results += [json.loads(writer.stdout.readline()), found]
            begun = time.perf_counter()
            cluster.sync()
            late = time.perf_counter() - begun
            stored = len(cluster.gallery.sighting_ids())
            held = sum(ray.get([each.handle.count.remote() for each in cluster.shards]))
            expected = given.sightings // VIEWS * VIEWS + int(results[1]["sightings"])
            size = cluster.gallery.size()
        finally:
            cluster.close()
            ray.shutdown()
    end = {"name": "end", "expected": expected, "stored": stored, "in_shards": held, "shards_behind_ms": 1000 * late}
    return [*results, {**end, "bytes_a_sighting": round(size / max(stored, 1))}]


def main() -> None:
    """Runs, prints a line for each result, writes the JSON; fails where a sighting is missing, or it is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=300)
    parser.add_argument("--rate", type=float, default=100, help="tracklets a second, of all cameras together")
    parser.add_argument("--sightings", type=int, default=100_000, help="there before")
    parser.add_argument("--searches", type=float, default=2, help="searches a second")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--most-ms", type=float, default=100, help="what the p95 of searches may be")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--role", choices=("write",), help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        print(json.dumps(write(given.address, given.cameras, given.rate, given.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = run(given, Path(folder))
    for result in results:
        print(result, flush=True)
    if given.json:
        given.json.write_text(json.dumps({"command": "benchmarks.cluster", "results": results}, indent=2) + "\n")
    end = results[-1]
    if not end["expected"] == end["stored"] == end["in_shards"]:
        sys.exit("sightings are missing")
    written, found = results[1], results[2]
    if float(written["tracklets_per_second"]) < HELD * given.rate:
        sys.exit(f"{given.rate:g} tracklets a second are not held")
    if float(found["p95_ms"]) >= given.most_ms:
        sys.exit(f"searches take {found['p95_ms']} ms at p95, {given.most_ms:g} are wanted")


if __name__ == "__main__":
    main()
