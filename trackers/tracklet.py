"""What remains of a track once it ended, and the book its boxes are written in while it lives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.features import Features
from trackers.links import Refind

Image = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

ROW = np.dtype(
    [
        ("id", np.int64),
        ("frame", np.int64),
        ("time", np.float64),
        ("box", np.float32, 4),
        ("score", np.float32),
        ("sure", np.float32),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Tracklet:
    """One person in one camera, from first to last box.

    Boxes are seen ones, steadied by the motion model, never guesses.

    Attributes:
        track_id: Number of the track, ≥ 1, as in the tracker's output; that of a later part of a track that changed the
            person is new.
        frames: Frame indices, shape `(n,)`, int64; n ≥ 1.
        times: Times in seconds as given to the tracker, shape `(n,)`, float64.
        boxes: Boxes x1, y1, x2, y2 in source pixels, shape `(n, 4)`, float32. The boxes seen before the track was
            confirmed are included.
        scores: Detection scores, shape `(n,)`, float32 in [0, 1].
        exemplars: Features of the K views kept, or None where nothing was embedded.
        exemplar_frames: Frame index of each view, shape `(K,)`, int64.
        exemplar_times: Time of each view in seconds, shape `(K,)`, float64.
        exemplar_boxes: Box of each view, shape `(K, 4)`, float32.
        exemplar_crops: Image of each view `(h, w, 3)` uint8 as given to the tracker, or None; K entries.
        sure: How sure it is that each box shows the person of the one before it, shape `(n,)`, float32 in [0, 1], as
            `links.sureness` has it; where they were found again by looks, how far those are from the largest distance
            allowed. 1 for the first. None where no tracker made the tracklet.
        refinds: How the person was found again whenever they had been out of sight, in order of time, the latest
            `links.KEPT`.
    """

    track_id: int
    frames: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    exemplars: Features | None
    exemplar_frames: npt.NDArray[np.int64]
    exemplar_times: npt.NDArray[np.float64]
    exemplar_boxes: npt.NDArray[np.float32]
    exemplar_crops: tuple[Image | None, ...]
    sure: npt.NDArray[np.float32] | None = None
    refinds: tuple[Refind, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def spans(self, seconds: float) -> npt.NDArray[np.intp]:
        """First and last row of each stretch without a gap longer than `seconds` between two boxes, `(k, 2)`."""
        cuts = np.flatnonzero(np.diff(self.times) > seconds) + 1
        return np.stack([np.r_[0, cuts], np.r_[cuts, len(self)] - 1], axis=1)


class Views(NamedTuple):
    """The K views kept of a track: features, frame indices, times in seconds, boxes `(K, 4)` and images or None."""

    features: Features
    frames: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.float32]
    images: tuple[Image | None, ...]


def record(number: int, rows: npt.NDArray[np.void], views: Views | None, refinds: tuple[Refind, ...]) -> Tracklet:
    """The tracklet of a track from its rows in the book, its views, and how it was found again."""
    return Tracklet(
        track_id=number,
        frames=rows["frame"].copy(),
        times=rows["time"].copy(),
        boxes=rows["box"].copy(),
        scores=rows["score"].copy(),
        exemplars=views.features if views else None,
        exemplar_frames=views.frames if views else np.zeros(0, np.int64),
        exemplar_times=views.times if views else np.zeros(0),
        exemplar_boxes=views.boxes if views else np.zeros((0, 4), np.float32),
        exemplar_crops=views.images if views else (),
        sure=rows["sure"].copy(),
        refinds=refinds,
    )


class Book:
    """The boxes of all living tracks.

    Boxes are written in one block, frame by frame; a full block is sorted into a pile per track, so that writing
    costs nothing per person and the boxes of one track can be torn out without touching the others'.
    """

    _BLOCK = 4096

    def __init__(self) -> None:
        self._block = np.zeros(self._BLOCK, ROW)
        self._used = 0
        self._piles: defaultdict[int, list[npt.NDArray[np.void]]] = defaultdict(list)

    def write(self, ids: Ids, frame: int, time: float, boxes: Floats, scores: Floats, sure: Floats | float) -> None:
        """Adds a frame's boxes `(n, 4)` and scores `(n,)` to the tracks `ids`, `(n,)`, and how sure it is, `(n,)`."""
        if self._used + len(ids) > len(self._block):
            self._sort_out()
            self._block = np.zeros(max(self._BLOCK, len(ids)), ROW)
        rows = self._block[self._used : self._used + len(ids)]
        rows["id"], rows["frame"], rows["time"], rows["box"], rows["score"] = ids, frame, time, boxes, scores
        rows["sure"] = sure
        self._used += len(ids)

    def _sort_out(self) -> None:
        used = self._block[: self._used]
        used = used[np.argsort(used["id"], kind="stable")]
        ids, starts = np.unique(used["id"], return_index=True)
        for track, rows in zip(ids.tolist(), np.split(used, starts[1:]), strict=False):
            if track:
                self._piles[track].append(rows.copy())
        self._used = 0

    def rename(self, old: int, new: int, sure: float) -> tuple[int, float]:
        """Gives the boxes of one track to another, which is so sure; tells frame and time of the first of them."""
        used = self._block[: self._used]
        mine = np.flatnonzero(used["id"] == old)
        rows, first = (self._piles[old][0], 0) if old in self._piles else (used, int(mine[0]))
        rows["sure"][first] = sure
        begun = int(rows["frame"][first]), float(rows["time"][first])
        used["id"][mine] = new
        if old in self._piles:
            self._piles[new].extend(self._piles.pop(old))
        return begun

    def thinned(self, track: int, most: int) -> npt.NDArray[np.void]:
        """The boxes of a track in the order written; where there are more than `most`, older ones are let go first.

        Every other box of the older half goes, for good, again and again: how many are kept is bounded however long
        the track, and the latest are all there.
        """
        self._sort_out()
        rows = np.concatenate([*self._piles.get(track, []), self._block[:0]])
        while len(rows) > max(most, 2):
            half = (len(rows) + 1) // 2
            # The first box stays: it tells since when the person has been there.
            rows = np.concatenate([rows[:half:2], rows[half:]])
        if len(rows):
            self._piles[track] = [rows]
        return rows

    def tear_out(self, track: int) -> npt.NDArray[np.void]:
        """Takes the boxes of a track out of the book, in the order written."""
        used = self._block[: self._used]
        mine = used["id"] == track
        rows = np.concatenate([*self._piles.pop(track, []), used[mine]])
        used["id"][mine] = 0
        return rows
