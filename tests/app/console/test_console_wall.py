"""The wall over live cameras: pictures made once for all and kept for a while; the run waits for nobody."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture import CameraState
from app.console import live_wall, viewing
from app.console.live_wall import LiveWall
from app.console.viewing import Asked, Pace, Viewing
from app.console.wall import encode
from app.errors import InputError
from app.live.lane import Shown
from app.sources import Frame


def state(name, doing="live", reason=""):
    return CameraState(name, doing, 0.0, 0.1, 9, 9, {}, 0, 0, 64, 48, "h264", 10.0, reason)


def seen(camera, number, people=1, size=(48, 64)):
    """Frame `number` of a camera, 0.1 s after the one before."""
    image = np.full((*size, 3), number % 200, np.uint8)
    boxes = np.array([[4, 6, 24, 46]] * people, np.float32).reshape(-1, 4)
    frame = Frame(camera, number, number / 10, image)
    return Shown(frame, boxes, np.arange(1, people + 1), np.ones(people, np.float32))


class Cameras:
    """Cameras that a test adds and removes."""

    def __init__(self):
        self.states = [state("east"), state("west", "stalled", "no frame for 3 s")]
        self.numbers = {("east", 1): 7}
        self.wall = LiveWall(lambda: self.states, self.numbers.get)


@pytest.fixture
def cameras():
    made = Cameras()
    yield made
    made.wall.close()


def test_the_newest_picture_is_shown_with_who_is_in_it_and_how_the_cameras_are(cameras):
    wall = cameras.wall
    assert wall.show("east", None, 640) is None
    wall.put("east", seen("east", 1))
    wall.put("east", seen("east", 2))
    shown = wall.show("east", None, 640)
    assert (shown.frame, shown.time, shown.width, shown.height) == (2, 0.2, 64, 48)
    assert shown.jpeg == encode(seen("east", 2).frame.image, 64)
    ((box, track, identity),) = [(each.box, each.track, each.identity) for each in shown.boxes]
    assert (box, track, identity) == ((4, 6, 20, 40), 1, 7)
    cameras.numbers["east", 1] = 3
    assert wall.boxes("east", 2)[0].identity == 3
    assert wall.time("east", 2) == 0.2
    views = {view.name: (view.state, view.last, view.note) for view in wall.cameras()}
    assert views == {"east": ("live", 0.2, ""), "west": ("stalled", None, "no frame for 3 s")}
    with pytest.raises(InputError, match="'north': is not watched; those that are: east, west"):
        wall.show("north", None, 640)


def test_a_picture_is_made_once_however_many_ask_at_the_same_moment(cameras, monkeypatch):
    made = []

    def slowly(image, width):
        made.append(width)
        time.sleep(0.05)
        return encode(image, width)

    monkeypatch.setattr(live_wall, "encode", slowly)
    cameras.wall.put("east", seen("east", 1, size=(480, 640)))
    with ThreadPoolExecutor(20) as pool:
        shown = list(pool.map(lambda number: cameras.wall.show("east", None, 300 + 100 * (number % 2)), range(20)))
    assert sorted(made) == [320, 480]
    assert len({id(each.jpeg) for each in shown}) == 2
    assert cameras.wall.encoding_seconds > 0


def test_who_has_the_newest_waits_for_the_next(cameras, monkeypatch):
    monkeypatch.setattr(live_wall, "WAIT_SECONDS", 0.2)
    cameras.wall.put("east", seen("east", 1))
    assert cameras.wall.show("east", None, 64, after=1) is None
    threading.Timer(0.05, lambda: cameras.wall.put("east", seen("east", 2))).start()
    assert cameras.wall.show("east", None, 64, after=1).frame == 2
    assert cameras.wall.show("east", None, 64, after=1).frame == 2


def test_the_run_never_waits_for_pictures(cameras, monkeypatch):
    go, begun = threading.Event(), threading.Event()

    def stuck(image, width):
        begun.set()
        assert go.wait(10)
        return encode(image, width)

    monkeypatch.setattr(live_wall, "encode", stuck)
    cameras.wall.put("east", seen("east", 1))
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(cameras.wall.show, "east", None, 64) for _ in range(4)]
        assert begun.wait(10)
        for number in range(2, 200):
            cameras.wall.put("east", seen("east", number))
        assert not any(each.done() for each in waiting)
        go.set()
        assert all(1 <= each.result().frame <= 199 for each in waiting)
    assert cameras.wall.newest("east") == 199


def test_what_was_given_to_somebody_can_be_searched_in_for_a_while_and_within_bounds(cameras, monkeypatch):
    wall, size = cameras.wall, 48 * 64 * 3
    monkeypatch.setattr(live_wall, "KEPT_BYTES", 5 * size)
    for number in range(1, 11):
        wall.put("east", seen("east", number))
        if number % 2:
            wall.show("east", None, 64)
    assert wall.frame("east", 3)[0, 0, 0] == 3
    assert wall.frame("east", 10)[0, 0, 0] == 10
    with pytest.raises(InputError, match="frame 4: of camera east is not at hand any more"):
        wall.frame("east", 4)
    for number in range(11, 31):
        wall.put("east", seen("east", number))
        wall.show("east", None, 64)
        assert wall._bytes <= 5 * size
    assert [wall.frame("east", number)[0, 0, 0] for number in range(26, 31)] == list(range(26, 31))
    with pytest.raises(InputError, match="not at hand"):
        wall.boxes("east", 25)
    monkeypatch.setattr(live_wall, "KEPT_SECONDS", 0.0)
    time.sleep(0.01)
    wall.put("east", seen("east", 31))
    assert wall._bytes == 0


def test_cameras_come_and_go_while_somebody_watches(cameras, monkeypatch):
    monkeypatch.setattr(live_wall, "STATE_SECONDS", 0.0)
    wall = cameras.wall
    wall.put("east", seen("east", 1))
    wall.show("east", None, 64)
    cameras.states = [state("north"), state("west")]
    with pytest.raises(InputError, match="is not watched"):
        wall.show("east", None, 64)
    assert wall._bytes == 0
    assert [view.name for view in wall.cameras()] == ["north", "west"]
    wall.put("north", seen("north", 5))
    assert wall.show("north", None, 64).frame == 5
    # One that comes back, with numbers of an earlier time, is shown all the same.
    cameras.states = [state("east")]
    wall.put("east", seen("east", 1))
    assert wall.show("east", None, 64, after=9).frame == 1


def parts(message):
    found = []
    while message:
        length = int.from_bytes(message[:4], "big")
        facts = json.loads(message[4 : 4 + length])
        end = 4 + length + facts["bytes"]
        found.append((facts, message[4 + length : end]))
        message = message[end:]
    return found


def test_a_page_gets_what_is_new_of_all_cameras_in_one_message(cameras, monkeypatch):
    monkeypatch.setattr(viewing, "WAIT_SECONDS", 0.3)
    wall = cameras.wall

    async def run():
        many = Viewing(wall, 20.0)
        assert wall.interval == pytest.approx(0.05)
        task = asyncio.create_task(many.run())
        both = [Asked(camera="east", width=64), Asked(camera="west", width=64)]
        assert await many.answer(both) == b""
        east, west = seen("east", 1, people=2), seen("west", 2)
        pool = ThreadPoolExecutor(1)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: pool.submit(lambda: (wall.put("east", east), wall.put("west", west))))
        first, second = await asyncio.gather(many.answer(both), many.answer(both))
        assert first == second
        (one, jpeg), (two, _) = parts(first)
        assert (one["camera"], one["frame"], len(one["boxes"])) == ("east", 1, 2)
        assert (two["camera"], two["frame"]) == ("west", 2)
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
        # Only what is new, and a word about what there is not.
        wall.put("east", seen("east", 9))
        asked = [Asked(camera="east", after=1), Asked(camera="west", after=2), Asked(camera="gone")]
        (three, _), (none, empty) = parts(await many.answer(asked))
        assert (three["camera"], three["frame"]) == ("east", 9)
        assert (none["camera"], empty) == ("gone", b"")
        assert "is not watched" in none["none"]
        task.cancel()

    asyncio.run(run())


def test_pictures_too_close_to_the_one_before_are_not_shown(cameras):
    cameras.wall.interval = 0.25
    for number in range(1, 11):
        cameras.wall.put("east", seen("east", number))
        assert cameras.wall.newest("east") == [1, 1, 1, 4, 4, 4, 7, 7, 7, 10][number - 1]


@given(st.floats(0.02, 0.5), st.floats(0.01, 1.0), st.lists(st.floats(0.0001, 0.3), min_size=1, max_size=5))
def test_the_pace_keeps_what_pictures_take_within_their_share(least, share, costs):
    pace = Pace(least, share)
    for cost in costs:
        for _ in range(12):
            # A round of pictures to all who watch takes `cost`, and comes once in the interval.
            pace.took(cost / pace.interval, 1.0)
            assert least <= pace.interval <= max(viewing.SLOWEST, least)
        wanted = min(max(cost / share, least), max(viewing.SLOWEST, least))
        assert pace.interval == pytest.approx(wanted, rel=0.05)
