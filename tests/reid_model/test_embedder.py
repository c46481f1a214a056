from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_model.calibration import Calibration
from reid_model.checkpoint import DEFAULT_WEIGHTS, SHIPPED, WeightsError, find_weights, load_weights, save_weights
from reid_model.embedder import SHAPE_STEP, Embedder, ImageArray, cut, own_height, pad_cells
from reid_model.evaluation import score
from reid_model.export import SIDECAR, write_export
from reid_model.features import Features
from reid_model.matching import METHODS, Method, distances
from reid_model.network import Gasm, GasmConfig
from tests.reid_model.builders import random_features
from tests.reid_model.crops import market, market_crops

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(2, 2))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_weights_load_and_their_card_names_them(name: str) -> None:
    path = find_weights(name)
    embedder, card = Embedder(Path(name)), path.with_suffix(".md").read_text()
    assert load_weights(path)[1] in card
    assert path.stat().st_size < 6_000_000
    assert embedder.config.backbone in path.name
    assert embedder.model_id.startswith(embedder.config.backbone)
    assert "research" in card
    assert embedder.calibration is not None
    assert embedder.calibration.ece <= 0.05
    assert f"{embedder.calibration.ece:.3f}" in card


def test_weights_survive_storing_and_half_a_file_is_never_left(tmp_path: Path) -> None:
    network = Gasm(SMALL).eval()
    save_weights(network, tmp_path / "w.safetensors")
    loaded, digest = load_weights(tmp_path / "w.safetensors")
    assert loaded.config == SMALL
    assert len(digest) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    crops = torch.rand(2, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(crops)[0], loaded(crops)[0], atol=2e-2, rtol=0)


def test_one_that_is_made_ready_sees_only_sizes_of_batches_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(Gasm(SMALL).eval(), tmp_path / "w.safetensors")
    embedder = Embedder(tmp_path / "w.safetensors", "cpu", engine="openvino", threads=1)
    crops = list(np.random.default_rng(2).integers(0, 256, (9, 100, 40, 3), np.uint8))
    before, few = embedder.embed(crops), [embedder.embed(crops[:count]) for count in range(1, 5)]
    sizes: list[int] = []
    run = embedder.engine._one  # type: ignore[attr-defined]

    def one(stack: ImageArray) -> object:
        sizes.append(len(stack))
        return run(stack)

    monkeypatch.setattr(embedder.engine, "_one", one)
    embedder.prepare(4)
    assert sizes == [1, 2, 3, 4]
    after = embedder.embed(crops)
    assert sizes[4:] == [4, 4, 1]
    assert np.abs(after.global_ - before.global_).max() < 1e-4
    for count in (3, 1, 4, 2):
        assert np.array_equal(embedder.embed(crops[:count]).local, few[count - 1].local)
    # One that is given another number than before works out its shapes anew: each is given one number only.
    ready = embedder.engine._ready  # type: ignore[attr-defined]
    assert {count: request.get_input_tensor().shape[0] for count, request in ready.items()} == {n: n for n in sizes[:4]}
    embedder.prepare(400)
    assert embedder.batch == 4
    assert len(ready) == 4
    torch_one = Embedder(tmp_path / "w.safetensors", "cpu", engine="torch", threads=1)
    torch_one.prepare(4)
    assert torch_one.batch == 32


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ([10, 20, 30, 60], (40, 20)),
        ([-5, -5, 10, 10], (10, 10)),
        ([90, 90, 200, 200], (10, 10)),
        ([50.4, 50.4, 50.6, 50.6], (1, 1)),
        ([500, 500, 600, 600], (1, 1)),
    ],
)
def test_a_box_is_cut_to_the_picture_and_never_empty(box: list[float], shape: tuple[int, int]) -> None:
    assert cut(np.zeros((100, 100, 3), np.uint8), np.array(box)).shape[:2] == shape


def test_features_do_not_depend_on_the_batch() -> None:
    random = np.random.default_rng(0)
    crops = [random.integers(0, 255, (h, w, 3)).astype(np.uint8) for h, w in ((80, 40), (300, 90), (20, 20), (9, 70))]
    together, apart = Embedder(batch=32), Embedder(batch=3)
    first, second = together.embed(crops), apart.embed(crops)
    np.testing.assert_allclose(first.local, second.local, atol=1e-4)
    np.testing.assert_allclose(first.global_, second.global_, atol=1e-4)
    assert len(together.embed([])) == 0
    assert together.empty().local.shape[1:] == first.local.shape[1:]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(device="cpu", threads=1)


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[ImageArray]:
    return market_crops(shared, 24)


