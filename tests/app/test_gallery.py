import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association import CameraTracklet, Identity
from app.config import GalleryConfig
from app.errors import InputError
from app.gallery import CameraRow, Gallery, Index
from app.gallery.packing import CROP_HEIGHT, Dimensions
from reid_model.features import Features
from reid_model.matching import METHODS, distances
from trackers.tracklet import Tracklet

ROOT = Path(__file__).parents[2]
MODEL = "osnet_x0_25 256x128 cells 12x4"
DAY = 86400.0


def _unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def features(count, seed=0, pooled=32, cells=6, local=8):
    rng = np.random.default_rng(seed)
    saliency = rng.uniform(0, 1, (count, cells)).astype(np.float32) ** 4
    return Features(
        _unit(rng.normal(size=(count, pooled))),
        _unit(rng.normal(size=(count, cells, local))),
        saliency / saliency.sum(axis=1, keepdims=True),
        rng.uniform(0, 1, count).astype(np.float32),
    )


def picture(seed, height=64, width=32):
    small = np.random.default_rng(seed).integers(0, 255, (4, 2, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def tracklet(track, start=0, count=20, exemplars=None, crops=True):
    rng = np.random.default_rng(track)
    frames = np.arange(start, start + count, dtype=np.int64)
    boxes = rng.uniform(0, 500, (count, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    kept = np.linspace(0, count - 1, 0 if exemplars is None else len(exemplars)).astype(int)
    return Tracklet(
        track_id=track,
        frames=frames,
        times=frames / 12.5,
        boxes=boxes,
        scores=rng.uniform(0, 1, count).astype(np.float32),
        exemplars=exemplars,
        exemplar_frames=frames[kept],
        exemplar_times=frames[kept] / 12.5,
        exemplar_boxes=boxes[kept],
        exemplar_crops=tuple(picture(track + i) if crops else None for i in range(len(kept))),
    )


def camera(name, frame_count=400):
    return CameraRow(name, f"/videos/{name}.mp4", 0.0, 1920, 1080, 12.5, frame_count)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


@pytest.fixture
def filled(path):
    with Gallery.create(path, MODEL) as gallery:
        for number, name in enumerate(("east", "west")):
            gallery.add_camera(camera(name))
            gallery.add_tracklets(
                name, [tracklet(i, start=10 * i, exemplars=features(3, 10 * number + i)) for i in range(1, 6)]
            )
    return path


def identity(number, *members):
    return Identity(number, "linked" if len(members) > 1 else "unknown", members, (), None, "")


# What goes in comes out


@given(st.integers(1, 5), st.integers(0, 1000), st.integers(1, 60))
def test_round_trip(tmp_path_factory, exemplars, seed, count):
    path = tmp_path_factory.mktemp("round") / "gallery.db"
    given_features = features(exemplars, seed)
    written = tracklet(7, start=seed, count=count, exemplars=given_features)
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [written])
    with Gallery.open(path, model_id=MODEL, read_only=True) as gallery:
        assert gallery.dimensions() == Dimensions(32, 6, 8)
        read = gallery.tracklet("east", 7)
        rows, found = gallery.sightings()
        crops = gallery.crops([row.id for row in rows])
    assert read is not None
    for name in ("frames", "times", "boxes", "scores"):
        before, after = getattr(written, name), getattr(read, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    for name in ("global_", "local", "saliency"):
        np.testing.assert_allclose(getattr(found, name), getattr(given_features, name), atol=1e-3)
    np.testing.assert_array_equal(found.mass, given_features.mass)
    # Half precision moves distances far less than the differences that matter.
    near = distances(given_features, given_features) - distances(found, found)
    assert np.abs(near).max() < 2e-3
    assert [row.frame for row in rows] == written.exemplar_frames.tolist()
    assert [row.time for row in rows] == written.exemplar_times.tolist()
    np.testing.assert_allclose([row.box for row in rows], written.exemplar_boxes)
    assert {row.span for row in rows} == {(written.times[0], written.times[-1])}
    decoded = cv2.imdecode(np.frombuffer(crops[0], np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - written.exemplar_crops[0]).mean() < 10


def test_tall_crops_are_scaled_down_and_none_kept_where_not_wanted(path):
    big = tracklet(1, exemplars=features(1))
    object.__setattr__(big, "exemplar_crops", (picture(0, 600, 200),))
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [big])
        crop = gallery.crops([1])[0]
        assert cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR).shape == (CROP_HEIGHT, 85, 3)
    with Gallery.open(path, config=GalleryConfig(crops=False)) as gallery:
        gallery.add_tracklets("east", [tracklet(2, exemplars=features(1))])
        assert gallery.crops([2, 1, 99]) == [None, crop, None]


def test_filters_are_inclusive_and_combine(filled):
    with Gallery.open(filled, read_only=True) as gallery:
        everything, _ = gallery.sightings()
        assert len(everything) == 30
        rows, found = gallery.sightings(["west"], start=30 / 12.5, end=40 / 12.5)
        expected = [r for r in everything if r.camera == "west" and 30 / 12.5 <= r.time <= 40 / 12.5]
        assert rows == expected
        assert len(found) == len(rows) > 3
        assert {30 / 12.5, 40 / 12.5} <= {row.time for row in rows}
        assert gallery.sightings(["east"], track=2)[0] == [r for r in everything if (r.camera, r.track) == ("east", 2)]
        assert gallery.sightings([]) == ([], None)
        assert gallery.sightings(start=1000.0) == ([], None)


def test_expired_sightings_are_never_returned(path):
    now = [0.0]
    with Gallery.create(path, MODEL, config=GalleryConfig(retention_days=2), clock=lambda: now[0]) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(1, exemplars=features(2))])
        now[0] = DAY
        gallery.add_tracklets("east", [tracklet(2, exemplars=features(2))])
        now[0] = 2 * DAY - 1
        assert {row.track for row in gallery.sightings()[0]} == {1, 2}
        now[0] = 2 * DAY
        assert {row.track for row in gallery.sightings()[0]} == {2}
        assert gallery.crops([1])[0] is None
        assert gallery.crops([3])[0] is not None


def test_identities_are_replaced_whole(filled):
    def member(name, track):
        return CameraTracklet(name, tracklet(track))

    with Gallery.open(filled) as gallery:
        gallery.set_identities([identity(1, member("east", 2), member("west", 1)), identity(2, member("east", 1))])
        assert gallery.identity(1).tracklets == (("west", 1), ("east", 2)), "in order of appearance"
        assert gallery.identity(2).status == "unknown"
        assert gallery.tracklet("west", 1).identity == 1
        rows, found = gallery.sightings(identity=1)
        assert {(row.camera, row.track, row.status) for row in rows} == {("east", 2, "linked"), ("west", 1, "linked")}
        assert len(found) == 6
        with pytest.raises(ValueError, match="given east track 77"):
            gallery.set_identities([identity(1, member("east", 77))])
        assert len(gallery.identities()) == 2, "what failed changed nothing"
        gallery.set_identities([identity(1, member("west", 5))])
        assert [row.number for row in gallery.identities()] == [1]
        assert gallery.tracklet("west", 1).identity is None


def test_cameras_can_be_corrected(filled):
    with Gallery.open(filled) as gallery:
        gallery.add_camera(camera("west", frame_count=9))
        assert [(row.name, row.frame_count) for row in gallery.cameras()] == [("east", 400), ("west", 9)]
        assert len(gallery.tracklets("west")) == 5
        assert [(row.camera, row.track) for row in gallery.tracklets()][:2] == [("east", 1), ("east", 2)]
        assert gallery.tracklet("west", 6) is None


def test_audit_log(filled):
    with Gallery.open(filled, clock=lambda: 5.0) as gallery:
        gallery.audit("search", {"top": 3}, who="ann")
        gallery.audit("erase", {})
    with Gallery.open(filled, read_only=True) as gallery:
        first, second = gallery.audit_log()
    assert (first.time, first.who, first.action, first.details) == (5.0, "ann", "search", {"top": 3})
    assert second.who


def test_what_does_not_fit_is_refused(filled):
    with Gallery.open(filled) as gallery:
        with pytest.raises(ValueError, match="given 'north'"):
            gallery.add_tracklets("north", [])
        with pytest.raises(ValueError, match="camera east has a track 1 already"):
            gallery.add_tracklets("east", [tracklet(50, exemplars=features(1)), tracklet(1)])
        assert gallery.tracklet("east", 50) is None, "a batch is stored whole or not at all"
        with pytest.raises(ValueError, match="expected 32 pooled, 6 cells of 8, given 32 pooled, 6 cells of 4"):
            gallery.add_tracklets("east", [tracklet(50, exemplars=features(1, local=4))])


# Files


def test_a_closed_gallery_is_one_file(filled):
    with Gallery.open(filled) as gallery:
        gallery.audit("search", {})
        assert filled.with_name("gallery.db-wal").exists(), "a log is written while it is open"
    with Gallery.open(filled, read_only=True) as gallery:
        assert len(gallery.sightings()[0]) == 30
    assert list(filled.parent.iterdir()) == [filled]


def test_durability_settings(filled):
    with Gallery.open(filled) as gallery, gallery._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10000}


