"""A gallery on a real PostgreSQL server: what it refuses, in one line each, and what is its own."""

import shutil
import subprocess
import threading
import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.errors import InputError
from app.gallery import Gallery
from app.gallery.column_types import NUMBER
from app.gallery.erasing import erase_identity, purge
from app.gallery.places import place_of
from app.gallery.schema import SCHEMA, Base
from app.gallery.server_errors import explain
from app.gallery.upgrading import migrate
from app.gallery.upkeep import verify
from app.gallery.writing import enter_audit, put_camera
from tests.app.galleries import DAY, MODEL, camera, features, fill, message, plain, tracklet
from tests.app.test_gallery_commands import refused
from tests.app.test_gallery_erasing import bytes_of, people, traces
from tests.app.test_gallery_schema import everything, same
from tests.postgres import PASSWORD, USER


@pytest.fixture
def place(postgres):
    return postgres.empty()


@pytest.fixture
def filled(place):
    return fill(place)


def hidden(outcome):
    assert PASSWORD not in "".join(outcome[1:])
    return outcome


# Refusals


@pytest.mark.parametrize(
    ("change", "cause", "cure"),
    [
        (("s3cr3t", "wr0ng"), 'password authentication failed for user "crowd"', "~/.pgpass"),
        ((f":{PASSWORD}@", "@"), "no password supplied", "PGPASSWORD"),
        (("/gallery?", "/nowhere?"), 'database "nowhere" does not exist', "createdb"),
        ((f"{USER}:", "nobody-here:"), 'user "nobody-here"', "give"),
        (("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid", "give the right host"),
        (("search_path", "wrong_path"), "wrong_path", "gallery"),
    ],
    ids=["password", "none", "database", "user", "host", "setting"],
)
def test_an_address_that_does_not_work_is_one_line(filled, crowdtrace, change, cause, cure, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    for words in (("gallery", "verify"), ("identity", "list"), ("gallery", "purge")):
        refused(hidden(crowdtrace(*words, "--gallery", filled.replace(*change))), cause, cure)


def test_a_server_that_is_not_there_is_one_line(postgres, crowdtrace):
    address = postgres.address().replace(f":{postgres.port}/", ":1/")
    outcome = hidden(crowdtrace("gallery", "verify", "--gallery", address))
    refused(
        outcome, f"postgresql://{USER}@127.0.0.1:1/gallery: ", "Connection refused", "make sure that the server runs"
    )


@pytest.mark.parametrize(
    "address", [f"postgresql://{USER}:{PASSWORD}@host:port/x", f"postgresql://{USER}:{PASSWORD}@h"]
)
def test_an_address_that_cannot_be_meant_does_not_show_its_password(crowdtrace, address):
    refused(hidden(crowdtrace("gallery", "verify", "--gallery", address)), "postgresql://user@host:port/database")


def test_passwords_come_from_outside_of_the_address(filled, crowdtrace, monkeypatch, tmp_path):
    monkeypatch.setenv("GALLERY_PASSWORD", PASSWORD)
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    for instead in ("${GALLERY_PASSWORD}", f"${{file:{tmp_path}/secret}}"):
        assert crowdtrace("gallery", "verify", "--gallery", filled.replace(PASSWORD, instead))[0] == 0
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    code, out, _ = hidden(crowdtrace("gallery", "verify", "--gallery", filled.replace(f":{PASSWORD}", "")))
    assert (code, out.startswith(f"postgresql://{USER}@127.0.0.1:")) == (0, True)
    monkeypatch.delenv("GALLERY_PASSWORD")
    refused(crowdtrace("gallery", "verify", "--gallery", filled.replace(PASSWORD, "${GALLERY_PASSWORD}")), "not set")


def test_a_database_without_a_gallery_is_left_alone(place, crowdtrace):
    refused(crowdtrace("gallery", "purge", "--gallery", place), "no such gallery")
    with plain(place) as connection:
        connection.execute("CREATE TABLE users (note text)")
    with pytest.raises(InputError) as error:
        Gallery.create(place, MODEL)
    assert "has a table users already" in message(error)
    with plain(place) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").fetchone() == (
            1,
        )


def test_a_gallery_is_made_once(filled):
    with pytest.raises(InputError) as error:
        Gallery.create(filled, MODEL)
    assert "exists already" in message(error)


def test_two_that_make_it_at_once_both_have_it(place):
    made, begin = [], threading.Barrier(4)

    def make():
        begin.wait()
        with Gallery.open_or_create(place, MODEL, config=None) as gallery:
            made.append(gallery.revision())

    threads = [threading.Thread(target=make) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert made == [0] * 4


def test_what_may_not_be_written_is_refused_at_once(postgres, filled, crowdtrace):
    with plain(filled) as connection:
        connection.execute("SELECT set_config('search_path', current_schema(), false)")
        (schema,) = connection.execute("SELECT current_schema()").fetchone()
    with postgres.administer("gallery") as connection:
        connection.execute(
            f"CREATE ROLE reader_{schema} LOGIN PASSWORD '{PASSWORD}';"
            f"GRANT USAGE ON SCHEMA {schema} TO reader_{schema};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}"
        )
    reader = filled.replace(f"{USER}:", f"reader_{schema}:")
    assert crowdtrace("gallery", "verify", "--gallery", reader)[0] == 0
    refused(crowdtrace("gallery", "purge", "--gallery", reader), f"role reader_{schema} may not write", "grant")
    frozen = f"{filled}%20-cdefault_transaction_read_only%3Don"
    assert crowdtrace("identity", "list", "--gallery", frozen)[0] == 0
    refused(crowdtrace("gallery", "purge", "--gallery", frozen), "the database is read-only", "can be written")


def test_a_right_that_is_taken_away_meanwhile_is_one_line(postgres, filled):
    with Gallery.open(filled) as gallery:
        with plain(filled) as connection:
            connection.execute(f"REVOKE INSERT ON audit FROM {USER}")
        with pytest.raises(InputError) as error:
            gallery.audit("search", {})
        assert "permission denied for table audit; grant its user the right to" in message(error)


@pytest.mark.parametrize("found", [str(SCHEMA + 1), "two"])
def test_another_schema_is_refused_by_both_programs(filled, crowdtrace, found):
    with plain(filled) as connection:
        connection.execute("UPDATE meta SET value=? WHERE key='schema'", (found,))
    for words in (("gallery", "verify"), ("gallery", "purge")):
        refused(
            hidden(crowdtrace(*words, "--gallery", filled)), f"has schema {found}, this program has {SCHEMA}", "newer"
        )


# Upgrades


def older(place, schema):
    engine = place_of(place).connect(read_only=False)
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection, None, schema)
        connection.exec_driver_sql(f"INSERT INTO meta VALUES ('schema', '{schema}'), ('model', '{MODEL}')")
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()


def test_migrations_lead_to_the_tables_that_new_galleries_have(place):
    engine = place_of(place).connect(read_only=False)
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection, None)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        numbers = connection.exec_driver_sql(
            "SELECT data_type FROM information_schema.columns WHERE column_name IN ('id', 'frame', 'identity') "
            "AND table_schema = current_schema()"
        ).scalars()
        assert set(numbers) == {NUMBER.compile(connection.dialect).lower()} == {"bigint"}
    engine.dispose()


