"""Exported networks compute what the network computes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from reid_model.checkpoint import DEFAULT_WEIGHTS, WeightsError, load_weights
from reid_model.embedder import Embedder, ImageArray, stack_crops
from reid_model.engines import OnnxEngine, OpenVinoEngine
from reid_model.export import SIDECAR, Sidecar, read_export, write_export
from reid_model.export.convert import halve, to_onnx
from reid_model.export.graph import INPUT, OUTPUTS, ExportedGasm, averages, cell_grid, pooling_matrix
from reid_model.export.parity import compare
from reid_model.export.quantise import in_float
from reid_model.features import Features
from reid_model.network import Gasm, GasmConfig
from tests.reid_model.builders import random_features
from tests.reid_model.crops import market_crops

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(3, 2))
SHAPES = [
    SMALL,
    replace(SMALL, cells=None),
    replace(SMALL, cells=(4, 2)),
    replace(SMALL, neck=False, local_dim=None),
    replace(SMALL, fusion="product"),
]


def lively(config: GasmConfig, seed: int = 0) -> Gasm:
    """Untrained, but with batch norms that do something and saliency that is not flat."""
    torch.manual_seed(seed)
    network = Gasm(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            module.running_mean.normal_(std=0.3)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    torch.nn.init.normal_(network.mask_layer.weight, std=0.2)
    torch.nn.init.normal_(network.pose_layer.weight, std=0.2)
    return network.eval()


def noise(config: GasmConfig, count: int = 3) -> ImageArray:
    return np.random.default_rng(0).integers(0, 256, (count, *config.size, 3)).astype(np.uint8)


@torch.inference_mode()
def original(network: Gasm, stack: ImageArray) -> Features:
    outputs = network(torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 255)
    return Features(*(output.numpy() for output in outputs))


@given(st.integers(1, 24), st.integers(1, 8), st.integers(1, 24), st.integers(1, 8))
def test_the_pooling_matrix_is_adaptive_average_pooling(height: int, width: int, rows: int, columns: int) -> None:
    rows, columns = min(rows, height), min(columns, width)
    maps = torch.randn(2, 3, height, width)
    expected = F.adaptive_avg_pool2d(maps, (rows, columns)).flatten(2)
    torch.testing.assert_close(maps.flatten(2) @ pooling_matrix(height, width, rows, columns), expected)
    torch.testing.assert_close(averages(height, rows).sum(0), torch.ones(rows))


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.backbone} {c.cells} {c.fusion} neck={c.neck}")
def test_every_engine_gives_the_networks_own_features(config: GasmConfig) -> None:
    """The global output behind the batch-norm neck included, where OpenVINO goes wrong with a plain sum."""
    network, stack = lively(config), noise(config)
    expected = original(network, stack)
    rows, columns = cell_grid(network, *config.size)
    assert expected.local.shape == (3, rows * columns, network.local_dim)
    data = to_onnx(network).SerializeToString()
    with torch.inference_mode():
        graph = Features(*(x.numpy() for x in ExportedGasm(network)(torch.from_numpy(stack))))
    for found in (graph, Features(*OpenVinoEngine(data)(stack, 2)), Features(*OnnxEngine(data)(stack, 2))):
        for name in ("global_", "local", "saliency", "mass"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=2e-5, err_msg=name)


@pytest.mark.parametrize("last_stride", [1, 2])
def test_the_map_of_a_resnet_has_its_own_stride(last_stride: Literal[1, 2]) -> None:
    config = replace(SMALL, backbone="resnet50", last_stride=last_stride, cells=None)
    network, stack = lively(config), noise(config, 1)
    expected = original(network, stack)
    assert cell_grid(network, *config.size) == ((4, 2) if last_stride == 1 else (2, 1))
    with torch.inference_mode():
        found = Features(*(x.numpy() for x in ExportedGasm(network)(torch.from_numpy(stack))))
    np.testing.assert_allclose(found.local, expected.local, atol=1e-5)
    np.testing.assert_allclose(found.global_, expected.global_, atol=1e-5)


def test_an_empty_saliency_map_is_uniform_and_has_no_mass() -> None:
    network = lively(SMALL)
    with torch.no_grad():
        for layer in (network.mask_layer, network.pose_layer):
            layer.weight.zero_()
            layer.bias.fill_(-200)  # type: ignore[union-attr]
    found = Features(*OpenVinoEngine(to_onnx(network).SerializeToString())(noise(SMALL), 3))
    np.testing.assert_allclose(found.saliency, 1 / 6, atol=1e-6)
    np.testing.assert_array_equal(found.mass, 0)


def test_the_model_takes_bytes_of_any_batch_and_names_its_outputs() -> None:
    model = to_onnx(lively(SMALL))
    onnx.checker.check_model(model)
    (given_,) = model.graph.input
    assert given_.name == INPUT
    assert given_.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    shapes = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    assert list(shapes) == list(OUTPUTS)
    assert shapes == {"global": ["n", 512], "local": ["n", 6, 128], "saliency": ["n", 6], "mass": ["n"]}


def test_weights_of_a_file_are_stored_in_half_without_loss() -> None:
    network, _ = load_weights(DEFAULT_WEIGHTS)
    model = to_onnx(network)
    full = len(model.SerializeToString())
    stack = noise(network.config)
    before = OnnxEngine(model.SerializeToString())(stack, 3)
    halve(model)
    onnx.checker.check_model(model)
    assert len(model.SerializeToString()) < 0.65 * full
    for half, whole in zip(OnnxEngine(model.SerializeToString())(stack, 3), before, strict=True):
        np.testing.assert_allclose(half, whole, atol=1e-6)


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[ImageArray]:
    return market_crops(shared, 24)


@pytest.fixture(scope="module")
def expected(pictures: list[ImageArray]) -> Features:
    return Embedder(device="cpu", threads=1, engine="torch").embed(pictures)


@pytest.mark.parametrize("format_", ["onnx", "openvino"])
def test_fp16_is_exact_on_real_crops(
    format_: str, pictures: list[ImageArray], expected: Features, tmp_path: Path
) -> None:
    network, digest = load_weights(DEFAULT_WEIGHTS)
    text = json.dumps({"any": "calibration", "kept": [1, 2.50]})
    sidecar = write_export(network, tmp_path, format_, weights_sha256=digest, calibration=text, version="7")  # type: ignore[arg-type]
    written = json.loads((tmp_path / SIDECAR).read_text())
    assert Sidecar.from_dict(written) == sidecar
    assert (written["calibration"], written["version"], written["weights_sha256"]) == (text, "7", digest)
    assert read_export(tmp_path)[0].network == network.config
    data = json.loads((tmp_path / SIDECAR).read_text())
    data["calibration"] = None
    (tmp_path / SIDECAR).write_text(json.dumps(data))
    parity = compare(expected, Embedder(tmp_path, threads=1).embed(pictures))
    assert min(parity.global_min, parity.local_min) > 0.99999
    assert max(parity.saliency, parity.mass) < 1e-3


@pytest.mark.parametrize("format_", ["onnx", "openvino"])
def test_int8_is_close_on_real_crops(
    format_: str, shared: Path, pictures: list[ImageArray], expected: Features, tmp_path: Path
) -> None:
    network, digest = load_weights(DEFAULT_WEIGHTS)
    crops = stack_crops(market_crops(shared, 16, "train"), *network.config.size)
    write_export(network, tmp_path, format_, weights_sha256=digest, crops=crops)  # type: ignore[arg-type]
    embedder = Embedder(tmp_path, threads=1)
    found = embedder.embed(pictures)
    parity = compare(expected, found)
    print(format_, parity)
    assert min(parity.global_mean, parity.local_mean) >= 0.995
    assert min(parity.global_min, parity.local_min) >= 0.98
    assert parity.saliency < 0.5
    assert parity.mass < 0.02
    assert np.abs(found.global_ - expected.global_).max() > 1e-4, "these cannot be eight bits"
    assert " int8 " in embedder.model_id


def test_what_decides_stays_in_float() -> None:
    model = to_onnx(lively(SMALL), fold=True)
    names = [node.name for node in model.graph.node]
    kept = set(in_float(names))
    quantised = [node for node in model.graph.node if node.op_type == "Conv" and node.name not in kept]
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert {"/heads/Conv", "/local_neck/local_neck.0/Conv", convolutions[0].name} <= kept
    assert not any("/gate/" in node.name for node in quantised)
    assert len(quantised) > 0.6 * len(convolutions)


def damage(folder: Path, what: str) -> Path:
    if what == "no sidecar":
        (folder / SIDECAR).unlink()
    elif what == "no json":
        (folder / SIDECAR).write_text("{")
    elif what == "another description":
        (folder / SIDECAR).write_text('{"format": "onnx"}')
    elif what == "changed":
        (folder / "gasm.onnx").write_bytes((folder / "gasm.onnx").read_bytes()[:-1])
    elif what == "no network":
        (folder / "gasm.onnx").unlink()
    elif what == "another name":
        (folder / "gasm.onnx").rename(folder / "other.onnx")
        return folder / "other.onnx"
    return folder


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no sidecar", f"no {SIDECAR} there"),
        ("no json", "not the description of an export"),
        ("another description", "not the description of an export"),
        ("changed", "not the file that"),
        ("no network", "missing; export it again"),
        ("another name", "describes gasm.onnx"),
    ],
)
def test_a_damaged_export_is_refused_in_one_line(what: str, message: str, tmp_path: Path) -> None:
    write_export(lively(SMALL), tmp_path, "onnx", weights_sha256="0" * 64)
    path = damage(tmp_path, what)
    with pytest.raises(WeightsError, match=message) as caught:
        Embedder(path)
    assert "\n" not in str(caught.value)


def test_parity_is_one_for_the_same_and_refuses_other_shapes() -> None:
    features = random_features(5)
    parity = compare(features, features)
    assert parity.global_min == pytest.approx(1)
    assert parity.local_min == pytest.approx(1)
    assert (parity.saliency, parity.mass) == (0, 0)
    assert compare(features, random_features(5, seed=1)).global_mean < 0.9
    with pytest.raises(ValueError, match="expected the"):
        compare(features, random_features(5, cells=4))
    with pytest.raises(ValueError, match="expected"):
        compare(random_features(0), random_features(0))