def test_another_process_reads_while_one_writes(filled):
    script = (
        f"from app.gallery import Gallery\nwith Gallery.open({str(filled)!r}, read_only=True) as g:"
        "\n print(len(g.sightings()[0]))"
    )
    with Gallery.open(filled) as gallery, gallery._write():
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "30\n", done.stderr
    assert list(filled.parent.iterdir()) == [filled]


WRITER = """
import sys
sys.path.insert(0, "tests/app")
from test_gallery import *
with Gallery.create(sys.argv[1], MODEL) as gallery:
    gallery.add_camera(camera("east"))
    for number in range(1, 100000, 2):
        gallery.add_tracklets("east", [tracklet(number + i, exemplars=features(3, number + i)) for i in range(2)])
        print(number + 1, flush=True)
"""


def test_what_was_committed_survives_a_kill(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        assert writer.stdout.readline(), "the writer must be writing"
    time.sleep(0.013)
    writer.send_signal(signal.SIGKILL)
    acknowledged = 60 + 2 * len(writer.stdout.read().split())
    writer.wait()
    copies = [path, path.with_name("second.db")]
    for ending in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{ending}", f"{copies[1]}{ending}")
    for copy, read_only in zip(copies, (False, True), strict=True):
        with Gallery.open(copy, model_id=MODEL, read_only=read_only) as gallery:
            found = gallery.tracklets()
            rows, vectors = gallery.sightings()
        assert len(found) >= acknowledged
        assert len(found) % 2 == 0, "a batch is there whole or not at all"
        assert [row.track for row in found] == list(range(1, len(found) + 1))
        assert len(rows) == len(vectors) == 3 * len(found)
    assert not path.with_name("gallery.db-wal").exists(), "opening and closing clears up"


def message(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_create_overwrites_nothing(filled, tmp_path):
    before = filled.read_bytes()
    with pytest.raises(InputError) as error:
        Gallery.create(filled, MODEL)
    assert "exists already" in message(error)
    assert filled.read_bytes() == before
    for place, cause in ((tmp_path / "no" / "g.db", "does not exist"), (filled / "g.db", "Not a directory")):
        with pytest.raises(InputError) as error:
            Gallery.create(place, MODEL)
        assert cause in message(error)
    with pytest.raises(InputError) as error:
        Gallery.create("/proc/gallery.db", MODEL)
    assert "cannot be created" in message(error)


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"SQLite format 3\0" + b"x" * 4000], ids=["empty", "text", "fake"]
)
def test_not_a_gallery(path, content):
    path.write_bytes(content)
    for read_only in (True, False):
        with pytest.raises(InputError) as error:
            Gallery.open(path, read_only=read_only)
        assert str(path) in message(error)
    assert path.read_bytes() == content