def test_an_older_gallery_is_upgraded_whole_or_not_at_all(postgres, filled, place, crowdtrace, monkeypatch):
    source, target = filled, postgres.empty()
    older(target, 1)
    with plain(source) as one:
        (name,) = one.execute("SELECT current_schema()").fetchone()
    with plain(target) as two:
        two.execute(f"INSERT INTO meta SELECT * FROM {name}.meta WHERE key IN ('pooled', 'cells', 'local')")
        for table in ("cameras", "identities", "audit"):
            two.execute(f"INSERT INTO {table} SELECT * FROM {name}.{table}")
        columns = "id, camera_id, track, first_frame, last_frame, first_time, last_time, frames, times, boxes, scores"
        two.execute(f"INSERT INTO tracklets SELECT {columns}, identity FROM {name}.tracklets")
        two.execute(
            'INSERT INTO sightings SELECT id, tracklet_id, frame, time, "left", top, "right", bottom, mass, pooled, '
            f"local, saliency, jpeg, expires FROM {name}.sightings LEFT JOIN {name}.vectors v ON v.sighting_id = id "
            f"LEFT JOIN {name}.crops c ON c.sighting_id = id"
        )
        for table in ("cameras", "tracklets", "sightings", "audit"):
            two.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
    refused(crowdtrace("gallery", "verify", "--gallery", target), "has the older schema 1", "opened for writing")

    def fails(*_arguments):
        raise InputError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("app.gallery.upgrading.migrate", lambda *given: (migrate(*given), fails()))
        with pytest.raises(InputError, match="no room"):
            Gallery.open(target)
    with plain(target) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key='schema'").fetchone() == ("1",)
        assert connection.execute("SELECT count(local) FROM sightings").fetchone() == (30,)
    same(everything(target), everything(source))
    with Gallery.open(target) as gallery:
        gallery.add_tracklets("east", [tracklet(50, exemplars=features(2))])
        assert gallery.sighting_ids()[-2:].tolist() == [31, 32]
        assert verify(gallery).problems == ()


