"""What remembered tracklets look like, in arrays that one matrix product compares with everybody new."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.association.cameras import CameraLooks, Said, Shifts, shifted
from app.association.cells import Cells
from app.association.distance import LEAST_WEIGHT, IntArray, believed, chosen_pairs, doubt, mean_of_closest
from app.association.remembered import MOST_STATES, Remembered
from app.config_association import AssociationConfig
from reid_model.features import Features, FloatArray

VIEWS = 6
"""Views kept of a tracklet."""

PRESELECTED = 64
"""Tracklets whose views are compared by pooled features; the mean looks of all choose them."""

FADING = 500
"""People that what a camera adds is a mean over, at most."""

MOVED = 0.03
"""How far a camera's shift, of vectors of unit length, has moved when it is taken anew."""

BEYOND = 0.1
"""How far over the limit two are still compared in full: their distance counts in the mean of a group."""

ROOM = 64
"""Slots at first."""

BLOCK = 32
"""New tracklets compared at once, to bound memory."""

PAIRS = 512
"""Pairs of tracklets measured at once, likewise."""

FEW = 4
"""So many times as many as are preselected are few enough to compare the views of all with those of all."""

POOLED_SHARE = {"global": 1.0, "local": 0.0, "gasm": 0.5, "gated": 0.5, "symmetric": 0.5}
"""Share of the pooled distance in that of each method."""

FAR = np.float32(9)

BoolArray = npt.NDArray[np.bool_]


