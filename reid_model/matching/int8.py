"""Best-cell similarities from bytes: the compiled loop where the processor has one, else matrix products in blocks.

Sums of products of bytes are exact, so that all ways give the same similarities to within the rounding of their last
few additions in float32. Which of them is fastest is found out on this processor, once, in a fraction of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from reid_model.features import Features, FloatArray
from reid_model.matching.parts import in_parts
from reid_model.matching.quantise import MULTIPLE, ZERO, ByteArray, Quantised, steps, to_bytes
from reid_model.matching.vnni import WIDTH, kernels

Positions = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

CROPS_A_PART = 64
"""Fewest gallery crops that are worth handing to another core."""

ROWS_A_PART = 8192
"""The same of the rows of a scan."""

SCORES = 5 << 17
"""Cell scores held at once where there is no compiled loop: 2.5 MiB, so that they are near when maxima are taken."""


TRIALS = 4
"""Times that each way is tried; the best counts, since others may be using the processor."""


@dataclass(frozen=True, slots=True, eq=False)
class CellQueries:
    """Query crops in 8 bits, made ready for every way of matching.

    Attributes:
        cells: `(q, P, d')` int8.
        weights: Saliency times the scale of the crop, `(q, P)` float32.
        packed: `(q, blocks, d' / 4, 48, 4)` int8, in whole cache lines: four values of each query cell of a block, then
            the next four.
        sums: What the sums of each query cell start from, `(q, blocks, 48)` int32: it undoes the gallery's added 128.
        spread: `weights` in blocks, `(q, blocks, 48)` float32, 0 for what fills up the last.
    """

    cells: npt.NDArray[np.int8]
    weights: FloatArray
    packed: npt.NDArray[np.int8]
    sums: npt.NDArray[np.int32]
    spread: FloatArray

    @classmethod
    def of(cls, query: Features) -> CellQueries:
        """Prepares q crops."""
        stored, scale = to_bytes(query.local, MULTIPLE)
        cells = (stored ^ ZERO).view(np.int8)
        weights = np.asarray(query.saliency * scale[:, None], np.float32)
        count, p, d = cells.shape
        blocks = -(-p // WIDTH)
        filled = np.zeros((count, blocks * WIDTH, d), np.int8)
        filled[:, :p] = cells
        parted = filled.reshape(count, blocks, WIDTH, d // 4, 4).transpose(0, 1, 3, 2, 4)
        spread = np.zeros((count, blocks * WIDTH), np.float32)
        spread[:, :p] = weights
        sums = -ZERO * filled.sum(axis=2, dtype=np.int32)
        shape = (count, blocks, WIDTH)
        return cls(cells, weights, _aligned(parted), _aligned(sums.reshape(shape)), _aligned(spread.reshape(shape)))

    def __len__(self) -> int:
        return len(self.cells)


Way = Callable[[CellQueries, Quantised, "Positions | None", "int | None"], FloatArray]


def cell_similarities(
    queries: CellQueries, gallery: Quantised, positions: Positions | None = None, threads: int | None = None
) -> FloatArray:
    """Saliency-weighted best-cell similarities of every query to every gallery crop, or to those chosen.

    Each is off from the float32 form by what `quantise` says of a cosine, less for the averaging over cells.

    Args:
        queries: q crops.
        gallery: m crops of the same model.
        positions: Which of them, `(k,)`; all when left out.
        threads: Most cores used; None for all.

    Returns:
        `(q, k)` float32, in [-1, 1] but for rounding.

    Raises:
        ValueError: If the two have cells of different sizes, or a position is not in the gallery.
    """
    if queries.cells.shape[2] != gallery.cells.shape[2]:
        given = f"{queries.cells.shape[2]} and {gallery.cells.shape[2]}"
        raise ValueError(f"matching: expected cells of one model, given {given} bytes")
    count = _check_positions(positions, len(gallery))
    if not count or not len(queries):
        return np.zeros((len(queries), count), np.float32)
    return fastest()(queries, gallery, positions, threads)


def row_products(
    query: FloatArray,
    rows: ByteArray,
    scale: FloatArray,
    positions: Positions | None = None,
    threads: int | None = None,
) -> FloatArray:
    """The product of every row of a matrix in bytes, or of chosen ones, with a vector.

    Args:
        query: `(D,)` float32; it is brought to 8 bits as well.
        rows: `(m, D)` uint8, value + 128, contiguous, D a multiple of 64.
        scale: What a step is in each row, `(m,)` float32.
        positions: Which rows, `(k,)`; all when left out.
        threads: Most cores used; None for all.

    Returns:
        `(k,)` float32, off by what `quantise` says of a cosine.

    Raises:
        ValueError: If a position is not among the rows.
    """
    count = _check_positions(positions, len(rows))
    step = steps(query[None])[0]
    bytes_ = _aligned(np.rint(query / step).astype(np.int8))
    compiled = kernels()
    out = np.empty(count, np.float32)

    def scan(first: int, last: int) -> None:
        assert compiled is not None
        where = None if positions is None else positions.ctypes.data
        offset = ZERO * int(bytes_.sum(dtype=np.int32))
        to = rows.ctypes.data, where, first, last, rows.shape[1] // 64, bytes_.ctypes.data, offset
        compiled.scan(*to, scale.ctypes.data, out.ctypes.data)

    def multiply(first: int, last: int) -> None:
        chosen = slice(first, last) if positions is None else positions[first:last]
        values = rows[chosen].astype(np.float32)
        values -= ZERO
        out[first:last] = values @ bytes_.astype(np.float32) * scale[chosen]

    in_parts(scan if compiled else multiply, count, ROWS_A_PART, threads)
    out *= step
    return out


def compiled_way(
    queries: CellQueries, gallery: Quantised, positions: Positions | None, threads: int | None
) -> FloatArray:
    """The compiled loop of `reid_model.matching.vnni`; only where that is not None."""
    compiled = kernels()
    assert compiled is not None
    _, p, d = gallery.cells.shape
    count = len(gallery) if positions is None else len(positions)
    out = np.empty((len(queries), count), np.float32)
    where = None if positions is None else positions.ctypes.data

    def work(first: int, last: int) -> None:
        compiled.maxsim(
            *(gallery.cells.ctypes.data, where, first, last, p, d // 4),
            *(queries.packed.ctypes.data, queries.sums.ctypes.data, queries.spread.ctypes.data),
            *(len(queries), queries.packed.shape[1], gallery.scale.ctypes.data, out.ctypes.data, count),
        )

    in_parts(work, count, max(1, CROPS_A_PART // len(queries)), threads)
    return out


def product_way(
    queries: CellQueries, gallery: Quantised, positions: Positions | None, threads: int | None
) -> FloatArray:
    """Integer matrix products of torch, block by block; it minds its own threads."""
    return _in_blocks(queries, gallery, positions, torch.int8)


def float_way(queries: CellQueries, gallery: Quantised, positions: Positions | None, threads: int | None) -> FloatArray:
    """Matrix products of the same whole numbers as float32, for processors that are slow with bytes."""
    return _in_blocks(queries, gallery, positions, torch.float32)


def _in_blocks(queries: CellQueries, gallery: Quantised, positions: Positions | None, dtype: torch.dtype) -> FloatArray:
    q, p, d = queries.cells.shape
    cells = gallery.cells.shape[1]
    count = len(gallery) if positions is None else len(positions)
    flat = torch.from_numpy(queries.cells).reshape(q * p, d).T
    columns = flat.contiguous().to(dtype)
    weights = torch.from_numpy(queries.weights)
    out = np.empty((q, count), np.float32)
    step = max(1, SCORES // (cells * q * p))
    for first in range(0, count, step):
        chosen = slice(first, first + step) if positions is None else positions[first : first + step]
        rows = torch.from_numpy((gallery.cells[chosen] ^ ZERO).view(np.int8)).view(-1, d)
        scores = torch._int_mm(rows, columns) if dtype == torch.int8 else rows.to(dtype) @ columns
        best = scores.view(-1, cells, q * p).amax(1).float().view(-1, q, p)
        similar = (best * weights).sum(dim=2).T.numpy()
        out[:, first : first + step] = similar * gallery.scale[chosen]
    return out


@cache
def fastest() -> Way:
    """The way that matches bytes fastest here, of those there are."""
    ways: list[Way] = [product_way, float_way]
    if kernels() is not None:
        ways.insert(0, compiled_way)
    random = np.random.default_rng(0)
    # As many as keep all cores at work for some milliseconds: waking them up is not what is compared.
    cells = np.tile(random.integers(1, 256, (CROPS_A_PART, WIDTH, 128), np.uint8), (32, 1, 1))
    gallery = Quantised(cells, np.ones(len(cells), np.float32))
    local = random.standard_normal((1, WIDTH, 128), np.float32)
    query = Features(
        np.ones((1, 1), np.float32),
        local / np.linalg.norm(local, axis=2, keepdims=True),
        np.full((1, WIDTH), 1 / WIDTH, np.float32),
        np.ones(1, np.float32),
    )
    queries = CellQueries.of(query)
    times = []
    for way in ways:
        least = np.inf
        for _ in range(TRIALS):
            start = time.perf_counter()
            way(queries, gallery, None, None)
            least = min(least, time.perf_counter() - start)
        times.append(least)
    return ways[int(np.argmin(times))]


def _check_positions(positions: Positions | None, count: int) -> int:
    """How many are asked for; compiled loops look up positions unchecked, so they are checked here."""
    if positions is None:
        return count
    if positions.dtype != np.int64 or not positions.flags.c_contiguous:
        raise ValueError(f"positions: expected contiguous int64, given {positions.dtype}")
    if len(positions) and not (positions.min() >= 0 and positions.max() < count):
        raise ValueError(f"positions: expected 0 to {count - 1}, given {positions.min()} to {positions.max()}")
    return len(positions)


def _aligned(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """A contiguous copy that begins at a cache line, as whole registers are loaded fastest, or at all."""
    room = np.empty(values.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
