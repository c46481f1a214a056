"""Who is killed in a cluster under load comes back, and nothing that was acknowledged is lost: how long it takes.

python -m benchmarks.cluster_kill [--rounds N] [--cameras N] [--rate N] [--json FILE]

A PostgreSQL server and a Ray of its own; two workers without cameras hand over the tracklets of many virtual ones at a
rate, three shards take them in, searches are made all the time. In each round a worker, a shard, the associator and the
server are killed, one after the other (SIGKILL; the server with all its processes, and started anew). `back` is from
the kill until every part answers, a search misses no shard, and tracklets of every worker are acknowledged again. It
fails where that takes more than 15 s, a search fails, no shard that was away was named, or something acknowledged is
not in the store in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.cluster.cluster import Cluster, Kept
from app.config import Config
from app.gallery.growing import Key
from app.search import search
from benchmarks.cluster import SAFE
from benchmarks.cluster_made import MadeWorker, set_rate, told_safe
from benchmarks.gallery_made import MODEL, Maker
from trackers import Tracklet

Result = dict[str, float | str]

WITHIN = 15.0
"""Seconds within which everything has to be back."""

PARTS = ("worker", "shard", "associator", "server")

_MAKER = Maker(7)


class Worker(MadeWorker):
    """Hands over tracklets of the default sizes."""

    @staticmethod
    def make(camera: str, number: int) -> Tracklet:
        """Somebody whose vectors are drawn from a pool."""
        return _MAKER.batch(number, 1)[0]


class Searching:
    """Searches twice a second, and what came of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.answers: list[tuple[tuple[str, ...], int]] = []
        self.failed: list[str] = []
        self.waits: list[float] = []
        self._cluster, self._over = cluster, threading.Event()
        self._thread = threading.Thread(target=self._search)
        self._thread.start()

    def _search(self) -> None:
        queries, place = Maker(2).features, 0
        while not self._over.wait(0.5):
            begun, place = time.monotonic(), (place + 1) % len(queries)
            try:
                answer = self._cluster.search(queries[[place]], top=20)
                self.answers.append((answer.missing, len(answer.matches)))
            except Exception as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            self.waits.append(time.monotonic() - begun)

    def close(self) -> None:
        """Stops."""
        self._over.set()
        self._thread.join()


