"""The index's cells on a GPU: what matching everything cell by cell reads, where memory is fastest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_model.features import FloatArray
from reid_model.matching import fused
from reid_model.matching.int8 import CellQueries
from reid_model.matching.quantise import ZERO, ByteArray

CHUNK = 1 << 16
"""Sightings that space is made for at once: what is there already is never copied again."""

BLOCK = 1 << 10
"""Sightings matched at once where there is no kernel."""

Match = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None], Tensor]


class DeviceCells:
    """Cells of a run of sightings on a device; more can be added behind.

    Searches under way are not disturbed: they name how many rows they know of.
    """

    def __init__(self, device: torch.device) -> None:
        """No rows yet."""
        self._device = device
        self._match: Match = fused.similarities if fused.available(device) else by_products
        self._cells: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, cells: ByteArray, scale: FloatArray) -> None:
        """Adds rows behind.

        Args:
            cells: `(n, P, d')` uint8, value + 128.
            scale: What a step is, `(n,)` float32.

        Raises:
            torch.OutOfMemoryError: If the device has no room for them.
        """
        done = 0
        while done < len(scale):
            place = self._count % CHUNK
            if not place:
                self._cells.append(torch.empty((CHUNK, *cells.shape[1:]), dtype=torch.int8, device=self._device))
                self._scales.append(torch.empty(CHUNK, device=self._device))
            some = min(CHUNK - place, len(scale) - done)
            values = (cells[done : done + some] ^ ZERO).view(np.int8)
            self._cells[-1][place : place + some] = torch.from_numpy(values)
            self._scales[-1][place : place + some] = torch.from_numpy(np.array(scale[done : done + some], np.float32))
            done += some
            self._count += some

    def similarities(self, queries: CellQueries, rows: npt.NDArray[np.int64] | None, count: int) -> FloatArray:
        """What `reid_model.matching.int8.cell_similarities` gives, `(q, k)`.

        Args:
            queries: q crops.
            rows: Which rows, `(k,)`; None for the first `count`.
            count: Rows that the caller knows of.
        """
        cells = torch.from_numpy(queries.cells).to(self._device)
        weights = torch.from_numpy(queries.weights).to(self._device)
        if rows is None:
            sizes = [min(CHUNK, count - first) for first in range(0, count, CHUNK)]
            parts = [
                self._match(cells, weights, self._cells[place][:size], self._scales[place][:size], None)
                for place, size in enumerate(sizes)
            ]
            # Copied once all are under way: the device does not wait for the processor.
            return torch.cat(parts, dim=1).cpu().numpy() if parts else np.zeros((len(queries), 0), np.float32)
        result = np.empty((len(queries), len(rows)), np.float32)
        found = []
        for place in np.unique(rows // CHUNK).tolist():
            mine = np.flatnonzero(rows // CHUNK == place)
            positions = torch.from_numpy(rows[mine] % CHUNK).to(self._device)
            found.append((mine, self._match(cells, weights, self._cells[place], self._scales[place], positions)))
        for mine, values in found:
            result[:, mine] = values.cpu().numpy()
        return result


def by_products(query: Tensor, weights: Tensor, cells: Tensor, scale: Tensor, positions: Tensor | None) -> Tensor:
    """What the kernel computes, by matrix products in blocks, for devices without Triton.

    Whole numbers of this size are exact in float32.

    Args:
        query: `(q, P, d)` int8.
        weights: `(q, P)` float32.
        cells: `(m, P', d)` int8.
        scale: `(m,)` float32.
        positions: Which rows, `(k,)` int64, or None.

    Returns:
        `(q, k)` float32.
    """
    q, p, d = query.shape
    columns = query.float().reshape(q * p, d).T
    count = len(cells) if positions is None else len(positions)
    parts = []
    for first in range(0, count, BLOCK):
        rows = slice(first, min(first + BLOCK, count))
        chosen: slice | Tensor = rows if positions is None else positions[rows]
        best = (cells[chosen].float() @ columns).amax(dim=1).reshape(-1, q, p)
        parts.append((best * weights).sum(dim=2).T * scale[chosen])
    return torch.cat(parts, dim=1) if parts else torch.zeros((q, 0), device=cells.device)
