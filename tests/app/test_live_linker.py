"""Who is who while it happens: a gallery written as tracks grow, and identities that obey the operator."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from app.association.events import Appeared, Merged, Moved
from app.capture.wall import WallClock
from app.config import Config
from app.errors import InputError
from app.gallery import Gallery, corrections
from app.gallery.erasing import erase_identity
from app.gallery.growing import nameless
from app.live import linker as module
from app.live.linker import Linker
from tests.app.galleries import MODEL, camera
from tests.app.test_association import People, seen

CONFIG = Config.model_validate(
    {"association": {"threshold": 0.3, "wait_seconds": 1.0, "revise_seconds": 0.0, "crowd_step": 0.0}}
)
PEOPLE = People(6)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Scene:
    def __init__(self, path, config=CONFIG):
        self.clock, self.config, self.outcomes = Clock(), config, []
        self.gallery = Gallery.create(path, MODEL, clock=self.clock)
        for name in ("east", "west"):
            self.gallery.add_camera(camera(name))
        self.begin()

    def begin(self):
        self.linker = Linker(self.gallery, self.config, self.outcomes.append, self.clock)

    def step(self, until):
        self.clock.now = until
        return self.linker.step()

    def offer(self, name, track, frames, crops, finished=True):
        self.linker.offer(name, [seen(name, track, frames, crops).tracklet], finished=finished)

    def decisions(self):
        return [each for outcome in self.outcomes for each in outcome.decisions]

    def stored(self):
        return {(row.camera, row.track): row.identity for row in self.gallery.tracklets()}


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path / "gallery.db")
    yield made
    made.gallery.close()


def test_a_growing_track_is_stored_and_linked_before_it_ends(scene):
    scene.offer("west", 1, range(0, 20), PEOPLE.crops(0))
    scene.step(2.0)
    crops = PEOPLE.crops(0, 6)
    for last in range(30, 100, 10):
        scene.offer("east", 1, range(20, last), crops[np.arange(min(last // 20, 6))], finished=False)
        scene.step(last / 10)
    assert scene.stored() == {("west", 1): 1, ("east", 1): 1}
    assert scene.linker.identity_of(("east", 1)) == 1
    assert [type(each) for each in scene.decisions()] == [Appeared, Moved]
    before = len(scene.gallery.sightings(["east"])[0])
    scene.offer("east", 1, range(20, 110), crops)
    scene.step(11.0)
    sightings, _ = scene.gallery.sightings(["east"])
    assert before < len(sightings) <= 6
    assert len({each.id for each in sightings}) == len(sightings)
    assert len(scene.gallery.tracklet("east", 1).frames) == 90
    assert scene.linker.pending == 0


def test_a_short_growing_track_waits_and_one_taken_back_leaves_nothing(scene):
    scene.offer("east", 1, range(0, 8), PEOPLE.crops(0), finished=False)
    scene.step(0.8)
    assert scene.stored() == {}
    scene.linker.withdraw("east", 1)
    scene.step(5.0)
    assert scene.stored() == {}
    assert scene.decisions() == []
    # What has ended is not taken back.
    scene.offer("east", 2, range(0, 8), PEOPLE.crops(0))
    scene.linker.withdraw("east", 2)
    scene.step(9.0)
    scene.step(11.0)
    assert scene.stored() == {("east", 2): 1}


def test_the_operators_word_is_obeyed_at_the_next_step_with_the_numbers_given_there(scene):
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.offer("west", 1, range(30, 50), PEOPLE.crops(0))
    scene.offer("east", 2, range(0, 20), PEOPLE.crops(1))
    scene.step(5.0)
    scene.step(7.0)
    assert scene.stored() == {("east", 1): 1, ("west", 1): 1, ("east", 2): 2}
    corrections.split(scene.gallery, 1, [("west", 1)])
    scene.step(8.0)
    assert scene.stored() == {("east", 1): 1, ("west", 1): 3, ("east", 2): 2}
    corrections.merge(scene.gallery, 2, 3)
    scene.step(9.0)
    assert scene.stored() == {("east", 1): 1, ("west", 1): 2, ("east", 2): 2}
    assert scene.linker.identity_of(("west", 1)) == 2
    # Somebody new gets a number that nobody has had.
    scene.offer("east", 3, range(80, 95), PEOPLE.crops(2))
    scene.step(10.0)
    scene.step(12.0)
    assert scene.stored()["east", 3] == 4


def test_who_was_erased_is_not_remembered(scene):
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.step(2.0)
    scene.step(4.0)
    erase_identity(scene.gallery, 1)
    scene.offer("west", 1, range(40, 60), PEOPLE.crops(0))
    scene.step(6.0)
    scene.step(8.0)
    assert scene.stored() == {("west", 1): 2}


def test_people_and_numbers_outlive_a_restart(scene):
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.offer("east", 2, range(0, 20), PEOPLE.crops(1))
    scene.step(2.0)
    scene.step(4.0)
    scene.begin()
    scene.offer("west", 1, range(50, 70), PEOPLE.crops(1))
    scene.offer("west", 2, range(50, 70), PEOPLE.crops(3))
    scene.step(7.0)
    scene.step(9.0)
    assert scene.stored() == {("east", 1): 1, ("east", 2): 2, ("west", 1): 2, ("west", 2): 3}
    assert [type(each) for each in scene.decisions()[-2:]] == [Moved, Appeared]


def test_a_gallery_that_cannot_be_written_holds_nothing_up_and_gets_everything_later(scene, monkeypatch, caplog):
    broken = True
    writing = scene.gallery.writing

    @contextmanager
    def maybe():
        if broken:
            raise InputError("the disk is full; free some of it")
        with writing() as connection:
            yield connection

    monkeypatch.setattr(scene.gallery, "writing", maybe)
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.step(2.0)
    scene.offer("west", 1, range(30, 50), PEOPLE.crops(0))
    for second in range(3, 9):
        scene.step(float(second))
    assert [type(each) for each in scene.decisions()] == [Appeared, Moved]
    assert scene.linker.pending == 2
    assert scene.linker.failures
    assert caplog.text.count("cannot be written") == 1
    broken = False
    scene.step(11.0)
    scene.step(12.0)
    assert scene.stored() == {("east", 1): 1, ("west", 1): 1}
    assert (scene.linker.pending, scene.linker.failures) == (0, 0)


def test_what_waits_for_the_gallery_is_bounded(scene, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)

    def broken():
        raise InputError("the disk is full; free some of it")

    monkeypatch.setattr(scene.gallery, "writing", broken)
    for track in range(1, 9):
        scene.offer("east", track, range(0, 20), None)
    scene.step(2.0)
    assert scene.linker.pending == 3


def test_everything_is_decided_at_the_end(scene):
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.clock.now = 2.0
    scene.linker.flush()
    assert scene.stored() == {("east", 1): 1}


def test_a_look_back_that_merges_is_written_too(tmp_path):
    quick = CONFIG.model_copy(
        update={"association": CONFIG.association.model_copy(update={"revise_seconds": 1.0, "wait_seconds": 0.0})}
    )
    scene = Scene(tmp_path / "gallery.db", quick)
    crops = PEOPLE.crops(0, 4)
    # At first it looks like nobody known; with better views it is somebody seen before.
    scene.offer("west", 1, range(0, 20), PEOPLE.crops(0))
    scene.step(2.0)
    scene.offer("east", 1, range(30, 55), PEOPLE.crops(4, 1), finished=False)
    scene.step(5.5)
    assert scene.stored() == {("west", 1): 1, ("east", 1): 2}
    item = seen("east", 1, range(30, 80), crops)
    scene.linker.offer("east", [replace(item.tracklet)], finished=True)
    for second in range(8, 12):
        scene.step(float(second))
    (number,) = set(scene.stored().values())
    assert [each.number for each in scene.gallery.identities()] == [number]
    assert {scene.linker.identity_of(key) for key in scene.stored()} == {number}
    assert Merged in [type(each) for each in scene.decisions()]
    scene.gallery.close()


def test_whoever_is_decided_and_forgotten_at_once_is_stored_as_they_were_told(scene):
    """After the clock has jumped."""
    scene.offer("east", 1, range(0, 20), PEOPLE.crops(0))
    scene.offer("west", 1, range(0, 20), PEOPLE.crops(3))
    scene.step(2.0)
    scene.step(3600.0)
    assert scene.linker.identity_of(("east", 1)) is None, "forgotten"
    told = {each.tracklet: each.number for each in scene.decisions() if isinstance(each, Appeared)}
    assert scene.stored() == {key: told[key] for key in (("east", 1), ("west", 1))}
    assert not scene.linker._undecided
    # And whatever is begun anew from the gallery knows no other.
    scene.begin()
    assert scene.stored() == {key: told[key] for key in (("east", 1), ("west", 1))}


def test_a_clock_that_was_wrong_for_a_while_keeps_nobody_from_an_identity(tmp_path):
    since_start, ahead = Clock(), [1e9]
    wall = WallClock(since_start, lambda: since_start.now + ahead[0])
    scene = Scene(tmp_path / "gallery.db")
    scene.linker = Linker(scene.gallery, scene.config, scene.outcomes.append, wall.now)
    for second in range(60):
        since_start.now = float(second)
        ahead[0] = 1e9 + (3600 if 20 <= second < 40 else 0)
        if second % 5 == 0:
            item = seen("east", 1 + second // 5, range(10), PEOPLE.crops(second // 10)).tracklet
            scene.linker.offer("east", [replace(item, times=item.times + wall.now() - 1.0)], finished=True)
        scene.linker.step()
        old = [1 + begun // 5 for begun in range(0, second - 4, 5)]
        assert all(scene.stored()[("east", track)] for track in old), f"at {second} s"
    scene.gallery.close()


@pytest.mark.parametrize(("later", "numbers"), [(6.5, (1, 2)), (3600.0, (2, 3))])
def test_whoever_was_in_view_when_the_run_was_killed_is_somebody_after_it(scene, later, numbers):
    """The first of them is known from before, unless the next run begins so late that nobody is."""
    scene.offer("west", 1, range(0, 20), PEOPLE.crops(0))
    scene.step(2.0)
    scene.step(3.0)
    scene.offer("east", 1, range(30, 60), PEOPLE.crops(0), finished=False)
    scene.offer("east", 2, range(30, 60), PEOPLE.crops(2), finished=False)
    scene.step(6.0)
    assert scene.stored() == {("west", 1): 1, ("east", 1): None, ("east", 2): None}
    scene.clock.now = later
    scene.begin()
    scene.step(later)
    assert scene.linker.unwritten() == {("east", 1), ("east", 2)}
    scene.step(later + 2)
    assert scene.stored() == {("west", 1): 1, ("east", 1): numbers[0], ("east", 2): numbers[1]}
    assert not scene.linker.unwritten()


def test_a_run_begins_with_the_latest_of_those_without_an_identity(scene):
    for track in range(1, 5):
        scene.offer("east", track, range(30 * track, 30 * track + 20), PEOPLE.crops(track))
    scene.step(20.0)
    assert set(scene.stored().values()) == {None}
    assert [item.key for item in nameless(scene.gallery, 2)] == [("east", 3), ("east", 4)]
    found = nameless(scene.gallery, 9)
    assert [item.key for item in found] == [("east", track) for track in range(1, 5)]
    assert all(len(item.tracklet.exemplars) for item in found)
    scene.step(23.0)
    assert nameless(scene.gallery, 9) == []
