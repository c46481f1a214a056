"""Imports run one way: reid_model, then trackers, then app; and in no circle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.layers import read_imports, violations

CLEAN = {
    "reid_model/__init__.py": "",
    "reid_model/features.py": "import numpy",
    "reid_model/network.py": "from reid_model.features import Features",
    "trackers/__init__.py": "",
    "trackers/tracker.py": "from reid_model.features import Features",
    "app/__init__.py": "",
    "app/cli.py": "def run():\n    from app.gallery import store",
    "app/gallery/__init__.py": "",
    "app/gallery/store.py": "from trackers import tracker\nfrom ..errors import InputError",
    "app/errors.py": "",
}


def test_imports_run_one_way() -> None:
    graph = read_imports(ROOT)
    assert len(graph) > 200
    assert "trackers.tracker" in graph["app.pipeline"] | graph["trackers"]
    assert violations(graph) == []


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("reid_model/network.py", "import app.cli", "reid_model.network imports app.cli"),
        ("reid_model/network.py", "from trackers import tracker", "reid_model.network imports trackers.tracker"),
        ("trackers/tracker.py", "def late():\n    from app import cli", "trackers.tracker imports app.cli"),
        ("trackers/tracker.py", "from reid_model.network import Gasm", "trackers.tracker imports reid_model.network"),
        ("app/cli.py", "import tests.conftest", "app.cli imports tests.conftest"),
        ("app/errors.py", "from app.gallery import store", "a circle: "),
        ("app/gallery/store.py", "if TYPE_CHECKING:\n    from app.cli import main", "a circle: "),
    ],
)
def test_a_planted_violation_is_found(file: str, line: str, told: str, tmp_path: Path) -> None:
    for name, text in CLEAN.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert violations(read_imports(tmp_path)) == []
    with (tmp_path / file).open("a") as written:
        written.write(line + "\n")
    found = violations(read_imports(tmp_path))
    assert any(line.startswith(told) for line in found), found


def test_circles_of_packages_are_circles_too(tmp_path: Path) -> None:
    files = {
        "app/a/one.py": "import app.b.one",
        "app/a/two.py": "",
        "app/b/one.py": "",
        "app/b/two.py": "import app.a.two",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (found,) = violations(read_imports(tmp_path))
    assert found.startswith("a circle: app.")


def test_make_lint_fails_on_one(tmp_path: Path) -> None:
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "late.py").write_text("import app\n")
    for root, code in ((ROOT, 0), (tmp_path, 1)):
        done = subprocess.run([sys.executable, "-m", "tools.layers", root], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == code, done
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert "-m tools.layers" in lint


LATE = """
import sys
import app.cli, app.settings, app.simulation.simulate
assert "torch" not in sys.modules, "settings and simulation"
import reid_model.embedder
assert "torch" in sys.modules and "torchvision" not in sys.modules, "the network"
"""


def test_what_takes_long_to_import_is_imported_where_it_is_needed() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
