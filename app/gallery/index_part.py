"""A run of sightings in the index: what of it may be found, the shortlist of it, and distances to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.gallery.device_cells import DeviceCells
from app.gallery.index_columns import REST, SUMS, Columns, Layout, blocks, decode, row_sums
from reid_model.features import Features, FloatArray
from reid_model.matching import Method, distances
from reid_model.matching.int8 import CellQueries, cell_similarities, row_products
from reid_model.matching.quantise import Quantised, steps

Positions = npt.NDArray[np.int64]

CANDIDATES = 8
"""How many times the shortlist's length the scan of heads hands on to whole pooled vectors; at least `LEAST`."""

LEAST = 2048

SAMPLE = 64
"""Of every so many scores one is looked at to guess where the best begin."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which sightings may be found.

    Attributes:
        now: What expired before it may not, seconds since the epoch.
        cameras: Places of cameras in the index's list, or None for all.
        start: Earliest time, included, or None.
        end: Latest time, included, or None.
    """

    now: float
    cameras: tuple[int, ...] | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Query crops made ready: turned pooled vectors `(q, D)`, cells in bytes, and the features themselves."""

    features: Features
    turned: FloatArray
    cells: CellQueries

    @classmethod
    def of(cls, features: Features, rotation: FloatArray) -> Query:
        """Prepares q crops for an index with this rotation."""
        return cls(features, np.asarray(features.global_ @ rotation.T, np.float32), CellQueries.of(features))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Sightings of the index; nothing in it changes, so that searches need no lock.

    Attributes:
        layout: Shapes of the columns.
        columns: n rows each, as `app.gallery.index_columns` says.
        alive: Which rows still count, `(n,)`.
        dead: How many do not.
        soonest: When the first row expires.
        proven: Which rows' cells were found whole, `(n,)`; None where they never were in a file.
        device: The same rows' cells on a GPU, and maybe more behind; None where the processor matches.
    """

    layout: Layout
    columns: Columns
    alive: npt.NDArray[np.bool_]
    dead: int
    soonest: float
    proven: npt.NDArray[np.bool_] | None = None
    device: DeviceCells | None = None

    @classmethod
    def of(cls, layout: Layout, columns: Columns, *, proven: bool = True, device: DeviceCells | None = None) -> Part:
        """Rows that all count but those of number 0, which were erased."""
        alive = np.asarray(columns["ids"] != 0)
        soonest = float(columns["expires"][alive].min(initial=np.inf))
        unproven = None if proven else np.zeros(len(alive), np.bool_)
        return cls(layout, columns, alive, int((~alive).sum()), soonest, unproven, device)

    def __len__(self) -> int:
        return len(self.alive)

    def without(self, rows: Positions) -> Part:
        """The same but for some rows, which no longer count."""
        alive = self.alive.copy()
        alive[rows] = False
        return replace(self, alive=alive, dead=int((~alive).sum()))

    def select(self, wish: Wish) -> Positions | None:
        """The rows that may be found, ascending; None for all."""
        if wish.cameras is None and wish.start is None and wish.end is None:
            if not self.dead and self.soonest > wish.now:
                return None
            return np.flatnonzero(self.alive & (self.columns["expires"] > wish.now))
        keep = self.alive.copy()
        if wish.start is not None:
            keep &= self.columns["times"] >= wish.start
        if wish.end is not None:
            keep &= self.columns["times"] <= wish.end
        rows = np.flatnonzero(keep)
        if wish.cameras is not None:
            rows = rows[np.isin(self.columns["cameras"][rows], wish.cameras)]
        return rows if self.soonest > wish.now else rows[self.columns["expires"][rows] > wish.now]

    def shortlist(self, query: Query, chosen: Positions | None, keep: int) -> Positions:
        """Rows among which are, but for rare misses, the `keep` nearest by pooled vector of every query crop."""
        wanted = max(LEAST, CANDIDATES * keep)
        if (len(self) if chosen is None else len(chosen)) <= wanted:
            return np.arange(len(self)) if chosen is None else chosen
        found = []
        width = self.columns["head"].shape[1]
        for vector in query.turned:
            head = _filled(vector[: self.layout.head], width)
            scores = row_products(head, self._bytes("head"), self._floats("head_scale"), chosen)
            found.append(greatest(scores, wanted))
        rows = np.unique(np.concatenate(found)) if len(found) > 1 else np.sort(found[0])
        return rows if chosen is None else chosen[rows]

    def pooled(self, query: Query, rows: Positions | None) -> FloatArray:
        """Distances by pooled vector, `(q, k)`."""
        result = []
        for vector in query.turned:
            total = self._product(vector[: self.layout.head], "head", "head_scale", rows)
            total += self._product(vector[: self.layout.head], "low", "head_scale", rows, fine=False) / REST
            if self.layout.head < len(vector):
                total += self._product(vector[self.layout.head :], "tail", "tail_scale", rows)
            result.append(1 - total)
        return np.asarray(result, np.float32)

    def distances(
        self, query: Query, rows: Positions | None, pooled: FloatArray, method: Method, rotation: FloatArray
    ) -> FloatArray:
        """Distances by a method, `(q, k)`, given those by pooled vector."""
        if method == "global":
            return pooled
        if method in ("gasm", "local"):
            if self.device is not None:
                alike = self.device.similarities(query.cells, rows, len(self))
            else:
                stored = Quantised(self._bytes("cells"), self._floats("cell_scale"))
                alike = cell_similarities(query.cells, stored, rows)
            spatial = 1 - alike
            return spatial if method == "local" else (spatial + pooled) / np.float32(2)
        count = len(self) if rows is None else len(rows)
        found = np.empty((len(query.features), count), np.float32)
        for block in blocks(count):
            some = np.arange(len(self))[block] if rows is None else rows[block]
            found[:, block] = distances(query.features, self.features(some, rotation), method)
        return found

    def features(self, rows: Positions, rotation: FloatArray) -> Features:
        """The features of some rows, to within what 8 bits keep."""
        return decode(self.layout, {name: values[rows] for name, values in self.columns.items()}, rotation)

    def broken(self, rows: Positions | None) -> Positions:
        """Those of some rows whose cells are not what was written, ascending; a row is looked at once."""
        if self.proven is None:
            return np.zeros(0, np.int64)
        unseen = np.flatnonzero(~self.proven) if rows is None else rows[~self.proven[rows]]
        wrong = []
        for block in blocks(len(unseen), 64):
            some = unseen[block]
            sums = row_sums({"cells": self.columns["cells"][some]}, ["cells"])
            right = (sums == self.columns[SUMS][some, 1]) & (self.columns["ids"][some] != 0)
            self.proven[some[right]] = True
            wrong.append(some[~right])
        return np.concatenate(wrong) if wrong else np.zeros(0, np.int64)

    def _product(
        self, vector: FloatArray, name: str, scale: str, rows: Positions | None, *, fine: bool = True
    ) -> FloatArray:
        """Products with a vector in 8 bits, and if `fine` with what 8 bits leave of it."""
        values = _filled(vector, self.columns[name].shape[1])
        found = row_products(values, self._bytes(name), self._floats(scale), rows)
        if fine:
            step = steps(values[None])[0]
            rest = np.asarray(values - np.rint(values / step) * step, np.float32)
            found += row_products(rest, self._bytes(name), self._floats(scale), rows)
        return found

    def _bytes(self, name: str) -> npt.NDArray[np.uint8]:
        return self.columns[name]

    def _floats(self, name: str) -> FloatArray:
        return self.columns[name]


def greatest(scores: FloatArray, count: int) -> Positions:
    """Positions of the greatest scores, in no order; exactly `count` of them where there are as many.

    Sorting out a million scores takes longer than computing them. A sample tells about where the greatest begin, so
    that only those few above are sorted out.
    """
    if count >= len(scores):
        return np.arange(len(scores))
    sample = scores[::SAMPLE]
    rank = int(1.5 * count / SAMPLE) + 8
    if rank < len(sample):
        bar = np.partition(sample, len(sample) - rank)[len(sample) - rank]
        above = np.flatnonzero(scores >= bar)
        if len(above) >= count:
            return above[np.argpartition(scores[above], len(above) - count)[len(above) - count :]]
    return np.argpartition(scores, len(scores) - count)[len(scores) - count :]


def _filled(vector: FloatArray, width: int) -> FloatArray:
    return np.pad(vector, (0, width - len(vector)))
