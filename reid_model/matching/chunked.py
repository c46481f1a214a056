"""Matching in blocks that fit in memory, in torch, on the CPU or a GPU.

The saliency weights are folded into the query (Σ w·max_j q·g_j = Σ max_j (w q)·g_j for w ≥ 0), so that the inner loop
is one matrix product and one running maximum. The full [Q, G, P, P'] score array never exists.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_model.features import Features, FloatArray
from reid_model.matching.methods import Method, salient_cells

BLOCK = 1 << 20
"""Cell scores held at once: 4 MiB in fp32, so that they are still near when their maximum is taken."""

PAIR_BLOCK = 1 << 22
"""Cell scores of separate pairs held at once."""

QUERY_CELLS = 512
"""Query cells multiplied at once: enough to use the processor's matrix units well."""


def _similarity(weighted: Tensor, cells: Tensor, kept: Tensor | None) -> Tensor:
    """Saliency-weighted best-cell similarity of every query to every gallery crop.

    Args:
        weighted: Query cells times their saliency, `(q, P, d)`.
        cells: Gallery cells, `(g, P', d)`.
        kept: Gallery cells that may be matched, `(g, P')`, or None for all.

    Returns:
        Similarities, `(q, g)`, in [-1, 1].
    """
    q, p, d = weighted.shape
    g, p2, _ = cells.shape
    rows = max(1, min(q, QUERY_CELLS // p))
    columns = max(1, min(g, BLOCK // (p * p2 * rows)))
    result = weighted.new_empty(q, g)
    for top in range(0, q, rows):
        block = weighted[top : top + rows].reshape(-1, d).T.contiguous()
        for left in range(0, g, columns):
            part = cells[left : left + columns]
            # Gallery cells are the rows, so that the maximum runs down columns: whole vectors at a time.
            scores = (part.reshape(-1, d) @ block).view(len(part), p2, -1)
            if kept is not None:
                scores.masked_fill_(~kept[left : left + columns, :, None], -torch.inf)
            best = scores.amax(dim=1).view(len(part), -1, p).sum(dim=2)
            result[top : top + rows, left : left + columns] = best.T
    return result


def _fold(features: Features, device: torch.device) -> Tensor:
    return torch.from_numpy(features.local * features.saliency[..., None]).to(device)


def distances(query: Features, gallery: Features, method: Method, device: torch.device) -> FloatArray:
    """The distance of every query to every gallery crop: see `reid_model.matching.distances`."""
    pooled = np.asarray(1 - query.global_ @ gallery.global_.T, np.float32)
    if method == "global" or not len(query) or not len(gallery):
        return pooled
    kept = torch.from_numpy(salient_cells(gallery.saliency)).to(device) if method == "gated" else None
    cells = torch.from_numpy(gallery.local).to(device)
    local = 1 - _similarity(_fold(query, device), cells, kept)
    if method == "symmetric":
        back = 1 - _similarity(_fold(gallery, device), torch.from_numpy(query.local).to(device), None)
        local = (local + back.T) / 2
    spatial: FloatArray = local.cpu().numpy()
    return spatial if method == "local" else np.asarray((spatial + pooled) / 2, np.float32)


def pair_distances(
    query: Features, gallery: Features, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], method: Method
) -> FloatArray:
    """The distances of chosen pairs only: see `reid_model.matching.pair_distances`."""
    pooled = 1 - np.einsum("nd,nd->n", query.global_[rows], gallery.global_[columns], dtype=np.float32)
    if method == "global" or not len(rows):
        return np.asarray(pooled, np.float32)
    step = max(1, PAIR_BLOCK // (query.cells * gallery.cells))
    parts = []
    for start in range(0, len(rows), step):
        r, c = rows[start : start + step], columns[start : start + step]
        scores = torch.bmm(torch.from_numpy(query.local[r]), torch.from_numpy(gallery.local[c]).transpose(1, 2))
        forward = scores
        if method == "gated":
            kept = torch.from_numpy(salient_cells(gallery.saliency[c]))
            forward = scores.masked_fill(~kept[:, None], -torch.inf)
        spatial = 1 - (forward.amax(dim=2) * torch.from_numpy(query.saliency[r])).sum(dim=1)
        if method == "symmetric":
            back = 1 - (scores.amax(dim=1) * torch.from_numpy(gallery.saliency[c])).sum(dim=1)
            spatial = (spatial + back) / 2
        parts.append(spatial.numpy())
    local = np.concatenate(parts)
    return local if method == "local" else np.asarray((local + pooled) / 2, np.float32)