def test_another_database_is_left_alone(path):
    sqlite3.connect(path).execute("CREATE TABLE meta (note)").connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        Gallery.open(path)
    assert "not a gallery" in message(error)
    assert path.read_bytes() == before


def test_missing_and_folder(tmp_path, filled):
    with pytest.raises(InputError) as error:
        Gallery.open(tmp_path / "none.db")
    assert "no such gallery" in message(error)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(InputError) as error:
        Gallery.open(tmp_path)
    assert f"is a folder, not a gallery; give {filled}" in message(error)


def test_another_model_or_schema_names_both(filled):
    with pytest.raises(InputError) as error:
        Gallery.open(filled, model_id="resnet50")
    assert f"model {MODEL}, the model in use is resnet50" in message(error)
    with sqlite3.connect(filled) as connection:
        connection.execute("UPDATE meta SET value='99' WHERE key='schema'")
    with pytest.raises(InputError) as error:
        Gallery.open(filled)
    assert "schema version 99, this program has 1" in message(error)


def test_damage_is_one_line(filled):
    size = filled.stat().st_size
    for offset in (0, 8192):
        damaged = filled.with_name(f"damaged{offset}.db")
        shutil.copy(filled, damaged)
        with damaged.open("r+b") as file:
            if offset:
                file.seek(offset)
                file.write(b"\xff" * (size - offset))
            else:
                file.truncate(size // 2)
        with pytest.raises(InputError) as error, Gallery.open(damaged) as gallery:
            gallery.sightings()
        assert "damaged" in message(error)
    with sqlite3.connect(filled) as connection:
        connection.execute("UPDATE sightings SET local=x'0011' WHERE id=2")
    with pytest.raises(InputError) as error, Gallery.open(filled) as gallery:
        gallery.sightings()
    assert "damaged: expected 96 bytes, given 2" in message(error)


def test_writing_needs_a_writable_place(filled):
    with Gallery.open(filled, read_only=True) as gallery, pytest.raises(InputError) as error:
        gallery.audit("search", {})
    assert "opened for reading only" in message(error)


def test_a_locked_gallery_says_so(filled, monkeypatch):
    monkeypatch.setattr("app.gallery.database.BUSY_SECONDS", 0)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError) as error, Gallery.open(filled) as gallery:
        gallery.cameras()
    assert "another process is writing to it" in message(error)
    other.close()


