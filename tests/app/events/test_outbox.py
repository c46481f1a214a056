"""Kept until everybody has it: a state machine against a plain list, and a kill."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.errors import InputError
from app.events.outbox import Outbox

NAMES = ("file", "mqtt")
MOST, SECONDS = 12, 50.0


class Machine(RuleBasedStateMachine):
    """What each receiver gets is every event once, in order, but for those that were given up and counted."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now, self.made = 0.0, 0
        self.stored = []
        self.place = dict.fromkeys(NAMES, 0)
        self.lost = dict.fromkeys(NAMES, 0)
        self.box = self.open()

    def open(self):
        return Outbox(self.folder / "outbox.db", NAMES, MOST, SECONDS, lambda: self.now)

    def teardown(self):
        self.box.close()
        shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 8))
    def add(self, count):
        for _ in range(count):
            self.made += 1
            self.box.add("track.started", "east", str(self.made))
            self.stored.append((self.made, self.now))

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 6), done=st.integers(0, 6))
    def deliver(self, name, most, done):
        waiting = self.box.waiting(name, most)
        expected = [number for number, _ in self.stored if number > self.place[name]][:most]
        assert [int(each.body) for each in waiting] == expected
        if waiting and done:
            number = waiting[min(done, len(waiting)) - 1].number
            self.box.delivered(name, number)
            self.place[name] = number

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def prune(self):
        limit = max([number for number, when in self.stored if when < self.now - SECONDS], default=0)
        if len(self.stored) > MOST:
            limit = max(limit, self.stored[-MOST - 1][0])
        lost = 0
        for name in NAMES:
            mine = [number for number, _ in self.stored if self.place[name] < number <= limit]
            self.lost[name] += len(mine)
            lost += len(mine)
            self.place[name] = max(self.place[name], limit if mine else self.place[name])
        assert self.box.prune() == lost
        gone = max(limit, min(self.place.values()))
        self.stored = [each for each in self.stored if each[0] > gone]

    @rule()
    def restart(self):
        self.box.close()
        self.box = self.open()

    @invariant()
    def counts(self):
        if not hasattr(self, "box"):
            return
        for name in NAMES:
            assert self.box.pending(name) == sum(number > self.place[name] for number, _ in self.stored)
            assert self.box.lost(name) == self.lost[name]


TestOutbox = Machine.TestCase


def test_a_new_receiver_begins_with_the_next_event_and_nothing_is_kept_for_one_that_is_gone(tmp_path):
    path = tmp_path / "outbox.db"
    box = Outbox(path, ["file"], 100, 100, lambda: 0.0)
    box.add("a", None, "1")
    box.close()
    box = Outbox(path, ["mqtt"], 100, 100, lambda: 0.0)
    assert box.waiting("mqtt", 9) == []
    box.add("a", None, "2")
    assert [each.body for each in box.waiting("mqtt", 9)] == ["2"]
    box.delivered("mqtt", box.waiting("mqtt", 9)[0].number)
    box.prune()
    assert box._database.execute("SELECT COUNT(*) FROM events").fetchone() == (0,)
    box.close()


def test_what_is_no_database_is_refused_in_a_line(tmp_path):
    (tmp_path / "outbox.db").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match=r"outbox.db: events cannot be kept there"):
        Outbox(tmp_path / "outbox.db", ["file"], 100, 100, lambda: 0.0)


KILLED = """
import sys, time
from pathlib import Path
from app.events.outbox import Outbox
box = Outbox(Path(sys.argv[1]), ["file"], 10**6, 10**6, time.time)
for number in range(10**6):
    box.add("a", None, str(number))
    print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "outbox.db"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if int(line) == 300:
            break
    child.kill()
    last = max([300, *(int(line) for line in child.stdout.read().split("\n")[:-1] if line)])
    child.wait()
    box = Outbox(path, ["file"], 10**6, 10**6, lambda: 0.0)
    found = [int(each.body) for each in box.waiting("file", 10**6)]
    assert found[: last + 1] == list(range(last + 1))
    box.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
