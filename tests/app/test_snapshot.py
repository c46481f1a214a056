"""The index's file: what it gives back is right, or it is not used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gallery import Gallery, index_live
from app.gallery.index_live import LiveIndex
from app.gallery.snapshot import Snapshot, SnapshotError
from tests.app.galleries import MODEL, features, fill, tracklet
from tests.app.galleries import camera as camera_row


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(index_live, "WORTH_A_FILE", 1)
    path = fill(tmp_path / "gallery.db")
    with Gallery.open(path) as gallery:
        LiveIndex.open(gallery)
    assert path.with_suffix(".index").exists()
    return path


def hits(path, query=features(2, 5)):  # noqa: B008
    with Gallery.open(path) as gallery:
        found = LiveIndex.open(gallery).search(query, 100, now=gallery.now())
        rows, _ = gallery.sightings()
        assert sorted(found.ids.tolist()) == [row.id for row in rows]
    return found


def fresh(path):
    Snapshot.beside(path).remove()
    return hits(path)


def test_a_snapshot_gives_the_same_hits_without_reading_the_store(path, monkeypatch):
    expected = fresh(path)
    read = []
    monkeypatch.setattr(index_live, "read", lambda gallery, ids, size: read.append(len(ids)) or iter(()))
    with Gallery.open(path) as gallery:
        index = LiveIndex.open(gallery)
        found = index.search(features(2, 5), 100, now=gallery.now())
    assert sum(read) <= index_live.PROBES
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_what_was_added_since_is_taken_in(path):
    with Gallery.open(path) as gallery:
        gallery.add_tracklets("west", [tracklet(9, exemplars=features(2, 77))])
    assert len(hits(path).ids) == 32


@given(at=st.floats(0, 1), value=st.integers(1, 255))
def test_no_damaged_byte_gives_a_wrong_hit(tmp_path_factory, at, value):
    path = tmp_path_factory.mktemp("damage") / "gallery.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_live, "WORTH_A_FILE", 1)
        expected = fresh(fill(path))
        file = path.with_suffix(".index")
        data = bytearray(file.read_bytes())
        data[min(int(at * len(data)), len(data) - 1)] ^= value
        file.write_bytes(data)
        with Gallery.open(path) as gallery:
            index = LiveIndex.open(gallery)
            found = index.search(features(2, 5), 100, now=gallery.now())
            if len(found.ids) < len(expected.ids):  # a broken row was left out, and is read again from the store
                assert index.sync(gallery) > 0
                found = index.search(features(2, 5), 100, now=gallery.now())
    by_id = dict(zip(expected.ids.tolist(), expected.distances.tolist(), strict=True))
    assert set(found.ids.tolist()) == set(by_id)
    np.testing.assert_allclose(found.distances, [by_id[key] for key in found.ids.tolist()], atol=2e-3)


@pytest.mark.parametrize("keep", [0, 10, 70, 4096, -1])
def test_a_file_cut_off_is_not_used(path, keep):
    file = path.with_suffix(".index")
    data = file.read_bytes()
    file.write_bytes(data[:keep])
    with pytest.raises(SnapshotError):
        Snapshot(file).read(MODEL)
    assert len(hits(path).ids) == 30


def test_another_model_or_store_is_not_used(path, tmp_path):
    file = path.with_suffix(".index")
    with pytest.raises(SnapshotError, match="holds vectors of"):
        Snapshot(file).read("another")
    other = tmp_path / "other.db"
    with Gallery.create(other, MODEL) as gallery:
        for camera in ("east", "west"):
            gallery.add_camera(camera_row(camera))
            gallery.add_tracklets(camera, [tracklet(i, start=10 * i, exemplars=features(3, 100 + i)) for i in range(5)])
    other.with_suffix(".index").write_bytes(file.read_bytes())
    with Gallery.open(other) as gallery:
        index = LiveIndex.open(gallery)
        rows, stored = gallery.sightings()
        found = index.search(stored[:1], 1, now=gallery.now())
    assert found.ids[0] == rows[0].id
    assert found.distances[0] < 0.03


def test_erasing_leaves_no_byte_and_the_rest(path):
    file = path.with_suffix(".index")
    snapshot = Snapshot(file)
    held = snapshot.read(MODEL)
    rows = [3, 17]
    ids = held.columns["ids"][rows].tolist()
    secret = [held.columns[name][row].tobytes() for row in rows for name in ("cells", "head", "low", "saliency")]
    data = file.read_bytes()
    assert all(part in data for part in secret)
    file.with_name(".gallery.index.123.part").write_bytes(secret[0])
    del held
    assert snapshot.drop([*ids, 999]) == 2
    left = b"".join(one.read_bytes() for one in file.parent.iterdir() if "index" in one.name)
    assert not any(part in left for part in secret)
    again = snapshot.read(MODEL)
    assert sorted(set(again.columns["ids"].tolist()) - {0}) == [key for key in range(1, 31) if key not in ids]
    assert snapshot.drop([]) == 0


def test_an_index_that_is_open_does_not_find_who_was_erased(path):
    with Gallery.open(path) as gallery:
        index = LiveIndex.open(gallery)
        _, stored = gallery.sightings()
        before = index.search(stored[6:7], 30, now=gallery.now())
        assert before.ids[0] == 7
        Snapshot.beside(path).drop([7])
        after = index.search(stored[6:7], 30, now=gallery.now())
    assert 7 not in after.ids
    assert len(after.ids) == 29


def test_erasing_cut_off_leaves_a_file_that_is_not_used(path):
    file = path.with_suffix(".index")
    data = bytearray(file.read_bytes())
    data[16] = 1
    file.write_bytes(data)
    assert len(hits(path).ids) == 30
    file.write_bytes(b"something else")
    assert Snapshot(file).drop([1]) == 0
    assert not file.exists()


def test_a_store_that_changed_meanwhile_is_not_written(path):
    file = path.with_suffix(".index")
    held = Snapshot(file).read(MODEL)
    before = file.read_bytes()
    assert not Snapshot(file).write(held, lambda: False)
    assert file.read_bytes() == before
    assert [one.name for one in file.parent.iterdir() if one.name.endswith(".part")] == []
