"""A gallery that goes away and comes back: what ends meanwhile waits on disk, and nothing of it is lost."""

import sqlite3
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InputError
from app.gallery import Gallery
from app.gallery.choosing import choose_views
from app.gallery.erasing import erase_identity
from app.gallery.growing import Grown, put_tracklets
from app.live.linker import Linker
from app.live.spool import Spool, Waiting, from_bytes, to_bytes
from tests.app.galleries import MODEL, camera, features, message, tracklet
from tests.app.test_association import People, seen
from tests.app.test_live_linker import CONFIG, Clock
from tests.postgres import programs, server

PEOPLE = People(8)
MEGABYTE = 1 << 20


def grown(track, count=3):
    item = tracklet(track, exemplars=features(count, track) if count else None)
    return Grown(item, choose_views(item.exemplars) if count else np.zeros(0, np.intp))


@settings(max_examples=20)
@given(st.integers(0, 5), st.integers(1, 1000))
def test_what_waits_comes_back_as_the_gallery_would_have_it(count, track):
    given_item = grown(track, count)
    read = from_bytes(to_bytes(given_item))
    before, after = given_item.tracklet, read.tracklet
    for name in ("frames", "times", "boxes", "scores"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert after.track_id == track
    assert read.views.tolist() == list(range(len(given_item.views)))
    if count:
        some = before.exemplars[given_item.views]
        np.testing.assert_allclose(after.exemplars.local, some.local, atol=1e-3)
        np.testing.assert_allclose(after.exemplars.global_, some.global_, atol=1e-3)
        np.testing.assert_array_equal(after.exemplars.mass, some.mass)
        np.testing.assert_array_equal(after.exemplar_frames, before.exemplar_frames[given_item.views])
        shown = [before.exemplar_crops[view] for view in given_item.views]
        assert all(
            np.abs(one.astype(int) - two).mean() < 10 for one, two in zip(shown, after.exemplar_crops, strict=True)
        )
    with pytest.raises(InputError, match="damaged"):
        from_bytes(to_bytes(given_item)[:-30])


def test_the_file_is_there_only_while_something_waits(tmp_path):
    path = tmp_path / "waiting.db"
    spool = Spool(path, MEGABYTE)
    assert not path.exists()
    spool.keep([Waiting("east", grown(track), track == 2, 7) for track in (1, 2, 3)])
    spool.keep_numbers({("east", 1): 5}, 7)
    spool.close()
    again = Spool(path, MEGABYTE)
    assert again.keys == {("east", 1), ("east", 2), ("east", 3)}
    assert [(item.key, item.stored, item.heeded) for item in again.next(2)] == [
        (("east", 1), False, 7),
        (("east", 2), True, 7),
    ]
    assert again.numbers() == {("east", 1): (5, 7)}
    again.drop([("east", 1), ("east", 2), ("west", 9)])
    assert [item.key for item in again.next(9)] == [("east", 3)]
    again.drop([("east", 3)])
    assert path.exists(), "who somebody is waits, too"
    again.keep_numbers({}, 0)
    assert not path.exists()
    assert again.next(5) == []


def test_it_grows_no_larger_than_it_may(tmp_path):
    spool = Spool(tmp_path / "waiting.db", 200_000)
    few, many = ([Waiting("east", grown(track), False, 0) for track in range(count)] for count in (5, 100))
    spool.keep(few)
    with pytest.raises(InputError) as error:
        spool.keep(many)
    assert "as large as it may be" in message(error)
    assert len(spool) == 5
    for _ in range(20):
        spool.keep(few)
        spool.drop(list(spool.keys)[:4])
    spool.close()


def test_a_file_that_is_something_else_is_one_line(tmp_path):
    (tmp_path / "waiting.db").write_text("hello " * 100)
    with pytest.raises(InputError) as error:
        Spool(tmp_path / "waiting.db", MEGABYTE)
    assert "move it away" in message(error)


def test_what_is_written_again_because_no_answer_came_is_there_once(store):
    with Gallery.create(store, MODEL) as gallery:
        gallery.add_camera(camera("east"))
        for _ in range(2):
            put_tracklets(gallery, "east", [grown(1), grown(2, 0)])
        assert len(gallery.sightings()[0]) == 3
        assert len(gallery.tracklets()) == 2


@pytest.fixture(scope="module")
def postgres():
    """A server that is stopped and started: not the one that others use."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as made:
        yield made


class Run:
    """A live run's linker on a server, and its file for what waits."""

    def __init__(self, place, folder):
        self.place, self.folder, self.clock, self.outcomes = place, folder, Clock(), []
        with Gallery.create(place, MODEL, clock=self.clock) as gallery:
            for name in ("east", "west"):
                gallery.add_camera(camera(name))
        self.begin()

    def begin(self):
        self.gallery = Gallery.open(self.place, clock=self.clock)
        self.spool = Spool(self.folder / "waiting.db", 64 * MEGABYTE)
        self.linker = Linker(self.gallery, CONFIG, self.outcomes.append, self.clock, self.spool)

    def forget(self):
        """As a kill does: nothing is closed in order."""
        self.gallery.close()
        self.spool.close()

    def step(self, until):
        self.clock.now = until
        return self.linker.step()

    def offer(self, name, track, frames, crops, finished=True):
        self.linker.offer(name, [seen(name, track, frames, crops).tracklet], finished=finished)

    def stored(self):
        return {(row.camera, row.track): row.identity for row in self.gallery.tracklets()}


@pytest.fixture
def run(postgres, tmp_path):
    made = Run(postgres.empty(), tmp_path)
    yield made
    if postgres._process is None:
        postgres.start()
    made.forget()


def meanwhile(run, first=3.0):
    """People come and go while the server is away; two of them have been seen before, one grows."""
    for track, person in enumerate((0, 1, 5, 6), 10):
        start = int(first * 10) + 2 * track
        run.offer("east", track, range(start, start + 20), PEOPLE.crops(person, 3))
        run.step(first + track / 5)
    for second in range(6, 10):
        run.step(float(second))


def before(run):
    for track, person in enumerate((0, 1, 2), 1):
        run.offer("west", track, range(0, 20), PEOPLE.crops(person))
    for second in range(2, 5):
        run.step(float(second) - 1.0)
    return run.stored()


ENDED = {("east", 10), ("east", 11), ("east", 12), ("east", 13)}


def test_what_ends_while_the_server_is_away_is_caught_up(run, postgres):
    known = before(run)
    assert len(set(known.values())) == 3
    postgres.stop(kill=True)
    meanwhile(run)
    assert run.linker.failures
    assert run.spool.keys == ENDED
    assert run.linker.pending == 4
    told = {key: run.linker.identity_of(key) for key in ENDED}
    assert None not in told.values()
    postgres.start()
    for second in range(14, 18):
        run.step(float(second))
    assert run.stored() == {**known, **told}
    assert told["east", 10] == known["west", 1], "who was known before is known again"
    assert (run.linker.failures, run.linker.pending) == (0, 0)
    assert not run.spool.path.exists()
    with run.gallery.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*), count(DISTINCT (tracklet_id, frame)) FROM sightings").one()[
            0
        ] == len(run.gallery.sightings()[0])


