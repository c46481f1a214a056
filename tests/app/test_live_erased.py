"""Somebody is erased while a camera sees them: what was seen is gone, and nothing of that track is written again."""

from __future__ import annotations

import numpy as np
import pytest

from app.gallery import growing
from app.gallery.erasing import erase_identity
from tests.app.test_live_linker import PEOPLE, Scene


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path / "gallery.db")
    yield made
    made.gallery.close()


def grow(scene, camera, track, person, until, first=0):
    """One more state of a growing track, and a step at its end."""
    views = min(max((until - first) // 20, 1), 6)
    scene.offer(camera, track, range(first, until), CROPS[person][np.arange(views)], finished=False)


CROPS = {person: PEOPLE.crops(person, 6) for person in range(4)}


def test_who_is_erased_in_view_is_not_written_again_until_their_track_ends(scene):
    for last in range(30, 90, 10):
        grow(scene, "east", 1, 0, last)
        grow(scene, "east", 2, 1, last)
        scene.step(last / 10)
    assert scene.stored() == {("east", 1): 1, ("east", 2): 2}
    erase_identity(scene.gallery, 1)
    for last in range(90, 200, 10):
        grow(scene, "east", 1, 0, last)
        grow(scene, "east", 2, 1, last)
        scene.step(last / 10)
        assert scene.stored() == {("east", 2): 2}
        assert scene.linker.identity_of(("east", 1)) is None
        assert scene.linker.identity_of(("east", 2)) == 2
    scene.offer("east", 1, range(0, 210), CROPS[0])
    scene.offer("east", 2, range(0, 210), CROPS[1])
    scene.step(21.0)
    assert scene.stored() == {("east", 2): 2}
    assert {row.track for row in scene.gallery.sightings()[0]} == {2}
    assert scene.linker.pending == 0
    assert scene.linker._erased == {}
    # When they come again they are somebody new.
    scene.offer("west", 1, range(250, 270), CROPS[0])
    scene.step(27.0)
    scene.step(29.0)
    assert scene.stored() == {("east", 2): 2, ("west", 1): 3}


def test_an_erasure_that_comes_between_reading_and_writing_counts(scene, monkeypatch):
    grow(scene, "east", 1, 0, 30)
    scene.step(3.0)
    grow(scene, "east", 1, 0, 50)
    scene.step(5.0)
    assert scene.stored() == {("east", 1): 1}
    encode = growing.sighting_values

    def slowly(*arguments, **more):
        if scene.gallery.identity(1) is not None:
            erase_identity(scene.gallery, 1)
        return encode(*arguments, **more)

    monkeypatch.setattr(growing, "sighting_values", slowly)
    grow(scene, "east", 1, 0, 100)
    scene.step(10.0)
    assert scene.gallery.identity(1) is None
    assert scene.stored() == {}
    grow(scene, "east", 1, 0, 170)
    scene.step(17.0)
    assert scene.stored() == {}
    scene.linker.flush()
    assert scene.stored() == {}
    assert scene.gallery.sightings()[0] == []


def test_one_that_ends_in_the_moment_of_the_erasure_is_not_written(scene):
    grow(scene, "east", 1, 0, 40)
    scene.step(4.0)
    scene.step(6.0)
    scene.offer("east", 1, range(0, 60), CROPS[0])
    erase_identity(scene.gallery, 1)
    scene.step(7.0)
    scene.step(9.0)
    assert scene.stored() == {}
    assert scene.linker._erased == {}


def test_a_track_too_short_to_be_stored_goes_with_the_person_it_was_linked_to(scene):
    scene.offer("west", 1, range(0, 20), CROPS[0])
    scene.step(2.0)
    scene.step(4.0)
    scene.offer("east", 5, range(40, 48), CROPS[0][np.arange(1)], finished=False)
    scene.step(4.8)
    scene.step(6.0)
    assert scene.linker.identity_of(("east", 5)) == 1
    assert scene.stored() == {("west", 1): 1}
    erase_identity(scene.gallery, 1)
    grow(scene, "east", 5, 0, 90, first=40)
    scene.step(9.0)
    scene.offer("east", 5, range(40, 120), CROPS[0])
    scene.step(12.0)
    scene.step(14.0)
    assert scene.stored() == {}


def test_the_parts_that_a_track_is_taken_into_go_with_it_and_others_stay(scene):
    for last in range(30, 90, 10):
        grow(scene, "east", 1, 0, last)
        grow(scene, "east", 2, 1, last)
        scene.step(last / 10)
    erase_identity(scene.gallery, 1)
    grow(scene, "east", 1, 0, 120)
    scene.step(12.0)
    scene.offer("east", 1, range(0, 70), CROPS[0])
    scene.offer("east", 9, range(70, 120), CROPS[2])
    scene.offer("east", 2, range(0, 120), CROPS[1])
    scene.offer("west", 4, range(80, 120), CROPS[3])
    scene.step(12.5)
    scene.step(15.0)
    assert scene.stored() == {("east", 2): 2, ("west", 4): 3}
    # Who is seen from now on is not meant.
    scene.offer("east", 10, range(130, 150), CROPS[2])
    scene.step(16.0)
    scene.step(18.0)
    assert scene.stored()["east", 10] == 4


def test_an_erased_track_that_is_taken_back_is_forgotten(scene):
    grow(scene, "east", 1, 0, 40)
    scene.step(4.0)
    scene.step(6.0)
    erase_identity(scene.gallery, 1)
    scene.step(7.0)
    assert scene.linker._erased
    scene.linker.withdraw("east", 1)
    scene.step(8.0)
    assert scene.linker._erased == {}
    assert scene.stored() == {}


def test_others_in_view_are_not_touched_by_the_erasure_of_somebody_gone(scene):
    scene.offer("west", 1, range(0, 20), CROPS[0])
    grow(scene, "east", 1, 1, 40)
    scene.step(4.0)
    scene.step(6.0)
    erase_identity(scene.gallery, scene.linker.identity_of(("west", 1)))
    grow(scene, "east", 1, 1, 120)
    scene.step(12.0)
    assert set(scene.stored()) == {("east", 1)}
