"""What speaks for and against two tracklets being one person: looks, cameras, time, ground, and the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.association.clustering import Linkage, agglomerate_in_turn, contracted
from app.association.corrections import Corrections
from app.association.crowd import Crowd
from app.association.ground import Ground
from app.association.looks import Looks
from app.association.memory import Memory
from app.association.overlap import Overlaps, at_once_for, declared_apart
from app.association.transit import Transits
from app.association.types import CameraTracklet
from app.association.views import MOMENT, SURE
from app.config_association import AssociationConfig
from reid_model.features import FloatArray
from trackers.tracklet import Tracklet

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

BLOCK = 256
"""Tracklets of which the time in common with all others is held at once."""

NEAR = 0.15
"""How far over the threshold two tracklets are still worth a look at where they stand."""


class Evidence:
    """Compares remembered tracklets, and learns from what it compares.

    Attributes:
        memory: The tracklets.
        corrections: The operator's word.
        people: How many people are remembered.
    """

    def __init__(
        self,
        config: AssociationConfig,
        corrections: Corrections,
        homographies: Mapping[str, Sequence[Sequence[float]]],
    ) -> None:
        """Knows nothing of any camera yet; see `OnlineAssociator`."""
        self.memory = Memory()
        self.corrections = corrections
        self.people = 0.0
        self._config = config
        self._crowd = Crowd(config.crowd_people, config.crowd_step)
        self._looks = Looks(config)
        self._overlaps = Overlaps()
        self._transits = Transits(config.remember_seconds)
        self._ground = Ground(homographies, config.ground_metres, config.clock_seconds)

    @property
    def config(self) -> AssociationConfig:
        """The association's settings."""
        return self._config

    @property
    def limit(self) -> float:
        """The largest distance at which tracklets are linked, among so many people."""
        return self._crowd.limit(self._config.threshold, self.people)

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be, a line each."""
        return self._ground.warnings

    def look(self, row: int) -> None:
        """Remembers what a tracklet looks like now."""
        memory, known = self.memory, self.memory.at(row)
        tracklet = known.item.tracklet
        if tracklet.exemplars is not None and len(tracklet.exemplars):
            memory.slot[row] = self._looks.put(tracklet.exemplars, int(memory.camera[row]), int(memory.slot[row]))
        # Views and pictures are by far the most of a tracklet, and are not needed again.
        known.item = CameraTracklet(known.item.camera, without_views(tracklet))

    def unlook(self, row: int) -> None:
        """Forgets what a tracklet looks like, but not that it was there."""
        if self.memory.slot[row] >= 0:
            self._looks.drop(int(self.memory.slot[row]))
            self.memory.slot[row] = -1

    def forget(self, row: int) -> None:
        """Forgets a tracklet."""
        self.unlook(row)
        self._room()
        self._overlaps.forget(row, int(self.memory.camera[row]))
        self.memory.drop(row)

    def forbidden(self, rows: IntArray, others: IntArray) -> BoolArray:
        """Pairs that can never be one person, `(n, m)`, whatever they look like."""
        memory, config = self.memory, self._config
        never = memory.in_two_places(rows, others, config.shared_overlap, config.shared_frames)
        if config.overlaps is not None:
            apart = declared_apart(memory.names, config)[memory.camera[rows][:, None], memory.camera[others]]
            never |= apart & at_once_for(memory.common(rows, others), memory.spans(rows, others, 0.0), config)
        named = self.corrections.named
        if named:
            told = [(j, key) for j, row in enumerate(others) if (key := memory.at(int(row)).item.key) in named]
            for i, row in enumerate(rows):
                key = memory.at(int(row)).item.key
                if key in named:
                    for j, other in told:
                        never[i, j] = self.corrections.never(key, other) or (
                            never[i, j] and self.corrections.group(key) != self.corrections.group(other)
                        )
        return never

    def distances(self, rows: IntArray, others: IntArray, *, learn: bool) -> tuple[FloatArray, BoolArray]:
        """How far tracklets are apart, by everything that is known of two tracklets.

        Args:
            rows: n tracklets.
            others: m tracklets.
            learn: Whether these are decided for the first time: where people stand is learned once.

        Returns:
            Distances, `(n, m)`, infinite where two can never be one or one has no looks, and the mask of the former.
        """
        memory = self.memory
        never = self.forbidden(rows, others)
        distances = np.full(never.shape, np.inf, np.float32)
        mine, theirs = np.flatnonzero(memory.slot[rows] >= 0), np.flatnonzero(memory.slot[others] >= 0)
        block = np.ix_(mine, theirs)
        slots, other = memory.slot[rows[mine]], memory.slot[others[theirs]]
        distances[block] = self._looks.compare(slots, other, never[block], self.limit, again=not learn)
        at_once = self._at_once(rows, others)
        self._room()
        self._learn(rows, others, distances, at_once, stand=learn)
        self._stand(rows, others, distances, never, at_once)
        if self._config.overlaps is None:
            common = self._overlaps.common_place()[memory.camera[rows][:, None], memory.camera[others]]
            distances[at_once & ~common] += np.float32(self._config.apart_penalty)
        return distances, never

    def groups(self, rows: IntArray, distances: FloatArray, never: BoolArray) -> list[list[int]]:
        """Groups tracklets among themselves: positions, each group in order.

        Args:
            rows: n tracklets.
            distances: Of every two, `(n, n)`, infinite where they cannot be compared.
            never: Those that can never be one person.
        """
        labels = np.arange(len(rows))
        if self.corrections.named:
            found: dict[object, int] = {}
            for i, row in enumerate(rows):
                labels[i] = found.setdefault(self.corrections.group(self.memory.at(int(row)).item.key), i)
        return clusters(distances, never, labels, self.limit, self._config.linkage)

    def transit(self, rows: IntArray, others: IntArray, identity: IntArray, count: int) -> Floats:
        """What the time since each identity was last seen adds to the distance of tracklets, `(n, count)`.

        Args:
            rows: n tracklets.
            others: Members of `count` identities.
            identity: Whose member each is, from 0.
            count: Number of identities.
        """
        memory, result = self.memory, np.zeros((len(rows), count))
        if not self._config.transit_weight or not count:
            return result
        self._transits.room(len(memory.names))
        # The member seen last before each new tracklet says where the identity came from.
        gap = memory.first[rows][:, None] - memory.last[others]
        gap = np.where(gap >= 0, gap, np.inf)
        order = np.lexsort((gap, np.broadcast_to(identity, gap.shape)))
        start = np.searchsorted(np.sort(identity), np.arange(count))
        latest = order[:, start]
        seconds = np.take_along_axis(gap, latest, axis=1)
        origin, to = memory.camera[others[latest]], memory.camera[rows][:, None]
        seconds = np.where(np.isfinite(seconds) & (origin != to), seconds, np.nan)
        return np.asarray(-self._config.transit_weight * self._transits.log_odds(origin, to, seconds))

    def learn_transit(self, row: int, other: int, distance: float) -> None:
        """Learns from a link how long people take from one camera to another, where looks alone were sure."""
        memory = self.memory
        first, second = sorted((row, other), key=lambda each: memory.first[each])
        seconds = float(memory.first[second] - memory.last[first])
        if distance <= self.limit - SURE and memory.camera[first] != memory.camera[second] and seconds >= 0:
            self._transits.room(len(memory.names))
            self._transits.learn(int(memory.camera[first]), int(memory.camera[second]), seconds)

    def learn_again(self, rows: IntArray) -> None:
        """Learns from who is known to be who: which cameras see a common place, and how long people take.

        Args:
            rows: Decided tracklets, no two the same.
        """
        memory = self.memory
        self._room()
        rows = rows[np.argsort(memory.first[rows], kind="stable")]
        cameras, numbers = memory.camera[rows], memory.number[rows]
        for start in range(0, len(rows), BLOCK):
            mine = slice(start, start + BLOCK)
            at_once = self._at_once(rows[mine], rows)
            same = at_once & (numbers[mine, None] == numbers)
            self._overlaps.learn(rows[mine], cameras[mine], rows, cameras, at_once)
            self._overlaps.learn_same(rows[mine], cameras[mine], rows, cameras, same)
        order = np.argsort(numbers, kind="stable")
        before, after = rows[order[:-1]], rows[order[1:]]
        seconds = memory.first[after] - memory.last[before]
        moved = (np.diff(numbers[order]) == 0) & (memory.camera[before] != memory.camera[after]) & (seconds >= 0)
        self._transits.room(len(memory.names))
        for i in np.flatnonzero(moved).tolist():
            self._transits.learn(int(memory.camera[before[i]]), int(memory.camera[after[i]]), float(seconds[i]))

    def _room(self) -> None:
        self._overlaps.room(len(self.memory.known), len(self.memory.names))

    def _at_once(self, rows: IntArray, others: IntArray) -> BoolArray:
        memory = self.memory
        least = self._config.shared_frames * memory.spans(rows, others, MOMENT)
        different = memory.camera[rows][:, None] != memory.camera[others]
        return np.asarray(different & (memory.common(rows, others) > least))

    def _learn(
        self, rows: IntArray, others: IntArray, distances: FloatArray, at_once: BoolArray, *, stand: bool
    ) -> None:
        memory = self.memory
        cameras, theirs = memory.camera[rows], memory.camera[others]
        self._overlaps.learn(rows, cameras, others, theirs, at_once)
        same = np.zeros_like(at_once)
        for camera in np.unique(theirs):
            there = np.flatnonzero(theirs == camera)
            nearest = there[distances[:, there].argmin(axis=1)]
            i = np.arange(len(rows))
            sure = distances[i, nearest] <= self.limit - SURE
            same[i, nearest] = sure & at_once[i, nearest]
        self._overlaps.learn_same(rows, cameras, others, theirs, same)
        if not stand:
            return
        for i, j in zip(*np.nonzero(same), strict=True):
            first, second = (memory.at(int(row)).item for row in (rows[i], others[j]))
            if self._ground.known(first.camera, second.camera):
                apart = self._ground.apart(first.camera, first.tracklet, second.camera, second.tracklet)
                if np.isfinite(apart):
                    self._ground.learn(first.camera, second.camera, apart)

    def _stand(
        self, rows: IntArray, others: IntArray, distances: FloatArray, never: BoolArray, at_once: BoolArray
    ) -> None:
        """Bars those who stand too far apart on the ground at once."""
        memory, names = self.memory, self.memory.names
        if self._ground.alone:
            return
        known = np.array([[self._ground.known(a, b) for b in names] for a in names], np.bool_)
        if not known.any():
            return
        maybe = at_once & known[memory.camera[rows][:, None], memory.camera[others]]
        maybe &= distances <= self.limit + NEAR
        for i, j in zip(*np.nonzero(maybe), strict=True):
            first, second = (memory.at(int(row)).item for row in (rows[i], others[j]))
            if self._ground.far(self._ground.apart(first.camera, first.tracklet, second.camera, second.tracklet)):
                never[i, j], distances[i, j] = True, np.inf


def clusters(
    distances: FloatArray,
    never: BoolArray,
    labels: IntArray,
    threshold: float,
    linkage: Linkage,
    first: BoolArray | None = None,
) -> list[list[int]]:
    """Clusters items of which those of one label stay together.

    Args:
        distances: Of n items, `(n, n)`; infinite where two cannot be compared.
        never: Pairs that must not be joined, `(n, n)`.
        labels: Of each item, `(n,)`.
        threshold: Largest distance at which two clusters are joined.
        linkage: Which distance two clusters have.
        first: Items of which the labels are joined before others, `(n,)`; None where all are joined at once.

    Returns:
        Positions, each cluster in order.
    """
    names, part = np.unique(labels, return_inverse=True)
    sizes = np.bincount(part).astype(np.float64)
    before = np.zeros(len(names), np.bool_)
    if first is not None:
        before[part[first]] = True
    found = {i: np.flatnonzero(part == i).tolist() for i in range(len(names))}
    merges = agglomerate_in_turn(contracted(distances, never, part), threshold, linkage, before, sizes)
    for merge in merges:
        found[merge.first] += found.pop(merge.second)
    return sorted(sorted(group) for group in found.values())


def without_views(tracklet: Tracklet) -> Tracklet:
    """A tracklet's boxes alone."""
    return replace(
        tracklet,
        exemplars=None,
        exemplar_frames=tracklet.exemplar_frames[:0],
        exemplar_times=tracklet.exemplar_times[:0],
        exemplar_boxes=tracklet.exemplar_boxes[:0],
        exemplar_crops=(),
    )
