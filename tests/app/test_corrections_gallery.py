"""Corrections end to end: the commands, what they leave in a gallery, and what erasing leaves of them."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.association import CameraTracklet
from app.errors import InputError
from app.gallery import Gallery, corrections
from app.gallery.copying import copy
from app.gallery.corrections import history, load
from app.gallery.erasing import erase_identity, purge
from app.gallery.following import follows, insert_follow
from app.gallery.upkeep import verify
from tests.app.galleries import DAY, features, fill, identity, message, plain, tracklet
from tests.app.test_gallery_commands import refused, results
from tests.app.test_gallery_following import follow

GROUPS = ([("east", 1), ("west", 1)], [("east", 2)], [("east", 3), ("west", 3), ("west", 4)], [("east", 4)])


def people(path):
    """Four identities of two, one, three and one tracklets."""
    fill(path)
    with Gallery.open(path) as gallery:
        gallery.set_identities(
            [
                identity(number, *(CameraTracklet(name, tracklet(track)) for name, track in group))
                for number, group in enumerate(GROUPS, 1)
            ]
        )
    return path


@pytest.fixture
def path(store):
    return people(store)


def state(gallery):
    return {row.number: (row.status, set(row.tracklets)) for row in gallery.identities()}


def test_merge_split_never_and_undo_by_command(path, crowdtrace, tmp_path):
    where = ("--gallery", path, "--json", tmp_path / "o.json")
    with Gallery.open(path, read_only=True) as gallery:
        before, revision = state(gallery), gallery.revision()
    code, out, _ = crowdtrace("identity", "merge", 2, 1, *where)
    assert code == 0
    assert out.splitlines()[:2] == ["correction 1: merge of identity 2, identity 1", "east track 2 is identity 1 now"]
    assert results(tmp_path / "o.json")[0]["moved"] == [["east", 2, 1]]
    with Gallery.open(path, read_only=True) as gallery:
        merged = state(gallery)
        assert gallery.revision() > revision, "the index learns of it"
    assert merged[1] == ("linked", {*GROUPS[0], *GROUPS[1]})
    assert 2 not in merged
    code, out, _ = crowdtrace("identity", "split", 3, "--track", "west:3", "--track", "west:4", *where)
    assert code == 0
    assert "west track 4 is identity 5 now" in out
    with Gallery.open(path, read_only=True) as gallery:
        parted = state(gallery)
    assert (parted[3], parted[5]) == (("unknown", {("east", 3)}), ("linked", {("west", 3), ("west", 4)}))
    refused(crowdtrace("identity", "merge", 3, 5, *where), "identity 3 and 5: cannot be one person", "(correction 2)")
    code, out, _ = crowdtrace("identity", "never", 1, 4, *where)
    # A server skips the number of the one that was refused.
    said = results(tmp_path / "o.json")[0]["name"]
    assert said in ("3", "4")
    assert (code, out.splitlines()[0]) == (0, f"correction {said}: never of identity 1, identity 4")
    refused(
        crowdtrace("identity", "merge", 4, 1, *where),
        f"east track 1 and east track 4 are never the same (correction {said})",
    )
    # By number first, then the latest in force.
    assert crowdtrace("identity", "undo", 2, *where)[0] == 0
    refused(crowdtrace("identity", "undo", 2, *where), f"correction 2: is not in force; those that are: 1, {said}")
    for _ in range(2):
        assert crowdtrace("identity", "undo", *where)[0] == 0
    refused(crowdtrace("identity", "undo", *where), "no correction is in force")
    with Gallery.open(path, read_only=True) as gallery:
        assert state(gallery) == before
        with gallery.reading() as connection:
            rows = history(connection)
            assert load(connection).said == ()
        assert [(row.kind, row.undone is not None) for row in rows] == [
            ("merge", True),
            ("split", True),
            ("never", True),
        ]
        log = [(entry.action, entry.details["correction"]) for entry in gallery.audit_log()]
        assert verify(gallery).problems == ()
    assert log == [
        ("identity merge", 1), ("identity split", 2), ("identity never", int(said)),
        ("identity undo", 2), ("identity undo", int(said)), ("identity undo", 1),
    ]  # fmt: skip


def test_what_makes_no_sense_is_refused(path, crowdtrace):
    where = ("--gallery", path)
    refused(crowdtrace("identity", "merge", 1, 1, *where), "identity 1: is one already")
    refused(crowdtrace("identity", "never", 1, 1, *where), "identity 1: is one person")
    refused(crowdtrace("identity", "merge", 1, 9, *where), "identity 9: not in")
    refused(crowdtrace("identity", "split", 1, "--track", "east1", *where), "--track east1: expected a camera and")
    refused(crowdtrace("identity", "split", 1, "--track", "east:2", *where), "identity 1: has no east track 2")
    every = ("--track", "east:1", "--track", "west:1")
    refused(crowdtrace("identity", "split", 1, *every, *where), "some of its tracklets must go and some stay")
    with Gallery.open(path, read_only=True) as gallery, gallery.reading() as connection:
        assert history(connection) == []
        assert gallery.audit_log() == []


def test_a_number_is_never_given_twice(path):
    with Gallery.open(path) as gallery:
        corrections.merge(gallery, 3, 4)
        made = corrections.split(gallery, 1, [("west", 1)])
        assert made.identities == (1, 5), "four is gone and not given again"
        erase_identity(gallery, 5)
        corrections.undo(gallery)
        assert corrections.split(gallery, 3, [("west", 3)]).identities == (3, 6)


def test_what_was_said_is_listed_by_number(path, crowdtrace, tmp_path):
    where = ("--gallery", path, "--json", tmp_path / "o.json")
    assert crowdtrace("identity", "corrections", *where)[:2] == (0, "")
    assert results(tmp_path / "o.json") == []
    assert crowdtrace("identity", "merge", 1, 2, *where)[0] == 0
    assert crowdtrace("identity", "never", 3, 4, *where)[0] == 0
    assert crowdtrace("identity", "undo", 1, *where)[0] == 0
    code, out, _ = crowdtrace("identity", "corrections", *where)
    assert code == 0
    said = results(tmp_path / "o.json")
    assert [(row["name"], row["kind"], bool(row["undone"])) for row in said] == [
        ("1", "merge", True),
        ("2", "never", False),
    ]
    assert (said[0]["first"], said[0]["second"]) == ("east:1, west:1", "east:2")
    assert said[1]["who"]
    assert "east:1, west:1" in out
    refused(crowdtrace("identity", "corrections", "--gallery", tmp_path / "gone.db"), "gone.db")


def test_undoing_an_earlier_one_leaves_what_later_ones_say(path):
    with Gallery.open(path) as gallery:
        corrections.merge(gallery, 1, 2)
        corrections.merge(gallery, 1, 4)
        corrections.undo(gallery, 1)
        # The second was said of all that were one by then, so they stay one.
        assert state(gallery)[1][1] == {*GROUPS[0], *GROUPS[1], *GROUPS[3]}
        corrections.undo(gallery)
        assert state(gallery)[1][1] == {*GROUPS[0], *GROUPS[1]}, "the state before it"


def test_corrections_go_with_the_person(path, tmp_path):
    with Gallery.open(path) as gallery:
        with gallery.writing() as connection:
            insert_follow(connection, follow(features(3), origin={"identity": 2}))
        corrections.merge(gallery, 1, 2)
        with gallery.reading() as connection:
            assert follows(connection, -np.inf)[0].origin == {"identity": 1}
        corrections.never(gallery, 1, 3)
        corrections.split(gallery, 3, [("west", 4)])
        gallery.audit("search", {"origin": {"identity": 2}})
        removed = erase_identity(gallery, 1)
        with gallery.reading() as connection:
            kept = history(connection)
        assert [(row.number, row.kind) for row in kept] == [(3, "split")], "only what says nothing of the person"
        log = {entry.action: entry.details for entry in gallery.audit_log()}
        name = removed.person
        assert log["identity merge"]["identities"] == [name, name]
        assert set(log["identity merge"]["found"]) == {name}
        assert log["identity never"]["identities"] == [name, 3]
        assert log["identity never"]["found"][3:] == [["east", 3], ["west", 3], ["west", 4]]
        assert log["search"] == {"origin": {"person": name}}
        assert verify(gallery).problems == ()
        assert removed.follows == 1
        copy(gallery, tmp_path / "copied.db")
    with Gallery.open(tmp_path / "copied.db") as copied:
        with copied.reading() as connection:
            assert history(connection) == kept
        assert corrections.undo(copied).moved == {("west", 4): 3}


def test_corrections_expire_with_their_tracklets(path):
    with Gallery.open(path) as gallery:
        corrections.merge(gallery, 1, 2)
    late = Gallery.open(path, clock=lambda: 1e12 + 365 * DAY)
    with late as gallery:
        purge(gallery)
        with gallery.reading() as connection:
            assert history(connection) == []
    with plain(path) as connection:
        assert connection.execute("SELECT count(*) FROM corrected").fetchone() == (0,)


def test_corrections_hold_when_identities_are_decided_anew(path):
    with Gallery.open(path) as gallery:
        corrections.merge(gallery, 1, 2)
        members = [CameraTracklet(name, tracklet(track)) for group in GROUPS for name, track in group]
        gallery.set_identities([identity(number, member) for number, member in enumerate(members, 1)])
        with gallery.reading() as connection:
            held = load(connection)
        assert held.group(("east", 1)) == held.group(("east", 2))
        assert corrections.undo(gallery).moved == {}, "what was changed since stays"


class Corrected(RuleBasedStateMachine):
    """Corrections at random: every tracklet in one identity, all in force obeyed, undone ones gone."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.gallery = Gallery.open(people(Path(self.folder.name) / "gallery.db"))
        self.used = set(state(self.gallery))

    def teardown(self):
        if hasattr(self, "gallery"):
            self.gallery.close()
            self.folder.cleanup()

    def attempt(self, kind, run):
        before = state(self.gallery)
        try:
            run()
        except InputError as refusal:
            error = refusal
        else:
            error = None
        if error is not None:
            assert "\n" not in str(error)
            assert state(self.gallery) == before, "a refusal changes nothing"
            return
        new = set(state(self.gallery)) - set(before)
        if kind == "split":
            assert not new & self.used, "a number that somebody had"
        self.used |= new

    @rule(data=st.data(), kind=st.sampled_from(["merge", "never"]))
    def say(self, data, kind):
        numbers = sorted(state(self.gallery))
        one, other = (data.draw(st.sampled_from(numbers)) for _ in range(2))
        self.attempt(kind, lambda: getattr(corrections, kind)(self.gallery, one, other))

    @rule(data=st.data())
    def split(self, data):
        number = data.draw(st.sampled_from(sorted(state(self.gallery))))
        members = sorted(state(self.gallery)[number][1])
        part = data.draw(st.lists(st.sampled_from(members), min_size=1, unique=True))
        self.attempt("split", lambda: corrections.split(self.gallery, number, part))

    @rule(data=st.data())
    def undo(self, data):
        with self.gallery.reading() as connection:
            numbers = [row.number for row in history(connection)]
        self.attempt("undo", lambda: corrections.undo(self.gallery, data.draw(st.sampled_from([None, *numbers]))))

    @invariant()
    def sound(self):
        if not hasattr(self, "gallery"):
            return
        found = state(self.gallery)
        keys = [key for _, members in found.values() for key in members]
        assert sorted(keys) == sorted(key for group in GROUPS for key in group)
        assert all((status == "linked") == (len(members) > 1) for status, members in found.values())
        number = {key: each for each, (_, members) in found.items() for key in members}
        with self.gallery.reading() as connection:
            rows = [row for row in history(connection) if row.undone is None]
        for row in rows:
            if row.kind in ("merge", "split"):
                same = row.first + row.second if row.kind == "merge" else row.first
                assert len({number[key] for key in same}) == 1
            if row.kind != "merge":
                assert not {number[key] for key in row.first} & {number[key] for key in row.second}


Corrected.TestCase.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
TestCorrected = Corrected.TestCase


def test_a_contradiction_names_the_chain(path):
    with Gallery.open(path) as gallery:
        corrections.never(gallery, 1, 4)
        corrections.merge(gallery, 1, 2)
        with pytest.raises(InputError) as error:
            corrections.merge(gallery, 4, 1)
    text = message(error)
    assert "east track 1 and east track 4 are never the same (correction 1)" in text
    assert "identity undo NUMBER" in text
