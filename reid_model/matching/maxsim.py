"""Best-cell similarities of all pairs, in blocks whose cell scores stay in the processor's cache.

Every maximum that a caller wants is taken from the same scores: gallery cells are the rows of a block and query cells
its columns, cell by cell and within a cell query by query, so that both maxima (over gallery cells for each query
cell, over query cells for each gallery cell) run over whole vectors. The full [Q, G, P, P'] array never exists.

Where only the paper's form is wanted, a loop made for the processor or the GPU goes further and writes no score at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_model.features import Features, FloatArray
from reid_model.matching import fused
from reid_model.matching.int8 import CellQueries, cell_similarities
from reid_model.matching.maxima import greatest
from reid_model.matching.methods import salient_cells
from reid_model.matching.quantise import Quantised, steps

BLOCK = 5 << 18
"""Cell scores held at once on a processor: 2.5 or 5 MiB, so that they are still near when their maxima are taken."""

GPU_BLOCK = 1 << 26
"""Cell scores held at once on a GPU, which needs more of them to be busy."""

QUERIES = 64
"""Query crops in a block: as many vectors as the maxima over query cells need to run at full speed."""

FEW = 8
"""Up to so many query crops, masking cells costs less than putting the whole gallery into another order."""

Progress = Callable[[int, int], None]
_Fast = Callable[[Features, torch.dtype, torch.device], Callable[[Features], FloatArray]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which similarities to compute.

    Attributes:
        forward: Each query cell's best gallery cell, weighted by query saliency.
        gated: The same among salient gallery cells.
        back: Each gallery cell's best query cell, weighted by gallery saliency.
    """

    forward: bool = False
    gated: bool = False
    back: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Gallery:
    """Gallery crops made ready.

    Attributes:
        cells: `(m, P', d)`, crops in the order below.
        saliency: `(m, P')`.
        order: Place of each crop in the set given, `(m,)`.
        kept: How many of a crop's cells may be matched in gated matching: its first ones, `(m,)`.
        scale: What a step is in each crop's cells, `(m, 1)`: 1 where they are not in 8 bits.
        dropped: Other cells that may not, `(m, P')`, or None.
    """

    cells: Tensor
    saliency: Tensor
    order: npt.NDArray[np.intp]
    kept: npt.NDArray[np.intp]
    scale: Tensor
    dropped: Tensor | None = None

    @classmethod
    def as_given(cls, gallery: Features, gated: bool, dtype: torch.dtype, device: torch.device) -> _Gallery:
        """Crops and cells as they stand, those of low saliency marked if `gated`."""
        cells, scale = _convert(gallery.local, dtype, device)
        dropped = torch.from_numpy(~salient_cells(gallery.saliency)).to(device) if gated else None
        count = len(gallery)
        saliency = torch.from_numpy(gallery.saliency).to(device)
        return cls(cells, saliency, np.arange(count), np.full(count, gallery.cells), scale, dropped)

    @classmethod
    def by_weight(cls, gallery: Features, dtype: torch.dtype, device: torch.device) -> _Gallery:
        """Cells heaviest first and crops by the number of cells kept.

        A block's salient cells are then its first rows, and one pass gives both maxima.
        """
        kept = salient_cells(gallery.saliency).sum(axis=1)
        order = np.argsort(kept, kind="stable")
        heavy = np.argsort(-gallery.saliency[order], axis=1, kind="stable")
        saliency = np.take_along_axis(gallery.saliency[order], heavy, axis=1)
        cells = torch.empty(gallery.local.shape, dtype=dtype, device=device)
        scale = torch.empty(len(order), 1, device=device)
        for start in range(0, len(order), QUERIES):
            part = slice(start, start + QUERIES)
            cells[part], scale[part] = _convert(gallery.local[order[part, None], heavy[part]], dtype, device)
        return cls(cells, torch.from_numpy(saliency).to(device), order, kept[order], scale)

    def blocks(self, crops: int) -> Iterator[slice]:
        """Runs of at most so many crops, each keeping one number of cells."""
        edges = np.flatnonzero(np.diff(self.kept)) + 1
        for start, stop in zip((0, *edges), (*edges, len(self.kept)), strict=True):
            for first in range(start, stop, crops):
                yield slice(first, min(first + crops, stop))


@dataclass(frozen=True, slots=True, eq=False)
class _Queries:
    """A block of query crops made ready: cells `(d, P · q)`, cell by cell, their saliency `(P, q)` and scale `(q,)`."""

    cells: Tensor
    saliency: Tensor
    scale: Tensor

    @classmethod
    def prepare(cls, query: Features, dtype: torch.dtype, device: torch.device) -> _Queries:
        local, scale = _convert(query.local, dtype, device)
        cells = local.permute(2, 1, 0).reshape(local.shape[2], -1).contiguous()
        return cls(cells, torch.from_numpy(query.saliency).to(device).T.contiguous(), scale[:, 0])