def test_shipped_weights_know_people_apart(shared: Path, embedder: Embedder) -> None:
    """100 people of the test set, each once as query and once in another camera: most must come first."""
    queries, gallery = market(shared, "query"), market(shared, "gallery")
    pairs = []
    for person in np.unique(queries.identities)[::7][:100]:
        query = int(np.flatnonzero(queries.identities == person)[0])
        other = np.flatnonzero((gallery.identities == person) & (gallery.cameras != queries.cameras[query]))
        pairs.append((query, int(other[0])))
    asked = embedder.embed(list(queries.subset([query for query, _ in pairs]).crops()))
    found = embedder.embed(list(gallery.subset([other for _, other in pairs]).crops()))
    assert (distances(asked, found).argmin(axis=1) == np.arange(len(pairs))).mean() > 0.5


def assert_close(first: Features, second: Features, atol: float) -> None:
    for name in ("global_", "local", "saliency", "mass"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=atol, err_msg=name)


def test_weights_and_their_exports_are_one_model_and_int8_is_another(
    pictures: list[ImageArray], embedder: Embedder, tmp_path: Path
) -> None:
    """Vectors of one `model_id` are interchangeable within 1e-3, whatever made them."""
    network, digest = load_weights(DEFAULT_WEIGHTS)
    paths = []
    for format_, file in (("onnx", "gasm.onnx"), ("openvino", "gasm.xml")):
        folder = tmp_path / format_
        folder.mkdir()
        write_export(network, folder, format_, weights_sha256=digest)  # type: ignore[arg-type]
        paths += [folder, folder / file]
    expected = Embedder(device="cpu", threads=1, engine="torch")
    features = expected.embed(pictures)
    for other in (embedder, *(Embedder(path, threads=1) for path in paths)):
        assert other.model_id == expected.model_id
        assert_close(other.embed(pictures), features, 1e-3)
        assert other.empty().local.shape == (0, *features.local.shape[1:])
    described = json.loads((tmp_path / "onnx" / SIDECAR).read_text())
    (tmp_path / "onnx" / SIDECAR).write_text(json.dumps({**described, "precision": "int8"}))
    marked = Embedder(tmp_path / "onnx", threads=1).model_id
    assert marked == f"{expected.model_id} int8 {described['files']['gasm.onnx'][:8]}"
    coarse = Embedder(device="cpu", threads=1, precision="bf16")
    assert coarse.model_id == expected.model_id
    found = coarse.embed(pictures)
    assert (found.global_ * features.global_).sum(axis=1).min() > 0.999
    assert (found.local * features.local).sum(axis=-1).min() > 0.99


