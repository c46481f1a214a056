import subprocess
import sys
from pathlib import Path

import pytest

from app.gallery import Gallery
from benchmarks.gallery_kill import Outcome, kill_writers
from tests.app.galleries import fill

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


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    outcome = kill_writers(tmp_path / "gallery.db", kills=5, seed=1)
    assert outcome.acknowledged > 0
    assert outcome == Outcome(kills=5, acknowledged=outcome.acknowledged, stored=outcome.stored)
    assert outcome.stored >= outcome.acknowledged
    with Gallery.open(tmp_path / "gallery.db") as gallery:
        assert len(gallery.tracklets()) == outcome.stored
    assert [item.name for item in tmp_path.iterdir()] == ["gallery.db"], "opening and closing clears up"
