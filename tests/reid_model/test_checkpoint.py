from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reid_model.calibration import Calibration
from reid_model.checkpoint import (
    DEFAULT_WEIGHTS,
    MANIFEST,
    WEIGHTS_FOLDER,
    WeightsError,
    load_calibration,
    load_weights,
    save_weights,
    write_manifest,
)
from reid_model.network import Gasm, GasmConfig

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(2, 2))
FITTED = Calibration(
    intercepts=(15.5, 18.25, 18.5), slopes=(20.5, 25.5, 29.25), masses=(0.25, 0.5), form="masses", people=50, ece=0.02
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "good.safetensors"
    save_weights(Gasm(SMALL), path, FITTED)
    return path


def assert_refused(call: Callable[[], object], path: Path, *parts: str) -> None:
    with pytest.raises(WeightsError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_calibration_travels_with_the_weights(weights: Path, tmp_path: Path) -> None:
    assert load_calibration(weights) == FITTED
    network, _ = load_weights(weights)
    save_weights(network, tmp_path / "bare.safetensors")
    assert load_calibration(tmp_path / "bare.safetensors") is None
    # Storing what was loaded loses nothing, so that weights can be calibrated after training.
    save_weights(network, tmp_path / "again.safetensors", FITTED)
    first, second = load_file(weights), load_file(tmp_path / "again.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.safetensors", "bare.safetensors"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "damaged"),
        ("[1, 2]", "expected an object"),
        ('{"slopes": [1, 2, 3]}', "missing or unknown: crops"),
        (json.dumps({**FITTED.as_dict(), "slopes": [1, -2, 3]}), "slopes: expected 0 or above"),
        (json.dumps({**FITTED.as_dict(), "prior": float("nan")}), "prior: expected a number between 0 and 1"),
    ],
)
def test_a_damaged_calibration_is_refused(weights: Path, tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "w.safetensors"
    save_file(load_file(weights), path, metadata={"gasm": json.dumps(SMALL.as_dict()), "calibration": text})
    assert_refused(lambda: load_calibration(path), path, cause, "calibrate it again")
    load_weights(path)


def test_a_hash_may_be_expected(weights: Path) -> None:
    digest = load_weights(weights)[1]
    assert load_weights(weights, digest)[1] == digest
    assert load_weights(weights, digest[:12].upper())[1] == digest
    assert load_weights(Path(f"{weights}@sha256:{digest}"))[1] == digest
    assert load_calibration(Path(f"{weights}@sha256:{digest[:8]}")) == FITTED
    other = "0" * 64 if digest[0] != "0" else "1" * 64
    for load in (load_weights, load_calibration):
        assert_refused(lambda load=load: load(Path(f"{weights}@sha256:{other}")), weights, digest[:16], other[:16])  # type: ignore[misc]
    assert_refused(lambda: load_weights(weights, other), weights, "another or a changed file")
    for wrong in ("1234567", "xyz45678", ""):
        assert_refused(lambda wrong=wrong: load_weights(Path(f"{weights}@sha256:{wrong}")), weights, "8 to 64")  # type: ignore[misc]


def test_shipped_weights_are_those_of_the_manifest() -> None:
    listed = json.loads(MANIFEST.read_text())
    assert sorted(listed) == sorted(path.name for path in WEIGHTS_FOLDER.glob("*.safetensors"))
    for name, digest in listed.items():
        assert load_weights(WEIGHTS_FOLDER / name)[1] == digest


def test_shipped_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    for source in (DEFAULT_WEIGHTS, MANIFEST):
        shutil.copy(source, tmp_path)
    path = tmp_path / DEFAULT_WEIGHTS.name
    load_weights(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for load in (load_weights, load_calibration):
        assert_refused(lambda load=load: load(path), path, "changed or damaged", "install crowdtrace again")  # type: ignore[misc]
    write_manifest(tmp_path)
    load_weights(path)
    (tmp_path / MANIFEST.name).write_text("no json")
    assert_refused(lambda: load_weights(path), tmp_path / MANIFEST.name, "not a list of hashes")


def pickled(weights: Path, folder: Path) -> list[Path]:
    state = load_file(weights)
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "old.ckpt", _use_new_zipfile_serialization=False)
    (folder / "bare.pt").write_bytes(pickle.dumps({"weight": [1.0]}))
    shutil.copy(folder / "zip.pth", folder / "named.safetensors")
    return sorted(folder.iterdir())


def test_pickled_files_are_refused_unread_whatever_their_name(weights: Path, tmp_path: Path) -> None:
    for path in pickled(weights, tmp_path):
        assert_refused(lambda path=path: load_weights(path), path, "pickled", "run any code")  # type: ignore[misc]


def test_a_header_whose_length_looks_like_a_pickle_is_read_all_the_same(weights: Path, tmp_path: Path) -> None:
    path, state = tmp_path / "w.safetensors", load_file(weights)
    for padding in range(0, 256, 8):  # the file begins with the header's length
        metadata = {"gasm": json.dumps(SMALL.as_dict()), "note": "x" * padding}
        save_file(state, path, metadata=metadata)
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    load_weights(path)


def test_part_of_a_file_is_refused_wherever_it_was_cut(weights: Path, tmp_path: Path) -> None:
    data, path = weights.read_bytes(), tmp_path / "part.safetensors"
    for length in (0, 4, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        assert_refused(lambda: load_weights(path), path, "only part of one")
        assert_refused(lambda: load_calibration(path), path, "only part of one")


def test_weights_of_another_architecture_are_refused(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    described = json.dumps(SMALL.as_dict())
    save_file(Gasm(GasmConfig(backbone="resnet50")).state_dict(), path, metadata={"gasm": described})
    assert_refused(lambda: load_weights(path), path, "more missing", "another architecture")
    state = load_file(weights)
    save_file({**state, "classifier.weight": torch.zeros(3, 4)}, path, metadata={"gasm": described})
    assert_refused(lambda: load_weights(path), path, "classifier.weight unknown", "another architecture")
    wider = json.dumps({**SMALL.as_dict(), "local_dim": 64})
    save_file(state, path, metadata={"gasm": wider})
    assert_refused(lambda: load_weights(path), path, "of another shape", "another architecture")


@pytest.mark.parametrize(
    ("described", "cause"),
    [
        ("{}", "no 'size'"),
        ("[1]", "do not fit"),
        ("{", "do not fit"),
        (json.dumps({**SMALL.as_dict(), "backbone": "vit"}), "given 'vit'"),
        (json.dumps({**SMALL.as_dict(), "layers": 7}), "layers"),
    ],
)
def test_a_header_that_describes_no_network_is_refused(
    weights: Path, tmp_path: Path, described: str, cause: str
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(load_file(weights), path, metadata={"gasm": described})
    assert_refused(lambda: load_weights(path), path, cause, "train them again")


def test_foreign_safetensors_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    assert_refused(lambda: load_weights(path), path, "not GASM weights")
    assert_refused(lambda: load_weights(tmp_path / "none.safetensors"), tmp_path, "no such weight file")
    assert_refused(lambda: load_weights(tmp_path), tmp_path, "no such weight file")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_of_a_training_that_diverged_are_refused(weights: Path, tmp_path: Path, value: float) -> None:
    path, state = tmp_path / "nan.safetensors", load_file(weights)
    state["mask_layer.bias"][0] = value
    save_file(state, path, metadata={"gasm": json.dumps(SMALL.as_dict())})
    assert_refused(lambda: load_weights(path), path, "NaN or infinity")
