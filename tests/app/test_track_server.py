"""`track` with its gallery on a PostgreSQL server that goes away, as a user runs it: a process of its own, signals."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import yaml

from app.errors import InputError
from app.gallery import Gallery
from tests.conftest import ROOT
from tests.postgres import PASSWORD, programs, server
from tests.rtsp.running import repeated

VIDEOS = ROOT / "demo_videos" / "three-cameras"

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def postgres():
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as made:
        yield made


class Run:
    """`track` on two recordings, played in real time."""

    def __init__(self, folder, place):
        self.folder, self.place = folder / "live", place
        self.file, self.log = folder / "cameras.yaml", folder / "log"
        for name in ("cam1", "cam2"):
            repeated(VIDEOS / name / "video.mp4", folder / f"{name}.mp4", 60)
        config = {
            "cameras": [
                {"name": name, "source": str(folder / f"{name}.mp4"), "analyse_fps": 5} for name in ("cam1", "cam2")
            ],
            "detector": {"weights": "bundled"},
            "association": {"wait_seconds": 1.0},
            "gallery": {"url": place.replace(PASSWORD, "${GALLERY_PASSWORD}")},
            "live": {"folder": str(self.folder)},
        }
        self.file.write_text(yaml.safe_dump(config))

    def begin(self):
        words = [sys.executable, "run.py", "track", "--config", str(self.file)]
        environment = {**os.environ, "GALLERY_PASSWORD": PASSWORD}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, env=environment)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(60)

    def stored(self):
        try:
            with Gallery.open(self.place, read_only=True) as gallery:
                return {(row.camera, row.track) for row in gallery.tracklets()}
        except InputError:
            return set()

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


def test_nothing_that_was_seen_while_the_server_was_away_is_lost(tmp_path, postgres):
    run = Run(tmp_path, postgres.address())
    run.begin()
    try:
        until(run.stored)
        postgres.stop(kill=True)
        waited = until(run.waiting)
        run.end(signal.SIGKILL)
        assert waited <= run.waiting()
        waited = run.waiting()
        postgres.start()
        run.begin()
        until(lambda: waited <= run.stored())
        until(lambda: not run.waiting() & waited)  # written there first, dropped here next
        known = run.stored()
        until(lambda: run.stored() - known)
        assert run.end(signal.SIGTERM) == 0
    finally:
        run.process.kill()
        run.process.wait()
    assert run.log.read_text().count("the gallery cannot be written") == 1
    assert PASSWORD not in run.log.read_text()
    assert "Traceback" not in run.log.read_text()
    with Gallery.open(run.place, read_only=True) as gallery:
        assert None not in {row.identity for row in gallery.tracklets() if (row.camera, row.track) in waited}
