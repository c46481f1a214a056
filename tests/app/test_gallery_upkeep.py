import numpy as np
import pytest

from app.errors import InputError
from app.gallery import Gallery
from app.gallery.copying import backup, copy
from app.gallery.erasing import erase_identity
from app.gallery.following import insert_follow
from app.gallery.upkeep import verify
from tests.app.galleries import MODEL, features, fill, message, plain, tracklet
from tests.app.test_gallery_following import follow


@pytest.fixture
def filled(tmp_path):
    return fill(tmp_path / "gallery.db")


@pytest.fixture
def kept(store):
    return fill(store)


def dump(path):
    with plain(path) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def test_a_sound_gallery_has_no_problems(kept):
    told = []
    with Gallery.open(kept, read_only=True) as gallery:
        report = verify(gallery, lambda done, expected: told.append((done, expected)))
    assert report.problems == ()
    assert not report.unfinished
    assert (report.counts["tracklets"], report.counts["vectors"], report.counts["crops"], report.expired) == (
        10,
        30,
        30,
        0,
    )
    assert told == [(30, 30)]


DAMAGE = [
    ("UPDATE vectors SET local=x'0011' WHERE sighting_id=2", "sighting 2: its vectors are damaged"),
    ("DELETE FROM vectors WHERE sighting_id=30", "sighting 30: its vectors are missing"),
    ("UPDATE crops SET jpeg=x'ffd8ffe0' WHERE sighting_id=3", "sighting 3: its picture is damaged"),
    ("UPDATE tracklets SET times=x'00' WHERE id=4", "tracklet 4: its boxes, times and scores are not of one length"),
    ("DELETE FROM meta WHERE key='pooled'", "the dimensions of the vectors are missing"),
]


@pytest.mark.parametrize(("damage", "problem"), DAMAGE)
def test_damage_is_named_in_both_stores(kept, damage, problem):
    with plain(kept) as connection:
        connection.execute(damage)
    with Gallery.open(kept, read_only=True) as gallery:
        report = verify(gallery)
    assert any(problem in line for line in report.problems), report.problems


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE vectors SET pooled=zeroblob(64) WHERE sighting_id=7", "sighting 7: its vectors are damaged"),
        ("UPDATE tracklets SET camera_id=9 WHERE id=4", "tracklets row 4 names a row of cameras that is not there"),
        (
            "DROP INDEX sightings_time; PRAGMA writable_schema=ON;"
            "UPDATE sqlite_master SET sql='CREATE INDEX ix_sightings_tracklet_id ON sightings (frame)' "
            "WHERE name='ix_sightings_tracklet_id'",
            "missing from index ix_sightings_tracklet_id",
        ),
    ],
)
def test_damage_is_named(filled, damage, problem):
    with plain(filled) as connection:
        connection.executescript(damage)
    with Gallery.open(filled, read_only=True) as gallery:
        report = verify(gallery)
    assert any(problem in line for line in report.problems), report.problems


def test_a_backup_is_whole_while_others_write(filled, tmp_path):
    target = tmp_path / "saved.db"
    with Gallery.open(filled) as gallery, Gallery.open(filled) as other, other.writing() as connection:
        with pytest.raises(InputError, match="exists already"):
            backup(gallery, filled)
        connection.exec_driver_sql("ROLLBACK")
        gallery.audit("before", {})
        backup(gallery, target)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        gallery.close()
    before, after = dump(filled), dump(target)
    assert after == before
    assert [row[3] for row in after["audit"]] == ["before", "backup"]
    with Gallery.open(target, model_id=MODEL, read_only=True) as gallery:
        assert verify(gallery).problems == ()


def test_a_copy_has_every_row_and_no_gaps(filled, tmp_path):
    target = tmp_path / "copied.db"
    with Gallery.open(filled) as gallery:
        with gallery.writing() as connection:
            insert_follow(connection, follow(features(2, 7)))
        gallery.add_tracklets("east", [tracklet(50, exemplars=features(2, 3))])
        with gallery.writing() as connection:
            for table in ("vectors", "crops"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE sighting_id > 20")
            connection.exec_driver_sql("DELETE FROM sightings WHERE id > 20")
        copy(gallery, target)
        with pytest.raises(InputError, match="exists already"):
            copy(gallery, target)
    assert dump(target) == dump(filled)
    with Gallery.open(target, model_id=MODEL) as gallery:
        assert verify(gallery).problems == ()
        gallery.add_tracklets("east", [tracklet(51, exemplars=features(1))])
        assert gallery.sighting_ids()[-1] == 33, "numbers go on where the other left off"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["copied.db", "gallery.db"]


def test_what_cannot_be_written_leaves_nothing(filled, tmp_path):
    for save in (backup, copy):
        with Gallery.open(filled) as gallery, pytest.raises(InputError) as error:
            save(gallery, tmp_path / "none" / "saved.db")
        assert "none" in message(error)
    with plain(filled) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("UPDATE tracklets SET camera_id=9 WHERE id=4")
    with Gallery.open(filled) as gallery, pytest.raises(InputError):
        copy(gallery, tmp_path / "copied.db")
    assert [item.name for item in tmp_path.iterdir()] == ["gallery.db"]


def test_compacting_makes_the_file_smaller(filled):
    with Gallery.open(filled) as gallery:
        for number in range(60, 160):
            gallery.add_tracklets("east", [tracklet(number, exemplars=features(3, number))])
        before = gallery.sightings()[1]
        with gallery.writing() as connection:
            connection.exec_driver_sql("DELETE FROM crops")
    size = filled.stat().st_size
    with Gallery.open(filled) as gallery:
        gallery.compact()
        assert filled.stat().st_size < 0.8 * size
        np.testing.assert_array_equal(gallery.sightings()[1].local, before.local)


def test_a_full_disk_is_one_line_and_nothing_is_lost(filled):
    with Gallery.open(filled) as gallery:
        with gallery.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            # As a full disk does: the file may not grow any more.
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(InputError) as error:
            gallery.add_tracklets("east", [tracklet(i, exemplars=features(5, i)) for i in range(50, 90)])
        assert "database or disk is full; free some space on its disk" in message(error)
        assert len(gallery.sightings()[0]) == 30
        assert verify(gallery).problems == ()


def test_two_writers_take_turns(kept):
    with Gallery.open(kept) as first, Gallery.open(kept) as second:
        for number in range(50, 60):
            first.add_tracklets("east", [tracklet(number, exemplars=features(1, number))])
            second.add_tracklets("west", [tracklet(number, exemplars=features(1, number))])
        assert len(first.sightings()[0]) == len(second.sightings()[0]) == 50


def test_the_second_of_two_writers_says_who_has_it(kept, monkeypatch):
    monkeypatch.setattr("app.gallery.database.BUSY_SECONDS", 0)
    monkeypatch.setattr("app.gallery.server.BUSY_SECONDS", 0.05)
    with Gallery.open(kept) as first, Gallery.open(kept) as second:
        second.audit("ready", {})
        with first.writing(), pytest.raises(InputError) as error:
            second.add_tracklets("west", [tracklet(50, exemplars=features(1))])
        assert "another process is at work on it; try again when it is done" in message(error)
        second.add_tracklets("west", [tracklet(50, exemplars=features(1))])
    with Gallery.open(kept) as gallery, pytest.raises(InputError):
        erase_identity(gallery, 1)
    with plain(kept) as connection:
        assert connection.execute("SELECT count(*) FROM sightings").fetchone() == (31,)