def test_a_run_that_is_killed_meanwhile_loses_nothing(run, postgres):
    known = before(run)
    postgres.stop()
    meanwhile(run)
    told = {key: run.linker.identity_of(key) for key in ENDED}
    run.forget()
    with pytest.raises(InputError, match="make sure that the server runs"):
        run.begin()
    assert set(Spool(run.spool.path, MEGABYTE).keys) == ENDED
    postgres.start()
    run.begin()
    assert run.stored() == {**known, **told}, "and everybody is who they were told to be"
    assert not run.spool.path.exists()
    # Whoever comes next is somebody new to nobody's number.
    run.offer("west", 50, range(190, 210), PEOPLE.crops(7, 3))
    run.offer("west", 51, range(190, 210), PEOPLE.crops(5, 4))
    for second in range(21, 25):
        run.step(float(second))
    after = run.stored()
    assert after["west", 50] not in told.values()
    assert after["west", 51] == told["east", 12]


def test_whoever_is_erased_before_it_is_caught_up_does_not_come_back(run, postgres):
    known = before(run)
    postgres.stop()
    meanwhile(run)
    told = {key: run.linker.identity_of(key) for key in ENDED}
    run.forget()
    postgres.start()
    with Gallery.open(run.place, clock=run.clock) as gallery:
        erase_identity(gallery, known["west", 1])
    run.begin()
    left = {**known, **told}
    assert run.stored() == {key: number for key, number in left.items() if number != known["west", 1]}


def test_a_killed_catching_up_goes_on(run, postgres, monkeypatch):
    known = before(run)
    postgres.stop()
    meanwhile(run)
    told = {key: run.linker.identity_of(key) for key in ENDED}
    run.forget()
    postgres.start()

    def cut_off(*_given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # Written, but not known to be.
        patch.setattr(Spool, "drop", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run.begin()
    run.forget()
    run.begin()
    assert run.stored() == {**known, **told}
    frames = [(row.camera, row.track, row.frame) for row in run.gallery.sightings()[0]]
    assert len(frames) == len(set(frames))


def test_a_disk_that_is_full_as_well_leaves_it_in_memory(run, postgres, monkeypatch):
    known = before(run)
    postgres.stop()

    def full(*_given):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Spool, "_do", lambda self, work: (_ for _ in ()).throw(InputError("full")))
    meanwhile(run)
    assert run.linker.pending == 4
    monkeypatch.undo()
    postgres.start()
    deadline = time.monotonic() + 5
    now = 14.0
    while run.linker.pending and time.monotonic() < deadline:
        run.step(now)
        now += 1.0
    assert run.stored().keys() == known.keys() | ENDED


def test_a_track_that_goes_on_is_whole_afterwards(run, postgres):
    before(run)
    crops = PEOPLE.crops(3, 6)
    item = seen("east", 9, range(30, 120), crops).tracklet
    first = replace(
        item, frames=item.frames[:20], times=item.times[:20], boxes=item.boxes[:20], scores=item.scores[:20]
    )
    run.linker.offer("east", [replace(first)], finished=False)
    run.step(5.0)
    postgres.stop()
    run.linker.offer("east", [item], finished=False)
    run.step(11.0)
    run.linker.offer("east", [item], finished=True)
    run.step(12.0)
    assert run.spool.keys == {("east", 9)}
    postgres.start()
    for second in range(15, 18):
        run.step(float(second))
    assert len(run.gallery.tracklet("east", 9).frames) == 90
    frames = [row.frame for row in run.gallery.sightings(["east"])[0]]
    assert len(frames) == len(set(frames)) > 0
