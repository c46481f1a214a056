"""Tracklets into identities as they come: decided once a moment, for all cameras together, and looked back on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.association.corrections import Corrections
from app.association.describing import route_of
from app.association.events import Event, Key, Visit
from app.association.evidence import Evidence
from app.association.joint import choose, sums
from app.association.memory import Known, order
from app.association.register import Register
from app.association.revising import revised
from app.association.types import CameraTracklet, Identity, Link, Stay
from app.config_association import AssociationConfig
from reid_model.features import FloatArray

IntArray = npt.NDArray[np.intp]


class OnlineAssociator:
    """Links tracklets of all cameras into identities while they come.

    `observe` takes tracklets, `advance` moves the clock and decides what is due. What is observed between two calls of
    `advance` is one moment: its order makes no difference. A new tracklet waits `wait_seconds`, then all that are due
    are grouped by the offline clustering and given to identities by one assignment; who fits nobody is a new identity.
    From time to time the recent decisions are looked back on by the offline clustering, and changed with an event. The
    more people are remembered, the more alike two must look (`Crowd`).

    Identities have numbers that are never given twice.

    Attributes:
        forgotten: What the last `advance` forgot: identities with those of their tracklets that are forgotten; those
            that were seen since go on with the rest.
        warnings: What is not as it should be, a line each.
    """

    def __init__(
        self,
        config: AssociationConfig,
        *,
        corrections: Corrections | None = None,
        homographies: Mapping[str, Sequence[Sequence[float]]] | None = None,
        first_number: int = 1,
    ) -> None:
        """Knows nobody yet.

        Args:
            config: The association's settings.
            corrections: The operator's word, obeyed by every decision.
            homographies: Of cameras by name, 3 × 3, from source pixels to metres on a common ground.
            first_number: The first identity's number.
        """
        self.forgotten: list[Identity] = []
        self._config = config
        self._evidence = Evidence(config, corrections or Corrections(), homographies or {})
        self._memory = self._evidence.memory
        self._register = Register(config, self._evidence, first_number)
        self._waiting: dict[Key, tuple[CameraTracklet, bool]] = {}
        self._now = -np.inf
        self._revised: float | None = None
        self._changed = False

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be, a line each."""
        return self._evidence.warnings

    def recall(self, known: Iterable[tuple[CameraTracklet, int]], past: Iterable[Stay] = ()) -> None:
        """Takes over who was known before a restart; nothing is said of it.

        What cameras look like and which see a common place is learned from it anew. Whoever had left by the time of the
        latest tracklet is taken as told of. Numbers given from now on are above all of these.

        Args:
            known: Tracklets of the last `remember_seconds` and the number, ≥ 1, of each one's identity; one that goes
                on growing may be observed again.
            past: Where these were before that.

        Raises:
            ValueError: If something was observed or recalled before, a tracklet occurs twice, a number is below 1, or
                exemplars come from different models.
        """
        if len(self._memory.rows()) or self._waiting:
            raise ValueError("recall: expected an associator that has observed nothing yet")
        rows: list[int] = []
        for stay in past:
            place = self._memory.camera_number(stay.camera)
            self._register.past.add(stay.identity, place, stay.first, stay.last)
        for item, number in sorted(known, key=lambda pair: order(pair[0])):
            if number < 1:
                raise ValueError(f"recall: expected identity numbers from 1, given {number}")
            if item.key in self._memory.row_of:
                camera, track = item.key
                raise ValueError(f"recall: expected each tracklet once, given {camera} track {track} twice")
            row = self._memory.add(Known(item, False, -np.inf))
            self._evidence.look(row)
            self._register.put(row, number, None)
            self._register.next = max(self._register.next, number + 1)
            rows.append(row)
        if rows:
            self._evidence.learn_again(np.array(rows, np.intp))
            self._register.told_until(float(self._memory.last[rows].max()))

    def observe(self, item: CameraTracklet, *, finished: bool = True) -> None:
        """Takes a tracklet; a later state of one that is growing replaces the earlier one.

        The finished state replaces any other, also where it is shorter: a track that went over to somebody else is
        taken apart when it ends. It is final, whatever comes after it.

        Args:
            item: The tracklet.
            finished: Whether it will not grow any more.
        """
        before = self._waiting.get(item.key)
        # Of two states in one moment the later counts, in whichever order they come.
        if before is None or (finished, _reach(item)) > (before[1], _reach(before[0])):
            self._waiting[item.key] = item, finished

    def withdraw(self, key: Key) -> None:
        """Takes back a growing tracklet that turned out to be another's; of an identity with no other it is the end.

        Nothing is said of it, and nothing happens where the tracklet is unknown or finished.
        """
        waiting = self._waiting.get(key)
        if waiting is not None and not waiting[1]:
            del self._waiting[key]
        row = self._memory.row_of.get(key)
        if row is not None and not self._memory.at(row).finished:
            self._register.remove(row)

    def advance(self, now: float) -> list[Event]:
        """Moves the clock and decides what is due.

        Args:
            now: Current time, seconds since the epoch, not before the last one given.

        Returns:
            What has happened, in order.

        Raises:
            ValueError: If the clock goes back, or exemplars come from different models.
        """
        if not now >= self._now:
            raise ValueError(f"now: expected a time not before {self._now}, given {now}")
        self._now = now
        events: list[Event] = []
        self._release(self._take_in(), events)
        memory = self._memory
        due = [row for row in np.flatnonzero(memory.number == 0).tolist() if memory.at(row).due <= now]
        self._decide(due, events)
        if self._revised is None:
            self._revised = now
        often = self._config.revise_seconds
        if self._changed or (often and now - self._revised >= often):
            self._revise(events)
        self._register.leave(now, events)
        self.forgotten = self._register.forget(now)
        return events

    def flush(self) -> list[Event]:
        """Decides everything that waits, at the end of all streams, and looks back once more."""
        events: list[Event] = []
        self._release(self._take_in(), events)
        self._decide(np.flatnonzero(self._memory.number == 0).tolist(), events)
        if self._changed or self._config.revise_seconds:
            self._revise(events)
        return events

    def correct(self, corrections: Corrections) -> None:
        """Takes the operator's word as it is now; the next look back, due at once, obeys it."""
        self._evidence.corrections = corrections
        self._changed = True

    def identity_of(self, key: Key) -> int | None:
        """The number of a tracklet's identity; None where it is undecided or not remembered."""
        row = self._memory.row_of.get(key)
        return None if row is None else int(self._memory.number[row]) or None

    def identities(self) -> list[Identity]:
        """Everybody remembered, by number; tracklets that wait for their decision are not among them.

        Their tracklets have no views: those are kept as numbers to compare, and in the gallery.
        """
        return [self._register.described(number) for number in sorted(self._register.members)]

    def route(self, number: int) -> tuple[Visit, ...]:
        """Where and when a person was seen, as far as is remembered, in order of time; empty where nobody is known."""
        return route_of(self._memory, self._register.members.get(number, []))

    # What comes in

    def _take_in(self) -> list[int]:
        """Takes over what was observed; gives the rows of decided tracklets that have changed."""
        memory, changed = self._memory, []
        for item, finished in sorted(self._waiting.values(), key=lambda pair: order(pair[0])):
            row = memory.row_of.get(item.key)
            if row is None:
                row = memory.add(Known(item, finished, self._now + self._config.wait_seconds))
            else:
                known = memory.at(row)
                # Not the number of boxes: those of a long track are thinned out while it grows.
                shorter = _reach(item)[0] < _reach(known.item)[0]
                if known.finished or (shorter and not finished):
                    continue
                known.item, known.finished = item, finished
                memory.update(row)
                if memory.number[row]:
                    changed.append(row)
                    # What was decided with somebody else's boxes and views is looked at again at once.
                    self._changed |= shorter
            memory.heard[row] = self._now
            self._evidence.look(row)
            if memory.number[row]:
                self._register.spare(int(memory.number[row]))
        self._waiting.clear()
        self._evidence.people = memory.people()
        return changed

    def _release(self, rows: list[int], events: list[Event]) -> None:
        """Takes tracklets out of identities that they have grown to contradict."""
        for row in self._memory.sorted(rows):
            members = self._register.members[int(self._memory.number[row])]
            if len(members) < 2:
                continue
            others = np.array([each for each in members if each != row])
            against = self._evidence.forbidden(np.array([row]), others)[0]
            if against.any():
                # Whoever was seen later is the one in doubt.
                later = self._memory.sorted([row, int(others[against][0])])[1]
                other = row if later != row else int(others[against][0])
                self._register.part(later, other, self._now, events)

    # Deciding

    def _decide(self, rows: Sequence[int], events: list[Event]) -> None:
        """Gives undecided tracklets identities, all together."""
        if not rows:
            return
        memory = self._memory
        due = np.array(memory.sorted(self._told(rows, events)), np.intp)
        if not len(due):
            return
        decided = memory.rows()
        decided = decided[memory.number[decided] > 0]
        others = np.concatenate([due, decided])
        distances, never = self._evidence.distances(due, others, learn=True)
        barred = never[:, : len(due)] | never[:, : len(due)].T
        between = np.minimum(distances[:, : len(due)], distances[:, : len(due)].T)
        between[barred] = np.inf
        groups = self._evidence.groups(due, between, barred)
        numbers, totals, counts, extra = self._against(groups, due, decided, distances[:, len(due) :], never)
        taken = choose(totals, counts, between, groups, extra, self._evidence.limit) if len(numbers) else []
        where = {choice.group: (int(numbers[choice.identity]), choice.distance) for choice in taken}
        for i, group in enumerate(groups):
            number, distance = where.get(i, (0, 0.0))
            self._settle(due, group, number or self._register.new_number(), distance, others, distances, events)

    def _told(self, rows: Sequence[int], events: list[Event]) -> list[int]:
        """Gives those of whom the operator has said who they are to that identity; the others are left."""
        memory, corrections = self._memory, self._evidence.corrections
        if not corrections.named:
            return list(rows)
        known: dict[Key, int] = {}
        for key in sorted(corrections.named):
            row = memory.row_of.get(key)
            if row is not None and memory.number[row] > 0:
                group, number = corrections.group(key), int(memory.number[row])
                known[group] = min(number, known.get(group, number))
        left: list[int] = []
        for row in memory.sorted(rows):
            key = memory.at(row).item.key
            number = known.get(corrections.group(key), 0) if key in corrections.named else 0
            if number:
                self._register.announce(row, number, events)
                self._register.put(row, number, None)
            else:
                left.append(row)
        return left

    def _against(
        self,
        groups: list[list[int]],
        due: IntArray,
        decided: IntArray,
        distances: FloatArray,
        never: npt.NDArray[np.bool_],
    ) -> tuple[IntArray, npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Groups against those identities that anybody new is near: numbers, sums, counts and other evidence."""
        memory = self._memory
        never = never[:, len(due) :]
        near = (np.where(never, np.inf, distances) <= self._evidence.limit).any(axis=0)
        numbers = np.unique(memory.number[decided[near]])
        mine = np.isin(memory.number[decided], numbers)
        rows, distances, never = decided[mine], distances[:, mine], never[:, mine]
        position = np.searchsorted(numbers, memory.number[rows])
        barred = self._register.past.bars(numbers, memory.camera[due], memory.first[due], memory.last[due])
        never = never | barred[:, position]
        totals, counts = sums(groups, distances, never, position, len(numbers))
        firsts = np.array([due[group[0]] for group in groups], np.intp)
        return numbers, totals, counts, self._evidence.transit(firsts, rows, position, len(numbers))

    def _settle(
        self,
        due: IntArray,
        group: list[int],
        number: int,
        distance: float,
        others: IntArray,
        distances: FloatArray,
        events: list[Event],
    ) -> None:
        """Makes a group part of an identity, tracklet by tracklet in order of appearance."""
        memory = self._memory
        for i in group:
            row = int(due[i])
            members = memory.number[others] == number
            link = None
            if members.any():
                j = int(np.where(members, distances[i], np.inf).argmin())
                first = memory.at(int(others[j])).item.key
                if np.isfinite(distances[i, j]):
                    between = float(distances[i, j])
                    link = Link(first, memory.at(row).item.key, between, distance if distance else between)
                    self._evidence.learn_transit(int(others[j]), row, between)
            outside = np.where(members | (others == row), np.inf, distances[i])
            memory.at(row).nearest = float(outside.min()) if np.isfinite(outside.min(initial=np.inf)) else None
            self._register.announce(row, number, events)
            self._register.put(row, number, link)

    # Looking back

    def _revise(self, events: list[Event]) -> None:
        """Clusters recent tracklets anew, and says what that changes."""
        self._revised = self._now
        self._changed = False
        self._evidence.people = self._memory.people()
        since = self._now - self._config.recent_seconds
        register = self._register
        for change in revised(self._evidence, register.members, since, register.past, register.new_number):
            self._register.carry_out(change, self._now, events)


def _reach(item: CameraTracklet) -> tuple[float, int]:
    """How far a state of a tracklet goes: its last time, and how many boxes it has."""
    return float(item.tracklet.times[-1]), len(item.tracklet)
