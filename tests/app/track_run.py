"""`track` as a user runs it: a process of its own on recordings played in real time, and signals."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time

import yaml

from app.errors import InputError
from app.gallery import Gallery
from tests.conftest import ROOT
from tests.rtsp.running import repeated

VIDEOS = ROOT / "demo_videos" / "three-cameras"


class Run:
    """`track` on two recordings.

    Args:
        folder: Where everything lies.
        place: The gallery's address; by default the file in the run's folder.
        written: What the configuration says of it instead.
        environment: Variables besides those of this process.
    """

    def __init__(self, folder, place=None, written=None, environment=None):
        self.folder, self.environment = folder / "live", {**os.environ, **(environment or {})}
        self.place = self.folder / "gallery.db" if place is None else place
        self.file, self.log = folder / "cameras.yaml", folder / "log"
        for name in ("cam1", "cam2"):
            repeated(VIDEOS / name / "video.mp4", folder / f"{name}.mp4", 60)
        config = {
            "cameras": [
                {"name": name, "source": str(folder / f"{name}.mp4"), "analyse_fps": 5} for name in ("cam1", "cam2")
            ],
            "detector": {"weights": "bundled"},
            "association": {"wait_seconds": 1.0},
            "gallery": {} if written is None else {"url": written},
            "live": {"folder": str(self.folder)},
        }
        self.file.write_text(yaml.safe_dump(config))

    def begin(self):
        words = [sys.executable, "run.py", "track", "--config", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, env=self.environment)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(60)

    def rows(self):
        """The tracklets in the gallery."""
        try:
            with Gallery.open(self.place, read_only=True) as gallery:
                return list(gallery.tracklets())
        except InputError:
            return []

    def numbers(self):
        """The identity of each of them, by camera and track."""
        return {(row.camera, row.track): row.identity for row in self.rows()}

    def stored(self):
        return set(self.numbers())

    def waiting(self):
        path = self.folder / "waiting.db"
        if not path.exists():
            return set()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            try:
                return set(connection.execute("SELECT camera, track FROM waiting").fetchall())
            except sqlite3.OperationalError:
                return set()


def until(what, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found
