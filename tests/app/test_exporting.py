"""`export` through the command line: one small network, and everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import app.exporting as exporting
import reid_model.export.convert as convert
from reid_model.calibration import Calibration
from reid_model.checkpoint import CALIBRATION_KEY, save_weights
from reid_model.embedder import Embedder
from reid_model.export import SIDECAR
from reid_model.network import Gasm, GasmConfig

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(4, 2))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(crowdtrace: Run) -> Run:
    return partial(crowdtrace, "export")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(Gasm(SMALL).eval(), path, Calibration(intercepts=(1.0, 2.0, 3.0), slopes=(4.0, 5.0, 6.0)))
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 12 blurred pictures of 3 people."""
    folder = tmp_path_factory.mktemp("people")
    random = np.random.default_rng(0)
    for number in range(12):
        target = folder / "train" / str(number % 3) / f"c{number % 2 + 1}_{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), cv2.resize(random.integers(0, 256, (8, 4, 3)).astype(np.uint8), (40, 80)))
    return folder


def assert_refused(outcome: tuple[int, str, str], *parts: str) -> None:
    code, _, err = outcome
    assert code == 2, err
    assert err.startswith("crowdtrace: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def crops() -> list[np.ndarray]:
    return [np.random.default_rng(1).integers(0, 256, (100, 50, 3)).astype(np.uint8)]


def test_onnx_is_written_whole_described_and_replaced_by_the_next(run: Run, weights: Path, tmp_path: Path) -> None:
    output, result = tmp_path / "out", tmp_path / "result.json"
    code, out, err = run("--format", "onnx", "--output", output, "--weights", weights, "--json", result)
    assert code == 0, err
    assert "gasm.onnx" in out
    assert "cosine with the original: pooled 1.00000" in out
    (row,) = json.loads(result.read_text())["results"]
    assert row["name"] == "onnx fp16"
    assert min(row["global_min"], row["local_min"]) >= 0.9999
    assert row["bytes"] == sum(path.stat().st_size for path in output.iterdir())
    sidecar = json.loads((output / SIDECAR).read_text())
    header = weights.read_bytes()[8:].split(b"}}")[0].decode(errors="ignore")
    assert CALIBRATION_KEY in header
    assert json.loads(sidecar["calibration"])["slopes"] == [4.0, 5.0, 6.0]
    original, exported = Embedder(weights, "cpu", threads=1), Embedder(output, threads=1)
    assert original.model_id == exported.model_id
    np.testing.assert_allclose(original.embed(crops()).local, exported.embed(crops()).local, atol=1e-4)
    code, _, err = run("--format", "openvino", "--output", output, "--weights", weights)
    assert code == 0, err
    assert sorted(path.name for path in output.iterdir()) == ["gasm.bin", SIDECAR, "gasm.xml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "result.json"]
    assert Embedder(output, threads=1).model_id == original.model_id


def test_int8_takes_its_ranges_from_the_data_named(run: Run, weights: Path, people: Path, tmp_path: Path) -> None:
    output, data = tmp_path / "deep" / "out", f"folder:{people}"
    code, out, err = run("--format", "openvino", "--int8", "--output", output, "--weights", weights, "--data", data)
    assert code == 0, err
    assert str(people) in out
    assert "Statistics" not in out
    assert json.loads((output / SIDECAR).read_text())["precision"] == "int8"
    original, exported = Embedder(weights, "cpu", threads=1), Embedder(output, threads=1)
    assert exported.model_id.startswith(f"{original.model_id} int8 ")
    assert (original.embed(crops()).global_ * exported.embed(crops()).global_).sum() > 0.98


def test_a_folder_of_other_things_is_never_replaced(run: Run, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    assert_refused(run("--format", "onnx", "--output", output, "--weights", weights), "thesis.txt", "new or empty")
    assert_refused(run("--format", "onnx", "--output", output / "thesis.txt", "--weights", weights), "is a file")
    assert (output / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_int8_without_crops_says_where_to_name_them(
    run: Run, weights: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "shared_data", lambda _: None)
    arguments = ("--format", "onnx", "--int8", "--output", tmp_path / "out", "--weights", weights)
    assert_refused(run(*arguments), "--int8 needs real crops", "--data market1501:DIR")
    assert_refused(run(*arguments, "--data", f"nothing:{people}"), "expected KIND:DIR")
    assert not (tmp_path / "out").exists()
    code, out, err = run("--format", "onnx", "--output", tmp_path / "out", "--weights", weights)
    assert code == 0, err
    assert "painted crops" in out


@pytest.mark.parametrize(("package", "flags"), [("openvino", ()), ("onnx", ()), ("nncf", ("--int8",))])
def test_a_missing_package_is_named_with_its_cure(
    package: str, flags: tuple[str, ...], run: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "installed", lambda *names: package not in names)
    arguments = ("--format", "openvino", "--output", tmp_path / "out", "--weights", weights, *flags)
    assert_refused(run(*arguments), f"{package} not installed", "pip install 'crowdtrace[cpu]'")


def test_what_is_no_weights_is_refused(run: Run, tmp_path: Path) -> None:
    arguments = ("--format", "onnx", "--output", tmp_path / "out", "--weights")
    assert_refused(run(*arguments, tmp_path / "none.safetensors"), "no such weight file")
    code, _, err = run("--format", "tflite", "--output", tmp_path / "out")
    assert code == 2
    assert "tflite" in err
    assert not (tmp_path / "out").exists()
