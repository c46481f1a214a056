"""What a capture does with what decoding processes say, with processes, clocks and chance made up."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from app.capture import Capture
from app.capture.ring import RingReader, RingWriter, new_ring
from app.capture.wall import WallClock
from app.config import CameraConfig
from app.config_live import LiveConfig


class Made:
    """A decoding process that says what the test wants it to."""

    def __init__(self, order):
        self.order, self.orders = order, []
        descriptor = new_ring()
        self.ring, self.writer = RingReader(descriptor), RingWriter(descriptor, 2**24)
        self.out, self.into = os.pipe()
        self.said, self.state, self.count = [], "running", 0

    def fileno(self):
        return self.out

    def say(self, *messages):
        self.said += messages
        os.write(self.into, b"." * len(messages))

    def show(self, taken, seen, size=(4, 6), codec="h264"):
        self.count += 1
        place = self.writer.write(np.full((*size, 3), self.count, np.uint8))
        self.say(
            {"k": "frame", "n": self.count, "late": 0, "seen": seen, "t": taken, "place": list(place), "codec": codec}
        )

    def tell(self, message):
        self.orders.append(message)

    def answers(self):
        if self.said:
            os.read(self.out, len(self.said))
        said, self.said = self.said, []
        yield from said

    def exit_reason(self):
        return "its decoding process crashed (signal 11)"

    def hang_up(self):
        self.state = "hung up"

    def kill(self):
        self.state = "killed"

    def gone(self):
        if self.state == "buried":
            return True
        os.close(self.out)
        os.close(self.into)
        self.state = "buried"
        return True


class Stage:
    """A capture whose processes and clock are the test's."""

    def __init__(self, **settings):
        self.now, self.processes, self.notices = 1000.0, [], []
        self.capture = Capture(
            LiveConfig(**settings),
            notice=self.notices.append,
            clock=lambda: self.now,
            wall=WallClock(lambda: self.now, lambda: self.now + 1e9),
            launch=self.launch,
            chance=lambda: 0.0,
            environment={"WORD": "open-sesame"},
        )

    def launch(self, order):
        self.processes.append(Made(order))
        return self.processes[-1]

    def add(self, name="one", source="rtsp://me:${WORD}@host/x"):
        count = len(self.processes)
        self.capture.add(CameraConfig(name=name, source=source))
        self.until(lambda: len(self.processes) > count)
        return self.processes[-1]

    def until(self, happened):
        deadline = time.monotonic() + 5
        while not happened():
            assert time.monotonic() < deadline, self.capture.states()
            time.sleep(0.002)

    def advance(self, seconds):
        self.now += seconds
        self.capture._rouse()

    def state(self):
        return self.capture.states()[0]

    def told(self):
        return [(notice.kind, notice.reason) for notice in self.notices]


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.capture.close()
    assert all(process.state == "buried" for process in stage.processes)


def test_the_newest_frame_is_given_once_at_its_time(stage):
    process = stage.add()
    for number in range(3):
        process.show(999.9 + number / 100, seen=999.95)
    stage.until(lambda: stage.state().dropped.get("replaced") == 2)
    assert stage.capture.wait(0)
    (frame,) = stage.capture.take()
    assert (frame.camera, frame.index, int(frame.image[0, 0, 0])) == ("one", 2, 3)
    assert frame.time == pytest.approx(1e9 + 999.92, abs=1e-4)
    assert stage.capture.take() == []
    assert not stage.capture.wait(0)
    state = stage.state()
    assert (state.state, state.frames_in, state.analysed, state.width, state.height) == ("live", 3, 1, 6, 4)
    assert state.frame_age == pytest.approx(0.05)


def test_a_frame_that_waited_too_long_is_dropped_and_counted(stage):
    process = stage.add()
    process.show(999.8, seen=1000.0)
    stage.until(lambda: stage.capture.wait(0))
    stage.now += 0.31
    assert not stage.capture.wait(0)
    assert stage.capture.take() == []
    assert stage.state().dropped == {"stale": 1}


def test_a_frame_that_is_written_over_before_it_is_read_is_counted(stage):
    process = stage.add()
    process.show(1000.0, seen=1000.0)
    stage.until(lambda: stage.capture.wait(0))
    for _ in range(4):
        process.writer.write(np.zeros((4, 6, 3), np.uint8))
    assert stage.capture.take() == []
    assert stage.state().dropped == {"torn": 1}


