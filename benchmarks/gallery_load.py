"""A gallery under load: sightings written at a steady rate while another process searches; is anything lost?

python -m benchmarks.gallery_load [--sightings N] [--rate N] [--searches N] [--seconds N] [--json FILE]

The gallery is first filled (its own speed is the result `fill`: one writer, as fast as it can). Then one process adds
tracklets at the given rate, vectors, pictures and all, each batch a transaction that is on disk when it is
acknowledged. Another process has loaded the index of what was there before, and searches it at the given rate: every
search looks up its rows and pictures in the store and is entered in the store's audit log, which makes it a second
writer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from app.gallery import Gallery, LiveIndex
from app.gallery.rows import CameraRow
from app.gallery.upkeep import verify
from benchmarks.gallery_made import CAMERA, MODEL, VIEWS, Maker, batches

BATCH = 50
"""Tracklets of a transaction."""

TOP = 20
Result = dict[str, float | str]


def fill(path: Path, sightings: int) -> Result:
    """Makes a gallery as fast as one writer can."""
    maker = Maker(0)
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(CameraRow(CAMERA, "none", 0.0, 1920, 1080, 10.0, 0))
        spent = 0.0
        for batch in batches(maker, sightings // VIEWS, BATCH):
            start = time.perf_counter()
            gallery.add_tracklets(CAMERA, batch)
            spent += time.perf_counter() - start
    return {"name": "fill", "sightings": sightings, "per_second": round(sightings / spent, 1)}


def write(path: Path, rate: float, seconds: float) -> Result:
    """Adds sightings at a rate; those behind time are made up for at once."""
    maker = Maker(1)
    with Gallery.open(path, model_id=MODEL) as gallery:
        first = len(gallery.sighting_ids()) // VIEWS + 1
        _wait_for_start()
        start, added, waits = time.perf_counter(), 0, []
        while (now := time.perf_counter() - start) < seconds:
            if added > now * rate:
                time.sleep(added / rate - now)
                continue
            batch = maker.batch(first, BATCH)
            begun = time.perf_counter()
            gallery.add_tracklets(CAMERA, batch)
            waits.append(time.perf_counter() - begun)
            first, added = first + BATCH, added + BATCH * VIEWS
        elapsed = time.perf_counter() - start
    return {
        "name": "write",
        "sightings": added,
        "per_second": round(added / elapsed, 1),
        "p50_ms": _quantile(waits, 0.5),
        "p95_ms": _quantile(waits, 0.95),
        "max_ms": _quantile(waits, 1),
    }


def search(path: Path, rate: float, seconds: float) -> Result:
    """Searches at a rate, each with a crop of its own."""
    queries = Maker(2).features
    with Gallery.open(path, model_id=MODEL) as gallery:
        index = LiveIndex.open(gallery)
        assert index is not None
        _wait_for_start()
        start, done, waits = time.perf_counter(), 0, []
        while (now := time.perf_counter() - start) < seconds:
            if done > now * rate:
                time.sleep(done / rate - now)
                continue
            begun = time.perf_counter()
            ids = index.search(queries[[done % len(queries)]], TOP, now=gallery.now()).ids.tolist()
            rows, crops = gallery.sightings_by_id(ids), gallery.crops(ids)
            assert all(rows)
            assert all(crops)
            gallery.audit("search", {"found": [[row.camera, row.track] for row in rows if row is not None]})
            waits.append(time.perf_counter() - begun)
            done += 1
        elapsed = time.perf_counter() - start
    return {
        "name": "search",
        "searched": len(index),
        "searches": done,
        "per_second": round(done / elapsed, 1),
        "p50_ms": _quantile(waits, 0.5),
        "p95_ms": _quantile(waits, 0.95),
        "max_ms": _quantile(waits, 1),
    }


def _wait_for_start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def _quantile(seconds: list[float], share: float) -> float:
    return round(1000 * float(np.quantile(seconds, share)), 1)


def _together(path: Path, arguments: argparse.Namespace) -> list[Result]:
    """Writer and searcher in processes of their own, begun at one moment."""
    roles = {"write": arguments.rate, "search": arguments.searches}
    running = []
    for role, rate in roles.items():
        command = [sys.executable, "-m", "benchmarks.gallery_load", "--role", role, "--path", str(path)]
        command += ["--rate", str(rate), "--seconds", str(arguments.seconds)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            sys.exit("a process did not start")
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit("a process failed")
    return [json.loads(text) for text in told]


def main() -> None:
    """Runs, prints a line for each result, writes the JSON, and fails where a sighting is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sightings", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=2000, help="sightings a second")
    parser.add_argument("--searches", type=float, default=10, help="searches a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, help="where the gallery is made; the system's own when left out")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--role", choices=("write", "search"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        run = write if arguments.role == "write" else search
        print(json.dumps(run(arguments.path, arguments.rate, arguments.seconds)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "gallery.db"
        results = [fill(path, arguments.sightings), *_together(path, arguments)]
        expected = arguments.sightings + int(results[1]["sightings"])
        with Gallery.open(path, read_only=True) as gallery:
            start = time.perf_counter()
            report = verify(gallery)
            spent = time.perf_counter() - start
        stored = report.counts["sightings"]
        results.append(
            {
                "name": "verify",
                "sightings": stored,
                "lost": expected - stored,
                "problems": len(report.problems),
                "audited": report.counts["audit"],
                "seconds": round(spent, 1),
                "gigabytes": round(path.stat().st_size / 1e9, 2),
            }
        )
    for result in results:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "gallery_load", "results": results}, indent=1) + "\n")
    if results[-1]["lost"] or results[-1]["problems"] or results[-1]["audited"] != results[2]["searches"]:
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
