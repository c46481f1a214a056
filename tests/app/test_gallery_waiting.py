"""What waits on disk beside a gallery is within reach of erasure and retention, and no byte of it is left."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association import CameraTracklet
from app.config import Config, GalleryConfig
from app.config_live import LiveConfig
from app.errors import InputError
from app.gallery import Gallery, waiting
from app.gallery.choosing import choose_views
from app.gallery.erasing import erase_identity, purge
from app.gallery.growing import Grown
from app.gallery.packing import pack
from app.live.expiring import PURGE_SECONDS, Expiry
from app.live.opening import open_spool
from app.live.spool import Spool, Waiting
from tests.app.conftest import Command
from tests.app.galleries import DAY, MODEL, camera, features, identity, message, plain, tracklet

MEGABYTE = 1 << 20
MINE, OTHER = 7, 8


def wait(track: int, count: int = 3, stored: bool = False) -> Waiting:
    item = tracklet(track, exemplars=features(count, track))
    assert item.exemplars is not None
    return Waiting("east", Grown(item, choose_views(item.exemplars)), stored, 0)


def vectors_of(item: Waiting) -> list[bytes]:
    """The pieces of a tracklet that the file would hold."""
    seen = item.grown.tracklet.exemplars
    assert seen is not None
    return [pack(seen[[view]].local, "<f2") for view in item.grown.views]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Identity 1 is tracks 1 and 2, identity 2 track 3; of both, something waits: 2 and 7, and 8."""
    path = tmp_path / "gallery.db"
    with Gallery.create(path, MODEL) as made:
        made.add_camera(camera("east"))
        items = [tracklet(track, exemplars=features(2, track)) for track in (1, 2, 3)]
        made.add_tracklets("east", items)
        first, second, third = (CameraTracklet("east", item) for item in items)
        made.set_identities([identity(1, first, second), identity(2, third)])
    spool = Spool(tmp_path / waiting.FILE, MEGABYTE)
    spool.keep([wait(2, stored=True), wait(MINE), wait(OTHER)])
    spool.keep_numbers({("east", MINE): 1, ("east", OTHER): 2}, 0)
    spool.close()
    return path


def test_erasing_reaches_what_waits_and_leaves_no_byte(gallery: Path, crowdtrace: Command) -> None:
    spool = Spool(gallery.with_name(waiting.FILE), MEGABYTE)
    mine, other = vectors_of(wait(MINE)), vectors_of(wait(OTHER))
    before = spool.path.read_bytes()
    assert all(piece in before for piece in (*mine, *other)), "what is looked for is there"
    code, out, _ = crowdtrace("identity", "erase", 1, "--gallery", gallery, "--yes")
    assert code == 0
    assert "2 waiting" in out
    after = spool.path.read_bytes()
    assert not [piece for piece in mine if piece in after]
    assert all(piece in after for piece in other)
    # The run that has the file open finds out.
    assert [item.key for item in spool.next(9)] == [("east", OTHER)]
    assert spool.keys == {("east", OTHER)}
    assert spool.numbers() == {("east", OTHER): (2, 0)}
    with plain(gallery) as database:
        ((details,),) = database.execute("SELECT details FROM audit WHERE action = 'erase'")
    assert '"waiting": 2' in details


def test_a_run_whose_file_was_emptied_by_others_removes_it(gallery: Path) -> None:
    spool = Spool(gallery.with_name(waiting.FILE), MEGABYTE)
    with Gallery.open(gallery) as opened:
        erase_identity(opened, 1)
        erase_identity(opened, 2)
    assert spool.path.exists()
    assert spool.next(9) == []
    assert not spool.path.exists()
    assert len(spool) == 0


