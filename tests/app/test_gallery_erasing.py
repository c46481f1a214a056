import json

import numpy as np
import pytest

from app.association import CameraTracklet
from app.config import GalleryConfig
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.choosing import choose_views
from app.gallery.erasing import Removed, erase_identity, purge
from app.gallery.file import File
from app.gallery.scrubbing import NOTE
from app.gallery.snapshot import Snapshot
from tests.app.galleries import DAY, MODEL, camera, features, identity, message, picture, plain, tracklet

PEOPLE = 12
PIECE = 24


def people(path, rounds=3):
    """A gallery in which everybody is seen in both cameras several times, written in turns."""
    with Gallery.create(path, MODEL) as gallery:
        members = {}
        for name in ("east", "west"):
            gallery.add_camera(camera(name))
        for number in range(rounds):
            for person in range(PEOPLE):
                for place, name in enumerate(("east", "west")):
                    track = number * PEOPLE + person + 1
                    seed = 1000 * person + 10 * number + place
                    seen = tracklet(track, exemplars=features(5, seed, pooled=96, cells=12, local=32))
                    big = tuple(picture(seed + i, 200, 80) for i in range(5))
                    object.__setattr__(seen, "exemplar_crops", big)
                    gallery.add_tracklets(name, [seen])
                    members.setdefault(person, []).append(CameraTracklet(name, seen))
        gallery.set_identities([identity(person + 1, *each) for person, each in members.items()])
    return path


@pytest.fixture
def path(tmp_path):
    return people(tmp_path / "gallery.db")


@pytest.fixture
def kept(store):
    return people(store)


def picture_data(jpeg):
    """A picture behind the tables that all have in common."""
    return jpeg[jpeg.index(b"\xff\xda") :]


def bytes_of(path, number):
    """Every packed vector, picture and track of a person, as stored."""
    with plain(path) as connection:
        mine = "(SELECT id FROM tracklets WHERE identity = ?)"
        sightings = f"(SELECT id FROM sightings WHERE tracklet_id IN {mine})"
        found = []
        for query in (
            f"SELECT pooled, local, saliency FROM vectors WHERE sighting_id IN {sightings}",
            f"SELECT boxes, scores FROM tracklets WHERE id IN {mine}",
        ):
            found += [value for row in connection.execute(query, (number,)) for value in row]
        query = f"SELECT jpeg FROM crops WHERE sighting_id IN {sightings}"
        found += [picture_data(jpeg) for (jpeg,) in connection.execute(query, (number,))]
    return found


