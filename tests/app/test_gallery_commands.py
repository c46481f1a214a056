import json

import pytest

from app.association import CameraTracklet
from app.gallery import Gallery
from app.gallery.erasing import erase_identity
from app.gallery.following import insert_follow
from tests.app.galleries import fill, identity, plain, tracklet
from tests.app.test_gallery_following import features, follow, near


@pytest.fixture
def filled(tmp_path):
    path = fill(tmp_path / "gallery.db")
    with Gallery.open(path) as gallery:
        pairs = ((("east", 2), ("west", 1)), (("east", 1),))
        gallery.set_identities(
            [
                identity(number, *(CameraTracklet(name, tracklet(track)) for name, track in pair))
                for number, pair in enumerate(pairs, 1)
            ]
        )
    return path


def refused(outcome, *parts):
    code, _, error = outcome
    assert code == 2
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def results(path):
    return json.loads(path.read_text())["results"]


def test_people_are_listed_and_shown(filled, crowdtrace, tmp_path):
    code, out, _ = crowdtrace("identity", "list", "--gallery", tmp_path, "--json", tmp_path / "o.json")
    assert code == 0
    assert "east, west" in out
    first, second = results(tmp_path / "o.json")
    assert first == {"name": 1, "status": "linked", "tracklets": 2, "cameras": "east, west", "first": "0.80 s",
                     "last": "3.12 s"}  # fmt: skip
    assert (second["name"], second["status"], second["cameras"]) == (2, "unknown", "east")
    code, out, _ = crowdtrace("identity", "show", 1, "--gallery", filled, "--json", tmp_path / "o.json")
    assert code == 0
    assert [(row["name"], row["boxes"], row["sightings"]) for row in results(tmp_path / "o.json")] == [
        ("west 1", 20, 3),
        ("east 2", 20, 3),
    ]
    refused(crowdtrace("identity", "show", 9, "--gallery", filled), "identity 9: not in", "one of the 2")


def test_erasing_asks_first(filled, crowdtrace, tmp_path):
    refused(crowdtrace("identity", "erase", 1, "--gallery", filled), "cannot be undone; give --yes")
    with Gallery.open(filled, read_only=True) as gallery:
        assert gallery.identity(1)
    code, out, error = crowdtrace("identity", "erase", 1, "--gallery", filled, "--yes", "--json", tmp_path / "o.json")
    assert code == 0
    assert "2 tracklets, 6 sightings, 6 crops" in out
    assert "still show them" in error
    (row,) = results(tmp_path / "o.json")
    assert row["name"] in out
    with Gallery.open(filled, read_only=True) as gallery:
        assert gallery.audit_log()[-1].details["person"] == row["name"]
    refused(crowdtrace("identity", "erase", 1, "--gallery", filled, "--yes"), "identity 1: not in")


def test_copy_backup_compact(filled, crowdtrace, tmp_path):
    for command, names in (("copy", ((), ())), ("backup", (("--gallery",), ("--output",)))):
        target = tmp_path / f"{command}.db"
        code, out, _ = crowdtrace("gallery", command, *names[0], tmp_path, *names[1], target)
        assert code == 0
        assert str(target) in out
        with Gallery.open(target, read_only=True) as gallery:
            assert len(gallery.sightings()[0]) == 30
        refused(crowdtrace("gallery", command, *names[0], filled, *names[1], target), "exists already")
        nowhere = tmp_path / "none" / "x.db"
        refused(crowdtrace("gallery", command, *names[0], filled, *names[1], nowhere), "none")
    code, out, _ = crowdtrace("gallery", "compact", "--gallery", filled)
    assert code == 0
    assert "MB now" in out


def test_verify(filled, crowdtrace, tmp_path):
    code, out, _ = crowdtrace("gallery", "verify", "--gallery", filled, "--json", tmp_path / "o.json")
    assert code == 0
    assert "sound; 2 cameras, 2 identities, 10 tracklets, 30 sightings" in " ".join(out.split())
    with plain(filled) as connection:
        connection.execute("UPDATE vectors SET local=x'0011' WHERE sighting_id=2")
    refused(
        crowdtrace("gallery", "verify", "--gallery", filled, "--json", tmp_path / "o.json"), "is damaged, 1 problems"
    )
    assert results(tmp_path / "o.json")[0]["problems"] == ["sighting 2: its vectors are damaged"]
    filled.write_bytes(filled.read_bytes()[:30000])
    refused(crowdtrace("gallery", "verify", "--gallery", filled), "gallery.db")
    refused(crowdtrace("gallery", "verify", "--gallery", tmp_path / "none.db"), "no such gallery")


def test_purge(filled, crowdtrace, tmp_path):
    code, out, _ = crowdtrace("gallery", "purge", "--gallery", filled)
    assert code == 0
    assert "0 tracklets" in out
    with plain(filled) as connection:
        connection.execute("UPDATE tracklets SET expires=1 WHERE id<=3")
    code, out, _ = crowdtrace("gallery", "purge", "--gallery", filled, "--json", tmp_path / "o.json")
    assert "3 tracklets, 9 sightings, 9 crops" in out
    code, out, _ = crowdtrace("gallery", "purge", "--gallery", filled, "--older-than", 0)
    assert "7 tracklets" in out
    refused_usage = crowdtrace("gallery", "purge", "--gallery", filled, "--older-than", -1)
    assert refused_usage[0] == 2


def test_follows_are_listed_and_ended(filled, crowdtrace, tmp_path):
    person = features(1, 70)
    with Gallery.open(filled) as gallery:
        with gallery.writing() as connection:
            number = insert_follow(connection, follow(person, expires=1e12))
        gallery.add_tracklets("west", [tracklet(70, exemplars=near(person, 0.02))])
    code, out, _ = crowdtrace("gallery", "follows", "--gallery", filled, "--json", tmp_path / "o.json")
    assert code == 0
    assert "red coat" in out
    event = json.loads(out.splitlines()[-1])
    assert (event["event"], event["follow"], event["camera"], event["track"]) == ("reappeared", number, "west", 70)
    assert results(tmp_path / "o.json")[-1] == event
    _, out, _ = crowdtrace("gallery", "follows", "--gallery", filled, "--after", event["number"])
    assert "reappeared" not in out
    refused(crowdtrace("gallery", "follows", "--gallery", filled, "--stop", 99), "follow 99: not in")
    code, out, _ = crowdtrace("gallery", "follows", "--gallery", filled, "--stop", number)
    assert code == 0
    assert "red coat" not in out


def test_an_erasure_that_is_not_finished_is_told(filled, crowdtrace, monkeypatch):
    def cut_off(*_arguments, **_options):
        raise KeyboardInterrupt

    with Gallery.open(filled) as gallery:
        monkeypatch.setattr("app.gallery.database.compact", cut_off)
        with pytest.raises(KeyboardInterrupt):
            erase_identity(gallery, 1)
    monkeypatch.undo()
    _, out, _ = crowdtrace("gallery", "verify", "--gallery", filled)
    assert "has not cleaned up" in out
    crowdtrace("gallery", "compact", "--gallery", filled)
    _, out, _ = crowdtrace("gallery", "verify", "--gallery", filled)
    assert "has not cleaned up" not in out
