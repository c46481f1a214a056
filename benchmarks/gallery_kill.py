"""A gallery's writer killed at random moments: is every sighting it acknowledged there afterwards?

python -m benchmarks.gallery_kill [--kills N] [--json FILE]

A writer adds batches of tracklets and says so when the store has returned from each. It is killed (SIGKILL: no handler
runs) after a random time, and another writer goes on in the same file, which has to open by itself. After each kill the
gallery is read: every acknowledged batch must be there, each whole or not at all, the numbers of sightings must go on
without one given twice, and the database must be sound.

What a kill cannot show is the loss of power, where writes of the operating system itself are lost. There, order is
what counts, and it is SQLite's: with `synchronous=FULL` in write-ahead mode a commit returns after the log was flushed
to the disk (fsync), so an acknowledged batch is in the log whatever happens; a commit of which only part reached the
disk fails its checksums and is taken for never made; the log is moved into the file only after it was flushed, and
begun anew only after the file was. The names of file and log in their folder are flushed with the log's first commit.
This holds as far as the disk tells the truth about flushing; nothing above it can make up for one that lies.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from app.gallery import Gallery
from app.gallery.rows import CameraRow
from app.gallery.upkeep import verify
from benchmarks.gallery_made import CAMERA, MODEL, VIEWS, Maker

BATCH = 3
"""Tracklets of a transaction."""

LONGEST = 0.4
"""Most seconds that a writer lives after its first batch."""


@dataclass
class Outcome:
    """What became of the kills.

    Attributes:
        kills: How often a writer was killed.
        acknowledged: Tracklets whose batch was acknowledged.
        stored: Tracklets that were found in the end: some batches were stored and not acknowledged any more.
        lost: Tracklets acknowledged and not there.
        halves: Batches of which only part was there.
        unsound: Kills after which the database had a problem, or a number had been given twice.
    """

    kills: int = 0
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    halves: int = 0
    unsound: int = 0


def write(path: Path) -> None:
    """Adds batches until it is killed, and prints the last tracklet of each when it is stored."""
    maker = Maker(0)
    with Gallery.open(path, model_id=MODEL) as gallery:
        first = max((row.track for row in gallery.tracklets()), default=0) + 1
        while True:
            gallery.add_tracklets(CAMERA, maker.batch(first, BATCH))
            first += BATCH
            print(first - 1, flush=True)


def kill_writers(path: Path, kills: int, seed: int) -> Outcome:
    """Kills writers of a new gallery one after the other, and looks after each."""
    chance, outcome = random.Random(seed), Outcome()
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(CameraRow(CAMERA, "none", 0.0, 1920, 1080, 10.0, 0))
    last, largest = 0, 0
    for _ in range(kills):
        last = max(last, _killed(path, chance.uniform(0, LONGEST)))
        outcome.kills += 1
        outcome.acknowledged = last
        largest = _check(path, last, largest, outcome)
    return outcome


def _killed(path: Path, seconds: float) -> int:
    """Starts a writer, kills it some time after its first batch, and gives the last tracklet that it acknowledged."""
    command = [sys.executable, "-m", "benchmarks.gallery_kill", "--write", str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert writer.stdout is not None
    seen: list[int] = [int(writer.stdout.readline() or 0)]
    reading = threading.Thread(target=_read, args=(writer.stdout, seen))
    reading.start()
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    reading.join()
    return seen[-1]


def _read(lines: IO[str], seen: list[int]) -> None:
    seen.extend(int(line) for line in lines if line.endswith("\n"))


def _check(path: Path, last: int, largest: int, outcome: Outcome) -> int:
    """Reads the gallery as the kill has left it; gives the largest number of a sighting."""
    left = path.with_name("left.db")
    for ending in ("", "-wal", "-shm"):
        if path.with_name(path.name + ending).exists():
            shutil.copy(path.with_name(path.name + ending), left.with_name(left.name + ending))
    # A copy is opened: the next writer must find the file as it was left.
    with Gallery.open(left, model_id=MODEL) as gallery:
        tracks = {row.track for row in gallery.tracklets()}
        ids = gallery.sighting_ids()
        sound = not verify(gallery).problems and len(ids) == VIEWS * len(tracks)
    left.unlink()
    outcome.stored = len(tracks)
    outcome.lost = len(set(range(1, last + 1)) - tracks)
    outcome.halves += len(tracks) % BATCH > 0
    outcome.unsound += bool(not sound or (len(ids) and ids[-1] < largest))
    return max(largest, int(ids[-1]) if len(ids) else 0)


def main() -> None:
    """Runs, prints a line, writes the JSON, and fails where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write)
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_writers(Path(folder) / "gallery.db", arguments.kills, arguments.seed)
    print(", ".join(f"{value} {name}" for name, value in asdict(outcome).items()))
    if arguments.json:
        results = [{"name": "kill", **asdict(outcome)}]
        arguments.json.write_text(json.dumps({"command": "gallery_kill", "results": results}, indent=1) + "\n")
    if outcome.lost or outcome.halves or outcome.unsound:
        sys.exit(1)


if __name__ == "__main__":
    main()
