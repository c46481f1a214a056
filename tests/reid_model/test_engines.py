"""One network, three engines, the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import reid_model.engines as engines
import reid_model.export.convert as convert
from reid_model.checkpoint import DEFAULT_WEIGHTS, WeightsError
from reid_model.embedder import Embedder
from reid_model.engines import Engine, OpenVinoEngine, TorchEngine, best_cpu_engine, network_engine, slices
from reid_model.export.convert import to_onnx
from reid_model.network import Gasm, GasmConfig

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(2, 2))


@pytest.fixture(scope="module")
def network() -> Gasm:
    torch.manual_seed(0)
    return Gasm(SMALL).eval()


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 64, 32, 3)).astype(np.uint8)


def assert_same(first: engines.Outputs, second: engines.Outputs) -> None:
    for left, right in zip(first, second, strict=True):
        assert left.dtype == right.dtype == np.float32
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_engines_agree_whatever_the_batch(name: engines.EngineName, network: Gasm, stack: np.ndarray) -> None:
    engine: Engine = network_engine(network, name, 1)
    assert engine.name == name
    expected = TorchEngine(network)(stack, 32)
    assert [output.shape for output in expected] == [(11, 512), (11, 4, 128), (11, 4), (11,)]
    for batch in (1, 4, 11, 32):
        assert_same(engine(stack, batch), expected)


def test_results_stay_when_the_engine_runs_again(network: Gasm, stack: np.ndarray) -> None:
    engine = network_engine(network, "openvino", 1)
    first = engine(stack, 32)
    kept = tuple(output.copy() for output in first)
    engine(stack[::-1].copy(), 32)
    assert_same(first, kept)  # type: ignore[arg-type]


def test_many_batches_over_several_streams_keep_their_order(network: Gasm, stack: np.ndarray) -> None:
    engine = OpenVinoEngine(to_onnx(network).SerializeToString(), threads=2)
    many = np.concatenate([stack] * 4)
    assert_same(engine(many, 3), TorchEngine(network)(many, 32))
    assert engine._queue is not None
    assert_same(engine(many[::-1].copy(), 5), TorchEngine(network)(many[::-1].copy(), 32))


def test_torch_alone_takes_other_shapes(network: Gasm) -> None:
    half = np.zeros((2, 32, 32, 3), np.uint8)
    assert TorchEngine.any_shape
    assert not OpenVinoEngine.any_shape
    assert TorchEngine(network)(half, 2)[1].shape == (2, 2, 128)


def test_batches_cover_all_rows_once() -> None:
    for count in range(1, 9):
        for batch in range(1, 10):
            rows = [row for part in slices(count, batch) for row in range(count)[part]]
            assert rows == list(range(count))


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    def installed(*wanted: str) -> bool:
        return not set(wanted) & set(packages)

    monkeypatch.setattr(convert, "installed", installed)
    monkeypatch.setattr(engines, "installed", installed)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((), ("openvino", "openvino")),
        (("openvino",), ("onnxruntime", "torch")),
        (("onnxruntime",), ("openvino", "openvino")),
        (("openvino", "onnxruntime"), ("torch", "torch")),
        (("onnx",), ("torch", "torch")),
    ],
)
def test_what_is_missing_is_done_without(
    missing: tuple[str, ...], expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *missing)
    assert (best_cpu_engine(), best_cpu_engine("bf16")) == expected


def test_weights_run_where_only_torch_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "openvino", "onnxruntime", "onnx")
    embedder = Embedder(DEFAULT_WEIGHTS, "cpu", threads=1)
    assert embedder.engine.name == "torch"
    assert embedder.embed([np.zeros((90, 40, 3), np.uint8)]).cells == embedder.empty().cells


@pytest.mark.parametrize("package", ["openvino", "onnxruntime"])
def test_a_missing_package_is_one_line_with_its_cure(
    package: str, network: Gasm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from reid_model.export import write_export

    format_ = "openvino" if package == "openvino" else "onnx"
    write_export(network, tmp_path, format_, weights_sha256="0" * 64)  # type: ignore[arg-type]
    without(monkeypatch, package)
    with pytest.raises(WeightsError, match=rf"{package} not installed; run: pip install 'crowdtrace\[cpu\]'"):
        Embedder(tmp_path)


ROOT = Path(__file__).parents[2]

SIGNAL = """
import gc, os, signal, sys, time
import numpy as np
from reid_model.embedder import Embedder
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
first, second = Embedder(engine="openvino"), Embedder(engine="openvino")
for embedder in (first, second):
    embedder.embed([np.zeros((80, 40, 3), np.uint8)])
del embedder, first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.1)
print("caught", len(caught))
"""


def test_ctrl_c_survives_engines_that_come_and_go() -> None:
    """Several OpenVINO cores in one process leave a signal stack that is no more: the next signal would kill it."""
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SIGNAL], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "caught 1\n"), done.stderr


def test_bf16_is_used_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Core:
        able: list[str]

        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return self.able

    core = Core()
    monkeypatch.setattr(engines, "openvino_core", lambda: core)
    core.able = ["FP32", "INT8", "BIN", "BF16"]
    assert engines.fast_precision() == "bf16"
    core.able = ["FP32", "INT8", "BIN"]
    assert engines.fast_precision() == "f32"
    monkeypatch.setattr(engines, "installed", lambda *packages: False)
    assert engines.fast_precision() == "f32"
