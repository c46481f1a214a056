"""The search index of a large gallery: arrays of bytes, from the snapshot where it holds, else from the store.

Two stages: the heads of pooled vectors give candidates, whole pooled vectors of those the shortlist, and only the
shortlist is matched cell by cell, exactly. Filters come before all of that. Searches work on one state of the index,
which nothing changes: who adds or removes puts another in its place, so that no search waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.gallery.device_cells import CHUNK, DeviceCells
from app.gallery.found import SHORTLIST, Found, Terms, gathered
from app.gallery.index_columns import IDS, Columns, Layout, blocks, checked, encode, turn
from app.gallery.index_part import Part, Positions, Query, Wish
from app.gallery.index_reading import Batch, newer_ids, read
from app.gallery.packing import Dimensions
from app.gallery.snapshot import Held, SnapshotError
from app.gallery.store import Gallery
from reid_model.features import Features, FloatArray
from reid_model.matching import Method

WORTH_A_FILE = 20_000
"""Sightings from which a snapshot is written: fewer are read from the store within a second or two."""

CHANGED = 0.05
"""Share of rows added or gone since the snapshot from which it is written anew."""

FITTED_TO = 8192
"""Sightings, evenly spread, that the rotation is fitted to."""

ROOM = 4096
"""Fewest rows that space is made for at once when sightings are added."""

PROBES = 16
"""Sightings of a snapshot that are compared with the store's."""

NEAR = 0.02
"""How far the cosine of a vector in 8 bits to the one stored may be from 1."""


@dataclass(frozen=True, eq=False)
class _State:
    parts: tuple[Part, ...]
    rotation: FloatArray
    cameras: tuple[str, ...]