def traces(folder, values):
    """How many pieces of these values are in the files of a folder; a piece is too long to be there by chance."""
    pieces = {value[start : start + PIECE] for value in values for start in range(0, len(value) - PIECE, PIECE)}
    heads = np.unique(np.array([np.frombuffer(piece[:8], "<u8")[0] for piece in pieces]))
    found = set()
    for data in (item.read_bytes() for item in folder.iterdir() if item.is_file()):
        # To look for all first words at once takes a tenth of the time that looking for each piece does.
        for shift in range(min(8, len(data) // 8)):
            words = np.frombuffer(data, "<u8", (len(data) - shift) // 8, shift)
            starts = 8 * np.flatnonzero(np.isin(words, heads)) + shift
            found |= pieces.intersection(data[start : start + PIECE] for start in starts.tolist())
    return len(found)


def test_no_byte_of_an_erased_person_is_left(path):
    mine, other = bytes_of(path, 5), bytes_of(path, 6)
    Snapshot.beside(path).path.write_bytes(b"".join(mine))
    path.with_name("gallery.db.schema-1").write_bytes(path.read_bytes())
    assert traces(path.parent, mine) > 1000, "the search for bytes finds what is there"
    with Gallery.open(path) as gallery, Gallery.open(path) as another:
        another.add_tracklets("east", [tracklet(900)])
        before = gallery.revision()
        removed = erase_identity(gallery, 5, who="ann")
        # Looked at while it is open, log and all.
        assert traces(path.parent, mine) == 0
        assert gallery.revision() > before
        assert removed == Removed(removed.person, identities=1, tracklets=6, sightings=30, crops=30, follows=0)
        assert gallery.identity(5) is None
        assert {row.identity for row in gallery.sightings()[0]} == set(range(1, PEOPLE + 1)) - {5}
    assert traces(path.parent, mine) == 0
    assert File(path).earlier_copies() == []
    assert traces(path.parent, other) == traces(path.parent, other[:1]) + traces(path.parent, other[1:]) > 1000


def test_deleting_alone_leaves_traces(path):
    """Why the file is written anew: without that, the test above fails."""
    mine = bytes_of(path, 5)
    with plain(path) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        tracks = "(SELECT id FROM tracklets WHERE identity = 5)"
        sightings = f"(SELECT id FROM sightings WHERE tracklet_id IN {tracks})"
        for table in ("vectors", "crops"):
            connection.execute(f"DELETE FROM {table} WHERE sighting_id IN {sightings}")
    assert traces(path.parent, mine) > 100


def test_numbers_of_the_erased_are_never_given_again(kept):
    with Gallery.open(kept) as gallery:
        last = gallery.sighting_ids()[-1]
        assert gallery.sightings_by_id([last])[0].identity == PEOPLE
        erase_identity(gallery, PEOPLE)
        assert gallery.sighting_ids()[-1] < last
        seen = features(2, 1, pooled=96, cells=12, local=32)
        gallery.add_tracklets("east", [tracklet(900, exemplars=seen)])
        assert gallery.sighting_ids()[-2:].tolist() == [last + 1, last + 2]


def test_the_audit_log_keeps_a_pseudonym(kept):
    with Gallery.open(kept, clock=lambda: 7.0) as gallery:
        row = gallery.tracklet("east", 5)
        left, top, right, bottom = row.boxes[3].tolist()
        pointed = {"camera": "east", "frame": int(row.frames[3]), "box": [left, top, right - left, bottom - top]}
        gallery.audit("search", {"origin": pointed, "found": [["east", 5], ["west", 7], ["west", 17]]}, who="ann")
        gallery.audit("search", {"origin": {"identity": 5}, "found": []})
        # Of a live camera, with a box that is not kept any more.
        tracked = {"camera": "east", "frame": 10**6, "box": [1, 2, 3, 4], "track": 5}
        gallery.audit("search", {"origin": tracked, "found": []})
        elsewhere = {"origin": {**pointed, "camera": "north"}, "found": [["west", 6]]}
        gallery.audit("search", elsewhere)
        gallery.audit("search", {"origin": {"images": ["5.jpg"]}, "found": [["east", 5]]})
        person = erase_identity(gallery, 5).person
        first, second, by_track, third, fourth, last = gallery.audit_log()
    assert first.details == {"origin": {"person": person}, "found": [person, ["west", 7], person]}
    assert (first.time, first.who, first.action) == (7.0, "ann", "search"), "what was done stays"
    assert second.details["origin"] == by_track.details["origin"] == {"person": person}
    assert third.details == elsewhere
    assert fourth.details == {"origin": {"images": ["5.jpg"]}, "found": [person]}
    assert (last.action, last.details["person"], last.details["sightings"]) == ("erase", person, 30)
    with Gallery.open(kept) as gallery:
        assert erase_identity(gallery, 6).person != person


def test_nobody_is_erased_by_mistake(path):
    with Gallery.open(path, read_only=True) as gallery:
        before = gallery.sightings()[0], gallery.identities(), gallery.audit_log()
    with Gallery.open(path) as gallery, pytest.raises(InputError) as error:
        erase_identity(gallery, 99)
    assert "identity 99: not in" in message(error)
    with Gallery.open(path, read_only=True) as gallery, pytest.raises(InputError, match="reading only"):
        erase_identity(gallery, 5)
    with Gallery.open(path, read_only=True) as gallery:
        assert (gallery.sightings()[0], gallery.identities(), gallery.audit_log()) == before


def test_an_erasure_cut_off_is_finished_on_opening(path, monkeypatch):
    mine = bytes_of(path, 5)
    snapshot = Snapshot.beside(path).path
    snapshot.write_bytes(b"".join(mine))

    def cut_off(*_arguments, **_options):
        raise KeyboardInterrupt

    with Gallery.open(path) as gallery:
        monkeypatch.setattr("app.gallery.database.compact", cut_off)
        monkeypatch.setattr("app.gallery.scrubbing._clean_beside", cut_off)
        with pytest.raises(KeyboardInterrupt):
            erase_identity(gallery, 5)
        assert gallery.identity(5) is None
    monkeypatch.undo()
    assert traces(path.parent, mine) > 0
    Gallery.open(path, read_only=True).close()
    with plain(path) as connection:
        (note,) = connection.execute("SELECT value FROM meta WHERE key LIKE ?", (f"{NOTE}%",)).fetchone()
    assert len(json.loads(note)["ids"]) == 30
    Gallery.open(path).close()
    assert traces(path.parent, mine) == 0
    with plain(path) as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE key LIKE ?", (f"{NOTE}%",)).fetchone() == (0,)


def test_a_reader_that_holds_on_is_named(path, monkeypatch):
    monkeypatch.setattr("app.gallery.database.BUSY_SECONDS", 0)
    mine = bytes_of(path, 5)
    with Gallery.open(path) as gallery:
        assert gallery.identity(5)
        with Gallery.open(path, read_only=True) as other, other.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM meta").all()
            with pytest.raises(InputError) as error:
                erase_identity(gallery, 5)
            assert "gallery.db-wal, which another process is reading" in message(error)
        gallery.clean_up()
        assert traces(path.parent, mine) == 0


# Retention


def test_what_has_expired_is_purged(store, tmp_path):
    path, now = store, [0.0]
    with Gallery.create(path, MODEL, config=GalleryConfig(retention_days=2), clock=lambda: now[0]) as gallery:
        gallery.add_camera(camera("east"))
        old, bare, new = tracklet(1, exemplars=features(2)), tracklet(2), tracklet(3, exemplars=features(3, 9))
        gallery.add_tracklets("east", [old, bare])
        now[0] = DAY
        gallery.add_tracklets("east", [new])
        gallery.set_identities(
            [
                identity(1, *(CameraTracklet("east", each) for each in (old, bare))),
                identity(2, CameraTracklet("east", new)),
            ]
        )
        with plain(path) as connection:
            gone = [
                value for row in connection.execute("SELECT local FROM vectors WHERE sighting_id < 3") for value in row
            ]
        now[0] = 2 * DAY
        assert purge(gallery) == Removed(identities=1, tracklets=2, sightings=2, crops=2)
        assert [row.track for row in gallery.tracklets()] == [3]
        assert [row.number for row in gallery.identities()] == [2]
        assert gallery.sighting_ids().tolist() == [3, 4, 5]
        assert traces(tmp_path, gone) == 0
        revision = gallery.revision()
        assert purge(gallery) == Removed()
        assert gallery.revision() == revision
        now[0] = DAY + 100
        assert purge(gallery, older_than=50.0) == Removed(identities=1, tracklets=1, sightings=3, crops=3)
        assert [entry.action for entry in gallery.audit_log()] == ["purge"] * 3


def test_many_expire_in_parts(store, monkeypatch):
    monkeypatch.setattr("app.gallery.erasing.AT_ONCE", 4)
    with Gallery.create(store, MODEL, clock=lambda: 0.0) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(i, exemplars=features(1, i)) for i in range(1, 10)])
        assert purge(gallery, older_than=0.0).sightings == 9
        assert gallery.sightings() == ([], None)


# What becomes a sighting


def test_the_best_and_most_different_views_are_stored():
    eyes = np.eye(8, dtype=np.float32)
    given = features(6, pooled=8)
    pooled = eyes[[0, 0, 1, 2, 2, 3]]
    mass = np.array([0.5, 0.9, 0.2, 0.3, 0.25, 0.0], np.float32)
    views = type(given)(pooled, given.local, given.saliency, mass)
    assert choose_views(views).tolist() == [1, 2, 3, 5], "twins are stored once, the better of them"
    assert choose_views(views, 2).tolist() == [1, 3]
    assert choose_views(views[[5]]).tolist() == [0]
    assert choose_views(features(6, 3)).tolist() == sorted(set(range(6)) - {choose_last(features(6, 3))})


def choose_last(views):
    """The view that five leave out, by trying all orders of the rule's own words."""
    chosen = [int(views.mass.argmax())]
    while len(chosen) < 5:
        gains = {
            i: max(views.mass[i], 1e-3) * min(1 - views.global_[i] @ views.global_[j] for j in chosen)
            for i in range(len(views))
            if i not in chosen
        }
        chosen.append(max(gains, key=gains.get))
    return next(i for i in range(6) if i not in chosen)


def test_at_most_five_views_with_their_own_pictures(tmp_path):
    with Gallery.create(tmp_path / "gallery.db", MODEL) as gallery:
        gallery.add_camera(camera("east"))
        seen = tracklet(1, exemplars=features(6))
        gallery.add_tracklets("east", [seen])
        rows, found = gallery.sightings()
        views = choose_views(seen.exemplars)
        assert len(views) == 5
        assert [row.frame for row in rows] == seen.exemplar_frames[views].tolist()
        np.testing.assert_array_equal(found.mass, seen.exemplars.mass[views])
        np.testing.assert_allclose(found.local, seen.exemplars.local[views], atol=1e-3)
