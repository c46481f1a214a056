"""Best-cell similarities of all pairs, in blocks whose cell scores stay in the processor's cache.

Every maximum that a caller wants is taken from the same scores: gallery cells are the rows of a block and query cells
its columns, cell by cell and within a cell query by query, so that both maxima (over gallery cells for each query
cell, over query cells for each gallery cell) run over whole vectors. The full [Q, G, P, P'] array never exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_model.features import Features, FloatArray
from reid_model.matching.maxima import greatest
from reid_model.matching.methods import salient_cells

BLOCK = 5 << 18
"""Cell scores held at once on a processor: 2.5 or 5 MiB, so that they are still near when their maxima are taken."""

GPU_BLOCK = 1 << 26
"""Cell scores held at once on a GPU, which needs more of them to be busy."""

QUERIES = 64
"""Query crops in a block: as many vectors as the maxima over query cells need to run at full speed."""

FEW = 8
"""Up to so many query crops, masking cells costs less than putting the whole gallery into another order."""

Progress = Callable[[int, int], None]


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
        dropped: Other cells that may not, `(m, P')`, or None.
    """

    cells: Tensor
    saliency: Tensor
    order: npt.NDArray[np.intp]
    kept: npt.NDArray[np.intp]
    dropped: Tensor | None = None

    @classmethod
    def as_given(cls, gallery: Features, gated: bool, dtype: torch.dtype, device: torch.device) -> _Gallery:
        """Crops and cells as they stand, those of low saliency marked if `gated`."""
        cells = torch.from_numpy(gallery.local).to(device=device, dtype=dtype)
        dropped = torch.from_numpy(~salient_cells(gallery.saliency)).to(device) if gated else None
        count = len(gallery)
        saliency = torch.from_numpy(gallery.saliency).to(device)
        return cls(cells, saliency, np.arange(count), np.full(count, gallery.cells), dropped)

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
        for start in range(0, len(order), QUERIES):
            part = slice(start, start + QUERIES)
            cells[part] = torch.from_numpy(gallery.local[order[part, None], heavy[part]]).to(device)
        return cls(cells, torch.from_numpy(saliency).to(device), order, kept[order])

    def blocks(self, crops: int) -> Iterator[slice]:
        """Runs of at most so many crops, each keeping one number of cells."""
        edges = np.flatnonzero(np.diff(self.kept)) + 1
        for start, stop in zip((0, *edges), (*edges, len(self.kept)), strict=True):
            for first in range(start, stop, crops):
                yield slice(first, min(first + crops, stop))


@dataclass(frozen=True, slots=True, eq=False)
class _Queries:
    """A block of query crops made ready: cells `(d, P · q)`, cell by cell, and their saliency `(P, q)`."""

    cells: Tensor
    saliency: Tensor

    @classmethod
    def prepare(cls, query: Features, dtype: torch.dtype, device: torch.device) -> _Queries:
        local = torch.from_numpy(query.local).to(device=device, dtype=dtype)
        cells = local.permute(2, 1, 0).reshape(local.shape[2], -1).contiguous()
        return cls(cells, torch.from_numpy(query.saliency).to(device).T.contiguous())


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
        dtype: Of the cells and their scores; products are summed in float32.
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
    held = gallery.cells.new_empty(min(crops, len(gallery.kept)) * p2, width)
    parts: dict[str, list[Tensor]] = {name: [] for name in rows}
    for columns in gallery.blocks(crops):
        cells = gallery.cells[columns]
        scores = torch.mm(cells.reshape(-1, d), queries.cells, out=held[: len(cells) * p2]).view(len(cells), p2, width)
        best = _best(scores, gallery, columns, queries, wanted)
        for name, values in best.items():
            parts[name].append(values)
    for name, columns_of in parts.items():
        rows[name][:, gallery.order] = torch.cat(columns_of).T.cpu().numpy()


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
            best["gated"] = weighted(greatest(scores.masked_fill(gallery.dropped[columns, :, None], -torch.inf), 1))
        elif wanted.gated:
            best["gated"] = weighted(nearest)
        if wanted.forward:
            best["forward"] = weighted(nearest if kept == p2 else torch.maximum(nearest, greatest(scores[:, kept:], 1)))
    if wanted.back:
        nearest = greatest(scores.view(g * p2, p, q), 1).float().view(g, p2, q)
        best["back"] = (nearest * gallery.saliency[columns, :, None]).sum(dim=1)
    return best
