"""The losses of the paper (equations 1–3), a triplet loss on any distance, and distillation."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from reid_model.training.targets import pool_masks

EPS = 1e-6


def frobenius(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Equations 1 and 2: the unsquared Frobenius norm of each sample's error, averaged over the valid samples.

    Args:
        predicted: `(n, ...)`.
        target: The same shape.
        valid: `(n,)` bool; samples without a target count nothing.
    """
    norms = ((predicted - target).flatten(1).square().sum(dim=1) + EPS).sqrt()
    return (norms * valid).sum() / valid.sum().clamp(min=1)


def batch_hard_triplet(distance: Tensor, anchors: Tensor, identities: Tensor, margin: float) -> Tensor:
    """The hardest positive against the hardest negative of each row of a distance matrix.

    Works on any distance, so that the pooled feature and the spatial matching are both trained as they are used.

    Args:
        distance: `(a, n)`.
        anchors: Which of the n samples the rows are, `(a,)`.
        identities: Of all samples, `(n,)`.
        margin: By how much the hardest negative must be farther; 0 or less gives the soft margin, ln(1 + e^x).
    """
    same = identities[anchors, None] == identities[None, :]
    others = same.clone()
    others[torch.arange(len(anchors), device=anchors.device), anchors] = False
    positive = distance.masked_fill(~others, -torch.inf).amax(dim=1)
    negative = distance.masked_fill(same, torch.inf).amin(dim=1)
    usable = torch.isfinite(positive) & torch.isfinite(negative)
    gap = (positive - negative)[usable]
    if not len(gap):
        return distance.sum() * 0
    return F.relu(gap + margin).mean() if margin > 0 else F.softplus(gap).mean()


def spatial_distance(local: Tensor, saliency: Tensor, anchors: Tensor) -> Tensor:
    """Equation 4 within a batch, differentiable.

    Args:
        local: Cells of unit length, `(n, P, d)`.
        saliency: Their weights, `(n, P)`.
        anchors: The samples that are queries, `(a,)`; their saliency weights the match.

    Returns:
        Distances, `(a, n)`, in [0, 2].
    """
    n, p, d = local.shape
    scores = (local[anchors].reshape(-1, d) @ local.reshape(-1, d).T).view(len(anchors), p, n, p)
    return 1 - torch.einsum("apm,ap->am", scores.max(dim=3).values.float(), saliency[anchors])


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean 1 − cosine between projected student features and a teacher's, both `(n, D)`."""
    return 1 - F.cosine_similarity(student, teacher, dim=1).mean()


def correlation(distance: Tensor, teacher: Tensor, anchors: Tensor) -> Tensor:
    """1 − Pearson correlation of two sets of distances: the teacher's order without its scale.

    Args:
        distance: The student's distances of the anchors to all n samples, `(a, n)`.
        teacher: The teacher's, of the same shape.
        anchors: Which of the n samples the rows are, `(a,)`; their distance to themselves is left out.
    """
    off = torch.ones_like(distance, dtype=torch.bool)
    off[torch.arange(len(anchors), device=anchors.device), anchors] = False
    x, y = distance[off] - distance[off].mean(), teacher[off] - teacher[off].mean()
    return 1 - F.cosine_similarity(x, y, dim=0)


def cell_distillation(local: Tensor, teacher: Tensor, visible: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean 1 − cosine between cells and a teacher's cells, where the person can be seen.

    The teacher saw the crop uncovered, the student may see it covered: what is left visible must look as it did.

    Args:
        local: The student's cells, of unit length, `(n, P, d)`.
        teacher: The teacher's map, `(n, d, h, w)`.
        visible: Where the person is visible, `(n, hm, wm)`, in [0, 1].
        grid: Rows and columns of the P cells.
    """
    weight = pool_masks(visible, *teacher.shape[2:])[:, None]
    share = F.adaptive_avg_pool2d(weight, grid)
    cells = F.adaptive_avg_pool2d(teacher * weight, grid) / share.clamp(min=EPS)
    cosine = F.cosine_similarity(local, cells.flatten(2).transpose(1, 2), dim=2)
    share = share.flatten(1)
    return (share * (1 - cosine)).sum() / share.sum().clamp(min=EPS)
