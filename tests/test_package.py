"""The built package holds everything that a run outside the checkout needs, and nothing of the checkout around it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.demo import SCENE
from app.settings import load_config
from app.shipped import find_config, shipped
from tests.conftest import ROOT
from tools.package import build_wheel

PACKAGES = ("app", "trackers", "reid_model")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that nothing an earlier build has left gets in."""
    folder = tmp_path_factory.mktemp("package")
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "truth.jsonl")
    for name in (*PACKAGES, "configs", "demo_videos"):
        shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    (folder / "wheels").mkdir()
    return zipfile.ZipFile(build_wheel(folder / "wheels", folder / "source"))


def test_every_module_and_every_file_a_run_needs_is_in_it(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {str(path.relative_to(ROOT)) for each in PACKAGES for path in (ROOT / each).rglob("*.py")}
    assert modules <= names
    data = [*(ROOT / "app/console/static").iterdir(), *(ROOT / "reid_model/weights").glob("*.safetensors")]
    data += [ROOT / "reid_model/weights/manifest.json", ROOT / "app/weights/manifest.json"]
    data += (ROOT / "app/weights/person_openvino_model").iterdir()
    assert {str(path.relative_to(ROOT)) for path in data} <= names
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert wheel.read(f"app/shipped/{path.relative_to(ROOT)}") == path.read_bytes()
    films = sorted(SCENE.glob("*/video.mp4"))
    assert len(films) == 3
    for film in films:
        for part in ("video.mp4", "seqinfo.ini", "gt/gt.txt"):
            inside = f"app/shipped/demo_videos/three-cameras/{film.parent.name}/{part}"
            assert wheel.read(inside) == (film.parent / part).read_bytes()


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {*PACKAGES, "crowdtrace-0.1.0.dist-info"}
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".nbi", ".nbc", "truth.jsonl", ".db"))]
    assert sum(each.compress_size for each in wheel.infolist()) < 20e6


def test_its_command_is_ours(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    assert "crowdtrace = app.cli:main" in wheel.read("crowdtrace-0.1.0.dist-info/entry_points.txt").decode()
    wheel.extractall(tmp_path / "site")
    script = "import sys; sys.path[:0] = sys.argv[1:2]; sys.argv[1:2] = []; from app.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path / "site"), "check", "configs/default.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "configs/default.yaml: valid; cameras: none\n", done.stderr


def test_shipped_configurations_are_found_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("configs/train/paper.yaml")) == shipped("configs", "train", "paper.yaml")
    assert load_config(Path("configs/cameras.example.yaml")).cameras
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/default.yaml").write_text("detector: {confidence: 0.3}")
    assert load_config(Path("configs/default.yaml")).detector.confidence == 0.3, "one's own comes first"
    for other in ("configs/none.yaml", "configs/../pyproject.toml", "other/default.yaml", "default.yaml"):
        assert find_config(Path(other)) == Path(other)
