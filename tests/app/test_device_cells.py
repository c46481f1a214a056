"""Cells on a device give the hits that the processor gives. The device here is the processor, without the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.gallery import Gallery, device_cells, index_live
from app.gallery.index_live import LiveIndex
from reid_model.matching import fused
from reid_model.matching.int8 import CellQueries, cell_similarities
from reid_model.matching.quantise import Quantised
from tests.app.galleries import MODEL, features, fill
from tests.app.test_index_live import SIZE, batch

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (device_cells, index_live):
        monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setattr(device_cells, "BLOCK", 5)


def test_rows_added_bit_by_bit_are_matched_as_at_once() -> None:
    cells = device_cells.DeviceCells(CPU)
    stored, queries = Quantised.of(features(53)), CellQueries.of(features(3, 1))
    for first in range(0, 53, 9):
        cells.extend(stored.cells[first : first + 9], stored.scale[first : first + 9])
    assert len(cells) == 53
    expected = cell_similarities(queries, stored)
    for count in (0, 1, 16, 40, 53):
        np.testing.assert_allclose(cells.similarities(queries, None, count), expected[:, :count], atol=2e-6)
    rows = np.array([40, 2, 52, 15, 16, 2])
    np.testing.assert_allclose(cells.similarities(queries, rows, 53), expected[:, rows], atol=2e-6)


def test_the_kernel_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_cells.DeviceCells(CPU)._match is device_cells.by_products
    monkeypatch.setattr(fused, "available", lambda device: True)
    assert device_cells.DeviceCells(CPU)._match is fused.similarities


@pytest.mark.parametrize("method", ["gasm", "local", "symmetric"])
def test_an_index_on_a_device_finds_the_same_whatever_was_added_and_removed(method) -> None:  # type: ignore[no-untyped-def]
    indices = LiveIndex(MODEL, SIZE), LiveIndex(MODEL, SIZE, device=CPU)
    query = features(2, 9)
    for index in indices:
        index.add(batch(range(1, 31), 1))
        index.add(batch(range(40, 70), 2))
        index.remove(range(5, 12))
    for step in ("as it is", "added", "compacted"):
        for exact, limits in ((True, {}), (False, {}), (True, {"cameras": ["east"], "start": 3.0})):
            plain, ours = (
                index.search(query, 12, now=0, exact=exact, method=method, shortlist=12, **limits) for index in indices
            )
            np.testing.assert_array_equal(ours.ids, plain.ids, err_msg=step)
            np.testing.assert_allclose(ours.distances, plain.distances, atol=2e-6)
        for index in indices:
            if step == "as it is":
                index.add(batch(range(100, 5000), 3))
            else:
                index.compact()


def test_a_snapshot_is_put_on_the_device(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(index_live, "WORTH_A_FILE", 1)
    query = features(1, 9)
    with Gallery.open(fill(tmp_path / "gallery.db")) as gallery:
        for _ in range(2):  # made from the store, then from the snapshot
            index = LiveIndex.open(gallery, CPU)
            plain = LiveIndex.open(gallery)
            assert index is not None
            assert plain is not None
            found = [one.search(query, 10, now=gallery.now(), exact=True) for one in (index, plain)]
            np.testing.assert_array_equal(found[0].ids, found[1].ids)
            assert all(part.device is not None and len(part.device) >= len(part) for part in index._state.parts)
