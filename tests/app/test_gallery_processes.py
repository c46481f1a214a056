import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.gallery import Gallery
from tests.app.galleries import MODEL, fill

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


@pytest.fixture
def filled(path):
    return fill(path)


def test_another_process_reads_while_one_writes(filled):
    script = (
        f"from app.gallery import Gallery\nwith Gallery.open({str(filled)!r}, read_only=True) as g:"
        "\n print(len(g.sightings()[0]))"
    )
    with Gallery.open(filled) as gallery, gallery.writing():
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "30\n", done.stderr
    assert list(filled.parent.iterdir()) == [filled]


WRITER = """
import sys
from tests.app.galleries import *
with Gallery.create(sys.argv[1], MODEL) as gallery:
    gallery.add_camera(camera("east"))
    for number in range(1, 100000, 2):
        gallery.add_tracklets("east", [tracklet(number + i, exemplars=features(3, number + i)) for i in range(2)])
        print(number + 1, flush=True)
"""


def test_what_was_committed_survives_a_kill(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        assert writer.stdout.readline(), "the writer must be writing"
    time.sleep(0.013)
    writer.send_signal(signal.SIGKILL)
    acknowledged = 60 + 2 * len(writer.stdout.read().split())
    writer.wait()
    copies = [path, path.with_name("second.db")]
    for ending in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{ending}", f"{copies[1]}{ending}")
    for copy, read_only in zip(copies, (False, True), strict=True):
        with Gallery.open(copy, model_id=MODEL, read_only=read_only) as gallery:
            found = gallery.tracklets()
            rows, vectors = gallery.sightings()
        assert len(found) >= acknowledged
        assert len(found) % 2 == 0, "a batch is there whole or not at all"
        assert [row.track for row in found] == list(range(1, len(found) + 1))
        assert len(rows) == len(vectors) == 3 * len(found)
    assert not path.with_name("gallery.db-wal").exists(), "opening and closing clears up"
