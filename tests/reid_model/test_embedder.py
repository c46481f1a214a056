from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reid_model.checkpoint import DEFAULT_WEIGHTS, WeightsError, load_weights, save_weights
from reid_model.datasets import DatasetError, held_out, read_market1501
from reid_model.embedder import Embedder, cut
from reid_model.matching import distances
from reid_model.network import Gasm, GasmConfig

SMALL = GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(2, 2))


def test_shipped_weights_load_and_their_card_names_them() -> None:
    embedder = Embedder()
    card = DEFAULT_WEIGHTS.with_suffix(".md").read_text()
    assert load_weights(DEFAULT_WEIGHTS)[1] in card
    assert DEFAULT_WEIGHTS.stat().st_size < 6_000_000
    assert "osnet_x0_25" in embedder.model_id


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


def bad_files(folder: Path) -> dict[str, str]:
    """Name of a file that is no weights → what the message must say."""
    (folder / "text.safetensors").write_text("these are not weights")
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "pickled.pt").write_bytes(pickle.dumps({"weight": [1.0]}))
    save_file({"a": torch.zeros(1)}, folder / "foreign.safetensors")
    config = json.dumps({**SMALL.as_dict(), "backbone": "osnet_x1_0"})
    save_file(Gasm(SMALL).state_dict(), folder / "unfit.safetensors", metadata={"gasm": config})
    state = Gasm(SMALL).state_dict()
    state["mask_layer.bias"] = torch.tensor([torch.nan])
    save_file(state, folder / "diverged.safetensors", metadata={"gasm": json.dumps(SMALL.as_dict())})
    return {
        "missing.safetensors": "no such weight file",
        "text.safetensors": "not a safetensors file",
        "empty.safetensors": "not a safetensors file",
        "pickled.pt": "not a safetensors file",
        "foreign.safetensors": "not GASM weights",
        "unfit.safetensors": "do not fit the network",
        "diverged.safetensors": "NaN or infinity",
    }


def test_what_is_not_weights_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(WeightsError, match=message) as caught:
            load_weights(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


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


def test_boxes_of_a_frame_give_the_features_of_their_crops() -> None:
    frame = np.random.default_rng(1).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    boxes = np.array([[10, 10, 60, 150], [100, 20, 160, 190]], np.float32)
    embedder = Embedder()
    crops = [np.ascontiguousarray(cut(frame, box)) for box in boxes]
    np.testing.assert_allclose(embedder.embed_boxes(frame, boxes).local, embedder.embed(crops).local, atol=1e-5)


def test_shipped_weights_know_people_apart(shared: Path) -> None:
    """100 people of the test set, each once as query and once in another camera: most must come first."""
    folder = shared / "data" / "market1501"
    queries, gallery = read_market1501(folder, "query"), read_market1501(folder, "gallery")
    pairs = []
    for person in np.unique(queries.identities)[::7][:100]:
        query = int(np.flatnonzero(queries.identities == person)[0])
        other = np.flatnonzero((gallery.identities == person) & (gallery.cameras != queries.cameras[query]))
        pairs.append((query, int(other[0])))

    def embed(images: object, rows: list[int]) -> object:
        import cv2

        encoded = images.encoded  # type: ignore[attr-defined]
        return Embedder().embed([cv2.imdecode(np.frombuffer(encoded[row], np.uint8), 1) for row in rows])

    matrix = distances(
        embed(queries, [query for query, _ in pairs]),  # type: ignore[arg-type]
        embed(gallery, [other for _, other in pairs]),  # type: ignore[arg-type]
    )
    assert (matrix.argmin(axis=1) == np.arange(len(pairs))).mean() > 0.5


def test_market1501_is_read_from_archives_and_folders_alike(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "market1501"
    train, query = read_market1501(folder, "train"), read_market1501(folder, "query")
    assert (len(train), len(np.unique(train.identities))) == (12936, 751)
    assert (len(query), len(read_market1501(folder, "gallery"))) == (3368, 15913)
    kept_out = held_out(train.identities)
    assert len(np.unique(train.identities[kept_out])) == 50
    (tmp_path / "query").mkdir()
    for name, data in list(zip(query.names, query.encoded, strict=True))[:20]:
        (tmp_path / "query" / name).write_bytes(data)
    (tmp_path / "query" / "Thumbs.db").write_bytes(b"not an image")
    few = read_market1501(tmp_path, "query")
    assert few.names == query.names[:20]
    np.testing.assert_array_equal(few.cameras, query.cameras[:20])


def test_a_folder_of_another_layout_and_a_broken_picture_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no query/ and no query\.tar"):
        read_market1501(tmp_path, "query")
    (tmp_path / "query").mkdir()
    with pytest.raises(DatasetError, match="no image of the query part"):
        read_market1501(tmp_path, "query")
    (tmp_path / "query" / "0001_c1s1_000001_00.jpg").write_bytes(b"no jpeg")
    with pytest.raises(DatasetError, match=r"0001_c1s1_000001_00\.jpg: this image does not decode"):
        read_market1501(tmp_path, "query").decode(8, 4)