# The index


@pytest.mark.parametrize("method", METHODS)
def test_two_stages_equal_exact_when_the_shortlist_covers_everything(filled, method):
    with Gallery.open(filled, read_only=True) as gallery:
        index = Index.build(gallery)
    query = features(2, 99)
    two, exact = (index.search(query, 10, exact=e, method=method, shortlist=len(index)) for e in (False, True))
    np.testing.assert_array_equal(two.positions, exact.positions)
    np.testing.assert_array_equal(two.distances, exact.distances)
    everything = distances(query, index.features, method)
    np.testing.assert_allclose(exact.distances, np.sort(everything.min(axis=0))[:10], atol=1e-6)
    np.testing.assert_array_equal(exact.crops, everything[:, exact.positions].argmin(axis=0))


def test_two_stages_recall():
    rng = np.random.default_rng(3)
    people = features(500, 1)

    def views(source, noise):
        saliency = rng.uniform(0.1, 1, source.saliency.shape).astype(np.float32)
        return Features(
            _unit(source.global_ + noise * rng.normal(size=source.global_.shape)),
            _unit(source.local + noise * rng.normal(size=source.local.shape)),
            saliency / saliency.sum(axis=1, keepdims=True),
            source.mass,
        )

    gallery = views(people[np.repeat(np.arange(500), 8)], 0.1)
    index = Index([None] * len(gallery), gallery)
    recalls = []
    for i in range(40):
        query = views(people[[i]], 0.1)
        exact = index.search(query, 10, exact=True)
        assert exact.positions[0] // 8 == i
        two = index.search(query, 10)
        recalls.append(len(np.intersect1d(two.positions, exact.positions)) / 10)
        assert two.positions[0] == exact.positions[0]
    assert np.mean(recalls) > 0.95


def test_index_without_sightings_finds_nothing(path):
    with Gallery.create(path, MODEL) as gallery:
        index = Index.build(gallery)
    assert len(index.search(features(1), 5).positions) == 0
    with pytest.raises(ValueError, match="top: expected 1 or more"):
        index.search(features(1), 0)
    with pytest.raises(ValueError, match="expected at least one crop"):
        index.search(features(1)[:0], 5)
