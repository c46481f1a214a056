"""Who is who over all live cameras: tracklets into the gallery, identities out of the associator, both told at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from app.association import CameraTracklet
from app.association.events import Event as Decision
from app.association.events import Merged, Split
from app.association.online import OnlineAssociator
from app.config import Config
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.corrections import load, note_last_number
from app.gallery.following import Reappearance
from app.gallery.growing import Grown, Key, assign, audited, nameless, put_all, recent, runs, stays_before, stored_of
from app.live.catching_up import AT_ONCE, catch_up, deliver
from app.live.spool import Spool, Waiting
from app.live.written import Written, new_views
from trackers import Tracklet

log = logging.getLogger(__name__)

STORED_SECONDS = 5.0
"""Seconds between two times that a growing tracklet is written."""

OLD_ENOUGH = 0.5
"""Seconds that a growing tracklet has lasted, beyond those in which it may turn out to be another's, when it is first
written."""

RETRY_SECONDS = 2.0
"""Seconds between two attempts to write to a gallery that cannot be written."""

OPERATORS = {"identity merge", "identity split", "identity never", "identity undo", "erase"}
"""What an operator does, by its name in the audit log, that linking must take into account at once."""

MOST_LEFT = 1000
"""Tracklets that an earlier run has left without an identity and this one gives one, at most: the latest."""

MOST_WAITING = 20_000
"""Ended tracklets that wait in memory for a gallery that cannot be written, at most: some hundred megabytes."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one step of linking has found.

    Attributes:
        decisions: What the associator has decided, in order.
        reappearances: Of people who are followed.
    """

    decisions: list[Decision]
    reappearances: list[Reappearance]


class Linker:
    """Writes tracklets into the gallery while they grow, links them, and writes who is who.

    `offer` may be called by any thread at any time; `step` by one. Where the gallery cannot be written, what ended
    waits, on disk where it can, and people are linked all the same.

    Args:
        gallery: Open for writing; the cameras were added.
        config: The association's settings, and the cameras' homographies.
        told: Called with what each step has found, before `step` returns.
        clock: Current time, seconds since the epoch: that of the frames, which never goes back.
        spool: Where on disk what ends waits; None for in memory only. What waits there from an earlier run is written.
    """

    def __init__(
        self,
        gallery: Gallery,
        config: Config,
        told: Callable[[Outcome], None],
        clock: Callable[[], float],
        spool: Spool | None = None,
    ) -> None:
        self.failures = 0
        self._gallery, self._config, self._told, self._clock = gallery, config, told, clock
        self._lock = threading.Lock()
        self._inbox: dict[Key, tuple[CameraTracklet, bool]] = {}
        self._withdrawn: list[Key] = []
        self._waiting: dict[Key, Tracklet] = {}
        self._written: dict[Key, Written] = {}
        self._undecided: dict[Key, tuple[CameraTracklet, bool]] = {}
        self._numbers: dict[Key, int] = {}
        self._unassigned: dict[Key, int] = {}
        self._erased: dict[Key, float] = {}
        self._given_up: set[Key] = set()
        self._in_memory = False
        self._read = self._heeded = -1
        self._retry = -np.inf
        self._spool, self._numbers_wait = spool, False
        if spool is not None:
            catch_up(gallery, spool)
        left = nameless(gallery, MOST_LEFT)
        with gallery.writing() as connection:
            self._obey(connection)
        for item in left:
            # Whoever was seen when the run before was killed; other processes may go on seeing them.
            self._associator.observe(item, finished=False)
            self._undecided[item.key] = item, False

    # What the runtime and the pages ask

    def offer(self, camera: str, tracklets: Iterable[Tracklet], *, finished: bool) -> None:
        """Takes tracklets of a camera, ended or as they are by now; never waits."""
        with self._lock:
            for tracklet in tracklets:
                item = CameraTracklet(camera, tracklet)
                if finished or not self._inbox.get(item.key, (item, False))[1]:
                    self._inbox[item.key] = item, finished

    def withdraw(self, camera: str, track: int) -> None:
        """Takes back a growing tracklet that turned out to be another's."""
        with self._lock:
            key = camera, track
            if not self._inbox.get(key, (None, False))[1]:
                self._inbox.pop(key, None)
                self._withdrawn.append(key)

    def identity_of(self, key: Key) -> int | None:
        """The number of a tracklet's identity by the latest decision; None where there is none yet."""
        return self._numbers.get(key)

    @property
    def people(self) -> int:
        """How many identities are remembered."""
        return len(set(self._numbers.values()))

    @property
    def pending(self) -> int:
        """Tracklets that were offered or ended and are not in the gallery yet."""
        return len(self._inbox) + len(self._waiting) + len(self._spooled)

    def in_memory(self) -> set[Key]:
        """Tracklets that have ended and are neither in the gallery nor on disk, those given up among them."""
        return self._waiting.keys() | self._given_up

    def unwritten(self) -> set[Key]:
        """Tracklets that were offered and are not in the gallery yet, as far as is known."""
        with self._lock:
            return {*self._inbox, *self._waiting, *self._undecided, *self._spooled}

    @property
    def _held_up(self) -> bool:
        return self._clock() < self._retry

    @property
    def _spooled(self) -> set[Key]:
        return set() if self._spool is None else self._spool.keys

    # One step

    def step(self) -> Outcome:
        """Takes in what was offered: writes it, links it, and tells what was found."""
        with self._lock:
            inbox, self._inbox = self._inbox, {}
            withdrawn, self._withdrawn = self._withdrawn, []
        for key in withdrawn:
            self._associator.withdraw(key)
            for kept in (self._undecided, self._numbers, self._written, self._unassigned, self._erased):
                kept.pop(key, None)
        # Writing looks again, when nobody else can write.
        if not self._held_up:
            with suppress(InputError), self._gallery.reading() as connection:
                self._heed(connection)
        inbox = self._without_erased(inbox)
        seen = self._write(inbox)
        for item, finished in self._without_erased(inbox).values():
            self._associator.observe(item, finished=finished)
            if item.key not in self._numbers:
                self._undecided[item.key] = item, finished
        now = self._clock()
        decisions = self._decide(lambda: self._associator.advance(now))
        outcome = Outcome(decisions, seen)
        self._told(outcome)
        return outcome

    def flush(self) -> Outcome:
        """Takes in what was offered and decides everything that waits, at the end."""
        first = self.step()
        outcome = Outcome(self._decide(lambda: self._associator.flush()), [])
        self._told(outcome)
        return Outcome([*first.decisions, *outcome.decisions], first.reappearances)

    # The gallery

    def _write(self, inbox: dict[Key, tuple[CameraTracklet, bool]]) -> list[Reappearance]:
        """Writes what ended, and of what grows what has not been written for some time."""
        now = self._clock()
        due: dict[str, list[Tracklet]] = {}
        held_up = self._held_up
        for key, (item, finished) in inbox.items():
            if finished:
                self._waiting[key] = item.tracklet
                self._given_up.discard(key)
            elif not held_up and self._is_due(key, item.tracklet, now):
                due.setdefault(item.camera, []).append(item.tracklet)
        for (camera, _), tracklet in () if held_up else self._waiting.items():
            due.setdefault(camera, []).append(tracklet)
        seen: list[Reappearance] = []
        try:
            if self._spool is not None and not held_up:
                seen += deliver(self._gallery, self._spool, self._heed)[1]
            for some in runs(due, AT_ONCE):
                seen += self._put(some, now)
        except InputError as error:
            self._failed(error)
        if self._held_up:
            self._put_by()
        return seen

    def _put_by(self) -> None:
        """Puts what waits for the gallery on disk, where there is a place for it; else the latest stay in memory."""
        if self._spool is not None:
            try:
                items = [
                    Waiting(
                        key[0], Grown(item, new_views(item, self._written.get(key))), key in self._written, self._heeded
                    )
                    for key, item in self._waiting.items()
                ]
                self._spool.keep(items)
                for item in items:
                    self._waiting.pop(item.key)
                    self._written.pop(item.key, None)
                self._in_memory = False
            except InputError as error:
                if not self._in_memory:
                    log.error("what waits for the gallery cannot be put on disk: %s; it waits in memory", error)
                self._in_memory = True
        for key in list(self._waiting)[: max(len(self._waiting) - MOST_WAITING, 0)]:
            del self._waiting[key]
            self._given_up.add(key)

    def _is_due(self, key: Key, tracklet: Tracklet, now: float) -> bool:
        written = self._written.get(key)
        if written is None:
            old = float(tracklet.times[-1] - tracklet.times[0]) >= self._config.tracker.refind_young + OLD_ENOUGH
            return old and tracklet.exemplars is not None
        return now - written.time >= STORED_SECONDS

    def _put(self, due: dict[str, list[Tracklet]], now: float) -> list[Reappearance]:
        """Writes tracklets of all cameras, in one transaction."""
        grown = {
            camera: [Grown(item, new_views(item, self._written.get((camera, item.track_id)))) for item in tracklets]
            for camera, tracklets in due.items()
        }
        seen = put_all(self._gallery, grown, self._heed)
        for key, each in (((camera, item.tracklet.track_id), item) for camera in grown for item in grown[camera]):
            if key in self._erased:
                continue
            if self._waiting.pop(key, None) is not None:
                self._written.pop(key, None)
                continue
            self._written.setdefault(key, Written(now)).add(each, now)
        return seen

    def _failed(self, error: InputError) -> None:
        if not self.failures:
            log.error("the gallery cannot be written: %s; what ends waits", error)
        self.failures += 1
        self._retry = self._clock() + RETRY_SECONDS

    # Who was erased while they are in view: nothing of them is written, nor linked, until their tracks end

    def _heed(self, connection: Connection) -> set[Key]:
        """Forgets whoever in view was erased since; gives the tracks of all who were."""
        first = self._heeded < 0
        self._heeded, done = audited(connection, self._heeded)
        if "erase" in done and not first:
            numbers, in_doubt = self._numbers, self._written.keys() | self._unassigned.keys() | self._waiting.keys()
            in_doubt |= self._spooled
            believed = self._written.keys() | (numbers.keys() - self._unassigned.keys())
            stored = stored_of(connection, believed)
            missing = believed - stored
            # Also a track too short to be stored, of an identity of which nothing is left.
            gone = {numbers[key] for key in missing & numbers.keys()}
            gone -= {numbers[key] for key in stored & numbers.keys()}
            for key in in_doubt & (missing | {key for key, number in numbers.items() if number in gone}):
                self._erased[key] = self._clock()
                for kept in (self._undecided, self._numbers, self._written, self._unassigned, self._waiting):
                    kept.pop(key, None)
            if self._spool is not None:
                self._spool.drop(self._erased)
        return set(self._erased)

    def _without_erased(self, inbox: dict[Key, tuple[CameraTracklet, bool]]) -> dict[Key, tuple[CameraTracklet, bool]]:
        """What was offered, without what shows those who were erased; what ends is remembered no longer."""
        if not self._erased:
            return inbox
        out = inbox.keys() & self._erased.keys()
        ended: dict[str, float] = {}
        for camera, track in out:
            item, finished = inbox[camera, track]
            seen = max(self._erased[camera, track], float(item.tracklet.times[-1]))
            self._erased[camera, track] = seen
            if finished:
                del self._erased[camera, track]
                ended[camera] = max(seen, ended.get(camera, seen))
        # A track that went over to somebody else is taken apart when it ends; its parts were in view as this person.
        parts = {
            key
            for key, (item, finished) in inbox.items()
            if finished and not self._is_known(key) and item.tracklet.times[0] <= ended.get(item.camera, -np.inf)
        }
        return {key: each for key, each in inbox.items() if key not in out | parts}

    def _is_known(self, key: Key) -> bool:
        return any(key in known for known in (self._numbers, self._undecided, self._written))

    # Identities

    def _decide(self, run: Callable[[], list[Decision]]) -> list[Decision]:
        """Lets the associator decide, and writes who is who; the operator's word is taken first."""
        decisions: list[Decision] | None = None
        if self._held_up:
            return self._decide_alone(run)
        try:
            # One transaction: no correction can come between a decision and its writing, and take a number that the
            # associator gives.
            with self._gallery.writing() as connection:
                self._obey(connection)
                decisions = run()
                self._unassigned.update(self._changed(decisions))
                done = assign(connection, self._unassigned)
            self._unassigned = {key: number for key, number in self._unassigned.items() if key not in done}
            if self.failures:
                log.info("the gallery can be written again")
            self.failures = 0
            if self._numbers_wait and self._spool is not None and not self._spooled:
                self._spool.keep_numbers({}, 0)
                self._numbers_wait = False
        except InputError as error:
            self._failed(error)
            # What was decided already is put by once more, with nothing new.
            made = decisions
            decisions = self._decide_alone(run if made is None else lambda: made)
        return decisions

    def _decide_alone(self, run: Callable[[], list[Decision]]) -> list[Decision]:
        """Decides without the gallery; who is who then waits on disk."""
        decisions = run()
        self._unassigned.update(self._changed(decisions))
        if self._spool is not None:
            with suppress(InputError):
                self._spool.keep_numbers(self._unassigned, self._heeded)
                self._numbers_wait = True
        return decisions

    def _obey(self, connection: Connection) -> None:
        """Begins anew from what the gallery holds where the operator has said something since."""
        self._heed(connection)
        first = self._read < 0
        self._read, done = audited(connection, self._read)
        if not first and not done & OPERATORS:
            return
        now = self._clock()
        self._associator = OnlineAssociator(
            self._config.association,
            corrections=load(connection),
            homographies={each.name: each.homography for each in self._config.cameras if each.homography is not None},
            first_number=note_last_number(connection) + 1,
        )
        since = now - self._config.association.remember_seconds
        known = [(item, number) for item, number in recent(self._gallery, since) if number is not None]
        self._associator.recall(known, stays_before(self._gallery, {number for _, number in known}, since))
        self._numbers = {item.key: number for item, number in known}
        for item, finished in self._undecided.values():
            self._associator.observe(item, finished=finished)

    def _changed(self, decisions: Sequence[Decision]) -> dict[Key, int]:
        """The numbers of tracklets that have one now, or another than before."""
        touched = set(self._undecided)
        for each in decisions:
            if isinstance(each, Merged | Split):
                touched.update(each.tracklets)
        found = {key: number for key in touched if (number := self._associator.identity_of(key)) is not None}
        # Whoever came so late, or after the clock has jumped, that they were decided and forgotten at once.
        gone = {member.key: each.number for each in self._associator.forgotten for member in each.members}
        found |= {key: gone[key] for key in touched & gone.keys() - found.keys()}
        changed = {key: number for key, number in found.items() if self._numbers.get(key) != number}
        self._numbers.update(changed)
        for key in found:
            self._undecided.pop(key, None)
        for key in gone:
            self._numbers.pop(key, None)
        return changed