# Full disks


@pytest.fixture
def small_disk(postgres):
    """A tablespace of 3 MB; where nothing can be mounted, None."""
    folder = postgres.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False).returncode == 0
    if mounted:
        shutil.chown(folder, (postgres.folder / "data").owner())
        with postgres.administer() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
    yield "small" if mounted else None
    if mounted:
        with postgres.administer("gallery") as connection:
            connection.execute("ALTER TABLE IF EXISTS full_disk.vectors SET TABLESPACE pg_default")
            connection.execute("CHECKPOINT")
            connection.execute("DROP TABLESPACE small")
        # Detached at once, and gone when the server's background processes have closed what they held there.
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(connection, schema, tablespace):
    """Has the table of vectors on a small disk; without one, has the server say what it says then."""
    if tablespace:
        connection.execute(f"ALTER TABLE {schema}.vectors SET TABLESPACE {tablespace}")
        return
    connection.execute(
        f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF (SELECT count(*) FROM vectors) > 1000 THEN "
        "RAISE 'No space left on device' USING ERRCODE = '53100'; END IF; "
        "RETURN NEW; END $$; "
        f"CREATE TRIGGER full BEFORE INSERT ON {schema}.vectors FOR EACH ROW EXECUTE FUNCTION {schema}.full()"
    )


def test_a_full_disk_is_one_line_and_nothing_is_lost(postgres, small_disk):
    with postgres.administer("gallery") as connection:
        connection.execute(f"CREATE SCHEMA full_disk AUTHORIZATION {USER}")
    path, stored = fill(postgres.address(schema="full_disk")), 30
    with postgres.administer("gallery") as connection:
        fill_up(connection, "full_disk", small_disk)
    seen = features(5, 7, pooled=32, cells=6)
    with Gallery.open(path) as gallery:
        error = ""
        for number in range(50, 5000, 50):
            try:
                gallery.add_tracklets("east", [tracklet(number + i, exemplars=seen, crops=False) for i in range(50)])
            except InputError as told:
                error = str(told)
                break
            stored += 250
        assert "o space left on device; free some space on the server's disk" in error
        assert len(gallery.sightings()[0]) == stored
        assert verify(gallery).problems == ()
        with postgres.administer("gallery") as connection:
            relief = "ALTER TABLE full_disk.vectors SET TABLESPACE pg_default"
            connection.execute(relief if small_disk else "DROP TRIGGER full ON full_disk.vectors")
        gallery.add_tracklets("east", [tracklet(9000, exemplars=seen)])


# What is the server's own


