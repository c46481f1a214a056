"""Imports run one way: reid_model, then trackers, then app."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"reid_model": {"trackers", "app"}, "trackers": {"app"}}
TRACKERS_MAY_USE = {"reid_model", "reid_model.features", "reid_model.matching"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_lower_layers_do_not_know_higher_ones(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        wrong = {name for name in _imports(path) if name.split(".")[0] in FORBIDDEN[folder]}
        assert not wrong, f"{path} imports {wrong}"


def test_trackers_know_the_network_only_by_its_features_and_matching() -> None:
    for path in (ROOT / "trackers").rglob("*.py"):
        used = {name for name in _imports(path) if name.split(".")[0] == "reid_model"}
        assert used <= TRACKERS_MAY_USE, f"{path} imports {used - TRACKERS_MAY_USE}"


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
