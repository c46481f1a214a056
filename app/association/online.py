"""Tracklets into identities as they come: decided once a moment, for all cameras together, and looked back on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.association.corrections import Corrections
from app.association.describing import described, joined, route_of
from app.association.events import Appeared, Event, Key, Left, Merged, Moved, Split, Visit
from app.association.evidence import Evidence
from app.association.joint import choose, sums
from app.association.memory import Known, order
from app.association.revising import Change, revised
from app.association.types import CameraTracklet, Identity, Link
from app.config_association import AssociationConfig
from reid_model.features import FloatArray

IntArray = npt.NDArray[np.intp]

MEMBERS = 8
"""Tracklets of an identity whose looks are kept."""

SLICE_SECONDS = 0.5
"""Seconds of recordings that `replay` takes for one moment."""


class OnlineAssociator:
    """Links tracklets of all cameras into identities while they come.

    `observe` takes tracklets, `advance` moves the clock and decides what is due. What is observed between two calls of
    `advance` is one moment: its order makes no difference. A new tracklet waits `wait_seconds`, then all that are due
    are grouped by the offline clustering and given to identities by one assignment; who fits nobody is a new identity.
    From time to time the recent decisions are looked back on by the offline clustering, and changed with an event.

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
        self._waiting: dict[Key, tuple[CameraTracklet, bool]] = {}
        self._members: dict[int, list[int]] = {}
        self._gone: set[int] = set()
        self._next = first_number
        self._now = -np.inf
        self._revised: float | None = None
        self._changed = False

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be, a line each."""
        return self._evidence.warnings

    def observe(self, item: CameraTracklet, *, finished: bool = True) -> None:
        """Takes a tracklet; a later state of one that is growing replaces the earlier one.

        Args:
            item: The tracklet.
            finished: Whether it will not grow any more.
        """
        before = self._waiting.get(item.key)
        # Of two states in one moment the longer counts, in whichever order they come.
        if before is None or (len(item.tracklet), finished) > (len(before[0].tracklet), before[1]):
            self._waiting[item.key] = item, finished

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
        due = [row for row in memory.rows() if memory.number[row] == 0 and memory.at(row).due <= now]
        self._decide(due, events)
        if self._revised is None:
            self._revised = now
        often = self._config.revise_seconds
        if self._changed or (often and now - self._revised >= often):
            self._revise(events)
        self._let_go(events)
        return events

    def flush(self) -> list[Event]:
        """Decides everything that waits, at the end of all streams, and looks back once more."""
        events: list[Event] = []
        self._release(self._take_in(), events)
        self._decide([row for row in self._memory.rows() if self._memory.number[row] == 0], events)
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
        return [self._described(number) for number in sorted(self._members)]

    def route(self, number: int) -> tuple[Visit, ...]:
        """Where and when a person was seen, as far as is remembered, in order of time; empty where nobody is known."""
        return route_of(self._memory, self._members.get(number, []))

    def _described(self, number: int) -> Identity:
        return described(self._memory, number, self._members[number], self._config.threshold)

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
                if len(item.tracklet) < len(known.item.tracklet):
                    continue
                known.item, known.finished = item, known.finished or finished
                memory.update(row)
                if memory.number[row]:
                    changed.append(row)
            self._evidence.look(row)
            if memory.number[row]:
                self._spare(int(memory.number[row]))
        self._waiting.clear()
        return changed

    def _release(self, rows: list[int], events: list[Event]) -> None:
        """Takes tracklets out of identities that they have grown to contradict."""
        for row in self._memory.sorted(rows):
            number = int(self._memory.number[row])
            members = self._members[number]
            if len(members) < 2:
                continue
            others = np.array([each for each in members if each != row])
            against = self._evidence.forbidden(np.array([row]), others)[0]
            if against.any():
                # Whoever was seen later is the one in doubt.
                later = self._memory.sorted([row, int(others[against][0])])[1]
                other = row if later != row else int(others[against][0])
                self._put(later, self._new_number(), None)
                reason = f"seen at once with {_name(self._memory.at(other).item.key)}"
                into = int(self._memory.number[later])
                events.append(Split(number, self._now, into, (self._memory.at(later).item.key,), reason))

    # Deciding

    def _decide(self, rows: Sequence[int], events: list[Event]) -> None:
        """Gives undecided tracklets identities, all together."""
        if not rows:
            return
        memory, config = self._memory, self._config
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
        taken = choose(totals, counts, between, groups, extra, config.threshold) if len(numbers) else []
        where = {choice.group: (int(numbers[choice.identity]), choice.distance) for choice in taken}
        for i, group in enumerate(groups):
            number, distance = where.get(i, (0, 0.0))
            self._settle(due, group, number or self._new_number(), distance, others, distances, events)

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
                self._announce(row, number, events)
                self._put(row, number, None)
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
        near = (np.where(never, np.inf, distances) <= self._config.threshold).any(axis=0)
        numbers = np.unique(memory.number[decided[near]])
        mine = np.isin(memory.number[decided], numbers)
        rows, distances, never = decided[mine], distances[:, mine], never[:, mine]
        position = np.searchsorted(numbers, memory.number[rows])
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
            self._announce(row, number, events)
            self._put(row, number, link)

    def _announce(self, row: int, number: int, events: list[Event]) -> None:
        memory = self._memory
        item, members = memory.at(row).item, self._members.get(number, [])
        first = float(memory.first[row])
        if not members:
            events.append(Appeared(number, first, item.key))
            return
        if number in self._gone:
            self._gone.discard(number)
            events.append(Appeared(number, first, item.key, again=True))
        before = [each for each in members if memory.first[each] <= first] or members
        latest = max(before, key=lambda each: (memory.last[each], order(memory.at(each).item)))
        if memory.camera[latest] != memory.camera[row]:
            events.append(Moved(number, first, item.key, memory.names[memory.camera[latest]]))

    def _put(self, row: int, number: int, link: Link | None) -> None:
        """Makes a tracklet a member of an identity and of no other."""
        memory = self._memory
        before = int(memory.number[row])
        if before > 0:
            self._members[before].remove(row)
            if not self._members[before]:
                del self._members[before]
                self._gone.discard(before)
        members = self._members.setdefault(number, [])
        members.append(row)
        memory.number[row] = number
        memory.at(row).link = link
        self._spare(number)

    def _spare(self, number: int) -> None:
        """Forgets what an identity's tracklets look like of which others say the same."""
        memory = self._memory
        looked = [each for each in self._members[number] if memory.slot[each] >= 0]
        if len(looked) > MEMBERS:
            # The camera that knows them best can spare its oldest look.
            cameras = np.bincount(memory.camera[looked])
            most = [each for each in looked if memory.camera[each] == cameras.argmax()]
            self._evidence.unlook(min(most, key=lambda each: (memory.last[each], order(memory.at(each).item))))

    def _new_number(self) -> int:
        self._next += 1
        return self._next - 1

    # Looking back

    def _revise(self, events: list[Event]) -> None:
        """Clusters recent tracklets anew, and says what that changes."""
        self._revised = self._now
        self._changed = False
        since = self._now - self._config.recent_seconds
        for change in revised(self._evidence, self._members, since, self._new_number):
            self._carry_out(change, events)

    def _carry_out(self, change: Change, events: list[Event]) -> None:
        memory = self._memory
        keys = tuple(memory.at(row).item.key for row in change.rows)
        whole = len(change.rows) == len(self._members[change.origin])
        gone = change.origin in self._gone
        for row in change.rows:
            link = memory.at(row).link
            self._put(row, change.to, link if whole else None)
        if change.first_link is not None:
            memory.at(change.rows[0]).link = change.first_link
        if whole and change.known:
            events.append(Merged(change.to, self._now, change.origin, keys, change.reason))
            if not gone:
                self._gone.discard(change.to)
        else:
            events.append(Split(change.origin, self._now, change.to, keys, change.reason))

    def _let_go(self, events: list[Event]) -> None:
        """Says who has left, and forgets who was not seen for long."""
        config, memory, self.forgotten = self._config, self._memory, []
        unseen = self._now - config.late_seconds
        rows = memory.rows()
        rows = rows[memory.number[rows] > 0]
        away = np.unique(memory.number[rows[memory.last[rows] < unseen - config.leave_seconds]])
        for number in (each for each in away.tolist() if each not in self._gone):
            members = self._members[number]
            latest = max(members, key=lambda row: (memory.last[row], order(memory.at(row).item)))
            if memory.last[latest] < unseen - config.leave_seconds:
                self._gone.add(number)
                events.append(Left(number, float(memory.last[latest]), memory.at(latest).item.key))
        old = rows[memory.last[rows] < unseen - config.remember_seconds]
        for number in np.unique(memory.number[old]).tolist():
            dropped = old[memory.number[old] == number].tolist()
            self.forgotten.append(described(memory, number, dropped, config.threshold))
            self._members[number] = [row for row in self._members[number] if row not in dropped]
            for row in dropped:
                self._evidence.forget(row)
            if not self._members[number]:
                del self._members[number]
                self._gone.discard(number)