def _convert(local: FloatArray, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cells `(n, P, d)` in another type, and the scale of each crop, `(n, 1)`."""
    cells = torch.from_numpy(local)
    if dtype != torch.int8:
        return cells.to(device=device, dtype=dtype), torch.ones(len(local), 1, device=device)
    scale = torch.from_numpy(steps(local))[:, None]
    return torch.round(cells / scale[:, :, None]).to(torch.int8).to(device), scale.to(device)


def similarities(
    query: Features,
    gallery: Features,
    wanted: Wanted,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Saliency-weighted best-cell similarities of every query to every gallery crop.

    Args:
        query: n crops.
        gallery: m crops.
        wanted: Which of them.
        dtype: Of the cells: float32, bfloat16 or int8. Products are summed in float32, those of int8 exactly.
        device: Where the arithmetic is done; the CPU when left out.
        progress: Called with the query crops done and all of them.

    Returns:
        By the names of `Wanted`'s attributes, `(n, m)` each, float32 in [-1, 1].
    """
    device = device or torch.device("cpu")
    names = [name for name in ("forward", "gated", "back") if getattr(wanted, name)]
    result: dict[str, FloatArray] = {name: np.empty((len(query), len(gallery)), np.float32) for name in names}
    if not len(gallery):
        return result
    fast = _without_scores(dtype, device) if wanted == Wanted(forward=True) else None
    if fast is not None:
        _by(fast, result["forward"], query, gallery, dtype, device, progress)
        return result
    if wanted.gated and len(query) > FEW:
        ready = _Gallery.by_weight(gallery, dtype, device)
    else:
        ready = _Gallery.as_given(gallery, wanted.gated, dtype, device)
    for top in range(0, len(query), QUERIES):
        part = query[top : top + QUERIES]
        _fill({name: rows[top : top + QUERIES] for name, rows in result.items()}, part, ready, wanted)
        if progress:
            progress(top + len(part), len(query))
    return result


def _fill(rows: dict[str, FloatArray], query: Features, gallery: _Gallery, wanted: Wanted) -> None:
    """Computes the similarities of a few query crops to the whole gallery."""
    queries = _Queries.prepare(query, gallery.cells.dtype, gallery.cells.device)
    _, p2, d = gallery.cells.shape
    width = queries.cells.shape[1]
    block = BLOCK if gallery.cells.device.type == "cpu" else GPU_BLOCK
    crops = max(1, block // (p2 * width))
    product = _product(gallery.cells, min(crops, len(gallery.kept)) * p2, queries.cells)
    parts: dict[str, list[Tensor]] = {name: [] for name in rows}
    for columns in gallery.blocks(crops):
        cells = gallery.cells[columns]
        scores = product(cells.reshape(-1, d)).view(len(cells), p2, width)
        best = _best(scores, gallery, columns, queries, wanted)
        for name, values in best.items():
            parts[name].append(values * gallery.scale[columns] * queries.scale)
    for name, columns_of in parts.items():
        rows[name][:, gallery.order] = torch.cat(columns_of).T.cpu().numpy()


def _least(dtype: torch.dtype) -> float:
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def _product(cells: Tensor, most: int, queries: Tensor) -> Callable[[Tensor], Tensor]:
    """What multiplies up to `most` cells with the queries, into memory that it uses again and again."""
    if cells.dtype != torch.int8:
        held = cells.new_empty(most, queries.shape[1])
        return lambda rows: torch.mm(rows, queries, out=held[: len(rows)])
    if cells.device.type == "cpu":
        return lambda rows: torch._int_mm(rows, queries)
    # Integer products are for some sizes only on a GPU; whole numbers of this size are exact in float32 too.
    columns = queries.float()
    return lambda rows: rows.float() @ columns


def _without_scores(dtype: torch.dtype, device: torch.device) -> _Fast | None:
    """The way to the paper's form alone that writes no score, where there is one for this type and device."""
    if device.type == "cpu" and dtype == torch.int8:
        return _in_bytes
    if dtype in (torch.bfloat16, torch.int8) and fused.available(device):
        return _on_gpu
    return None


def _in_bytes(gallery: Features, dtype: torch.dtype, device: torch.device) -> Callable[[Features], FloatArray]:
    stored = Quantised.of(gallery)
    return lambda query: cell_similarities(CellQueries.of(query), stored)


def _on_gpu(gallery: Features, dtype: torch.dtype, device: torch.device) -> Callable[[Features], FloatArray]:
    cells, scale = _convert(gallery.local, dtype, device)

    def match(query: Features) -> FloatArray:
        local, step = _convert(query.local, dtype, device)
        weights = torch.from_numpy(query.saliency).to(device) * step
        found = fused.similarities(local, weights, cells, scale[:, 0] if dtype == torch.int8 else None)
        return np.asarray(found.cpu().numpy(), np.float32)

    return match


def _by(
    fast: _Fast,
    rows: FloatArray,
    query: Features,
    gallery: Features,
    dtype: torch.dtype,
    device: torch.device,
    progress: Progress | None,
) -> None:
    match = fast(gallery, dtype, device)
    for top in range(0, len(query), QUERIES):
        part = query[top : top + QUERIES]
        rows[top : top + QUERIES] = match(part)
        if progress:
            progress(top + len(part), len(query))


def _best(scores: Tensor, gallery: _Gallery, columns: slice, queries: _Queries, wanted: Wanted) -> dict[str, Tensor]:
    """The wanted similarities `(g, q)` of a block of gallery crops from its scores `(g, P', P · q)`."""
    g, p2, _ = scores.shape
    p, q = queries.saliency.shape
    best = {}

    def weighted(nearest: Tensor) -> Tensor:
        return (nearest.float().view(g, p, q) * queries.saliency).sum(dim=1)

    if wanted.forward or wanted.gated:
        kept = int(gallery.kept[columns.start])
        nearest = greatest(scores[:, :kept], 1)
        if wanted.gated and gallery.dropped is not None:
            best["gated"] = weighted(
                greatest(scores.masked_fill(gallery.dropped[columns, :, None], _least(scores.dtype)), 1)
            )
        elif wanted.gated:
            best["gated"] = weighted(nearest)
        if wanted.forward:
            best["forward"] = weighted(nearest if kept == p2 else torch.maximum(nearest, greatest(scores[:, kept:], 1)))
    if wanted.back:
        nearest = greatest(scores.view(g * p2, p, q), 1).float().view(g, p2, q)
        best["back"] = (nearest * gallery.saliency[columns, :, None]).sum(dim=1)
    return best
