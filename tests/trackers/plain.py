"""The tracker with matrices of every track and every box: plain to read, and what its lists of pairs must equal."""

from __future__ import annotations

import numpy as np

from trackers import Tracker, gates
from trackers.assignment import assign
from trackers.pairs import Pairs
from trackers.recognition import COMPARED, LOOK_AGAIN, Recognition


def plain_touching(first, second):
    """Every pair looked at."""
    shared = gates.intersection(first, second)
    return Pairs.of(shared, shared > 0)


def plain_contested(cost, allowed, limit, margin):
    if min(cost.shape) == 0:
        return np.zeros(cost.shape[1], bool)
    possible = allowed & (cost <= limit)
    price = np.where(possible, cost, np.inf)
    close_row = price <= price.min(axis=1)[:, None] + margin
    close_column = price <= price.min(axis=0)[None, :] + margin
    close = possible & close_row & close_column
    rivals = (close.sum(axis=1) > 1)[:, None] | (close.sum(axis=0) > 1)[None, :]
    return (close & rivals).any(axis=0)


def matrices(pairs, shape):
    """Values of the pairs, 9 elsewhere, and which they are."""
    values, which = np.full(shape, 9.0), np.zeros(shape, bool)
    values[pairs.rows, pairs.columns], which[pairs.rows, pairs.columns] = pairs.values, True
    return values, which


class PlainRecognition(Recognition):
    """What looks add, as a matrix."""

    def need(self, tracks, clock, frame):
        before = self._looked
        need = super().need(tracks, clock, frame)
        config = self._config
        cost, allowed = matrices(frame.cost, (len(tracks), len(frame.boxes)))
        known = self.exemplars.known(tracks.keys)
        contested = plain_contested(cost, allowed, config.high_cost, config.appearance_weight)
        assert (need.contested == contested & (allowed & known[:, None]).any(axis=0)).all()
        owner = frame.owners(frame.match)
        named = (owner >= 0) & np.append(tracks.confirmed, False)[owner]
        known_for = clock - np.append(tracks.born, 0.0)[owner]
        looked = clock - np.append(tracks.learned, 0.0)[owner]
        sure = named & ((known_for > config.refind_young) | (looked < LOOK_AGAIN))
        there = self.reach(tracks, clock, self.lost(tracks, clock, frame.match), frame.boxes).any(axis=0)
        returning, faint = (frame.scores >= config.refind_score) & ~sure & there, frame.scores < config.high_score
        beside = (~faint & (returning | need.contested | need.new)).any()
        if clock - before < LOOK_AGAIN * (1 if beside else 2):
            returning[faint] = False
        assert (need.returning == returning).all()
        return need

    def told(self, tracks, frame, features):
        cost, allowed = matrices(frame.cost, (len(tracks), len(frame.boxes)))
        known = self.exemplars.known(tracks.keys)
        rows, crops = np.nonzero(allowed[:, frame.crops] & known[:, None])
        distance, mass = self.exemplars.distances(features, crops, tracks.keys[rows])
        belief = np.minimum(mass / self._config.full_mass, 1.0)
        cost[rows, frame.crops[crops]] -= self._config.appearance_weight * belief * self.strangers.speaks(distance)
        return Pairs.of(cost, allowed)

    def compare(self, tracks, frame, match, features):
        rows = np.flatnonzero((match >= 0) & self.exemplars.known(tracks.keys))
        apart = gates.iou(frame.boxes, frame.boxes)[np.ix_(match[rows], frame.crops)] == 0
        turn = np.roll(np.arange(len(rows)), -frame.number % max(len(rows), 1))
        apart, rows = apart[turn], rows[turn]
        row, crop = np.nonzero(apart & (np.cumsum(apart, axis=0) <= COMPARED))
        self.strangers.note(self.exemplars.distances(features, crop, tracks.keys[rows[row]])[0])

    def _own(self, tracks, frame, crops, owner, features):
        boxes = frame.crops[crops]
        overlap = gates.iou(frame.boxes, frame.boxes)
        np.fill_diagonal(overlap, 0)
        beside = overlap.max(axis=1, initial=0)
        others = frame.overlap[frame.overlap.rows != frame.overlap.columns]
        assert (others.greatest(len(frame.boxes))[boxes] == beside[boxes]).all()
        return super()._own(tracks, frame, crops, owner, features)


class PlainTracker(Tracker):
    """Each step as a matrix."""

    def __init__(self, config=None):
        super().__init__(config)
        self._looks = PlainRecognition(self.config)

    def _costs(self, boxes):
        motion, config = self._tracks.motion, self.config
        spread = self._motion.spread(motion)
        margin = np.maximum(spread[:, :2] - config.sharp * motion.scale, 0)
        cost = 1 - gates.iou(gates.expanded(motion.boxes, margin), boxes)
        recent = self._clock - self._tracks.seen <= config.lost_seconds
        rows, columns = (each.ravel() for each in np.indices(cost.shape))
        away = gates.deviation(motion.position[rows], spread[rows], boxes[columns]).reshape(cost.shape)
        return Pairs.of(cost, (cost < 1) & recent[:, None] & (away <= config.gate))

    def _matched(self, cost, scores):
        tracks, config = self._tracks, self.config
        cost, allowed = matrices(cost, (len(tracks), len(scores)))
        match = np.full(len(tracks), -1, np.intp)
        high, faint = scores >= config.high_score, scores >= config.faint_score
        recent = self._clock - tracks.seen <= config.low_seconds
        for who, which, limit in (
            (tracks.confirmed, high, config.high_cost),
            (tracks.confirmed & recent, ~high, config.low_cost),
            (~tracks.confirmed, high, config.new_cost),
            (~tracks.confirmed & ~tracks.firm, faint & ~high, config.new_cost),
        ):
            rows = np.flatnonzero(who & (match < 0))
            free = which.copy()
            free[match[match >= 0]] = False
            columns = np.flatnonzero(free)
            block = np.ix_(rows, columns)
            row, column = assign(cost[block], allowed[block], limit)
            match[rows[row]] = columns[column]
        return match

    def _duplicates(self, frame, match):
        rows = np.flatnonzero(match >= 0)
        overlap = gates.iou(frame.boxes, frame.boxes)
        same = overlap[np.ix_(match[rows], match[rows])] >= self.config.duplicate_overlap
        twice = np.zeros(len(match), bool)
        twice[rows] = np.triu(same, 1).any(axis=0)
        return twice & (self._clock - self._tracks.born < self.config.duplicate_seconds)
