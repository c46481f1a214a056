"""Who is who by now: identities by number, whose tracklets are whose, and what happens to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.association.describing import described
from app.association.events import Appeared, Event, Left, Merged, Moved, Split
from app.association.evidence import Evidence
from app.association.memory import order
from app.association.past import Past
from app.association.revising import Change
from app.association.types import Identity, Link
from app.config_association import AssociationConfig

IntArray = npt.NDArray[np.intp]

MEMBERS = 8
"""Tracklets of an identity whose looks are kept."""

GRACE_SECONDS = 10.0
"""Within which more is heard of a tracklet that grows, however far the clock was set forward."""


class Register:
    """Identities and their tracklets; a number is never given twice.

    Attributes:
        members: The rows of each identity, in order of decision.
        next: The number that the next new identity has.
        past: Where identities were, as far as it is forgotten.
    """

    def __init__(self, config: AssociationConfig, evidence: Evidence, first_number: int) -> None:
        """Knows nobody yet."""
        self.members: dict[int, list[int]] = {}
        self.next = first_number
        self.past = Past()
        self._config, self._evidence, self._memory = config, evidence, evidence.memory
        self._gone: set[int] = set()
        self._silent: dict[int, float] = {}

    def new_number(self) -> int:
        """A number that nobody has had."""
        self.next += 1
        return self.next - 1

    def described(self, number: int) -> Identity:
        """An identity as it is by now."""
        return described(self._memory, number, self.members[number], self._evidence.limit)

    def put(self, row: int, number: int, link: Link | None) -> None:
        """Makes a tracklet a member of an identity and of no other."""
        memory = self._memory
        before = int(memory.number[row])
        if before > 0:
            self.members[before].remove(row)
            if not self.members[before]:
                self._end(before)
        members = self.members.setdefault(number, [])
        members.append(row)
        memory.number[row] = number
        memory.at(row).link = link
        self.spare(number)

    def spare(self, number: int) -> None:
        """Forgets what an identity's tracklets look like of which others say the same."""
        memory = self._memory
        looked = [each for each in self.members[number] if memory.slot[each] >= 0]
        if len(looked) > MEMBERS:
            # The camera that knows them best can spare its oldest look.
            cameras = np.bincount(memory.camera[looked])
            most = [each for each in looked if memory.camera[each] == cameras.argmax()]
            self._evidence.unlook(min(most, key=lambda each: (memory.last[each], order(memory.at(each).item))))

    def announce(self, row: int, number: int, events: list[Event]) -> None:
        """Says what it means that a tracklet becomes a member of an identity."""
        memory = self._memory
        item, members = memory.at(row).item, self.members.get(number, [])
        first = float(memory.first[row])
        if not members:
            events.append(Appeared(number, first, item.key))
            return
        if number in self._gone:
            self._gone.discard(number)
            events.append(Appeared(number, first, item.key, again=True))
        before = [each for each in members if memory.first[each] <= first] or members
        latest = max(before, key=self._lateness)
        if memory.camera[latest] != memory.camera[row]:
            events.append(Moved(number, first, item.key, memory.names[memory.camera[latest]]))

    def part(self, row: int, other: int, now: float, events: list[Event]) -> None:
        """Takes a tracklet out of its identity, seen at once with another member in another place."""
        memory, number = self._memory, int(self._memory.number[row])
        self.put(row, self.new_number(), None)
        camera, track = memory.at(other).item.key
        into, keys = int(memory.number[row]), (memory.at(row).item.key,)
        events.append(Split(number, now, into, keys, f"seen at once with {camera} track {track}"))

    def carry_out(self, change: Change, now: float, events: list[Event]) -> None:
        """Carries out what a look back has changed."""
        memory = self._memory
        keys = tuple(memory.at(row).item.key for row in change.rows)
        whole = len(change.rows) == len(self.members[change.origin])
        gone = change.origin in self._gone
        if whole:
            self.past.join(change.origin, change.to)
        for row in change.rows:
            link = memory.at(row).link
            self.put(row, change.to, link if whole else None)
        if change.first_link is not None:
            memory.at(change.rows[0]).link = change.first_link
        if whole and change.known:
            events.append(Merged(change.to, now, change.origin, keys, change.reason))
            if not gone:
                self._gone.discard(change.to)
        else:
            events.append(Split(change.origin, now, change.to, keys, change.reason))

    def leave(self, now: float, events: list[Event]) -> None:
        """Says who has left."""
        for number, row in self._leaving(now):
            events.append(Left(number, float(self._memory.last[row]), self._memory.at(row).item.key))

    def told_until(self, moment: float) -> None:
        """Takes as told of who had left by then."""
        self._leaving(moment)

    def forget(self, now: float) -> list[Identity]:
        """Forgets tracklets neither seen nor heard of for long; gives identities with those that were forgotten."""
        memory = self._memory
        old = self._old(now)
        forgotten: list[Identity] = []
        for number in np.unique(memory.number[old]).tolist():
            dropped = old[memory.number[old] == number].tolist()
            forgotten.append(described(memory, number, dropped, self._evidence.limit))
            self.members[number] = [row for row in self.members[number] if row not in dropped]
            for row in dropped:
                self.past.add(number, int(memory.camera[row]), float(memory.first[row]), float(memory.last[row]))
                self._evidence.forget(row)
            if not self.members[number]:
                self._end(number)
        return forgotten

    def remove(self, row: int) -> None:
        """Forgets a tracklet, and its identity where it was the only one."""
        number = int(self._memory.number[row])
        if number > 0:
            self.members[number].remove(row)
            if not self.members[number]:
                self._end(number)
        self._evidence.forget(row)

    def _old(self, now: float) -> IntArray:
        """The rows to be forgotten. One that may still grow is given the time to do so, as the clock may have leapt."""
        memory = self._memory
        rows = memory.rows()
        rows = rows[memory.number[rows] > 0]
        horizon = now - self._config.late_seconds - self._config.remember_seconds
        old = rows[np.maximum(memory.last[rows], memory.heard[rows]) < horizon].tolist()
        self._silent = {row: self._silent.get(row, now) for row in old if not memory.at(row).finished}
        return np.array([row for row in old if now - self._silent.get(row, -np.inf) >= GRACE_SECONDS], np.intp)

    def _leaving(self, now: float) -> list[tuple[int, int]]:
        """Identities that leave now, each with its latest row, by number."""
        memory = self._memory
        limit = now - self._config.late_seconds - self._config.leave_seconds
        rows = memory.rows()
        rows = rows[memory.number[rows] > 0]
        away = np.unique(memory.number[rows[memory.last[rows] < limit]])
        left: list[tuple[int, int]] = []
        for number in (each for each in away.tolist() if each not in self._gone):
            latest = max(self.members[number], key=self._lateness)
            if memory.last[latest] < limit:
                self._gone.add(number)
                left.append((number, latest))
        return left

    def _lateness(self, row: int) -> tuple[float, tuple[float, str, int]]:
        return float(self._memory.last[row]), order(self._memory.at(row).item)

    def _end(self, number: int) -> None:
        del self.members[number]
        self._gone.discard(number)
        self.past.drop(number)