def wait(ready: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Waits until something is so; gives whether it came to that."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Trial:
    """A cluster under load, of which parts are killed."""

    def __init__(self, cluster: Cluster, postgres: Any, folder: Path, cameras: list[list[str]]) -> None:
        self.cluster, self.postgres, self.folder, self.cameras = cluster, postgres, folder, cameras
        self.query = Maker(3).features[[0]]

    def whole(self) -> bool:
        """Whether all are there, and a search misses none."""
        return not self.cluster.away and not self.cluster.search(self.query, top=5).missing

    def heard_of_all(self, before: set[Key]) -> bool:
        """Whether tracklets of every worker were acknowledged since."""
        cameras = {camera for camera, _ in told_safe(self.folder) - before}
        return all(cameras & set(some) for some in self.cameras)

    def kill(self, part: str, turn: int) -> float:
        """Kills a part; gives the seconds until everything is as before."""
        if part == "server":
            begun = time.monotonic()
            self.postgres.stop(kill=True)
            self.postgres.start()
        else:
            kept = self._part(part, turn)
            before = kept.restarts
            pid = _pid(kept)
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            wait(lambda: kept.restarts > before)
        safe = told_safe(self.folder)
        wait(self.whole)
        wait(lambda: self.heard_of_all(safe))
        return time.monotonic() - begun

    def _part(self, part: str, turn: int) -> Kept:
        if part == "associator":
            return self.cluster.associator
        some = self.cluster.workers if part == "worker" else self.cluster.shards
        return some[turn % len(some)]


def _pid(kept: Kept) -> int:
    import ray

    return int(ray.get(kept.handle.pid.remote(), timeout=60))


def run(given: argparse.Namespace, folder: Path) -> tuple[list[Result], list[str]]:
    """All rounds; gives the results, and what was not as it should be."""
    import ray

    from app.cluster.starting import start
    from tests.postgres import server

    names = [f"camera-{number}" for number in range(given.cameras)]
    set_rate(folder, given.rate / given.workers)
    with server(*SAFE) as postgres:
        config = Config.model_validate(
            {
                "cameras": [{"name": name, "source": "rtsp://nowhere/a"} for name in names],
                "gallery": {"url": postgres.address()},
                "live": {"folder": str(folder)},
                "cluster": {
                    **{"workers": given.workers, "worker_cpus": 0.1, "shard_cpus": 0.1, "slice_minutes": 0.2},
                    **{"shards": given.shards, "most_restart_seconds": 2.0},
                },
            }
        )
        start("local", megabytes=200, processors=2)
        cluster = Cluster(config, MODEL, Worker)
        trial = Trial(cluster, postgres, folder, [names[number :: given.workers] for number in range(given.workers)])
        spent: dict[str, list[float]] = {part: [] for part in PARTS}
        try:
            wait(trial.whole)
            wait(lambda: trial.heard_of_all(set()))
            searching = Searching(cluster)
            for turn in range(given.rounds):
                for part in PARTS:
                    spent[part].append(trial.kill(part, turn))
                    print(f"{part}: back after {spent[part][-1]:.1f} s", flush=True)
            searching.close()
            set_rate(folder, 0)
            left = [each.handle.left for each in cluster.workers]
            wait(lambda: not any(ray.get([each.remote() for each in left], timeout=60)))
            safe = told_safe(folder)
            wait(lambda: safe <= stored(cluster), 30)
            results, wrong = judged(cluster, searching, spent, safe)
        finally:
            cluster.close()
            ray.shutdown()
    return results, wrong


def stored(cluster: Cluster) -> set[Key]:
    """Camera and number of every tracklet in the store."""
    return {(row.camera, row.track) for row in cluster.gallery.tracklets()}


def judged(
    cluster: Cluster, searching: Searching, spent: dict[str, list[float]], safe: set[Key]
) -> tuple[list[Result], list[str]]:
    """The table, and what was not as it should be."""
    from app.gallery import LiveIndex

    lost = len(safe - stored(cluster))
    named = {each for missing, _ in searching.answers for each in missing}
    empty = sum(not found for _, found in searching.answers)
    cluster.sync()
    query = Maker(2).features[[0]]
    alone = search(cluster.gallery, query, top=20, index=LiveIndex.open(cluster.gallery))
    together = cluster.search(query, top=20).matches
    differ = [(m.camera, m.track) for m in alone] != [(m.camera, m.track) for m in together]
    results: list[Result] = [
        {
            "name": part,
            "kills": len(times),
            "back_p50_s": round(float(np.median(times)), 1),
            "back_max_s": round(max(times), 1),
        }
        for part, times in spent.items()
    ]
    results.append(
        {
            "name": "all",
            "acknowledged": len(safe),
            "lost": lost,
            "searches": len(searching.waits),
            "failed": len(searching.failed),
            "incomplete": sum(bool(missing) for missing, _ in searching.answers),
            "search_p50_ms": round(1000 * float(np.median(searching.waits)), 1),
            "search_max_ms": round(1000 * max(searching.waits), 1),
        }
    )
    late = [f"{part}: back after {max(times):.1f} s" for part, times in spent.items() if max(times) > WITHIN]
    wrong = [
        *late,
        *(searching.failed[:3]),
        *([f"{lost} acknowledged tracklets are not in the store"] if lost else []),
        *([f"{empty} searches found nobody"] if empty else []),
        *([] if named else ["no search named the shard that was away"]),
        *(["shards find something else than one index"] if differ else []),
    ]
    return results, wrong


def main() -> None:
    """Runs, prints a line for each result, writes the JSON, and fails where something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cameras", type=int, default=40)
    parser.add_argument("--rate", type=float, default=20, help="tracklets a second, of all cameras together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, wrong = run(given, Path(folder))
    for result in results:
        print(result, flush=True)
    if given.json:
        given.json.write_text(json.dumps({"command": "benchmarks.cluster_kill", "results": results}, indent=2) + "\n")
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    # Ray has the workers' class by this name in other processes.
    from benchmarks.cluster_kill import main as run_main

    run_main()
