"""Matching of chosen pairs, for those that passed a gate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from reid_model.features import Features, FloatArray
from reid_model.matching import dsr
from reid_model.matching.methods import Method, salient_cells

BLOCK = 1 << 22
"""Cell scores of separate pairs held at once."""

Indices = npt.NDArray[np.intp]


def pair_distances(query: Features, gallery: Features, rows: Indices, columns: Indices, method: Method) -> FloatArray:
    """The distances of chosen pairs only: see `reid_model.matching.pair_distances`."""
    pooled = 1 - np.einsum("nd,nd->n", query.global_[rows], gallery.global_[columns], dtype=np.float32)
    if method == "global" or not len(rows):
        return np.asarray(pooled, np.float32)
    if method == "dsr":
        spatial = dsr.pair_residuals(query, gallery, rows, columns)
    else:
        spatial = _nearest(query, gallery, rows, columns, method)
    return spatial if method == "local" else np.asarray((spatial + pooled) / 2, np.float32)


def _nearest(query: Features, gallery: Features, rows: Indices, columns: Indices, method: Method) -> FloatArray:
    """The spatial part of the methods that pair each cell with its most similar one."""
    step = max(1, BLOCK // (query.cells * gallery.cells))
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
    return np.concatenate(parts)
