"""Matching written as the definitions read, one pair at a time: what every fast form is tested against."""

from __future__ import annotations

import numpy as np

from reid_model.features import Features, FloatArray
from reid_model.matching.methods import RIDGE, Method, salient_cells


def _global(query: Features, gallery: Features, i: int, j: int) -> float:
    return float(1 - query.global_[i] @ gallery.global_[j])


def _local(query: Features, gallery: Features, i: int, j: int, *, gated: bool) -> float:
    """Equation 4: each query cell finds its nearest gallery cell; the distances are weighted by query saliency."""
    candidates = gallery.local[j]
    if gated:
        candidates = candidates[salient_cells(gallery.saliency[j : j + 1])[0]]
    nearest = [min(1 - float(cell @ candidate) for candidate in candidates) for cell in query.local[i]]
    return float(np.dot(query.saliency[i], nearest))


def _residual(query: Features, gallery: Features, i: int, j: int) -> float:
    """What is left of each query cell x after its ridge reconstruction: w = (YYᵀ + λI)⁻¹Yx, ‖x − Yᵀw‖²."""
    cells = gallery.local[j].astype(np.float64)
    system = cells @ cells.T + RIDGE * np.eye(len(cells))
    errors = []
    for cell in query.local[i].astype(np.float64):
        weights = np.linalg.solve(system, cells @ cell)
        errors.append(np.sum((cell - cells.T @ weights) ** 2))
    return float(np.dot(query.saliency[i], errors))


def _spatial(query: Features, gallery: Features, i: int, j: int, method: Method) -> float:
    if method == "dsr":
        return _residual(query, gallery, i, j)
    forward = _local(query, gallery, i, j, gated=method == "gated")
    return (forward + _local(gallery, query, j, i, gated=False)) / 2 if method == "symmetric" else forward


def distances(query: Features, gallery: Features, method: Method) -> FloatArray:
    """The distance of every query to every gallery crop: see `reid_model.matching.distances`."""
    result = np.zeros((len(query), len(gallery)), np.float32)
    for i in range(len(query)):
        for j in range(len(gallery)):
            if method == "global":
                result[i, j] = _global(query, gallery, i, j)
                continue
            spatial = _spatial(query, gallery, i, j, method)
            result[i, j] = spatial if method == "local" else (spatial + _global(query, gallery, i, j)) / 2
    return result