def test_a_stall_is_noticed_by_our_own_clock_and_ended_by_force(stage):
    process = stage.add()
    process.show(1000.0, seen=1000.0)
    stage.until(lambda: stage.state().state == "live")
    stage.advance(2.9)
    time.sleep(0.05)
    assert stage.state().state == "live"
    stage.advance(0.2)
    stage.until(lambda: stage.state().state == "stalled")
    stage.until(lambda: process.state == "buried")
    stage.advance(0.5)
    stage.until(lambda: len(stage.processes) == 2)
    stage.processes[1].show(stage.now, seen=stage.now)
    stage.until(lambda: stage.state().state == "live")
    assert [kind for kind, _ in stage.told()] == ["online", "offline", "online"]
    (frame,) = stage.capture.take()
    # Numbers go on over connections.
    assert frame.index == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        {"k": "unheard of"},
        {},
        {"k": "frame", "n": 1, "late": 0, "seen": 1.0, "t": 1.0, "place": [0, 0, 0], "codec": "h264"},
        {"k": "frame", "n": 1, "late": 0, "seen": 1.0, "t": 1.0, "place": ["0"] * 5, "codec": "h264"},
        {"k": "frame", "n": "many", "late": 0, "seen": 1.0},
        {"k": "failed", "cause": "other"},
        None,
    ],
)
def test_a_process_that_talks_nonsense_is_taken_for_crashed(stage, nonsense):
    process = stage.add()
    process.say(nonsense)
    stage.until(lambda: stage.state().restarts == 1)
    assert stage.state().state == "waiting"
    stage.until(lambda: process.state == "buried")


def test_reasons_are_told_once_and_hold_no_password(stage):
    process = stage.add()
    assert process.order["address"] == "rtsp://me:open-sesame@host/x"
    process.say({"k": "failed", "cause": "other", "reason": "no rtsp://me:open-sesame@host/x\nnor open-sesame"})
    stage.until(lambda: stage.notices)
    stage.advance(1.0)
    # A process that could not connect is used again.
    stage.until(lambda: process.orders == [{"rate": 15, "again": True}])
    process.say({"k": "failed", "cause": "refused", "reason": "refused"})
    stage.until(lambda: stage.state().reason == "refused")
    assert stage.told() == [("offline", "no rtsp://***@host/x nor ***")]


def test_a_refused_password_is_not_tried_again_for_a_minute(stage):
    process = stage.add()
    process.say({"k": "failed", "cause": "password", "reason": "refused"})
    stage.until(lambda: stage.state().state == "waiting")
    stage.advance(59.0)
    time.sleep(0.05)
    assert not process.orders
    stage.advance(2.0)
    stage.until(lambda: process.orders)


def test_a_process_whose_camera_had_answered_is_not_used_again_nor_is_one_that_dies_idle(stage):
    process = stage.add()
    process.say({"k": "opened", "codec": "h264"}, {"k": "failed", "cause": "closed", "reason": "closed"})
    stage.until(lambda: process.state == "buried")
    stage.advance(1.0)
    stage.until(lambda: len(stage.processes) == 2)
    stage.processes[1].say({"k": "failed", "cause": "refused", "reason": "refused"})
    stage.until(lambda: stage.state().reason == "refused")
    stage.processes[1].say(None)
    stage.until(lambda: stage.processes[1].state == "buried")
    assert stage.state().restarts == 0
    stage.advance(2.0)
    stage.until(lambda: len(stage.processes) == 3)


def test_another_size_or_codec_is_told(stage):
    process = stage.add()
    process.show(1000.0, seen=1000.0)
    process.show(1000.1, seen=1000.1, size=(8, 6))
    process.show(1000.2, seen=1000.2, size=(8, 6), codec="hevc")
    stage.until(lambda: len(stage.notices) == 3)
    kinds = [
        ("online", "6 x 4 h264"),
        ("changed", "6 x 8 h264, was 6 x 4 h264"),
        ("changed", "6 x 8 hevc, was 6 x 8 h264"),
    ]
    assert stage.told() == kinds


def test_the_rate_reaches_the_process_and_the_next_one_too(stage):
    process = stage.add()
    assert process.order["rate"] == 15
    stage.capture.set_rate("one", 5)
    stage.capture.set_rate("one", 5)
    stage.capture.set_rate("one", 99)
    assert process.orders == [{"rate": 5}, {"rate": 15}]
    stage.capture.set_rate("one", 7)
    stage.capture.restart("one")
    stage.until(lambda: len(stage.processes) == 2)
    assert stage.processes[1].order["rate"] == 7


def test_frames_a_second_are_those_that_come_not_those_that_are_taken(stage):
    process = stage.add()
    for number in range(40):
        stage.now = 1000 + number / 10
        process.count += 1  # one of two is not wanted
        process.show(stage.now, seen=stage.now)
        # What is told later would count as come later.
        stage.until(lambda number=number: stage.state().frames_in == 2 * number + 2)
    assert stage.state().fps_in == pytest.approx(20, abs=0.5)


def test_who_is_told_may_fail(stage):
    def broken(notice):
        raise RuntimeError("nobody listens")

    stage.capture._notice = broken
    process = stage.add()
    process.show(1000.0, seen=1000.0)
    stage.until(lambda: stage.capture.wait(0))
    assert len(stage.capture.take()) == 1


def test_a_machine_that_can_start_no_process_goes_on_trying(stage):
    broken = [OSError(11, "Resource temporarily unavailable")]
    whole = stage.capture._launch

    def launch(order):
        if broken:
            raise broken.pop()
        return whole(order)

    stage.capture._launch = launch
    stage.capture.add(CameraConfig(name="one", source="rtsp://host/x"))
    stage.until(lambda: stage.state().state == "waiting")
    assert "cannot be started" in stage.state().reason
    stage.advance(1.0)
    stage.until(lambda: len(stage.processes) == 1)