def test_nothing_is_erased_where_what_waits_cannot_be_reached(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(gallery.with_name(waiting.FILE), isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        with Gallery.open(gallery) as opened:
            with pytest.raises(InputError) as error:
                erase_identity(opened, 1)
            assert "waiting.db: shows people who waited" in message(error)
            assert opened.identity(1) is not None, "it can be asked for again"
        held.execute("ROLLBACK")
    with Gallery.open(gallery) as opened:
        assert erase_identity(opened, 1).waiting == 2


def test_a_gallery_with_nothing_beside_it_gets_no_file(gallery: Path) -> None:
    gallery.with_name(waiting.FILE).unlink()
    with Gallery.open(gallery) as opened:
        assert erase_identity(opened, 1).waiting == 0
        assert purge(opened).waiting == 0
    assert not gallery.with_name(waiting.FILE).exists()


def test_what_has_waited_too_long_expires(tmp_path: Path) -> None:
    now = [100 * DAY]
    spool = Spool(tmp_path / waiting.FILE, MEGABYTE, 2 * DAY, lambda: now[0])
    spool.keep([wait(1)])
    now[0] += DAY
    spool.keep([wait(2)])
    spool.keep_numbers({("east", 2): 5}, 0)
    now[0] += DAY - 1
    assert spool.expire() == 0
    now[0] += 1
    first = vectors_of(wait(1))
    assert all(piece in spool.path.read_bytes() for piece in first)
    assert spool.expire() == 1
    assert spool.keys == {("east", 2)}
    assert not [piece for piece in first if piece in spool.path.read_bytes()]
    now[0] += DAY
    assert spool.expire() == 1
    assert not spool.path.exists()


def test_purging_a_gallery_takes_out_what_waits_beside_it(gallery: Path, crowdtrace: Command) -> None:
    def left() -> int:
        with plain(gallery.with_name(waiting.FILE)) as database:
            return int(database.execute("SELECT count(*) FROM waiting").fetchone()[0])

    with plain(gallery.with_name(waiting.FILE)) as database:
        database.execute("UPDATE waiting SET since = ?, expires = ? WHERE track = 7", (0.0, time.time() - 1))
        database.execute("UPDATE waiting SET since = ? WHERE track = 8", (time.time() - 5 * DAY,))
    code, out, _ = crowdtrace("gallery", "purge", "--gallery", gallery)
    assert (code, left()) == (0, 2)
    assert "1 waiting" in out
    code, out, _ = crowdtrace("gallery", "purge", "--gallery", gallery, "--older-than", 4)
    assert (code, left()) == (0, 1)


def test_a_run_begins_without_what_has_expired(tmp_path: Path) -> None:
    config = Config(live=LiveConfig(folder=str(tmp_path)), gallery=GalleryConfig(retention_days=3))
    old = Spool(tmp_path / waiting.FILE, MEGABYTE, 3 * DAY, lambda: time.time() - 4 * DAY)
    old.keep([wait(1)])
    old.close()
    new = Spool(tmp_path / waiting.FILE, MEGABYTE, 3 * DAY)
    new.keep([wait(2)])
    new.close()
    spool = open_spool(tmp_path, config)
    assert spool.keys == {("east", 2)}
    spool.close()


def test_a_file_of_an_earlier_version_counts_from_now(tmp_path: Path) -> None:
    path = tmp_path / waiting.FILE
    with plain(path) as database:
        database.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY, camera TEXT, track INTEGER, tracklet BLOB)")
        database.execute("INSERT INTO waiting VALUES (1, 'east', 4, NULL)")
        database.execute("CREATE TABLE people (camera TEXT, track INTEGER, identity INTEGER)")
    now = [50 * DAY]
    spool = Spool(path, MEGABYTE, clock=lambda: now[0])
    assert spool.keys == {("east", 4)}
    now[0] += 29 * DAY
    assert spool.expire() == 0
    now[0] += 2 * DAY
    assert spool.expire() == 1


def test_what_waits_and_recordings_expire_also_while_the_gallery_is_away(tmp_path: Path) -> None:
    """Recordings also where nothing is recorded any more."""
    now, clock = [100 * DAY], [0.0]
    config = Config(live=LiveConfig(folder=str(tmp_path), record_hours=1), gallery=GalleryConfig(retention_days=2))
    assert not config.live.record
    film = tmp_path / "recordings" / "east" / "20260301T083000.000Z.mkv"
    film.parent.mkdir(parents=True)
    film.write_bytes(b"film")
    spool = Spool(tmp_path / waiting.FILE, MEGABYTE, 2 * DAY, lambda: now[0])
    spool.keep([wait(1)])
    with Gallery.create(tmp_path / "gallery.db", MODEL) as made:
        made.add_camera(camera("east"))
    with Gallery.open(tmp_path / "gallery.db", read_only=True) as away:
        expiry = Expiry(config, tmp_path, away, spool, wall=time.time, clock=lambda: clock[0])
        with pytest.raises(InputError):
            expiry.look()
        assert film.exists()
        assert len(spool) == 1
        now[0] += 2 * DAY
        with pytest.raises(InputError):
            expiry.look()
        assert len(spool) == 0
    expiry = Expiry(config, tmp_path, None, spool, lambda: time.time() + 2 * 3600, lambda: clock[0])
    expiry.look()
    assert not film.exists()
    spool.keep([wait(1)])
    now[0] += 2 * DAY
    clock[0] += PURGE_SECONDS - 1
    expiry.look()
    assert len(spool) == 1
    clock[0] += 1
    expiry.look()
    assert len(spool) == 0


ROWS = st.lists(
    st.tuples(st.integers(1, 12), st.one_of(st.none(), st.integers(1, 3))), max_size=12, unique_by=lambda row: row[0]
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sets(st.integers(1, 12)), st.integers(1, 3))
def test_exactly_whoever_is_asked_for_is_forgotten(
    rows: list[tuple[int, int | None]], keys: set[int], person: int
) -> None:
    with closing(waiting.connect(Path(":memory:"), 0.0)) as file:
        for track, number in rows:
            names = "camera, track, since, expires"
            file.execute(f"INSERT INTO waiting ({names}) VALUES ('east', ?, 0, 9)", (track,))
            if number is not None:
                file.execute("INSERT INTO people VALUES ('east', ?, ?, 0, 0, 9)", (track, number))
        gone = waiting.forget(file, person, {("east", track) for track in keys})
        expected = [track for track, number in rows if track not in keys and number != person]
        assert sorted(track for (track,) in file.execute("SELECT track FROM waiting")) == sorted(expected)
        assert gone == len(rows) - len(expected)
        left = set(file.execute("SELECT track, identity FROM people"))
        assert left == {(track, number) for track, number in rows if number not in (None, person) and track not in keys}
