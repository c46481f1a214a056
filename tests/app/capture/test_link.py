"""The connection's states, waits, and stamps of streams, with clocks and chance made up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.capture.link import FIRST_FRAME_SECONDS, STARTING_SECONDS, STEADY_SECONDS, Backoff, Limits, Link
from app.capture.timeline import BOUND, PATIENCE, WINDOW, Pacer, Timeline
from app.capture.wall import WallClock

LIMITS = Limits(answer=3.0, stalled=3.0, retry=0.5, most_retry=3.0, refused_retry=60.0)


def connected(now: float = 100.0, chance: float = 0.0) -> Link:
    link = Link(LIMITS, now, lambda: chance)
    assert link.step(now) == "start"
    link.ready(now)
    link.opened(now)
    assert link.frame(now, now)
    return link


# Waits


@given(st.floats(0.01, 10), st.floats(0.01, 100), st.integers(1, 2000), st.floats(0, 1, exclude_max=True))
def test_waits_double_up_to_a_cap_and_chance_takes_off_no_more_than_half(first, most, attempts, chance):
    backoff = Backoff(first, most, lambda: chance)
    whole = [min(first * 2.0**number, most) for number in range(min(attempts, 30))]
    waits = [backoff.next() for _ in range(attempts)]
    for wait, full in zip(waits, whole, strict=False):
        assert full / 2 <= wait <= full
    assert all(most / 2 <= wait <= most for wait in waits[30:] if first * 2.0**30 >= most)
    backoff.reset()
    assert backoff.next() == waits[0]


def test_what_stalls_is_noticed_and_connected_anew():
    link = connected()
    link.frame(104.0, 104.1)
    assert link.step(106.9) == "none"
    assert link.next_step() == pytest.approx(107.0)
    assert link.step(107.0) == "stop"
    assert (link.state, link.since, link.reason) == ("stalled", 107.0, "no frame for 3.0 s")
    assert link.step(107.49) == "none"
    assert link.step(107.5) == "start"
    assert (link.state, link.reason) == ("connecting", "no frame for 3.0 s")
    link.ready(108.0)
    link.opened(108.2)
    assert link.frame(108.3, 108.3)
    assert (link.state, link.reason, link.reconnects) == ("live", "", 1)


@pytest.mark.parametrize(
    ("phase", "patience", "said"),
    [
        ("starting", STARTING_SECONDS, "start"),
        ("asking", LIMITS.answer, "no answer"),
        ("opened", FIRST_FRAME_SECONDS, "no frame"),
    ],
)
def test_each_step_of_connecting_has_its_time(phase, patience, said):
    link = Link(LIMITS, 0.0, lambda: 0.0)
    link.step(0.0)
    if phase != "starting":
        link.ready(1.0)
    if phase == "opened":
        link.opened(1.0)
    began = 0.0 if phase == "starting" else 1.0
    assert link.step(began + patience - 0.01) == "none"
    assert link.step(began + patience) == "stop"
    assert link.state == "waiting"
    assert said in link.reason
    # It took so long that the next attempt need not wait.
    assert link.step(began + patience) == "start"


def test_attempts_are_further_apart_each_time_until_frames_have_come_for_a_while():
    link, now, gaps = Link(LIMITS, 0.0, lambda: 0.0), 0.0, []
    for _ in range(6):
        assert link.step(now) == "start"
        link.failed("refused", now)
        gaps.append(link.next_step() - now)
        now = link.next_step()
    assert gaps == pytest.approx([0.5, 1, 2, 3, 3, 3])
    link.step(now)
    link.frame(now, now)
    link.frame(now + STEADY_SECONDS, now + STEADY_SECONDS)
    link.failed("gone", now + STEADY_SECONDS)
    assert link.next_step() == pytest.approx(now + STEADY_SECONDS + 0.5)


def test_a_camera_that_gives_one_frame_and_goes_is_not_asked_without_end():
    link, now = Link(LIMITS, 0.0, lambda: 0.0), 0.0
    for _ in range(6):
        link.step(now)
        link.frame(now, now)
        link.failed("gone", now)
        now = link.next_step()
    assert now > 10


def test_a_refused_password_waits_longer_and_a_restart_does_not():
    link = Link(LIMITS, 0.0, lambda: 0.5)
    link.step(0.0)
    link.failed("wrong password", 1.0, refused=True)
    assert link.step(59.0) == "none"
    assert link.restart(59.0) == "none"
    assert link.step(59.0) == "start"
    assert link.restart(60.0) == "stop"
    assert link.step(60.0) == "start"


def test_a_file_that_was_played_is_not_played_again():
    link = connected()
    link.ended(110.0)
    assert link.step(1e6) == "none"
    assert link.next_step() == float("inf")
    link.restart(1e6)
    assert link.step(1e6) == "start"


class Connections(RuleBasedStateMachine):
    """Whatever happens in whatever order, a camera is back within bounds once it answers."""

    @initialize(chance=st.floats(0, 1, exclude_max=True))
    def begin(self, chance):
        self.now = 100.0
        self.link = Link(LIMITS, self.now, lambda: chance)
        self.running = False

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds):
        self.now += seconds
        action = self.link.step(self.now)
        assert action != "start" or not self.running
        assert action != "stop" or self.running
        self.running = {"start": True, "stop": False, "none": self.running}[action]

    @rule()
    def ready(self):
        if self.running:
            self.link.ready(self.now)

    @rule()
    def opened(self):
        if self.running:
            self.link.opened(self.now)

    @rule(late=st.floats(-1, 5))
    def frame(self, late):
        came = self.link.frame(self.now - late, self.now)
        assert self.running or not came
        assert (self.link.state == "live") == self.running or not self.running

    @rule(refused=st.booleans())
    def failed(self, refused):
        if self.running:
            self.link.failed("gone", self.now, refused=refused)
            self.running = False

    @rule()
    def restart(self):
        assert (self.link.restart(self.now) == "stop") == self.running
        self.running = False

    @invariant()
    def it_makes_sense(self):
        link = self.link
        assert link.running == self.running
        assert link.running == (link.state in ("live", "connecting")) or link.since == 100.0
        assert bool(link.reason) == (link.state != "live") or link.reconnects == 0
        assert link.since <= self.now
        # Something is always going to be done, and soon unless a password was refused.
        limit = FIRST_FRAME_SECONDS if self.running else LIMITS.refused_retry
        assert link.next_step() <= self.now + limit


TestConnections = Connections.TestCase


# Stamps


def arrivals(stamps: list[float], delays: list[float]) -> list[float]:
    """When packets arrive that are sent at their stamps and held up; none overtakes another."""
    return list(itertools.accumulate((stamp + delay for stamp, delay in zip(stamps, delays, strict=True)), max))


@given(st.lists(st.floats(0, 0.4), min_size=5, max_size=80), st.floats(1, 60), st.floats(-1e6, 1e6), st.booleans())
def test_times_are_those_of_the_camera_once_a_packet_came_quickly(delays, fps, begin, first_missing):
    stamps = [number / fps for number in range(len(delays) + 1)]
    came = arrivals(stamps, [0.0, *delays])
    timeline = Timeline()
    if first_missing:
        timeline(None, 1000.0 - 1 / fps, waited=True)
    taken = [timeline(begin + stamp, 1000.0 + when, waited=True) for stamp, when in zip(stamps, came, strict=True)]
    assert all(before < after for before, after in itertools.pairwise(taken))
    for stamp, when, arrival in zip(stamps, taken, came, strict=True):
        # Never in the future but for the least step; behind the truth by no more than what a window may hide.
        assert when <= 1000.0 + arrival + 0.001 * len(stamps)
        assert when >= 1000.0 + stamp - 1e-6
    within = [each for each in zip(stamps, taken, strict=True) if each[0] < WINDOW]
    assert all(when == pytest.approx(1000.0 + stamp, abs=1e-3 * len(stamps)) for stamp, when in within)


@given(st.lists(st.tuples(st.none() | st.floats(-1e9, 1e9), st.floats(0, 10), st.booleans()), max_size=60))
def test_times_increase_whatever_the_stamps_do(steps):
    timeline, now, latest = Timeline(), 500.0, -float("inf")
    for number, (stamp, wait, waited) in enumerate(steps):
        now += wait
        taken = timeline(stamp, now, waited)
        assert latest < taken <= now + 0.001 * (number + 1)
        latest = taken


def test_what_comes_out_of_a_queue_keeps_its_time():
    timeline = Timeline()
    for number in range(25):
        timeline(number / 25, 100 + number / 25, waited=True)
    # Two seconds of nothing, then all that lay in the queue at once: the first was waited for.
    taken = [timeline(number / 25, 103.0, waited=number == 25) for number in range(25, 75)]
    assert taken == pytest.approx([100 + number / 25 for number in range(25, 75)])
    assert timeline.anchored == 1


def test_frames_that_come_in_bursts_keep_their_times():
    timeline = Timeline()
    for burst in range(20):
        for number in range(10):
            # Ten frames at once, each second, as soon as the last of them was taken.
            stamp = burst + number / 10
            taken = timeline(stamp, 100 + burst + 0.9, waited=number == 0)
            if burst:
                assert taken == pytest.approx(100 + stamp, abs=1e-6)
    assert timeline.anchored == 1


@pytest.mark.parametrize("jump", [-1000.0, -3.0, 3.0, 1e5])
def test_stamps_that_jump_are_matched_anew(jump):
    timeline = Timeline()
    for number in range(100):
        stamp = number / 25 + (jump if number >= 50 else 0)
        taken = timeline(stamp, 100 + number / 25, waited=True)
        assert taken == pytest.approx(100 + number / 25, abs=0.002)
    assert timeline.anchored == 2


def test_a_camera_that_goes_on_where_it_was_is_believed_after_a_while():
    timeline = Timeline()
    for number in range(50):
        timeline(number / 25, 100 + number / 25, waited=True)
    late = [
        100 + pause + number / 25 - timeline(number / 25, 100 + pause + number / 25, waited=True)
        for pause in [BOUND + 1]
        for number in range(50, 150)
    ]
    assert late[0] == pytest.approx(BOUND + 1)
    assert late[round(PATIENCE * 25) + 1 :] == pytest.approx([0.0] * (99 - round(PATIENCE * 25)), abs=0.002)


@pytest.mark.parametrize("drift", [-0.01, 0.01])
def test_a_camera_whose_clock_runs_wrong_is_followed(drift):
    timeline = Timeline()
    lag = [
        100 + number / 25 - timeline(number / 25 * (1 + drift), 100 + number / 25, waited=True)
        for number in range(25 * 60)
    ]
    # A clock that runs a hundredth slow is a hundredth of three windows behind at most.
    assert max(lag) <= 0.01 * 3 * WINDOW + 0.001
    assert min(lag) >= -0.001 * 25


# Which frames


@given(st.floats(0.5, 60), st.floats(0.2, 60), st.integers(0, 2**32))
def test_frames_are_wanted_at_the_rate_asked_for_on_average(source, rate, seed):
    pacer = Pacer(rate)
    jitter = np.random.default_rng(seed).uniform(-0.2, 0.2, 400)
    times = ((np.arange(400) + jitter) / source).tolist()
    wanted = [time for time in times if pacer.wanted(time)]
    expected = min(source, rate) * 400 / source
    assert len(wanted) <= expected + 2
    # A quarter of an interval is allowed for jitter; more jitter than that may cost a camera at about the rate some.
    if rate < 0.7 * source or rate > 1.5 * source:
        assert len(wanted) >= 0.9 * expected - 2


def test_a_camera_at_just_the_wanted_rate_loses_no_frame_to_jitter():
    pacer = Pacer(15)
    times = [number / 15 + (0.015 if number % 2 else 0.0) for number in range(300)]
    assert [pacer.wanted(time) for time in times] == [True] * 300


def test_a_rate_that_changes_holds_at_once():
    pacer = Pacer(1)
    assert pacer.wanted(0.0)
    assert not pacer.wanted(0.5)
    pacer.rate = 10
    assert sum(pacer.wanted(number / 20) for number in range(20, 60)) in range(19, 23)


# Time of day


class Clocks:
    def __init__(self):
        self.now, self.ahead = 50.0, 1e9

    def clock(self):
        return self.now

    def wall(self):
        return self.now + self.ahead


@given(st.lists(st.tuples(st.floats(0.001, 5), st.floats(-100, 100)), min_size=1, max_size=60))
@example([(0.9375, 0.0), (0.0625, -1.0)])
def test_times_of_day_increase_however_the_clock_is_set(steps):
    clocks = Clocks()
    wall = WallClock(clocks.clock, clocks.wall)
    latest = wall(clocks.now)
    for seconds, shift in steps:
        clocks.now += seconds
        clocks.ahead += shift
        time = wall(clocks.now)
        assert time > latest
        latest = time
    for _ in range(200):
        clocks.now += 5.0
        clocks.ahead += 0.001
    # Forward at once.
    clocks.ahead += 1e5
    assert wall(clocks.now) == pytest.approx(clocks.wall(), abs=1e-3)


def test_a_clock_that_is_set_back_is_approached_slowly():
    clocks = Clocks()
    wall = WallClock(clocks.clock, clocks.wall)
    clocks.ahead -= 1.0
    off = []
    for _ in range(15):
        clocks.now += 1.0
        off.append(wall(clocks.now) - clocks.wall())
    assert off == pytest.approx([max(1.0 - 0.1 * second, 0.0) for second in range(15)], abs=1e-6)
