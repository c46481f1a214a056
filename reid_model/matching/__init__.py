"""Comparing features: the paper's Guided Adaptive Spatial Matching and its relatives.

All methods give a distance, lower is better, in [0, 2]: 1 − cosine, so that pooled and spatial distances share a scale.

- `global`: pooled features only.
- `local`: each query cell against its most similar gallery cell, weighted by query saliency (equation 4).
- `gasm`: the mean of both (section 3.3, last sentence): the paper's form.
- `gated`: `gasm` with low-saliency gallery cells dropped, so that an occluder's cells cannot be matched.
- `symmetric`: `gasm` with the local part averaged over both directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from reid_model.features import Features, FloatArray
from reid_model.matching import chunked
from reid_model.matching.methods import METHODS, Method, salient_cells

__all__ = ["METHODS", "Method", "distances", "pair_distances", "salient_cells"]


def _check(query: Features, gallery: Features, method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"matching: expected one of {', '.join(METHODS)}, given {method!r}")
    dims = [(f.global_.shape[1], f.local.shape[2]) for f in (query, gallery)]
    if dims[0] != dims[1]:
        raise ValueError(f"matching: expected features of one model, given (D, d) {dims[0]} and {dims[1]}")


def distances(
    query: Features, gallery: Features, method: Method = "gasm", *, device: str | torch.device = "cpu"
) -> FloatArray:
    """The distance of every query to every gallery crop.

    Args:
        query: n crops, whose saliency weights the match.
        gallery: m crops; their number of cells may differ from the query's.
        method: See the package's description.
        device: Where the arithmetic is done.

    Returns:
        Distances, shape `(n, m)`, float32 in [0, 2].

    Raises:
        ValueError: If the method is unknown or the features come from different models.
    """
    _check(query, gallery, method)
    return chunked.distances(query, gallery, method, torch.device(device))


def pair_distances(
    query: Features,
    gallery: Features,
    rows: Sequence[int] | npt.NDArray[np.intp],
    columns: Sequence[int] | npt.NDArray[np.intp],
    method: Method = "gasm",
) -> FloatArray:
    """The distances of chosen pairs: query `rows[k]` to gallery `columns[k]`, for pairs that passed a gate.

    Returns:
        Distances, shape `(len(rows),)`, float32 in [0, 2].

    Raises:
        ValueError: If the method is unknown, or the features come from different models.
    """
    _check(query, gallery, method)
    return chunked.pair_distances(query, gallery, np.asarray(rows, np.intp), np.asarray(columns, np.intp), method)
