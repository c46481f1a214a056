"""Re-identification scores under the single-query protocol of Market-1501."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

JUNK = -1
BLOCK = 1 << 22
"""Distances ranked at once: about 100 MB of keys and masks."""

ONE_IN = (100, 1000)
"""False accept rates of the verification scores, as one impostor pair in so many."""


@dataclass(frozen=True, slots=True)
class ReidScores:
    """Scores in per cent.

    Attributes:
        r1: Queries whose first match is right.
        r5: Queries with a right match among the first five.
        r10: Queries with a right match among the first ten.
        m_ap: Mean average precision (the sum of precisions at the hits over the positives; not trapezoid).
        m_inp: Mean inverse negative penalty: positives over the rank of the hardest one.
        tar_1e2: True accept rate where at most one impostor pair in 100 is accepted: see `true_accept_rates`.
        tar_1e3: The same for one in 1,000.
        queries: Queries that have a positive and so were counted in all but the accept rates.
    """

    r1: float
    r5: float
    r10: float
    m_ap: float
    m_inp: float
    tar_1e2: float
    tar_1e3: float
    queries: int

    def as_dict(self) -> dict[str, float]:
        """The scores under the field's names."""
        return {
            "R1": self.r1,
            "R5": self.r5,
            "R10": self.r10,
            "mAP": self.m_ap,
            "mINP": self.m_inp,
            "TAR@1e-2": self.tar_1e2,
            "TAR@1e-3": self.tar_1e3,
            "queries": self.queries,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some queries against the whole gallery.

    Attributes:
        distance: `(b, g)`.
        positive: Pairs of one person seen by two cameras, `(b, g)`.
        dropped: Pairs that do not count, `(b, g)`.
    """

    distance: FloatArray
    positive: BoolArray
    dropped: BoolArray


def _blocks(
    distance: FloatArray,
    query_identities: IntArray,
    query_cameras: IntArray,
    gallery_identities: IntArray,
    gallery_cameras: IntArray,
) -> Iterator[_Block]:
    step = max(1, BLOCK // max(1, len(gallery_identities)))
    for start in range(0, len(distance), step):
        rows = slice(start, start + step)
        same = query_identities[rows, None] == gallery_identities
        dropped = same & (query_cameras[rows, None] == gallery_cameras) | (gallery_identities == JUNK)
        yield _Block(distance[rows], same & ~dropped, dropped)


def _sorted_hits(block: _Block) -> BoolArray:
    """Whether the match at each rank is right, `(b, g)`; pairs that do not count stand last.

    Distance and gallery place make one whole number each, all different, so that the fastest sort is also stable.
    """
    bits = (np.asarray(block.distance, np.float32) + np.float32(0)).view(np.uint32)  # adding 0 makes −0 into 0
    negative = bits >> 31 == 1
    ordered = np.where(negative, ~bits, bits | np.uint32(1 << 31))
    ordered[block.dropped] = np.iinfo(np.uint32).max
    keys = ordered.astype(np.uint64) << np.uint64(32) | np.arange(ordered.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    places = (keys & np.uint64(np.iinfo(np.uint32).max)).astype(np.intp)
    return np.asarray(np.take_along_axis(block.positive, places, axis=1))


def _rank_scores(hits: BoolArray) -> npt.NDArray[np.float64]:
    """First rank, average precision and inverse negative penalty of each query with a positive, `(k, 3)`."""
    rows, places = np.nonzero(hits)
    counts = np.bincount(rows, minlength=len(hits))
    counts = counts[counts > 0]
    if not len(counts):
        return np.zeros((0, 3))
    starts = np.cumsum(counts) - counts
    ranks = places + 1
    precisions = (np.arange(len(ranks)) - np.repeat(starts, counts) + 1) / ranks
    average = np.add.reduceat(precisions, starts) / counts
    return np.stack([ranks[starts], average, counts / ranks[starts + counts - 1]], axis=1)


def true_accept_rates(genuine: FloatArray, impostors: FloatArray) -> tuple[float, float]:
    """Per cent of genuine pairs accepted at false accept rates of 1e-2 and 1e-3.

    A pair is accepted when its distance is strictly below that of the (k + 1)-th nearest of the n impostor pairs,
    with k = ⌊n · rate⌋. So never more than k impostor pairs are accepted, and of pairs at equal distances none is.

    Args:
        genuine: Distances of the pairs of one person, in any order.
        impostors: Distances of the pairs of two people; put into another order here.
    """
    if not len(genuine) or not len(impostors):
        return (100.0, 100.0) if len(genuine) else (0.0, 0.0)
    places = [len(impostors) // one_in for one_in in ONE_IN]
    impostors.partition(places)
    first, second = (float((genuine < impostors[place]).mean() * 100) for place in places)
    return first, second


def score(
    distance: FloatArray,
    query_identities: IntArray,
    query_cameras: IntArray,
    gallery_identities: IntArray,
    gallery_cameras: IntArray,
) -> ReidScores:
    """Ranks the gallery for each query and scores the ranks, and all pairs as verifications.

    Gallery images of the query's identity and camera are left out, and junk (identity −1) always; distractors
    (identity 0) stay, as impostors. Queries without a positive are not counted in the ranks; their impostor pairs
    are. Equal distances keep gallery order.

    Args:
        distance: `(q, g)`, lower is better.
        query_identities: `(q,)`.
        query_cameras: `(q,)`.
        gallery_identities: `(g,)`.
        gallery_cameras: `(g,)`.

    Raises:
        ValueError: If the shapes disagree, or no query has a positive in the gallery.
    """
    expected = len(query_identities), len(gallery_identities)
    if distance.shape != expected:
        raise ValueError(f"distance: expected shape {expected} to agree with the labels, given {distance.shape}")
    ranks, genuine = [], []
    impostors, filled = np.empty(distance.size, np.float32), 0
    for block in _blocks(distance, query_identities, query_cameras, gallery_identities, gallery_cameras):
        ranks.append(_rank_scores(_sorted_hits(block)))
        genuine.append(block.distance[block.positive])
        others = block.distance[~(block.positive | block.dropped)]
        impostors[filled : filled + len(others)] = others
        filled += len(others)
    if not sum(map(len, ranks)):
        raise ValueError(
            "no query has a positive in the gallery: the labels of query and gallery do not belong together"
        )
    first, precision, penalty = np.concatenate(ranks).T
    r1, r5, r10 = (float((first <= k).mean() * 100) for k in (1, 5, 10))
    rates = true_accept_rates(np.concatenate(genuine), impostors[:filled])
    return ReidScores(r1, r5, r10, float(precision.mean() * 100), float(penalty.mean() * 100), *rates, len(first))
