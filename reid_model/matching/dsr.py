"""Deep Spatial feature Reconstruction (He et al., CVPR 2018) in its ridge-regularised form.

A query cell x is reconstructed from all cells Y of a gallery crop: w = (YYᵀ + λI)⁻¹Yx. With A = (YYᵀ + λI)⁻¹ the
squared error is ‖x − Yᵀw‖² = 1 − xᵀHx, H = Yᵀ(A + λA²)Y, for unit x. The saliency-weighted mean over query cells is
then 1 − ⟨H, C⟩ with C = Σ s xxᵀ: H belongs to the gallery crop alone and C to the query crop alone, both d × d, so
that all pairs are one matrix product however many cells there are.

The error is 0 for a cell that the gallery crop can reproduce and 1 for one it has nothing of, the same two marks as
1 − cosine has for equal and for unrelated cells; it is averaged with the global distance as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_model.features import Features, FloatArray
from reid_model.matching.methods import RIDGE

BLOCK = 1 << 26
"""Numbers held at once on each side: 256 MiB; for d = 128 some 4,000 crops."""

PAIR_BLOCK = 1 << 22
"""Cell scores of separate pairs held at once."""

Progress = Callable[[int, int], None]


def _solve(cells: Tensor) -> Tensor:
    """(YYᵀ + λI)⁻¹Y of crops `(g, P', d)`, in float64, because cells of one crop resemble each other."""
    gram = cells @ cells.transpose(1, 2)
    gram.diagonal(dim1=1, dim2=2).add_(RIDGE)
    return torch.cholesky_solve(cells, torch.linalg.cholesky(gram))


def _gallery_forms(local: Tensor) -> Tensor:
    """H of each crop, flattened: `(g, d²)`, from cells `(g, P', d)`."""
    cells = local.double()
    solved = _solve(cells)
    forms = cells.transpose(1, 2) @ solved + RIDGE * solved.transpose(1, 2) @ solved
    return forms.float().flatten(1)


def _query_forms(local: Tensor, saliency: Tensor) -> Tensor:
    """C of each crop, flattened: `(q, d²)`, from cells `(q, P, d)` and weights `(q, P)`."""
    return ((local * saliency[:, :, None]).transpose(1, 2) @ local).flatten(1)


def residuals(
    query: Features, gallery: Features, device: torch.device | None = None, progress: Progress | None = None
) -> FloatArray:
    """Saliency-weighted mean squared reconstruction error of every query from every gallery crop.

    Args:
        query: n crops.
        gallery: m crops.
        device: Where the arithmetic is done; the CPU when left out.
        progress: Called with the gallery crops done and all of them.

    Returns:
        Errors, `(n, m)`, float32 in [0, 1].
    """
    device = device or torch.device("cpu")
    result = np.empty((len(query), len(gallery)), np.float32)
    step = max(1, BLOCK // query.local.shape[2] ** 2)
    for left in range(0, len(gallery), step):
        cells = torch.from_numpy(gallery.local[left : left + step]).to(device)
        # Solved in smaller parts, because float64 and its intermediate results take several times the room.
        small = max(1, step // 16)
        forms = torch.cat([_gallery_forms(cells[first : first + small]) for first in range(0, len(cells), small)])
        for top in range(0, len(query), step):
            part = query[top : top + step]
            local, saliency = torch.from_numpy(part.local).to(device), torch.from_numpy(part.saliency).to(device)
            product = 1 - _query_forms(local, saliency) @ forms.T
            result[top : top + step, left : left + step] = product.clamp_(0, 1).cpu().numpy()
        if progress:
            progress(left + len(cells), len(gallery))
    return result


def pair_residuals(
    query: Features, gallery: Features, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> FloatArray:
    """The errors of chosen pairs only, `(len(rows),)`: query `rows[k]` from gallery `columns[k]`."""
    result = np.empty(len(rows), np.float32)
    step = max(1, PAIR_BLOCK // (max(query.cells, gallery.cells) * max(gallery.cells, query.local.shape[2])))
    for start in range(0, len(rows), step):
        r, c = rows[start : start + step], columns[start : start + step]
        cells = torch.from_numpy(gallery.local[c]).double()
        local = torch.from_numpy(query.local[r]).double()
        weights = local @ _solve(cells).transpose(1, 2)
        errors = (local - weights @ cells).square().sum(dim=2)
        result[start : start + step] = (errors * torch.from_numpy(query.saliency[r])).sum(dim=1).numpy()
    return result
