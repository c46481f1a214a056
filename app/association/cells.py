"""The cells of remembered views, in 16 bits, compared without what their cameras add.

A view's cells are kept as they came, and beside them how long each is without its camera's shift: so that a shift that
changes costs one pass over lengths, and a comparison one product of the cells less their shifts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from app.association.cameras import EPS
from reid_model.features import FloatArray
from reid_model.matching import Precision, fastest_precision

IntArray = npt.NDArray[np.intp]

SLOTS = 64
"""Slots measured at once."""

BLOCK = 1 << 22
"""Cell scores held at once."""


PRECISION: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Cells:
    """Cells of n views of each of `count` slots, P cells of d dimensions a view."""

    def __init__(self, count: int, views: int, cells: int, dimensions: int) -> None:
        """Makes room for as many slots."""
        self._local = torch.zeros((count, views, cells, dimensions), dtype=torch.bfloat16)
        self._scale = torch.zeros((count, views, cells))
        self._saliency = torch.zeros((count, views, cells))

    def grow(self, count: int) -> None:
        """Makes room for `count` slots in all."""
        for name in ("_local", "_scale", "_saliency"):
            values: torch.Tensor = getattr(self, name)
            grown = torch.zeros((count, *values.shape[1:]), dtype=values.dtype)
            grown[: len(values)] = values
            setattr(self, name, grown)

    def put(self, slots: IntArray, local: FloatArray, saliency: FloatArray) -> None:
        """Keeps the views of k slots, `(k, n, P, d)` and `(k, n, P)`; `shift` has to follow."""
        where = torch.from_numpy(slots)
        self._local[where] = torch.from_numpy(local).bfloat16()
        self._saliency[where] = torch.from_numpy(saliency)

    def shift(self, slots: IntArray, shifts: npt.NDArray[np.float64]) -> None:
        """Measures cells without their cameras' shifts, `(k, d)` for k slots."""
        everywhere, given = torch.from_numpy(slots), _rounded(shifts).float()
        for where, shift in zip(everywhere.split(SLOTS), given.split(SLOTS), strict=True):  # type: ignore[no-untyped-call]
            length = torch.linalg.vector_norm(self._local[where].float() - shift[:, None, None], dim=-1)
            # A cell that is nothing but its camera's shift says nothing: it is like no other.
            self._scale[where] = torch.where(length > EPS, 1 / length.clamp_min(EPS), torch.zeros(()))

    def distances(
        self,
        a: tuple[IntArray, IntArray],
        b: tuple[IntArray, IntArray],
        shifts: tuple[IntArray, npt.NDArray[np.float64]],
    ) -> FloatArray:
        """Spatial distance of pairs of views, averaged over both directions.

        Args:
            a: Slots and views of one side, `(k,)` each.
            b: Of the other side.
            shifts: The camera of each slot, and the shift of each camera, `(C, d)`.

        Returns:
            Distances, `(k,)`, float32 in [0, 2].
        """
        views = self._local.shape[1]
        flat = np.concatenate([a[0] * views + a[1], b[0] * views + b[1]])
        used, where = np.unique(flat, return_inverse=True)
        slot, view = (torch.from_numpy(part) for part in np.divmod(used, views))
        cells = self._local[slot, view].float()
        cells -= _rounded(shifts[1]).float()[torch.from_numpy(shifts[0])[slot]][:, None]
        cells *= self._scale[slot, view][:, :, None]
        cells, saliency = cells.to(PRECISION[fastest_precision()]), self._saliency[slot, view]
        first, second = torch.from_numpy(where).chunk(2)
        step = max(1, BLOCK // cells.shape[1] ** 2)
        parts = [torch.zeros(0)]
        for start in range(0, len(first), step):
            count = len(first[start : start + step])
            i, j = (
                torch.nn.functional.pad(each[start : start + step], (0, even(count) - count))
                for each in (first, second)
            )
            scores = torch.bmm(cells[i], cells[j].transpose(1, 2)).float()
            there = (scores.amax(dim=2) * saliency[i]).sum(dim=1)
            back = (scores.amax(dim=1) * saliency[j]).sum(dim=1)
            parts.append(1 - (there + back)[:count] / 2)
        return np.asarray(torch.cat(parts).clamp(0, 2).numpy(), np.float32)

    def views(self, slot: IntArray, view: IntArray, shifts: npt.NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """Cells `(k, P, d)` of unit length without their shifts `(k, d)`, and saliency `(k, P)`."""
        where = torch.from_numpy(slot), torch.from_numpy(view)
        cells = self._local[where].float() - _rounded(shifts).float()[:, None]
        length = torch.linalg.vector_norm(cells, dim=-1, keepdim=True)
        cells = torch.where(length > EPS, cells / length.clamp_min(EPS), self._local[where].float())
        return cells.numpy(), self._saliency[where].numpy()


def even(count: int) -> int:
    """The least of some numbers that is no less than another: 1 to 8, and then four for each twice as many.

    torch compiles products in 16 bits for each number of pairs, and keeps them: for every number there is, memory would
    grow for hours.
    """
    step = 1 << max(count.bit_length() - 3, 0)
    return -(-count // step) * step


def _rounded(shifts: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(shifts, np.float32)).bfloat16()
