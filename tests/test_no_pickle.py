"""Nothing that is read can run code: not the sources, not a weight file, not a training target."""

from __future__ import annotations

import ast
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from app import detector, ultralytics_guard
from app.bundled import FOLDER, check_folder
from app.errors import InputError
from app.settings import _Loader
from reid_model.checkpoint import DEFAULT_WEIGHTS, WeightsError
from reid_model.peers import read_torchreid
from reid_model.training.targets import Targets
from tests.app.conftest import crowdtrace  # noqa: F401
from tests.conftest import ROOT

FOLDERS = ("app", "trackers", "reid_model", "benchmarks", "tools")
RUNNING = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "imp", "code"}
HARMLESS = {("pickle", "UnpicklingError")}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
LOADERS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
FORBIDDEN = re.compile(
    r"yaml\.(unsafe_load|full_load)(_all)?|torch\.(hub\.|jit\.load|package\.)|os\.(system|popen)|pd\.read_pickle"
)


def faults(text: str) -> Iterator[str]:
    """What in a source could run code out of a file, a line each."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in RUNNING)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in RUNNING:
            yield from (alias.name for alias in node.names if (node.module, alias.name) not in HARMLESS)
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if name in BUILT_IN or FORBIDDEN.fullmatch(name) or FORBIDDEN.match(name):
        yield name
    if name in LOADERS and given.get(LOADERS[name][0]) != str(LOADERS[name][1]):
        yield f"{name} without {LOADERS[name][0]}={LOADERS[name][1]}"
    if name in ("yaml.load", "yaml.load_all"):
        loader = given.get("Loader") or (ast.unparse(node.args[1]) if len(node.args) > 1 else "none")
        if loader not in ("_Loader", "yaml.SafeLoader", "yaml.CSafeLoader"):
            yield f"{name} with {loader}"
    if given.get("shell") == "True":
        yield f"{name} with a shell"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_source_reads_what_can_run(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    found = {str(path.relative_to(ROOT)): list(faults(path.read_text())) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert issubclass(_Loader, yaml.SafeLoader)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, yaml.Loader)",
        "yaml.unsafe_load(text)",
        "torch.hub.load('a/b', 'c')",
        "subprocess.run(line, shell=True)",
    ],
)
def test_a_planted_fault_is_found(line: str) -> None:
    assert list(faults(f"def read():\n    return 1\n\nif True:\n    {line}\n"))


@pytest.mark.parametrize(
    "line",
    ["from pickle import UnpicklingError", "torch.load(p, weights_only=True)", "np.load(p, allow_pickle=False)"],
)
def test_what_is_safe_is_none(line: str) -> None:
    assert not list(faults(line))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_the_payload_of_these_tests_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").is_dir()


@pytest.mark.parametrize("name", ["evil.safetensors", "evil.pth", "evil.pt"])
@pytest.mark.parametrize("form", ["bare", "zip"])
def test_pickled_weights_are_refused_in_one_line_and_their_payload_does_not_run(
    name: str,
    form: str,
    tmp_path: Path,
    crowdtrace: Callable[..., tuple[int, str, str]],  # noqa: F811
) -> None:
    weights, trace = tmp_path / name, tmp_path / "ran"
    if form == "bare":
        weights.write_bytes(pickle.dumps({"state_dict": Payload(trace)}))
    else:
        torch.save({"state_dict": Payload(trace)}, weights)
    clip = ROOT / "demo_videos" / "three-cameras" / "cam1" / "video.mp4"
    settings = ("--set", f"embedder.weights={weights}", "--set", "detector.weights=bundled")
    code, _, error = crowdtrace("annotate", clip, "--output", tmp_path / "out", *settings)
    assert (code, error.count("\n"), trace.exists()) == (2, 1, False), error
    assert "pickled" in error
    with pytest.raises(WeightsError, match="not loaded"):
        read_torchreid(weights)
    assert not trace.exists()


def test_a_detector_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, weights = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save({"model": Payload(trace)}, weights)
    config = detector.DetectorConfig(weights=str(weights))
    with pytest.raises(InputError, match="not detector weights") as caught:
        detector.Detector(config)
    assert (trace.exists(), "\n" in str(caught.value)) == (False, False)
    # An ultralytics without a restricted loader, or imported without it by another part of the program.
    monkeypatch.setattr(ultralytics_guard.load_ultralytics().nn.tasks, "SAFE_LOAD", False)
    with pytest.raises(InputError, match="runs any code in it"):
        detector.Detector(config)
    assert not trace.exists()


def test_training_targets_that_hold_objects_are_refused(tmp_path: Path) -> None:
    trace, path = tmp_path / "ran", tmp_path / "targets.npz"
    evil = np.array([Payload(trace)], dtype=object)
    np.savez(path, joints=evil, masks=evil, valid=evil, names=evil)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        Targets.load(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_a_changed_byte_of_the_bundled_detector_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER.name
    folder.mkdir()
    for path in (*FOLDER.iterdir(), FOLDER.parent / "manifest.json"):
        (folder if path.parent == FOLDER else tmp_path).joinpath(path.name).write_bytes(path.read_bytes())
    assert check_folder(folder) == folder
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match="changed or damaged"):
        check_folder(folder)


def test_a_changed_byte_of_the_shipped_network_is_refused(
    tmp_path: Path,
    crowdtrace: Callable[..., tuple[int, str, str]],  # noqa: F811
) -> None:
    data = bytearray(DEFAULT_WEIGHTS.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / DEFAULT_WEIGHTS.name).write_bytes(data)
    (tmp_path / "manifest.json").write_text((DEFAULT_WEIGHTS.parent / "manifest.json").read_text())
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((128, 64, 3), 90, np.uint8))
    words = ("--output", tmp_path / "x.png", "--weights", tmp_path / DEFAULT_WEIGHTS.name)
    code, _, error = crowdtrace("explain", tmp_path / "a.jpg", *words)
    assert (code, error.count("\n")) == (2, 1)
    assert "changed or damaged" in error
