import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.association import CameraTracklet
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.database import connect, create_file
from app.gallery.file import File
from app.gallery.schema import SCHEMA, Base
from app.gallery.upgrading import migrate
from tests.app.galleries import DAY, MODEL, fill, identity, message, plain, tracklet


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


def in_schema(path, schema):
    """An empty gallery as the program of that schema made it."""
    create_file(path)
    engine = connect(path, read_only=False)
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection, None, schema)
        connection.exec_driver_sql(f"INSERT INTO meta VALUES ('schema', '{schema}'), ('model', '{MODEL}')")
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    return path


def first(path, filled):
    """What `filled` holds, in a gallery of schema 1."""
    in_schema(path, 1)
    with plain(path) as connection:
        connection.execute("ATTACH ? AS new", (str(filled),))
        sizes = "WHERE key IN ('pooled', 'cells', 'local')"
        connection.execute(f"INSERT INTO main.meta SELECT * FROM new.meta {sizes}")
        for table in ("cameras", "identities", "audit"):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")
        columns = "id, camera_id, track, first_frame, last_frame, first_time, last_time, frames, times, boxes, scores"
        connection.execute(f"INSERT INTO main.tracklets SELECT {columns}, identity FROM new.tracklets")
        connection.execute(
            'INSERT INTO main.sightings SELECT id, tracklet_id, frame, time, "left", top, "right", bottom, mass, '
            "pooled, local, saliency, jpeg, expires FROM new.sightings LEFT JOIN new.vectors v ON v.sighting_id = id "
            "LEFT JOIN new.crops c ON c.sighting_id = id"
        )
    return path


@pytest.fixture
def filled(tmp_path):
    made = fill(tmp_path / "filled.db")
    with Gallery.open(made) as gallery:
        members = [CameraTracklet(name, tracklet(track)) for name, track in (("east", 2), ("west", 3))]
        gallery.set_identities([identity(1, *members)])
        gallery.add_tracklets("west", [tracklet(9)])
        gallery.audit("search", {"top": 3}, who="ann")
    return made


def everything(path, **options):
    with Gallery.open(path, **options) as gallery:
        rows, found = gallery.sightings()
        tracks = [(t.camera, t.track, t.identity, t.boxes.tobytes()) for t in gallery.tracklets()]
        crops = gallery.crops([row.id for row in rows])
        return rows, tracks, crops, gallery.identities(), gallery.cameras(), gallery.audit_log(), found


def same(first, second):
    assert first[:-1] == second[:-1]
    for name in ("global_", "local", "saliency", "mass"):
        np.testing.assert_array_equal(getattr(first[-1], name), getattr(second[-1], name))


def test_migrations_lead_to_the_tables_that_new_galleries_have(path):
    create_file(path)
    engine = connect(path, read_only=False)
    with engine.begin() as connection:
        migrate(connection, None)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        numbered = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
        migrated = connection.exec_driver_sql(numbered).scalars().all()
    engine.dispose()
    fresh = path.with_name("fresh.db")
    Gallery.create(fresh, MODEL).close()
    with plain(fresh) as connection:
        assert (
            [name for (name,) in connection.execute(numbered)]
            == migrated
            == ["corrections", "follows", "reappearances", "sightings", "tokens", "users"]
        )


def test_an_older_gallery_keeps_everything_and_leaves_a_copy(path, filled):
    expected = everything(filled)
    before = first(path, filled).read_bytes()
    with pytest.raises(InputError) as error:
        Gallery.open(path, read_only=True)
    assert f"has the older schema 1, this program has {SCHEMA}" in message(error)
    assert path.read_bytes() == before
    same(everything(path, model_id=MODEL), expected)
    same(everything(path, read_only=True), expected)
    (copy,) = File(path).earlier_copies()
    assert copy.name == "gallery.db.schema-1"
    with plain(copy) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key='schema'").fetchone() == ("1",)
        assert connection.execute("SELECT count(*), count(local), count(crop) FROM sightings").fetchone() == (
            30,
            30,
            30,
        )
    with plain(path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute(
            "SELECT count(*) FROM tracklets WHERE stored + ? <> expires", (30 * DAY,)
        ).fetchone() == (0,)


def test_an_upgraded_gallery_goes_on(path, filled):
    first(path, filled)
    with Gallery.open(path) as gallery:
        assert gallery.revision() == 1
        gallery.add_tracklets("east", [tracklet(50, exemplars=gallery.sightings()[1][[0, 1]])])
        assert gallery.revision() == 2
        assert gallery.sighting_ids()[-2:].tolist() == [31, 32]


def test_what_cannot_be_upgraded_stays_as_it_was(path, filled, monkeypatch):
    first(path, filled)

    def fails(*_arguments):
        raise InputError("no room")

    monkeypatch.setattr("app.gallery.database.copy_file", fails)
    with pytest.raises(InputError, match="no room"):
        Gallery.open(path)
    monkeypatch.undo()
    monkeypatch.setattr("app.gallery.upgrading.migrate", fails)
    with pytest.raises(InputError, match="no room"):
        Gallery.open(path)
    monkeypatch.undo()
    with plain(path) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key='schema'").fetchone() == ("1",)
        assert connection.execute("SELECT count(local) FROM sightings").fetchone() == (30,)
    assert len(everything(path)[0]) == 30


@pytest.mark.parametrize("found", ["99", "two"])
def test_a_newer_gallery_is_refused(filled, found):
    with plain(filled) as connection:
        connection.execute("UPDATE meta SET value=? WHERE key='schema'", (found,))
    for read_only in (True, False):
        with pytest.raises(InputError) as error:
            Gallery.open(filled, read_only=read_only)
        assert f"has schema {found}, this program has {SCHEMA}" in message(error)
