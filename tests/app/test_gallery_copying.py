"""Galleries moved between files and servers: every row, compared; whole or not at all."""

import itertools
import json
import subprocess
import sys
import time

import pytest

from app.association import CameraTracklet
from app.errors import InputError
from app.gallery import Gallery, copying, corrections
from app.gallery.copying import backup, copy
from app.gallery.following import insert_follow
from app.gallery.upkeep import verify
from tests.app.galleries import features, fill, identity, message, plain, tracklet
from tests.app.test_gallery_commands import refused, results
from tests.app.test_gallery_following import follow
from tests.app.test_gallery_schema import everything, same
from tests.conftest import ROOT

KINDS = ("file", "server")


@pytest.fixture
def place(postgres, tmp_path):
    """Gives a new place of a kind."""
    numbers = itertools.count()
    return lambda kind: postgres.empty() if kind == "server" else tmp_path / f"{next(numbers)}.db"


def full(path):
    """A gallery with a row in every table but the console's sessions, and gaps in its numbers."""
    fill(path)
    with Gallery.open(path) as gallery:
        members = [CameraTracklet(name, tracklet(track)) for name, track in (("east", 2), ("west", 3), ("west", 5))]
        gallery.set_identities([identity(number, member) for number, member in enumerate(members, 1)])
        corrections.merge(gallery, 1, 2, who="ann")
        with gallery.writing() as connection:
            insert_follow(connection, follow(features(2, 7), expires=1e12))
        gallery.add_tracklets("east", [tracklet(50, exemplars=features(2, 7)), tracklet(51)])
        gallery.audit("search", {"Größe": 1.5, "found": [["east", 2]], "to": None}, who="Zoë")
        with gallery.writing() as connection:
            connection.exec_driver_sql("DELETE FROM crops WHERE sighting_id IN (20, 32)")
            connection.exec_driver_sql("DELETE FROM vectors WHERE sighting_id = 32")
            connection.exec_driver_sql("DELETE FROM sightings WHERE id = 32")
            connection.exec_driver_sql(
                "INSERT INTO users (id, name, role, password, must_change, created, failures, locked_until) "
                "VALUES (3, 'ann', 'admin', 'x', true, 1.25, 0, 0)"
            )
    return path


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)))
def test_a_copy_has_every_row(place, crowdtrace, tmp_path, source, target):
    before, after, back = full(place(source)), place(target), place("file")
    code, out, _ = crowdtrace("gallery", "copy", before, after, "--json", tmp_path / "o.json")
    assert code == 0
    assert "16 audit" not in out
    assert "2 cameras, 2 identities, 12 tracklets, 31 sightings, 31 vectors, 30 crops" in sorted_counts(out)
    tables = results(tmp_path / "o.json")[0]["tables"]
    assert tables["sightings"]["rows"] == 31
    same(everything(after, read_only=True), everything(before, read_only=True))
    with Gallery.open(after) as gallery:
        assert verify(gallery).problems == ()
        assert [entry.details.get("Größe") for entry in gallery.audit_log() if entry.who == "Zoë"] == [1.5]
        # The hashes are of what is in the tables, wherever they are.
        with Gallery.open(before, read_only=True) as other:
            assert tally(gallery) == tally(other) == {name: row["sha256"] for name, row in tables.items()}
        last = gallery.sighting_ids()[-1]
        gallery.add_tracklets("east", [tracklet(60, exemplars=features(1))])
        assert gallery.sighting_ids()[-1] > max(last, 32), "numbers go on where the other left off"
        with plain(after) as connection:
            given = "INSERT INTO users (name, role, password, must_change, created, failures, locked_until) VALUES"
            connection.execute(f"{given} ('bob', 'admin', 'x', true, 1, 0, 0)")
            assert connection.execute("SELECT id FROM users WHERE name = 'bob'").fetchone() == (4,)
    refused(crowdtrace("gallery", "copy", before, after), "exists already")
    assert crowdtrace("gallery", "copy", after, back)[0] == 0


def sorted_counts(out):
    """The counts of a copy in the order in which people think of them."""
    found = {name: count for count, name in (each.strip().rsplit(" ", 1) for each in out.splitlines()[-1].split(","))}
    return ", ".join(
        f"{found[name]} {name}" for name in ("cameras", "identities", "tracklets", "sightings", "vectors", "crops")
    )


def tally(gallery):
    found = {}
    with gallery.reading() as connection:
        for table in copying.Base.metadata.sorted_tables:
            counted = copying.Tally()
            for rows in copying._rows(connection, table):
                for row in rows:
                    counted.add(row)
            found[table.name] = counted.sha256
    return found


@pytest.mark.parametrize("target", KINDS)
def test_what_is_written_wrongly_is_found_and_not_kept(place, target, monkeypatch):
    before, after = fill(place("file")), place(target)
    wrong = copying.insert_many

    def flip(connection, table, rows):
        if table.name == "vectors":
            rows = [{**row, "local": bytes([row["local"][0] ^ 1]) + row["local"][1:]} for row in rows]
        wrong(connection, table, rows)

    monkeypatch.setattr(copying, "insert_many", flip)
    with Gallery.open(before) as gallery, pytest.raises(InputError) as error:
        copy(gallery, after)
    assert "table vectors does not hold what was copied into it" in message(error)
    monkeypatch.undo()
    with pytest.raises(InputError, match="no such gallery"):
        Gallery.open(after)
    with Gallery.open(before) as gallery:
        copy(gallery, after)


SCRIPT = """
import sys, time
from app.gallery import Gallery, copying
place = sys.argv[2]
insert = copying.insert_many
def slowly(connection, table, rows):
    insert(connection, table, rows)
    if table.name == sys.argv[3]:
        print("half", flush=True)
        time.sleep(60)
copying.insert_many = slowly
with Gallery.open(sys.argv[1]) as gallery:
    copying.copy(gallery, place)
"""


@pytest.mark.parametrize("target", KINDS)
def test_a_copy_that_is_killed_leaves_no_half_gallery(place, target):
    before, after = fill(place("file")), place(target)
    words = [sys.executable, "-c", SCRIPT, str(before), str(after), "vectors"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.kill()
    with pytest.raises(InputError, match="no such gallery"):
        Gallery.open(after)
    deadline = time.monotonic() + 10
    while True:
        try:
            with Gallery.open(before) as gallery:
                copy(gallery, after)
            break
        except InputError:
            # A server takes a moment to see that who held its lock is gone.
            assert time.monotonic() < deadline
    same(everything(after, read_only=True), everything(before, read_only=True))


def test_a_backup_of_a_server_is_a_file(place):
    before, after = full(place("server")), place("file")
    with Gallery.open(before) as gallery:
        backup(gallery, after)
    same(everything(after, read_only=True), everything(before, read_only=True))
    with Gallery.open(after, read_only=True) as gallery:
        assert gallery.audit_log()[-1].action == "backup"
        assert json.dumps(gallery.audit_log()[-1].details).count(str(after)) == 1
