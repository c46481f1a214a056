import shutil
import sqlite3

import pytest

from app.errors import InputError
from app.gallery import Gallery
from app.gallery.schema import SCHEMA
from tests.app.galleries import MODEL, fill, message, plain


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


@pytest.fixture
def filled(path):
    return fill(path)


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
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60000}


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
    with plain(filled) as connection:
        connection.execute("UPDATE meta SET value='99' WHERE key='schema'")
    with pytest.raises(InputError) as error:
        Gallery.open(filled)
    assert f"has schema 99, this program has {SCHEMA}" in message(error)


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
    with plain(filled) as connection:
        connection.execute("UPDATE vectors SET local=x'0011' WHERE sighting_id=2")
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
    assert "another process is at work on it" in message(error)
    other.close()