def test_an_export_keeps_to_the_cpu_and_to_one_shape(pictures: list[ImageArray], tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_export(Gasm(SMALL).eval(), tmp_path, "onnx", weights_sha256="0" * 64)
    with pytest.raises(WeightsError, match="exported networks run on the CPU"):
        Embedder(tmp_path, "cuda")
    exported = Embedder(tmp_path, threads=1)
    whole = np.zeros((80, 40, 3), np.uint8)
    assert_close(exported.embed([whole], shape="own"), exported.embed([whole]), 0)
    with pytest.raises(WeightsError, match=r"one shape only.*name the \.safetensors weights"):
        exported.embed([whole, whole[:40]], shape="own")


def test_a_calibration_travels_with_weights_and_exports(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Gasm(SMALL).eval()
    calibration = Calibration(intercepts=(1.0, 2.0, 3.0), slopes=(4.0, 5.0, 6.0))
    save_weights(network, tmp_path / "w.safetensors", calibration)
    assert Embedder(tmp_path / "w.safetensors", "cpu", threads=1).calibration == calibration
    text = json.dumps(calibration.as_dict())
    write_export(network, tmp_path, "onnx", weights_sha256="0" * 64, calibration=text)
    assert Embedder(tmp_path, threads=1).calibration == calibration


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from([(256, 128), (384, 128), (64, 32), (128, 64)]))
def test_own_heights_keep_the_aspect_as_far_as_they_may(height: int, width: int, size: tuple[int, int]) -> None:
    found = own_height(np.broadcast_to(np.uint8(0), (height, width, 3)), size)
    wanted = height / width * size[1]
    assert found % SHAPE_STEP == 0
    assert size[0] / 4 <= found <= size[0]
    if max(size[0] / 4, SHAPE_STEP) <= wanted <= size[0]:
        assert abs(found - wanted) <= SHAPE_STEP / 2 + 1e-6


@given(st.integers(0, 5), st.sampled_from(METHODS))
def test_padded_cells_count_for_nothing(extra: int, method: Method) -> None:
    """Where gating compares a weight with the uniform one, more cells mean a lower bar: only there may it differ."""
    query, gallery = random_features(4, cells=3), random_features(5, cells=5, seed=1)
    padded = pad_cells(query, 3 + extra), pad_cells(gallery, 5 + extra)
    assert padded[0].cells == 3 + extra
    exact = distances(query, gallery, method)
    assert np.abs(distances(padded[0], gallery, method) - exact).max() < 1e-5
    if method != "gated":
        assert np.abs(distances(query, padded[1], method) - exact).max() < 1e-5
        assert np.abs(distances(*padded, method) - exact).max() < 1e-5


def test_own_shapes_have_cells_in_proportion_and_keep_their_order(
    pictures: list[ImageArray], embedder: Embedder
) -> None:
    mixed = [crop[: len(crop) * part // 4] for crop, part in zip(pictures, [4, 2, 1, 3] * 6, strict=True)]
    found = embedder.embed(mixed, shape="own")
    columns = embedder.config.cells[1]  # type: ignore[index]
    for row, crop in enumerate(mixed):
        alone = embedder.embed([crop], shape="own")
        assert_close(found[row : row + 1], alone, 1e-5)
        used = columns * round(12 * own_height(crop, embedder.config.size) / embedder.config.size[0])
        assert (alone.saliency[0, :used] > 0).all()
        assert not alone.saliency[0, used:].any()
    whole = [crop for crop in pictures if own_height(crop, embedder.config.size) == embedder.config.size[0]]
    assert len(whole) > 12
    assert_close(embedder.embed(whole, shape="own"), embedder.embed(whole), 1e-6)
    assert len(embedder.embed([], shape="own")) == 0


def test_half_bodies_find_whole_ones_at_their_own_shape(shared: Path, embedder: Embedder) -> None:
    """Upper halves of 100 queries against 300 whole crops, beside the same stretched to the whole input."""
    queries, gallery = market(shared, "query"), market(shared, "gallery")
    people = np.unique(queries.identities)[::7][:100]
    asked = queries.subset([int(np.flatnonzero(queries.identities == person)[0]) for person in people])
    apart = np.random.default_rng(0).permutation(np.flatnonzero(np.isin(gallery.identities, people)))
    chosen = gallery.subset(np.concatenate([apart[gallery.identities[apart] == person][:3] for person in people]))
    whole = embedder.embed(list(chosen.crops()))
    halves = [crop[: len(crop) // 2] for crop in asked.crops()]

    def precision(features: Features) -> float:
        matrix = distances(features, whole)
        labels = (asked.identities, asked.cameras, chosen.identities, chosen.cameras)
        return score(matrix, *labels).m_ap

    own = embedder.embed(halves, shape="own")
    assert_close(own, embedder.embed(halves, shape="own"), 1e-6)
    # Half of the cells, and matching takes them without the cells that fill up the set.
    bare = Features(own.global_, own.local[:, :24], own.saliency[:, :24], own.mass)
    np.testing.assert_allclose(distances(bare, whole), distances(own, whole), atol=1e-5)
    chance = precision(own[np.random.default_rng(1).permutation(len(own))])
    figures = precision(own), precision(embedder.embed(halves)), chance
    print(f"mAP of upper halves: own shape {figures[0]:.1f}, stretched {figures[1]:.1f}, shuffled {figures[2]:.1f}")
    assert figures[0] > 3 * figures[2]
