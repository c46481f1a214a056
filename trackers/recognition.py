"""Who people are by their looks: what is worth a look, what it says of a frame's pairs, and what is learned from it.

Motion says where somebody may be; here is what looks add. A crop is compared with the views known of a track, the
distance read on the scale of the scene's own strangers, and believed as far as both show enough of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.features import Features
from trackers import gates
from trackers.appearance import Crops, Exemplars, Strangers
from trackers.assignment import assign, leading
from trackers.config import TrackerConfig
from trackers.crops import Need, contested
from trackers.frame import Frame
from trackers.gates import Mask
from trackers.motion import Array
from trackers.pairs import Pairs
from trackers.returning import Returning
from trackers.tracklet import Image
from trackers.tracks import Tracks

Indices = npt.NDArray[np.intp]

COMPARED = 3
"""Other people of the frame that each crop is compared with, to know how far apart different people are."""

LOOK_AGAIN = 0.2
"""Seconds between two looks at a track just confirmed, or at faint boxes, for whether it is somebody who was lost."""


class Found(NamedTuple):
    """k people found again by their looks.

    Attributes:
        rows: Rows of their tracks, `(k,)`.
        crops: Positions of the crops that show them, `(k,)`.
        distances: How far these and earlier ones of the same young track are from the nearest view, in the mean,
            [0, 2], `(k,)`.
        limits: Largest distance at which each would be found, `(k,)`.
    """

    rows: Indices
    crops: Indices
    distances: Array
    limits: Array


class Recognition:
    """What is known of the looks of n living tracks, row by row as in `Tracks`.

    Attributes:
        exemplars: Views of each track, by its key.
        strangers: How far apart different people are here.
    """

    def __init__(self, config: TrackerConfig) -> None:
        """Knows nobody yet."""
        self.exemplars = Exemplars(config.exemplars)
        self.strangers = Strangers(config.appearance_neutral)
        self._config, self._returning, self._looked = config, Returning(), -np.inf

    def need(self, tracks: Tracks, clock: float, frame: Frame) -> Need:
        """What each box of a frame is worth a look for.

        Args:
            tracks: The tracks.
            clock: The tracker's clock in seconds.
            frame: The frame, matched by motion alone.
        """
        config, count = self._config, len(frame.boxes)
        owner = frame.owners(frame.match)
        owned = owner >= 0
        sure, named = owned.copy(), owned.copy()
        sure[owned] = self._settled(tracks, clock)[owner[owned]]
        named[owned] = tracks.confirmed[owner[owned]]
        known = self.exemplars.known(tracks.keys)
        age, life, new = np.zeros(count), np.zeros(count), np.zeros(count, np.bool_)
        age[owned] = np.minimum(clock - tracks.learned[owner[owned]], 100.0)
        life[owned] = clock - tracks.born[owner[owned]]
        # A faint candidate waits: most of them are nobody.
        new[owned] = ~known[owner[owned]] & (tracks.firm | tracks.confirmed)[owner[owned]]
        looked, faint = np.zeros(count, np.bool_), frame.scores < config.high_score
        looked[frame.cost.columns[known[frame.cost.rows]]] = True
        doubtful = contested(frame.cost, count, config.high_cost, config.appearance_weight) & looked
        returning = ~sure & (frame.scores >= min(config.refind_score, config.high_score))
        returning &= ~named | (age >= LOOK_AGAIN)
        lost = self.lost(tracks, clock, frame.match)
        returning[returning] = self.reach(tracks, clock, lost, frame.boxes[returning]).any(axis=0)
        # Most faint boxes are nobody, in every frame anew; beside other crops they cost less.
        others = ~faint & (returning | doubtful | new)
        due = clock - self._looked >= (LOOK_AGAIN if others.any() else 2 * LOOK_AGAIN)
        returning &= ~faint | due
        if (returning & faint).any():
            self._looked = clock
        return Need(
            contested=doubtful,
            returning=returning,
            new=new,
            age=age,
            life=life,
            covered=frame.covered,
            height=frame.boxes[:, 3] - frame.boxes[:, 1],
            score=frame.scores,
        )

    def told(self, tracks: Tracks, frame: Frame, features: Features) -> Pairs:
        """The costs with what looks take from (or add to) those of the crops' pairs of which views are known."""
        cost, place = frame.cost, np.full(len(frame.boxes), -1, np.intp)
        place[frame.crops] = np.arange(len(frame.crops))
        known = self.exemplars.known(tracks.keys)
        which = np.flatnonzero((place[cost.columns] >= 0) & known[cost.rows])
        which = which[np.lexsort((place[cost.columns[which]], cost.rows[which]))]
        keys = tracks.keys[cost.rows[which]]
        distance, mass = self.exemplars.distances(features, place[cost.columns[which]], keys)
        belief = np.minimum(mass / self._config.full_mass, 1.0)
        told = cost.values.copy()
        told[which] -= self._config.appearance_weight * belief * self.strangers.speaks(distance)
        return Pairs(cost.rows, cost.columns, told)

    def found_again(self, tracks: Tracks, clock: float, frame: Frame, match: Indices, features: Features) -> Found:
        """Lost people among the crops whose boxes no settled track has.

        Of all looks at a young track the mean counts. A single look must be nearer, and so must a faint box, which also
        must show enough of a person: people come back half hidden, but so do legs, bags and doubles.

        Args:
            tracks: The tracks.
            clock: The tracker's clock in seconds.
            frame: The frame.
            match: The box of each track, −1 where there is none, `(n,)`.
            features: Features of the frame's crops.

        Returns:
            Who, and which crops show them.
        """
        config = self._config
        lost, owner = self.lost(tracks, clock, match), frame.owners(match)[frame.crops]
        if not len(lost):
            return Found(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0))
        # A candidate that was seen beside the lost person is somebody else.
        settled = self._settled(tracks, clock)
        since = np.where(owner >= 0, np.where(settled[owner], -np.inf, tracks.born[owner]), np.inf)
        reach = self.reach(tracks, clock, lost, frame.boxes[frame.crops]) & (tracks.seen[lost][:, None] < since)
        rows, crops = np.nonzero(reach)
        distance, mass = self.exemplars.distances(features, crops, tracks.keys[lost[rows]])
        trusted = frame.scores[frame.crops] >= config.high_score
        enough = mass >= config.refind_mass * config.full_mass
        enough &= trusted[crops] | (features.mass[crops] >= config.full_mass)
        rows, crops, distance = rows[enough], crops[enough], distance[enough]
        self._returning.keep(tracks.keys[~settled])
        cost, share = np.full(reach.shape, 9.0), np.full(reach.shape, config.refind_once)
        cost[rows, crops] = distance
        young = owner[crops] >= 0
        rows, crops = rows[young], crops[young]
        keys = tracks.keys[owner[crops]], tracks.keys[lost[rows]]
        cost[rows, crops], looks = self._returning.told(*keys, distance[young])
        share[rows, crops] = np.where((looks > 1) & trusted[crops], config.refind_share, config.refind_once)
        limits = share * self.strangers.neutral
        row, crop = assign(cost, leading(cost, config.refind_margin) & (cost <= limits), float(limits.max()))
        return Found(lost[row], crop, cost[row, crop], limits[row, crop])

    def compare(self, tracks: Tracks, frame: Frame, match: Indices, features: Features) -> None:
        """Measures how far each crop is from a few of the other people in the frame."""
        rows = np.flatnonzero((match >= 0) & self.exemplars.known(tracks.keys))
        # The first few from a place that moves on with every frame, so that everybody has a turn. No crop is touched
        # by so many boxes that all those looked at are among them.
        most = int(np.bincount(frame.overlap.columns, minlength=1).max())
        rows = np.roll(rows, -frame.number % max(len(rows), 1))[: most + COMPARED]
        apart = gates.iou(frame.boxes[match[rows]], frame.boxes[frame.crops]) == 0
        row, crop = np.nonzero(apart & (np.cumsum(apart, axis=0) <= COMPARED))
        self.strangers.note(self.exemplars.distances(features, crop, tracks.keys[rows[row]])[0])

    def learn(
        self,
        tracks: Tracks,
        clock: float,
        frame: Frame,
        match: Indices,
        features: Features,
        images: Sequence[Image] | None,
    ) -> None:
        """Offers each crop to its track as a view, where it surely shows the track's person and enough of them."""
        owner = frame.owners(match)
        crops = np.flatnonzero((owner[frame.crops] >= 0) & (frame.covered[frame.crops] <= self._config.learn_covered))
        crops = crops[self._own(tracks, frame, crops, owner, features)]
        owners = owner[frame.crops[crops]]
        tracks.learned[owners] = clock
        self.exemplars.learn(
            tracks.keys[owners],
            Crops(
                features[crops],
                frame.number,
                frame.time,
                frame.boxes[frame.crops[crops]],
                [None if images is None else images[crop] for crop in crops.tolist()],
            ),
        )

    def lost(self, tracks: Tracks, clock: float, match: Indices) -> Indices:
        """Confirmed tracks without a box that can be found again by appearance."""
        missing = tracks.confirmed & (match < 0) & (clock - tracks.seen <= self._config.refind_seconds)
        rows = np.flatnonzero(missing)
        return rows[self.exemplars.known(tracks.keys[rows])]

    def reach(self, tracks: Tracks, clock: float, rows: Indices, boxes: Array) -> Mask:
        """Which of the boxes `(m, 4)` k unseen tracks can have walked to, shape `(k, m)`."""
        motion, elapsed = tracks.motion, clock - tracks.seen[rows]
        return gates.reachable(motion.position[rows], motion.scale[rows], elapsed, self._config.walking_speed, boxes)

    def _settled(self, tracks: Tracks, clock: float) -> Mask:
        """Tracks known for so long that they are nobody who was lost, shape `(n,)`."""
        return tracks.confirmed & (clock - tracks.born > self._config.refind_young)

    def _own(self, tracks: Tracks, frame: Frame, crops: Indices, owner: Indices, features: Features) -> Mask:
        """Which crops surely show their tracks' own people, shape `(k,)`.

        A view of somebody else, once learned, holds the track to both: so a crop is learned from a box that no other
        touches, or when it looks like the views there are.
        """
        boxes = frame.crops[crops]
        keys = tracks.keys[owner[boxes]]
        others = frame.overlap[frame.overlap.rows != frame.overlap.columns]
        beside = others.greatest(len(frame.boxes))[boxes]
        known = self.exemplars.known(keys)
        sure = ~known | (beside <= self._config.learn_overlap)
        rows = np.flatnonzero(~sure)
        distance, _ = self.exemplars.distances(features, crops[rows], keys[rows])
        sure[rows] = distance <= self.strangers.neutral
        return np.asarray(sure, np.bool_)