class Looks:
    """Up to `VIEWS` views of each tracklet, in numbered slots; a slot that is dropped is used again."""

    def __init__(self, config: AssociationConfig) -> None:
        """Remembers nobody yet."""
        self._config = config
        self._free: list[int] = []
        self._waiting: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._used = self._states = 0
        self._remembered = Remembered()
        self._sizes: tuple[int, ...] = ()
        self._cameras: CameraLooks | None = None
        self._shifts = Shifts(np.zeros((0, 0)), np.zeros((0, 0)))

    def put(self, exemplars: Features, camera: int, slot: int = -1) -> int:
        """Remembers a tracklet's best views.

        Args:
            exemplars: Its views, one or more.
            camera: Number of its camera, from 0.
            slot: Where an earlier state of the tracklet is kept; -1 where there is none.

        Returns:
            The slot.

        Raises:
            ValueError: If the views come from another model than those remembered.
        """
        sizes = (exemplars.global_.shape[1], *exemplars.local.shape[1:])
        if not self._sizes:
            self._begin(sizes)
        if sizes != self._sizes:
            raise ValueError(f"exemplars: expected dimensions {self._sizes} of one model, given {sizes}")
        fresh = slot < 0
        slot = self._new_slot() if fresh else slot
        self._learn(exemplars, camera, slot, fresh)
        best = np.sort(np.argsort(-exemplars.mass, kind="stable")[:VIEWS])
        # What is left of the slot repeats the first view: it changes no minimum and needs no mask.
        rows = np.concatenate([best, np.repeat(best[:1], VIEWS - len(best))])
        self._raw[slot], self._mass[slot] = exemplars.global_[rows], exemplars.mass[rows]
        self._count[slot], self._camera[slot] = len(best), camera
        self._waiting[slot] = exemplars.local[rows], exemplars.saliency[rows]
        return slot

    def drop(self, slot: int) -> None:
        """Forgets a tracklet."""
        self._count[slot] = 0
        self._waiting.pop(slot, None)
        self._free.append(slot)

    def compare(
        self,
        slots: IntArray,
        others: IntArray,
        forbidden: BoolArray,
        limit: float | None = None,
        *,
        again: bool = False,
    ) -> FloatArray:
        """The distance of tracklets to others, as `tracklet_distances` has it.

        Args:
            slots: Of n tracklets.
            others: Of m tracklets.
            forbidden: Pairs that can never be one person, `(n, m)`: not compared.
            limit: Largest distance at which two are linked now, among so many people; the threshold where left out.
            again: Whether these will be compared again soon: what is measured now is then remembered.

        Returns:
            Distances `(n, m)`, infinite where forbidden or both are the same; over the threshold where two are not
            among each other's `candidates` nearest, or pooled features alone put them over the limit by `BEYOND`.
        """
        self._take_in()
        if not len(slots) or not len(others):
            return np.full(forbidden.shape, np.inf, np.float32)
        worth = self._config.threshold if limit is None else min(self._config.threshold, limit + BEYOND)
        share, theirs = np.float32(self._config.mean_weight), self._mean[others]
        result = np.empty(forbidden.shape, np.float32)
        pairs: list[tuple[IntArray, IntArray, FloatArray]] = []
        for start in range(0, len(slots), BLOCK):
            block = slice(start, start + BLOCK)
            result[block], rows, columns, means = self._compare(slots[block], others, theirs, forbidden[block], worth)
            pairs.append((rows + start, columns, means))
        rows, columns, means = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        if len(rows):
            full = self._spatial(slots[rows], others[columns], again)
            result[rows, columns] = (1 - share) * full + share * means
        result[forbidden | (slots[:, None] == others)] = np.inf
        return result

    def _compare(
        self, slots: IntArray, others: IntArray, looks: FloatArray, forbidden: BoolArray, worth: float
    ) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
        """Distances by pooled features, `(n, m)`; rows, columns and mean distance of the pairs worth comparing in full.

        No distance of the former is within the threshold.
        """
        config = self._config
        barred = forbidden | (slots[:, None] == others)
        means = np.clip(1 - self._mean[slots] @ looks.T, 0, 2)
        # Mean looks choose and stand in where nothing better is known: one product for everybody remembered.
        pooled = means.copy()
        pooled[barred] = FAR
        near = _smallest(pooled, PRESELECTED)
        exact = self._nearest_views(slots, others, near)
        exact[np.take_along_axis(barred, near, axis=1)] = FAR
        np.put_along_axis(pooled, near, exact, axis=1)
        share = np.float32(config.mean_weight)
        result = (1 - share) * pooled + share * means
        np.maximum(result, np.nextafter(np.float32(config.threshold), np.float32(3)), out=result)
        chosen = np.take_along_axis(near, _smallest(exact, config.candidates), axis=1)
        rows = np.repeat(np.arange(len(slots)), chosen.shape[1])
        columns = chosen.ravel()
        # What pooled features alone put over what is worth it, cells cannot bring back: their distance is not below 0.
        least = share * means[rows, columns] + (1 - share) * POOLED_SHARE[config.matching] * pooled[rows, columns]
        kept = ~barred[rows, columns] & (least <= worth)
        rows, columns = rows[kept], columns[kept]
        return result, rows, columns, means[rows, columns]

    def _nearest_views(self, slots: IntArray, others: IntArray, near: IntArray) -> FloatArray:
        """The least pooled distance of the views of tracklets to those of others, at positions `near`, `(n, k)`."""
        if len(others) <= FEW * near.shape[1]:
            # One product of all with all costs less than gathering the views of each one's nearest.
            flat = [self._pooled[each].reshape(-1, self._sizes[0]) for each in (slots, others)]
            exact = (1 - flat[0] @ flat[1].T).reshape(len(slots), VIEWS, len(others), VIEWS).min(axis=(1, 3))
            return np.asarray(np.take_along_axis(exact, near, axis=1), np.float32)
        theirs = self._pooled[others[near]].reshape(len(slots), -1, self._sizes[0])
        exact = 1 - self._pooled[slots] @ theirs.transpose(0, 2, 1)
        return np.asarray(exact.min(axis=1).reshape(*near.shape, VIEWS).min(axis=2), np.float32)

    def _spatial(self, slots: IntArray, others: IntArray, again: bool) -> FloatArray:
        """The spatial distance of tracklets `slots[k]` and `others[k]`, shape `(k,)`."""

        def measure(which: IntArray) -> FloatArray:
            parts = range(0, len(which), PAIRS)
            return np.concatenate([self._measured(slots[k], others[k]) for k in (which[i : i + PAIRS] for i in parts)])

        return self._remembered.distances(self._state[slots], self._state[others], measure, keep=again)

    def _measured(self, slots: IntArray, others: IntArray) -> FloatArray:
        config = self._config
        starts = VIEWS * np.arange(self._used)
        flat = self._pooled[: self._used].reshape(-1, self._sizes[0])
        a, b, valid = chosen_pairs(flat, starts, self._count[: self._used], slots, others, config.pairs)
        distance = np.full(valid.shape, np.inf, np.float32)
        distance[valid] = self._views_apart(flat, a[valid], b[valid])
        return mean_of_closest(distance, config.pairs)

    def _views_apart(self, flat: FloatArray, a: IntArray, b: IntArray) -> FloatArray:
        """The distance of views, by their positions in `flat`, the pooled vectors of all; `(k,)`."""
        config, mass = self._config, self._mass.reshape(-1)
        if config.matching in ("gasm", "symmetric"):
            pooled = 1 - np.einsum("nd,nd->n", flat[a], flat[b])
            sides = np.divmod(a, VIEWS), np.divmod(b, VIEWS)
            spatial = self._cells.distances(*sides, (self._camera, self._shifts.local))
            return np.asarray((pooled + spatial) / 2 + doubt(mass[a], mass[b], config), np.float32)
        used, where = np.unique(np.concatenate([a, b]), return_inverse=True)
        slot, view = np.divmod(used, VIEWS)
        local, saliency = self._cells.views(slot, view, self._shifts.local[self._camera[slot]])
        views = Features(flat[used], local, saliency, mass[used])
        return believed(views, where[: len(a)], where[len(a) :], config)

    def _begin(self, sizes: tuple[int, ...]) -> None:
        self._sizes = sizes
        self._cameras = CameraLooks(sizes[0], sizes[2], FADING)
        self._shifts = Shifts(np.zeros((0, sizes[0])), np.zeros((0, sizes[2])))
        pooled, cells, local = sizes
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "_raw": (np.float32, (VIEWS, pooled)),
            "_pooled": (np.float32, (VIEWS, pooled)),
            "_mean": (np.float32, (pooled,)),
            "_mass": (np.float32, (VIEWS,)),
            "_said_pooled": (np.float32, (pooled,)),
            "_said_local": (np.float32, (local,)),
            "_said_salient": (np.float32, ()),
            "_count": (np.int64, ()),
            "_camera": (np.int64, ()),
            "_state": (np.int64, ()),
        }
        self._names = tuple(shapes)
        self._raw: FloatArray
        self._pooled: FloatArray
        self._mean: FloatArray
        self._mass: FloatArray
        self._said_pooled: FloatArray
        self._said_local: FloatArray
        self._said_salient: FloatArray
        self._count: npt.NDArray[np.int64]
        self._camera: npt.NDArray[np.int64]
        self._state: npt.NDArray[np.int64]
        for name, (kind, shape) in shapes.items():
            setattr(self, name, np.zeros((ROOM, *shape), kind))
        self._cells = Cells(ROOM, VIEWS, cells, local)

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self._count):
            count = self._used + max(ROOM, self._used // 4)
            for name in self._names:
                values = getattr(self, name)
                grown = np.zeros((count, *values.shape[1:]), values.dtype)
                grown[: self._used] = values
                setattr(self, name, grown)
            self._cells.grow(count)
        self._used += 1
        return self._used - 1

    def _learn(self, exemplars: Features, camera: int, slot: int, fresh: bool) -> None:
        """Counts what a tracklet says of its camera, by now: what it said while it was shorter counts no more."""
        assert self._cameras is not None
        said = Said.by(exemplars)
        before = Said(self._said_pooled[slot], self._said_local[slot], float(self._said_salient[slot]))
        self._cameras.hear(camera, said, None if fresh else before)
        self._said_pooled[slot], self._said_local[slot], self._said_salient[slot] = said

    def _take_in(self) -> None:
        """Makes what was put since ready to be compared, all at once."""
        if not self._waiting:
            return
        assert self._cameras is not None
        slots = np.array(sorted(self._waiting), np.intp)
        local, saliency = zip(*(self._waiting[slot] for slot in slots.tolist()), strict=True)
        self._cells.put(slots, np.stack(local), np.stack(saliency))
        self._waiting.clear()
        moved = self._moved_cameras(self._cameras.shifts(self._config.camera_people))
        theirs = np.isin(self._camera[: self._used], moved) & (self._count[: self._used] > 0)
        self._neutralise(np.union1d(slots, np.flatnonzero(theirs)))

    def _moved_cameras(self, shifts: Shifts) -> IntArray:
        """Takes the shifts anew that have moved; gives their cameras."""
        missing = ((0, len(shifts.pooled) - len(self._shifts.pooled)), (0, 0))
        pooled, local = np.pad(self._shifts.pooled, missing), np.pad(self._shifts.local, missing)
        apart = np.linalg.norm(shifts.pooled - pooled, axis=1), np.linalg.norm(shifts.local - local, axis=1)
        moved = np.flatnonzero(np.maximum(*apart) > MOVED)
        pooled[moved], local[moved] = shifts.pooled[moved], shifts.local[moved]
        self._shifts = Shifts(pooled, local)
        return moved

    def _neutralise(self, slots: IntArray) -> None:
        if self._states + len(slots) > MOST_STATES:
            self._state[:], self._states = np.arange(len(self._state)), len(self._state)
            self._remembered = Remembered()
        self._state[slots] = np.arange(self._states, self._states + len(slots))
        self._states += len(slots)
        shift = self._shifts.pooled[self._camera[slots]][:, None].astype(np.float32)
        self._pooled[slots] = shifted(self._raw[slots], shift)
        self._cells.shift(slots, self._shifts.local[self._camera[slots]])
        there = np.arange(VIEWS) < self._count[slots][:, None]
        weight = np.where(there, self._mass[slots] + LEAST_WEIGHT, 0)[:, :, None]
        means = (self._pooled[slots] * weight).sum(axis=1)
        self._mean[slots] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), LEAST_WEIGHT)


def _smallest(values: FloatArray, count: int) -> IntArray:
    """Positions of the `count` smallest of each row, or of all where there are no more, `(n, k)`."""
    if values.shape[1] <= count:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, count - 1, axis=1)[:, :count]
