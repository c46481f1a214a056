"""Following people inside one camera: predict, gate, match, find again, begin, end.

The order of work in a frame, with what each part is taken from:

1. `observe` predicts where every track is (motion.py) and gates and prices every box for every track: overlap with
   the expected box, which grows with its uncertainty.
2. Trusted boxes go to confirmed tracks, the lost ones included, then low-score boxes to those seen lately (ByteTrack,
   Zhang et al. 2022), then what is left to candidates.
3. The boxes whose features could change that, or show a person better, are embedded by the caller (crops.py).
4. `update` prices again with the features and finds lost people among the boxes no settled track has, faint ones too
   (recognition.py, returning.py).
5. What is still nobody's begins a candidate; candidates seen often enough get a number; tracks unseen too long end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import supervision as sv

from reid_model.features import Features
from trackers import gates
from trackers.assignment import assign_pairs
from trackers.config import TrackerConfig
from trackers.crops import Allowance, choose
from trackers.frame import Frame, usable
from trackers.gates import Mask
from trackers.links import Refind, Refinds, sureness
from trackers.motion import Affine, Array, MotionModel, Steady, moved_centres, to_centre, to_corners
from trackers.pairs import Pairs
from trackers.purity import parted, taken_apart
from trackers.recognition import Found, Recognition
from trackers.tracklet import Book, Ids, Image, Tracklet, record
from trackers.tracks import Tracks

Indices = npt.NDArray[np.intp]

STEP = 1e-3
"""Seconds that pass between two frames whose times do not advance."""


class Tracker:
    """Keeps one number per person through a camera's frames, through occlusions too.

    For each frame call `observe`, embed the crops of the rows it returns (or none), then call `update`.

    Time may have any origin and any frame rate. A frame whose time does not advance counts as one millisecond after
    the one before; after a jump back, time goes on from there. The same input gives the same output bit for bit.

    Args:
        config: The settings; the defaults if None.
        first_number: The first track's number, ≥ 1: numbers go on where an earlier tracker of the camera ended.
    """

    def __init__(self, config: TrackerConfig | None = None, first_number: int = 1) -> None:
        self.config = config or TrackerConfig()
        self._motion = MotionModel(self.config)
        self._steady = Steady(self.config.steadiness)
        self._looks = Recognition(self.config)
        self._book, self._refinds = Book(), Refinds()
        self._allowance = Allowance(self.config)
        self._next_key, self._next_number = 1, first_number
        self._clock = self._before = 0.0
        self._time: float | None = None
        self._tracks = self._new(np.zeros((0, 4)), np.zeros(0))
        self._ended: list[Tracklet] = []
        self._frame: Frame | None = None

    def observe(self, detections: sv.Detections, time: float, frame: int, moved: Affine | None = None) -> Indices:
        """Takes a frame's boxes and decides which are worth embedding.

        Args:
            detections: Person boxes `xyxy` in source pixels, with `confidence` in [0, 1] (1 where there is none).
                Boxes that are not finite or have no area, and scores that are NaN, are left out.
            time: Time of the frame in seconds.
            frame: Index of the frame.
            moved: Map `(2, 3)` from the pixels of the frame before to those of this one where the camera moved. None
                where it stood still or nobody can tell, as at a cut: everybody is looked for where they were.

        Returns:
            Rows of `detections` whose crops should be embedded, most useful first, shape `(k,)`, at most
            `config.crops_per_frame`.

        Raises:
            RuntimeError: If the frame before was not finished by `update`.
            ValueError: If the time is not finite, or the map is none of a camera's motion.
        """
        if self._frame is not None:
            raise RuntimeError("observe: expected update to finish the frame before")
        step = self._advance(time, moved)
        source, boxes, scores = usable(detections, self.config)
        overlap, covered = gates.crowd(boxes, scores >= self.config.high_score)
        cost = self._costs(boxes)
        match = self._matched(cost, scores)
        self._frame = Frame(
            detections, source, boxes, scores, time, frame, overlap, covered, cost, match, np.zeros(0, np.intp)
        )
        allowed = self._allowance.after(step)
        if allowed and len(boxes):
            self._frame.crops = choose(self._looks.need(self._tracks, self._clock, self._frame), self.config, allowed)
            self._allowance.spend(len(self._frame.crops))
        return source[self._frame.crops]

    def update(self, features: Features | None = None, crops: Sequence[Image] | None = None) -> sv.Detections:
        """Finishes the frame: matches, finds lost people again, begins and ends tracks.

        Args:
            features: Features of the rows that `observe` returned, in that order; None: boxes only.
            crops: Their images `(h, w, 3)` uint8, in that order; kept with the views they show.

        Returns:
            The frame's detections that belong to confirmed tracks, with `tracker_id`, in the order given; their boxes
            steadied by the motion model.

        Raises:
            RuntimeError: If `observe` was not called before.
            ValueError: If features or crops are not as many as the rows, or the features' dimensions changed. The
                frame then still waits for its update.
        """
        if self._frame is None:
            raise RuntimeError("update: expected observe to begin a frame")
        frame = self._frame
        for name, given in (("features", features), ("crops", crops)):
            if given is not None and len(given) != len(frame.crops):
                raise ValueError(f"{name}: expected {len(frame.crops)} as observe returned, given {len(given)}")
        if features is not None:
            self._looks.exemplars.check(features)
        self._frame = None
        match, cost, found = frame.match, frame.cost, None
        if features is not None and len(features):
            cost = self._looks.told(self._tracks, frame, features)
            match = self._matched(cost, frame.scores)
            found = self._looks.found_again(self._tracks, self._clock, frame, match, features)
        sure = self._sure(frame, cost, match)
        if found is not None:
            match, sure = self._refound(frame, found, match, sure)
        self._correct(frame, match, sure)
        match = np.concatenate([match, self._born(frame, match)])
        if features is not None and len(features):
            if self._looks.strangers.due(self._clock):
                self._looks.compare(self._tracks, frame, match, features)
            self._looks.learn(self._tracks, self._clock, frame, match, features, crops)
        match = self._end(frame, match)
        self._confirm()
        return self._output(frame, match)

    def finished(self) -> list[Tracklet]:
        """The tracklets of the tracks that ended since the last call, in the order they ended.

        A track whose views show that it went over to somebody else is several; those after the first have new numbers.
        """
        ended, self._ended = self._ended, []
        return ended

    @property
    def numbers(self) -> Ids:
        """Numbers of the confirmed tracks, those out of sight among them, shape `(n,)`, ascending."""
        return np.sort(self._tracks.numbers[self._tracks.confirmed])

    @property
    def expected(self) -> Array:
        """Where people are expected whom the last frame did not show, candidates included, `(n, 4)`, as corners.

        Those unseen for longer than `lost_seconds` are expected nowhere.
        """
        unseen = self._clock - self._tracks.seen
        return self._tracks.motion.boxes[(unseen > 0) & (unseen <= self.config.lost_seconds)]

    @property
    def next_number(self) -> int:
        """The next track's number: those before it are given."""
        return self._next_number

    def growing(self, most: int = 4096) -> list[Tracklet]:
        """The confirmed tracks as they are by now, by number; they go on.

        Whoever calls this now and then, as a live camera does, bounds what is kept: of a track of more than `most`
        boxes the older ones are thinned out, for good, though not its views: their frames may then be missing among
        those of the boxes. A tracklet here may still turn out to be several people's: `finished` then gives its number
        to the first of them only.

        Args:
            most: Boxes kept of a track, ≥ 2.

        Raises:
            RuntimeError: If a frame was begun by `observe` and not finished by `update`.
        """
        if self._frame is not None:
            raise RuntimeError("growing: expected update to finish the frame before")
        tracks = self._tracks
        rows = np.flatnonzero(tracks.confirmed)
        rows = rows[np.argsort(tracks.numbers[rows], kind="stable")]
        return [
            record(number, self._book.thinned(key, most), self._looks.exemplars.views(key), self._refinds.of(key))
            for key, number in zip(tracks.keys[rows].tolist(), tracks.numbers[rows].tolist(), strict=True)
        ]

    def flush(self) -> list[Tracklet]:
        """Ends every track and returns the tracklets not yet handed out; the tracker is then empty.

        Raises:
            RuntimeError: If a frame was begun by `observe` and not finished by `update`.
        """
        if self._frame is not None:
            raise RuntimeError("flush: expected update to finish the frame before")
        self._drop(np.ones(len(self._tracks), np.bool_))
        return self.finished()

    # ---- time ----

    def _advance(self, time: float, moved: Affine | None) -> float:
        """Moves the clock and every track to the frame's time, and to where the camera now looks; gives the step."""
        if not np.isfinite(time):
            raise ValueError(f"time: expected seconds, given {time}")
        if moved is not None:
            self._tracks.motion = self._tracks.motion.moved(moved)
            self._tracks.boxes = to_corners(moved_centres(to_centre(self._tracks.boxes), moved))
        step = 0.0 if self._time is None else max(time - self._time, STEP)
        self._time, self._before = time, self._clock
        self._clock += step
        if step and len(self._tracks):
            self._tracks.motion = self._motion.predict(self._tracks.motion, step)
        return step

    # ---- matching ----

    def _costs(self, boxes: Array) -> Pairs:
        """What a box would cost a track, by overlap and expected place, of the pairs that are possible at all."""
        tracks, config, motion = self._tracks, self.config, self._tracks.motion
        spread = self._motion.spread(motion)
        # A place known badly, after an occlusion or at a low frame rate, is a larger box.
        margin = np.maximum(spread[:, :2] - config.sharp * motion.scale, 0)
        found = gates.overlapping(gates.expanded(motion.boxes, margin), boxes)
        cost = Pairs(found.rows, found.columns, 1 - found.values)
        recent = self._clock - tracks.seen <= config.lost_seconds
        cost = cost[(cost.values < 1) & recent[cost.rows]]
        away = gates.deviation(motion.position[cost.rows], spread[cost.rows], boxes[cost.columns])
        return cost[away <= config.gate]

    def _matched(self, cost: Pairs, scores: Array) -> Indices:
        """The box of each track, shape `(n,)`, −1 where there is none."""
        tracks, config = self._tracks, self.config
        match, free = np.full(len(tracks), -1, np.intp), np.ones(len(scores), np.bool_)
        high, faint = scores >= config.high_score, scores >= config.faint_score
        recent = self._clock - tracks.seen <= config.low_seconds
        for who, which, limit in (
            (tracks.confirmed, high, config.high_cost),
            (tracks.confirmed & recent, ~high, config.low_cost),
            (~tracks.confirmed, high, config.new_cost),
            (~tracks.confirmed & ~tracks.firm, faint & ~high, config.new_cost),
        ):
            open_ = (who & (match < 0))[cost.rows] & (which & free)[cost.columns]
            row, column = assign_pairs(cost[open_], limit)
            match[row], free[column] = column, False
        return match

    def _sure(self, frame: Frame, cost: Pairs, match: Indices) -> Array:
        """How sure each track's box is, `(n,)`; notes who was not seen for a while and is where they were expected."""
        tracks, config = self._tracks, self.config
        trusted = frame.scores[match] >= config.high_score if len(frame.scores) else np.zeros(len(match), np.bool_)
        limit = np.where(tracks.confirmed, np.where(trusted, config.high_cost, config.low_cost), config.new_cost)
        away = self._clock - tracks.seen
        back = tracks.confirmed & (match >= 0) & (tracks.seen < self._before) & (away > config.low_seconds)
        for row in np.flatnonzero(back).tolist():
            self._refinds.note(int(tracks.keys[row]), Refind(frame.number, frame.time, float(away[row])))
        return sureness(cost, match, limit)

    # ---- appearance ----

    def _refound(self, frame: Frame, found: Found, match: Indices, sure: Array) -> tuple[Indices, Array]:
        """Gives boxes that no settled track has to lost tracks that look the same.

        A candidate or young track that holds such a box is the lost person's: its boxes go to the lost track. People
        come back half hidden, and by the time that they can be recognised they may have been confirmed as somebody new.
        """
        tracks = self._tracks
        boxes, match, sure = frame.crops[found.crops], match.copy(), sure.copy()
        owner = frame.owners(match)[boxes]
        sure[found.rows] = 1 - found.distances / found.limits
        told = zip(found.distances.tolist(), found.limits.tolist(), strict=True)
        for track, candidate, box, why in zip(found.rows.tolist(), owner.tolist(), boxes.tolist(), told, strict=True):
            away, begun, number = float(self._clock - tracks.seen[track]), (frame.number, frame.time), 0
            if candidate >= 0:
                away -= float(self._clock - tracks.born[candidate])
                number = int(tracks.numbers[candidate])
                begun = self._adopt(track, candidate, float(sure[track]))
                sure[track] = sure[candidate]
                match[candidate] = -1
            else:
                tracks.motion[np.array([track])] = self._motion.start(frame.boxes[[box]], frame.scores[[box]])
            match[track] = box
            self._refinds.note(int(tracks.keys[track]), Refind(*begun, away, *why, number))
        return match, sure

    def _adopt(self, track: int, candidate: int, sure: float) -> tuple[int, float]:
        """Gives a lost track all that its candidate has; the candidate is then nobody and ends, number and all.

        Args:
            track: Row of the track.
            candidate: Row of the candidate.
            sure: How sure it is that both are one person.

        Returns:
            Frame and time of the candidate's first box.
        """
        tracks = self._tracks
        tracks.motion[np.array([track])] = tracks.motion[np.array([candidate])]
        begun = self._book.rename(int(tracks.keys[candidate]), int(tracks.keys[track]), sure)
        self._refinds.forget(int(tracks.keys[candidate]))
        self._looks.exemplars.forget(int(tracks.keys[candidate]))
        tracks.hits[track] += tracks.hits[candidate]
        tracks.hits[candidate] = tracks.numbers[candidate] = 0
        return begun

    # ---- lifecycle ----

    def _new(self, boxes: Array, scores: Array) -> Tracks:
        firm = scores >= self.config.birth_score
        tracks = Tracks.start(self._next_key, self._motion.start(boxes, scores), boxes, firm, self._clock)
        self._next_key += len(boxes)
        return tracks

    def _confirm(self) -> None:
        """Numbers the candidates that were seen often and long enough."""
        tracks, config = self._tracks, self.config
        ready = ~tracks.confirmed & (tracks.hits >= config.confirm_hits)
        ready &= self._clock - tracks.born >= np.where(tracks.firm, config.confirm_seconds, config.faint_seconds)
        count = int(ready.sum())
        tracks.numbers[ready] = np.arange(self._next_number, self._next_number + count)
        self._next_number += count

    def _correct(self, frame: Frame, match: Indices, sure: Array) -> None:
        tracks = self._tracks
        rows = np.flatnonzero(match >= 0)
        boxes, scores = frame.boxes[match[rows]], frame.scores[match[rows]]
        tracks.motion[rows] = self._motion.correct(tracks.motion[rows], boxes, scores)
        tracks.boxes[rows], tracks.seen[rows] = self._steady(tracks.motion.boxes[rows], boxes), self._clock
        tracks.hits[rows] += 1
        tracks.firm[rows] |= scores >= self.config.birth_score
        self._book.write(tracks.keys[rows], frame.number, frame.time, tracks.boxes[rows], scores, sure[rows])

    def _born(self, frame: Frame, match: Indices) -> Indices:
        """Starts a candidate on each likely box that is nobody's and not on top of somebody's; returns the boxes."""
        taken = match[match >= 0]
        free = frame.scores >= min(self.config.birth_score, self.config.faint_score)
        free[taken] = False
        new = np.flatnonzero(free)
        if not len(new):
            return new
        # Boxes in use come first, then the free ones by score: each gives way to those before it.
        new = new[np.argsort(-frame.scores[new], kind="stable")]
        close = gates.iou(frame.boxes[new], frame.boxes[np.concatenate([taken, new])]) >= self.config.birth_overlap
        born = np.sort(new[~np.tril(close, len(taken) - 1).any(axis=1)])
        boxes, scores = frame.boxes[born], frame.scores[born]
        fresh = self._new(boxes, scores)
        self._tracks = self._tracks.joined(fresh)
        self._book.write(fresh.keys, frame.number, frame.time, boxes, scores, 1.0)
        return born

    def _end(self, frame: Frame, match: Indices) -> Indices:
        """Ends duplicates and tracks not seen for too long; returns the boxes of those that stay."""
        tracks, config = self._tracks, self.config
        unseen = self._clock - tracks.seen
        patience = max(config.lost_seconds, config.refind_seconds)
        over = np.where(tracks.confirmed, unseen > patience, unseen > config.new_seconds)
        over |= (tracks.hits == 0) | self._duplicates(frame, match)
        self._drop(over)
        return match[~over]

    def _duplicates(self, frame: Frame, match: Indices) -> Mask:
        """The younger of two tracks on almost the same box of this frame, while it is young, shape `(n,)`."""
        owner, near = frame.owners(match), frame.overlap.values >= self.config.duplicate_overlap
        older, younger = owner[frame.overlap.rows[near]], owner[frame.overlap.columns[near]]
        twice = np.zeros(len(match), np.bool_)
        twice[younger[(older >= 0) & (older < younger)]] = True
        return twice & (self._clock - self._tracks.born < self.config.duplicate_seconds)

    def _drop(self, over: Mask) -> None:
        """Ends tracks; those of confirmed ones become tracklets."""
        if not over.any():
            return
        for key, number in zip(self._tracks.keys[over].tolist(), self._tracks.numbers[over].tolist(), strict=True):
            rows, views, refinds = (
                self._book.tear_out(key),
                self._looks.exemplars.forget(key),
                self._refinds.forget(key),
            )
            if number:
                whole = record(number, rows, views, refinds)
                seconds, far = self.config.part_seconds, self._looks.strangers.distance(self.config.change_share)
                between = [whole] if seconds is None else parted(whole, seconds)
                parts = [part for each in between for part in taken_apart(each, far)]
                self._ended += [parts[0], *(dataclasses.replace(part, track_id=self._number()) for part in parts[1:])]
        self._tracks = self._tracks.kept(~over)

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _output(self, frame: Frame, match: Indices) -> sv.Detections:
        shown = np.flatnonzero((match >= 0) & self._tracks.confirmed)
        shown = shown[np.argsort(match[shown], kind="stable")]
        found = frame.detections[frame.source[match[shown]]]
        assert isinstance(found, sv.Detections)
        found.xyxy = self._tracks.boxes[shown].astype(np.float32)
        found.tracker_id = self._tracks.numbers[shown].astype(int)
        return found