def replay(
    tracklets: Sequence[CameraTracklet],
    config: AssociationConfig,
    *,
    corrections: Corrections | None = None,
    homographies: Mapping[str, Sequence[Sequence[float]]] | None = None,
    delays: Mapping[str, float] | None = None,
) -> list[Identity]:
    """Links finished tracklets as if they came live, each when it ends.

    Args:
        tracklets: Tracklets of all cameras; a track number occurs once in a camera.
        config: The association's settings.
        corrections: The operator's word.
        homographies: Of cameras by name, 3 × 3, from source pixels to metres on a common ground.
        delays: Seconds by which the tracklets of a camera come late, by its name.

    Returns:
        Identities by number, which is in order of decision; every tracklet is a member of exactly one.

    Raises:
        ValueError: If a camera has two tracklets of one number, or exemplars come from different models.
    """
    keys = [item.key for item in tracklets]
    if len(set(keys)) < len(keys):
        camera, number = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"tracklets: expected each track number once in a camera, given {camera} track {number} twice")
    associator = OnlineAssociator(config, corrections=corrections, homographies=homographies)
    arrival = [float(item.tracklet.times[-1]) + (delays or {}).get(item.camera, 0.0) for item in tracklets]
    found: list[Identity] = []
    moments = np.ceil(np.array(arrival) / SLICE_SECONDS).astype(np.int64)
    # Between arrivals only what waits for its decision makes a moment worth a look.
    later = moments + int(np.ceil(config.wait_seconds / SLICE_SECONDS))
    order_of = np.argsort(moments, kind="stable")
    position = 0
    for moment in np.unique(np.concatenate([moments, later[later <= moments.max(initial=0)]])).tolist():
        while position < len(order_of) and moments[order_of[position]] <= moment:
            associator.observe(tracklets[int(order_of[position])])
            position += 1
        associator.advance(moment * SLICE_SECONDS)
        found += associator.forgotten
    associator.flush()
    whole = {item.key: item for item in tracklets}
    return [
        replace(identity, members=tuple(whole[member.key] for member in identity.members))
        for identity in joined([*found, *associator.identities()])
    ]


def _name(key: Key) -> str:
    return f"{key[0]} track {key[1]}"
