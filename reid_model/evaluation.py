"""Re-identification scores under the single-query protocol of Market-1501."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReidScores:
    """Scores in per cent.

    Attributes:
        r1: Queries whose first match is right.
        r5: Queries with a right match among the first five.
        r10: Queries with a right match among the first ten.
        m_ap: Mean average precision (the sum of precisions at the hits over the positives; not trapezoid).
        m_inp: Mean inverse negative penalty: positives over the rank of the hardest one.
        queries: Queries that have a positive and so were counted.
    """

    r1: float
    r5: float
    r10: float
    m_ap: float
    m_inp: float
    queries: int

    def as_dict(self) -> dict[str, float]:
        """The scores under the field's names."""
        return {
            "R1": self.r1,
            "R5": self.r5,
            "R10": self.r10,
            "mAP": self.m_ap,
            "mINP": self.m_inp,
            "queries": self.queries,
        }


def score(
    distance: FloatArray,
    query_identities: IntArray,
    query_cameras: IntArray,
    gallery_identities: IntArray,
    gallery_cameras: IntArray,
) -> ReidScores:
    """Ranks the gallery for each query and scores the ranks.

    Gallery images of the query's identity and camera are left out, and junk (identity −1) always; distractors
    (identity 0) stay. Queries without a positive are not counted. Equal distances keep gallery order.

    Args:
        distance: `(q, g)`, lower is better.
        query_identities: `(q,)`.
        query_cameras: `(q,)`.
        gallery_identities: `(g,)`.
        gallery_cameras: `(g,)`.

    Raises:
        ValueError: If no query has a positive in the gallery.
    """
    firsts, precisions, penalties = [], [], []
    for row, person, camera in zip(distance, query_identities, query_cameras, strict=True):
        same = gallery_identities == person
        kept = (gallery_identities != -1) & ~(same & (gallery_cameras == camera))
        hits = same[kept][np.argsort(row[kept], kind="stable")]
        ranks = np.flatnonzero(hits) + 1
        if not len(ranks):
            continue
        firsts.append(ranks[0])
        precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
        penalties.append(len(ranks) / ranks[-1])
    if not firsts:
        raise ValueError(
            "no query has a positive in the gallery: the labels of query and gallery do not belong together"
        )
    first = np.array(firsts)
    r1, r5, r10 = (float((first <= k).mean() * 100) for k in (1, 5, 10))
    return ReidScores(r1, r5, r10, float(np.mean(precisions) * 100), float(np.mean(penalties) * 100), len(first))
