"""Why two crops match: what pooled and spatial matching each say, and which cells found each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reid_model.explain import match_cells
from reid_model.features import Features, FloatArray
from reid_model.matching import Method, pair_distances

TOP_CELLS = 5

PARTS = ((0.18, "head"), (0.52, "upper body"), (0.9, "legs"), (1.0, "feet"))
"""Parts of a standing person by where they end, as a share of the crop's height from its top."""


@dataclass(frozen=True, eq=False)
class Reason:
    """What makes up the distance of a match.

    Attributes:
        global_distance: Distance of the pooled features, [0, 2].
        local_distance: Saliency-weighted distance of the cells, query to gallery, [0, 2].
        global_share: Share of the match's distance that pooled features make up, [0, 1]; cells make up the rest.
        query_cells: Query cells that speak most for the match, `(t,)`, by what they add to the similarity (weight
            times similarity), largest first; row-major positions.
        gallery_cells: The gallery cell that each found, `(t,)`.
        weights: Their saliency weights, `(t,)`; a crop's sum to 1.
        similarities: Cosine of each pair, `(t,)`, [-1, 1].
    """

    global_distance: float
    local_distance: float
    global_share: float
    query_cells: npt.NDArray[np.intp]
    gallery_cells: npt.NDArray[np.intp]
    weights: FloatArray
    similarities: FloatArray


def explain(query: Features, gallery: Features, method: Method = "gasm", top: int = TOP_CELLS) -> list[Reason]:
    """Explains matches, pair by pair.

    Args:
        query: n crops.
        gallery: n crops: the match of each.
        method: How they were compared.
        top: Cells named for each match.

    Returns:
        n reasons.

    Raises:
        ValueError: If the numbers of crops differ, or the features come from different models.
    """
    cells = match_cells(query, gallery)
    rows = np.arange(len(query))
    # Rounding can bring the distance of a crop to itself just below 0.
    pooled = np.maximum(pair_distances(query, gallery, rows, rows, "global"), 0)
    spatial = np.maximum(pair_distances(query, gallery, rows, rows, "local"), 0)
    chosen = np.argsort(-cells.support, axis=1, kind="stable")[:, :top]
    return [
        Reason(
            global_distance=float(pooled[i]),
            local_distance=float(spatial[i]),
            global_share=_global_share(float(pooled[i]), float(spatial[i]), method),
            query_cells=chosen[i],
            gallery_cells=cells.found[i, chosen[i]],
            weights=cells.weights[i, chosen[i]],
            similarities=cells.similarities[i, chosen[i]],
        )
        for i in rows
    ]


def in_words(reason: Reason, rows: int, columns: int) -> str:
    """A reason as an operator reads it: both distances, and which parts of the query found their like.

    Args:
        reason: Of one match.
        rows: Rows of cells of the query's crop.
        columns: Its columns.
    """
    ends = np.array([end for end, _ in PARTS])
    # Positions behind the grid are cells that only fill up the space of smaller crops, and count for nothing.
    part = np.searchsorted(ends, np.minimum(reason.query_cells // columns + 0.5, rows - 0.5) / rows)
    weight = np.bincount(part, reason.weights, len(PARTS))
    support = np.bincount(part, reason.weights * reason.similarities, len(PARTS))
    found = [
        f"{PARTS[i][1]} at {support[i] / weight[i]:.2f}"
        for i in np.argsort(-support, kind="stable")
        if weight[i] > 0 and support[i] > 0
    ]
    parts = ", ".join(found) or "no part alike"
    return f"pooled {reason.global_distance:.2f}, cells {reason.local_distance:.2f}; most alike: {parts}"


def cell_rows(reason: Reason, columns: int) -> list[dict[str, object]]:
    """The cells that found each other, as plain values: their row and column from the top left, weight and cosine.

    Args:
        reason: Of one match.
        columns: Columns of cells of a crop.
    """
    pairs = zip(reason.query_cells, reason.gallery_cells, reason.weights, reason.similarities, strict=True)
    return [
        {
            "query": [int(own) // columns, int(own) % columns],
            "found": [int(other) // columns, int(other) % columns],
            "weight": round(float(weight), 4),
            # Rounding can bring the cosine of a cell with itself just above 1.
            "similarity": round(min(float(similarity), 1.0), 4),
        }
        for own, other, weight, similarity in pairs
    ]


def _global_share(pooled: float, spatial: float, method: Method) -> float:
    if method in ("global", "local"):
        return 1.0 if method == "global" else 0.0
    total = pooled + spatial
    return pooled / total if total > 0 else 0.5