def test_no_byte_of_an_erased_person_is_left_in_the_tables(postgres):
    place = people(postgres.database(), rounds=1)
    name = place.rpartition("/")[2]
    mine, other = bytes_of(place, 5), bytes_of(place, 6)

    def found(values):
        with postgres.administer(name) as connection:
            connection.execute("ANALYZE")
            connection.execute("CHECKPOINT")
            (number,) = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        return traces(postgres.folder / "data" / "base" / str(number), values)

    assert found(mine) > 100, "the search for bytes finds what is there"
    with Gallery.open(place) as gallery:
        erase_identity(gallery, 5, who="ann")
        assert found(mine) == 0
        assert found(other) > 100


def test_a_search_is_told_of_while_somebody_writes_and_never_overtakes_a_change(filled):
    with Gallery.open(filled) as gallery, Gallery.open(filled) as other:
        with gallery.writing() as connection:
            put_camera(connection, camera("north"))
            other.audit("search", {})
        assert [each.action for each in gallery.audit_log()] == ["search"]
        told = threading.Thread(target=other.audit, args=("search", {}))
        with gallery.writing() as connection:
            enter_audit(connection, 1.0, "erase", {}, None)
            told.start()
            time.sleep(0.2)
            assert len(other.audit_log()) == 1, "it would have a larger number than a change that nobody sees yet"
        told.join()
        assert [each.action for each in gallery.audit_log()] == ["search", "erase", "search"]


def test_a_session_that_holds_on_is_named_and_the_erasure_finished_later(place, monkeypatch):
    monkeypatch.setattr("app.gallery.server.CLEANING_SECONDS", 1)
    people(place, rounds=1)
    with Gallery.open(place) as gallery:
        with Gallery.open(place, read_only=True) as other, other.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM vectors").all()
            with pytest.raises(InputError) as error:
                erase_identity(gallery, 5)
            assert "which another session is using" in message(error)
        assert verify(gallery).unfinished
    with Gallery.open(place) as gallery:
        assert not verify(gallery).unfinished


def test_nobody_who_writes_waits_long_for_what_expires(place, monkeypatch):
    monkeypatch.setattr("app.gallery.erasing.AT_ONCE", 10)
    now = [0.0]
    with Gallery.create(place, MODEL, clock=lambda: now[0]) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(i, exemplars=features(2, i)) for i in range(100)])
        now[0] = 31 * DAY
        waits, over = [], threading.Event()

        def write():
            with Gallery.open(place, clock=lambda: now[0]) as other:
                while not over.is_set():
                    begun = time.monotonic()
                    other.audit("ready", {})
                    waits.append(time.monotonic() - begun)

        writer = threading.Thread(target=write)
        writer.start()
        assert purge(gallery).tracklets == 100
        over.set()
        writer.join()
        assert len(waits) > 10
        assert max(waits) < 2.0
        assert gallery.sightings() == ([], None)


def test_what_waits_for_a_lock_and_what_is_lost_is_told_apart():
    class ReportedError(Exception):
        sqlstate = None

    told = {
        "server closed the connection unexpectedly This probably means": "try again when it is back",
        "connection failed: FATAL:  the database system is starting up": "try again when it is back",
        'could not extend file "base/1/2": No space left on device HINT: Check free disk space.': "free some space",
        "FATAL:  sorry, too many clients already": "max_connections",
        "something else entirely": "make sure that the server is well",
    }
    for words, cure in told.items():
        assert cure in explain(ReportedError(words))[1], words
    assert explain(ReportedError("connection failed: FATAL:  sorry, too many clients already"))[0] == (
        "sorry, too many clients already"
    )


def test_every_command_that_looks_after_a_gallery_works(filled, crowdtrace, tmp_path):
    for words in (("gallery", "verify"), ("gallery", "purge"), ("gallery", "compact"), ("gallery", "follows")):
        code, _, error = hidden(crowdtrace(*words, "--gallery", filled))
        assert (code, error) == (0, ""), words
    with Gallery.open(filled) as gallery:
        assert gallery.size() > 100_000
    code, _, _ = crowdtrace("gallery", "backup", "--gallery", filled, "--output", tmp_path / "saved.db")
    assert code == 0
    same(everything(tmp_path / "saved.db", read_only=True), everything(filled, read_only=True))
