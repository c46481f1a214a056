import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.association import CameraTracklet
from app.config import GalleryConfig
from app.gallery import Gallery
from app.gallery.choosing import MOST_SIGHTINGS, choose_views
from app.gallery.erasing import erase_identity, purge
from app.gallery.upkeep import verify
from tests.app.galleries import DAY, MODEL, camera, features, identity, tracklet

CAMERAS = ("east", "west")


class Life(RuleBasedStateMachine):
    """A gallery through its life beside the plainest thing that says the same: a dictionary of what must be in it."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "gallery.db"
        self.now, self.last, self.revision, self.track = 0.0, 0, 0, 0
        self.held = {}  # (camera, track) -> expiry, numbers of its sightings, identity
        self.gallery = Gallery.create(self.path, MODEL, config=self.config, clock=lambda: self.now)
        for name in CAMERAS:
            self.gallery.add_camera(camera(name))

    config = GalleryConfig(retention_days=3)

    @rule(name=st.sampled_from(CAMERAS), views=st.lists(st.integers(0, 7), max_size=3))
    def add(self, name, views):
        given_tracklets = []
        for count in views:
            self.track += 1
            seen = features(count, self.track) if count else None
            given_tracklets.append(tracklet(self.track, count=9, exemplars=seen))
            stored = min(count, MOST_SIGHTINGS)
            numbers = tuple(range(self.last + 1, self.last + stored + 1))
            self.last += stored
            self.held[name, self.track] = (self.now + 3 * DAY, numbers, None)
        self.gallery.add_tracklets(name, given_tracklets)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def link(self, data):
        keys = sorted(self.held)
        groups = {}
        for key in keys:
            groups.setdefault(data.draw(st.integers(0, len(keys) // 2)), []).append(key)
        people = []
        for number, members in groups.items():
            if number:
                people.append(identity(number, *(CameraTracklet(name, tracklet(track)) for name, track in members)))
            for key in members:
                self.held[key] = (*self.held[key][:2], number or None)
        self.gallery.set_identities(people)

    @precondition(lambda self: any(row[2] for row in self.held.values()))
    @rule(data=st.data())
    def erase(self, data):
        number = data.draw(st.sampled_from(sorted({row[2] for row in self.held.values() if row[2]})))
        erase_identity(self.gallery, number)
        self.held = {key: row for key, row in self.held.items() if row[2] != number}

    @rule(days=st.integers(0, 2))
    def wait(self, days):
        self.now += days * DAY

    @rule()
    def purge(self):
        purge(self.gallery)
        self.held = {key: row for key, row in self.held.items() if row[0] > self.now}

    @rule(compacted=st.booleans())
    def reopen(self, compacted):
        if compacted:
            self.gallery.compact()
        self.gallery.close()
        assert [item.name for item in self.path.parent.iterdir()] == ["gallery.db"]
        self.gallery = Gallery.open(self.path, config=self.config, clock=lambda: self.now)

    @invariant()
    def holds_what_it_must(self):
        rows = {number: key for key, row in self.held.items() for number in row[1] if row[0] > self.now}
        found, vectors = self.gallery.sightings()
        assert {row.id: (row.camera, row.track) for row in found} == rows
        assert self.gallery.sighting_ids().tolist() == sorted(rows)
        assert (0 if vectors is None else len(vectors)) == len(rows)
        assert {row.id: row.identity for row in found} == {number: self.held[key][2] for number, key in rows.items()}
        assert {(row.camera, row.track) for row in self.gallery.tracklets()} == set(self.held)
        revision = self.gallery.revision()
        assert revision >= self.revision
        self.revision = revision

    def teardown(self):
        assert verify(self.gallery).problems == ()
        self.gallery.close()
        self.folder.cleanup()


Life.TestCase.settings = settings(stateful_step_count=12)
TestLife = Life.TestCase


@given(st.integers(1, 9), st.integers(0, 1000), st.integers(1, 6))
def test_views_are_few_and_the_best_is_among_them(count, seed, most):
    given_features = features(count, seed)
    chosen = choose_views(given_features, most)
    assert 1 <= len(chosen) <= min(count, most)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert given_features.mass.argmax() in chosen