class LiveIndex:
    """Sightings that can be searched by appearance while others are added and removed.

    Attributes:
        model: Name of the model that the vectors come from.
        size: Sizes of its vectors.
        revision: Of the store, when the index last agreed with it.
    """

    def __init__(
        self, model: str, size: Dimensions, held: Held | None = None, device: torch.device | None = None
    ) -> None:
        """Nothing in it, or what a snapshot holds.

        Args:
            model: Name of the model that the vectors come from.
            size: Sizes of its vectors.
            held: What a snapshot holds.
            device: Where cells are matched, and kept for that; None for the processor.
        """
        self.model = model
        self.size = size
        self.revision = -1 if held is None else held.revision
        self._layout = Layout(size)
        self._device = device
        self._lock, self._growing = threading.Lock(), threading.Lock()
        self._room: dict[str, npt.NDArray[Any]] | None = None
        parts = () if held is None else (self._part(held.columns, proven=False),)
        cameras = () if held is None else held.cameras
        self._state = _State(parts, np.zeros((0, 0), np.float32) if held is None else held.rotation, cameras)

    @classmethod
    def open(cls, gallery: Gallery, device: torch.device | None = None) -> LiveIndex | None:
        """The index of a gallery, brought up to date; None where the gallery holds no vectors.

        A snapshot that helps is used, and one that would have helped is written, where its folder can be.

        Args:
            gallery: Of what.
            device: Where cells are matched; None for the processor.

        Raises:
            InputError: If what is stored is damaged.
        """
        size = gallery.dimensions()
        if size is None:
            return None
        snapshot = gallery.place.snapshot()
        index = cls(gallery.model, size, device=device)
        if snapshot is not None:
            with suppress(SnapshotError):
                held = snapshot.read(gallery.model)
                kept = cls(gallery.model, size, held, device)
                if held.layout.size == size and kept._agrees(gallery):
                    index = kept
        changed = index.sync(gallery)
        if snapshot is not None and len(index) >= WORTH_A_FILE and changed > CHANGED * len(index):
            # A gallery in a place that cannot be written is searched all the same.
            with suppress(OSError):
                index.save(gallery)
        return index

    def __len__(self) -> int:
        return sum(len(part) - part.dead for part in self._state.parts)

    def sync(self, gallery: Gallery) -> int:
        """Takes in what the store has and the index has not, and takes out what is gone; returns how many of both.

        Raises:
            InputError: If what is stored is damaged.
        """
        revision = gallery.revision()
        if revision == self.revision >= 0:
            return 0
        # In this order: what `take_in` adds meanwhile is not taken for gone.
        mine = self.ids()
        stored = gallery.sighting_ids()
        gone = np.setdiff1d(mine, stored)
        self.remove(gone)
        with self._growing:
            new = np.setdiff1d(stored, self.ids())
            for batch in read(gallery, new, self.size):
                self.add(batch, expected=len(new))
        self.revision = revision
        return len(gone) + len(new)

    def take_in(self, gallery: Gallery) -> int:
        """Takes in what was stored since the newest sighting here, and returns how many: quick in a large gallery, too.

        `sync` finds out what is gone; both may run at the same time.

        Raises:
            InputError: If what is stored is damaged.
        """
        with self._growing:
            parts = self._state.parts
            newest = max((int(part.columns[IDS].max(initial=0)) for part in parts), default=0)
            new = newer_ids(gallery, newest)
            for batch in read(gallery, new, self.size):
                self.add(batch, expected=len(new))
        return len(new)

    def save(self, gallery: Gallery) -> bool:
        """Writes the snapshot, unless the store has changed since; from then on it is what is searched."""
        with self._lock:
            self._compact()
            state, snapshot = self._state, gallery.place.snapshot()
            if not state.parts or snapshot is None:
                return False
            columns = state.parts[0].columns
            held = Held(self.model, self.revision, state.cameras, self._layout, state.rotation, columns)
            if not snapshot.write(held, lambda: gallery.revision() == self.revision):
                return False
            try:
                mapped = snapshot.read(self.model)
            except SnapshotError:
                return False
            part = Part.of(self._layout, mapped.columns, proven=False, device=state.parts[0].device)
            self._state = replace(state, parts=(part,))
            self._room = None
        return True

    def ids(self) -> npt.NDArray[np.int64]:
        """The numbers of the sightings that count, ascending."""
        found = [part.columns[IDS][part.alive] for part in self._state.parts]
        return np.sort(np.concatenate(found)).astype(np.int64) if found else np.zeros(0, np.int64)

    def add(self, batch: Batch, expected: int = 0) -> None:
        """Adds sightings; searches under way do not see them.

        Args:
            batch: Sightings that are not in the index, of its model.
            expected: How many are still to come, this batch included: space is made for them at once.

        Raises:
            ValueError: If the features are not of this model.
        """
        given = Dimensions.of(batch.features)
        if given != self.size:
            raise ValueError(f"index: expected features of {self.size}, given {given}")
        with self._lock:
            state = self._state
            if not len(state.rotation):
                state = replace(state, rotation=turn(batch.features.global_[:FITTED_TO]))
            names = dict.fromkeys((*state.cameras, *batch.cameras))
            places = {name: place for place, name in enumerate(names)}
            rows = checked(
                {
                    **self._layout.empty(len(batch.ids)),
                    **encode(self._layout, batch.features, state.rotation),
                    "ids": batch.ids,
                    "tracklets": batch.tracklets,
                    "cameras": np.array([places[name] for name in batch.cameras], np.int64),
                    "times": batch.times,
                    "expires": batch.expires,
                }
            )
            parts = self._append(state.parts, rows, expected)
            self._state = _State(parts, state.rotation, tuple(names))

    def remove(self, ids: Iterable[int] | npt.NDArray[np.int64]) -> int:
        """Takes sightings out; returns how many there were."""
        wanted = np.asarray([*ids] if not isinstance(ids, np.ndarray) else ids, np.int64)
        if not len(wanted):
            return 0
        count = 0
        with self._lock:
            parts = []
            for part in self._state.parts:
                rows = np.flatnonzero(np.isin(part.columns[IDS], wanted) & part.alive)
                count += len(rows)
                parts += [part] if not len(rows) else self._thinned(part.without(rows))
            self._state = replace(self._state, parts=tuple(parts))
        return count

    def compact(self) -> None:
        """Makes one part of all, without the rows that no longer count."""
        with self._lock:
            self._compact()

    def search(
        self,
        query: Features,
        top: int,
        *,
        now: float,
        exact: bool = False,
        method: Method = "gasm",
        shortlist: int = SHORTLIST,
        cameras: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Found:
        """The sightings most like the query, of those that pass the filters.

        Args:
            query: One or more crops of one person: a sighting is as far away as its nearest query crop.
            top: Most hits returned.
            now: Sightings that expired before are not found, seconds since the epoch.
            exact: Whether every sighting is matched in full, not the shortlist only.
            method: How crops are compared.
            shortlist: Sightings matched in full for each query crop, where not `exact`; never fewer than `top`.
            cameras: Names of the cameras to search; None for all.
            start: Earliest time, included, or None.
            end: Latest time, included, or None.

        Returns:
            Up to `top` hits, best first; equals by their numbers.

        Raises:
            ValueError: If there is no query crop, `top` is below 1, or the features come from another model.
        """
        return self.hits(query, top, Terms(now, exact, method, shortlist, cameras, start, end)).nearest(top)

    def hits(self, query: Features, top: int, terms: Terms) -> Found:
        """All that `search` chooses its hits from, in no order: for who searches several indexes as if they were one.

        Where nothing but the nearest counts, only those are given: where `exact`, or by pooled vectors alone.
        """
        if not len(query):
            raise ValueError("query: expected at least one crop, given none")
        if top < 1:
            raise ValueError(f"top: expected 1 or more, given {top}")
        given = Dimensions.of(query)
        if (given.pooled, given.local) != (self.size.pooled, self.size.local):
            raise ValueError(f"query: expected features of {self.size}, given {given}")
        state = self._state
        ready = Query.of(query, state.rotation) if state.parts else None
        wish = Wish(terms.now, _places(state.cameras, terms.cameras), terms.start, terms.end)
        keep = terms.kept(top)
        results = [self._in_part(part, ready, wish, keep, terms.method) for part in state.parts if ready is not None]
        found = gathered(results, len(query), keep)
        return found.nearest(top) if keep is None else found

    def _in_part(self, part: Part, query: Query, wish: Wish, keep: int | None, method: Method) -> Found:
        chosen = part.select(wish)
        if keep is not None:
            chosen = part.shortlist(query, chosen, keep)
        pooled = part.pooled(query, chosen)
        if keep is not None and pooled.shape[1] > keep:
            assert chosen is not None
            best = np.unique(np.argpartition(pooled, keep - 1, axis=1)[:, :keep])
            chosen, pooled = chosen[best], pooled[:, best]
        if method != "global":
            broken = part.broken(chosen)
            if len(broken):
                self.remove(part.columns[IDS][broken].astype(np.int64))
                self._forget(part, broken)
                rows = np.arange(len(part)) if chosen is None else chosen
                sound = ~np.isin(rows, broken)
                chosen, pooled = rows[sound], pooled[:, sound]
        # Rounding can bring the distance of a crop to itself just below 0.
        found = np.maximum(part.distances(query, chosen, pooled, method, self._state.rotation), 0)
        nearest = found.argmin(axis=0)
        best_of = found[nearest, np.arange(found.shape[1])]
        rows = np.arange(len(part)) if chosen is None else chosen
        # Copied last: a number is what erasing takes from a mapped file first.
        ids, tracklets = np.array(part.columns[IDS][rows]), np.array(part.columns["tracklets"][rows])
        there = ids != 0
        return Found(ids[there], tracklets[there], best_of[there], nearest[there], pooled[:, there])

    def _forget(self, part: Part, rows: Positions) -> None:
        """Rows of a mapped file that are no longer what was written: erased since, or damaged."""
        with self._lock:
            parts = tuple(one.without(rows) if one.columns is part.columns else one for one in self._state.parts)
            self._state = replace(self._state, parts=parts)
            self.revision = -1

    def _append(self, parts: tuple[Part, ...], rows: dict[str, npt.NDArray[Any]], expected: int) -> tuple[Part, ...]:
        """The parts with more rows behind, in space that was left or is made: older states do not see them."""
        count = len(rows[IDS])
        last = parts[-1] if parts and self._room is not None else None
        filled = 0 if last is None else len(last)
        if self._room is None or filled + count > len(self._room[IDS]):
            room = self._layout.empty(max(ROOM, count, expected, 0 if last is None else filled))
            self._room, last, filled = room, None, 0
            device = None if self._device is None else DeviceCells(self._device)
        else:
            parts = parts[:-1]
            device = None if last is None else last.device
        for name, values in rows.items():
            self._room[name][filled : filled + count] = values
        if device is not None:
            device.extend(rows["cells"], rows["cell_scale"])
        columns = {name: values[: filled + count] for name, values in self._room.items()}
        part = Part.of(self._layout, columns, device=device)
        if last is not None and last.dead:
            part = part.without(np.flatnonzero(~last.alive))
        return (*parts, part)

    def _compact(self) -> None:
        state = self._state
        if len(state.parts) < 2 and not any(part.dead for part in state.parts):
            return
        self._room = None
        self._state = replace(state, parts=tuple(self._joined(state.parts)))

    def _thinned(self, part: Part) -> list[Part]:
        """A part without its dead rows where these are most of it: a gallery that expires takes no more space."""
        if part.dead < len(part) and part.dead < max(ROOM, len(part) / 2):
            return [part]
        if self._room is not None and part.columns[IDS].base is self._room[IDS]:
            self._room = None
        return self._joined([part])

    def _joined(self, parts: Sequence[Part]) -> list[Part]:
        """One part of the rows that count of some, or none."""
        sound = [part.without(part.broken(None)) for part in parts]
        joined = {
            name: np.concatenate([part.columns[name][part.alive] for part in sound]) for name in self._layout.columns
        }
        return [self._part(joined, proven=True)] if len(joined[IDS]) else []

    def _part(self, columns: Columns, *, proven: bool) -> Part:
        """A part of these columns, with its cells on the device if there is one."""
        device = None
        if self._device is not None:
            device = DeviceCells(self._device)
            for some in blocks(len(columns[IDS]), CHUNK):
                device.extend(columns["cells"][some], columns["cell_scale"][some])
        return Part.of(self._layout, columns, proven=proven, device=device)

    def _agrees(self, gallery: Gallery) -> bool:
        """Whether some of the sightings are those of the store, by number, time and vector."""
        part = self._state.parts[0]
        rows = np.flatnonzero(part.alive)
        if not len(rows):
            return True
        probes = rows[np.linspace(0, len(rows) - 1, PROBES).astype(int)]
        if len(part.broken(np.unique(probes))):
            return False
        by_id = dict(zip(part.columns[IDS][probes].tolist(), probes.tolist(), strict=True))
        for batch in read(gallery, np.array(sorted(by_id), np.int64), self.size):
            mine = np.array([by_id[key] for key in batch.ids.tolist()])
            features = part.features(mine, self._state.rotation)
            likeness = np.einsum("nd,nd->n", features.global_, batch.features.global_)
            cells = np.einsum("npd,npd->np", features.local, batch.features.local)
            same = np.array_equal(part.columns["times"][mine], batch.times)
            if not same or likeness.min() < 1 - NEAR or cells.min() < 1 - NEAR:
                return False
        return True


def _places(known: Sequence[str], names: Sequence[str] | None) -> tuple[int, ...] | None:
    return None if names is None else tuple(known.index(name) for name in names if name in known)
