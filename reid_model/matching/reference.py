"""Matching written as the definitions read, one pair at a time: what every fast form is tested against."""

from __future__ import annotations

import numpy as np

from reid_model.features import Features, FloatArray
from reid_model.matching.methods import Method, salient_cells


def _global(query: Features, gallery: Features, i: int, j: int) -> float:
    return float(1 - query.global_[i] @ gallery.global_[j])


def _local(query: Features, gallery: Features, i: int, j: int, *, gated: bool) -> float:
    """Equation 4: each query cell finds its nearest gallery cell; the distances are weighted by query saliency."""
    candidates = gallery.local[j]
    if gated:
        candidates = candidates[salient_cells(gallery.saliency[j : j + 1])[0]]
    nearest = [min(1 - float(cell @ candidate) for candidate in candidates) for cell in query.local[i]]
    return float(np.dot(query.saliency[i], nearest))


def distances(query: Features, gallery: Features, method: Method) -> FloatArray:
    """The distance of every query to every gallery crop: see `reid_model.matching.distances`."""
    result = np.zeros((len(query), len(gallery)), np.float32)
    for i in range(len(query)):
        for j in range(len(gallery)):
            if method == "global":
                result[i, j] = _global(query, gallery, i, j)
                continue
            local = _local(query, gallery, i, j, gated=method == "gated")
            if method == "symmetric":
                local = (local + _local(gallery, query, j, i, gated=False)) / 2
            result[i, j] = local if method == "local" else (local + _global(query, gallery, i, j)) / 2
    return result
