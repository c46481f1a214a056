"""How far apart two tracklets look: their exemplar sets compared with GASM.

Comparing every exemplar with every other cell by cell is quadratic in tracklets and slow from a thousand on. So pooled
features, one matrix product for everything, choose which pairs of tracklets and of exemplars are worth the spatial
comparison; only those are compared in full.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association.cameras import CameraLooks, without
from app.association.types import CameraTracklet
from app.config_association import AssociationConfig
from reid_model.features import Features, FloatArray
from reid_model.matching import pair_distances

IntArray = npt.NDArray[np.intp]

BLOCK = 512
"""Tracklets, or pairs of them, handled at once, to bound memory."""

LEAST_WEIGHT = 1e-3
"""Weight in a mean of an exemplar without mass."""

COMPARED = 2
"""Exemplar pairs compared in full for each one that counts: pooled features choose, spatial matching has the say."""


def tracklet_distances(
    tracklets: Sequence[CameraTracklet],
    config: AssociationConfig,
    known: tuple[CameraLooks, Sequence[str]] | None = None,
) -> FloatArray:
    """The distance of every tracklet to every other.

    What all people of a camera have in common is taken out first (`camera_neutral`).

    Two tracklets are as far apart as the mean of their `config.pairs` closest exemplar pairs: a minimum that one
    wrong exemplar (a box that slipped onto a neighbour) cannot decide alone. With that goes, by `config.mean_weight`,
    the distance of their mean pooled features, by mass: the closest views of two strangers may look alike, all of
    their views together seldom do. Both directions of the asymmetric GASM
    distance are averaged. Where neither exemplar of a pair has `config.trusted_mass`, both people are mostly hidden
    and a small distance means little: up to `config.mass_penalty` is added, in proportion to what is missing.

    Each tracklet is compared spatially with its `config.candidates` nearest by pooled features; for any other pair the
    nearest pooled distance stands in, and the whole is at least just over the threshold, so that no link is made
    without spatial comparison.

    Args:
        tracklets: n tracklets.
        config: The association's settings.
        known: What cameras are known to look like, and the names of all of them in order of their numbers; None to
            learn it from these tracklets.

    Returns:
        Symmetric distances, shape `(n, n)`, float32; infinite on the diagonal and where a tracklet has no exemplars.

    Raises:
        ValueError: If the exemplars come from different models.
    """
    count = len(tracklets)
    result = np.full((count, count), np.inf, np.float32)
    owners = [
        i for i, item in enumerate(tracklets) if item.tracklet.exemplars is not None and len(item.tracklet.exemplars)
    ]
    if len(owners) < 2:
        return result
    sets = [exemplars for i in owners if (exemplars := tracklets[i].tracklet.exemplars) is not None]
    lengths = np.array([len(part) for part in sets])
    exemplars = Features.concatenate(sets)
    names = known[1] if known else sorted({tracklets[i].camera for i in owners})
    cameras = np.repeat([names.index(tracklets[i].camera) for i in owners], lengths)
    if known:
        looks = known[0]
    else:
        looks = CameraLooks(exemplars.global_.shape[1], exemplars.local.shape[2])
        looks.add(exemplars, cameras, np.repeat(np.arange(len(sets)), lengths))
    if np.isfinite(config.camera_people):
        exemplars = without(exemplars, cameras, looks.shifts(config.camera_people))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    pooled = _nearest_pooled(exemplars.global_, starts)
    np.fill_diagonal(pooled, 9.0)  # nobody is their own candidate
    rows, columns = _candidate_pairs(pooled, config.candidates)
    share, means = np.float32(config.mean_weight), _mean_distances(exemplars, starts)
    block = (1 - share) * pooled + share * means
    np.maximum(block, np.nextafter(np.float32(config.threshold), np.float32(3)), out=block)
    for start in range(0, len(rows), BLOCK):
        row, column = rows[start : start + BLOCK], columns[start : start + BLOCK]
        full = _set_distances(exemplars, starts, lengths, row, column, config)
        block[row, column] = block[column, row] = (1 - share) * full + share * means[row, column]
    np.fill_diagonal(block, np.inf)
    result[np.ix_(owners, owners)] = block
    return result


def _nearest_pooled(vectors: FloatArray, starts: IntArray) -> FloatArray:
    """Smallest pooled distance between the exemplars of every two sets, shape `(sets, sets)`."""
    ends = np.append(starts[1:], len(vectors))
    result = np.empty((len(starts), len(starts)), np.float32)
    for first in range(0, len(starts), BLOCK):
        last = min(first + BLOCK, len(starts))
        scores = 1 - vectors[starts[first] : ends[last - 1]] @ vectors.T
        columns = np.minimum.reduceat(scores, starts, axis=1)
        result[first:last] = np.minimum.reduceat(columns, starts[first:last] - starts[first], axis=0)
    return np.asarray(np.minimum(result, result.T), np.float32)


def _mean_distances(exemplars: Features, starts: IntArray) -> FloatArray:
    """Cosine distance of the mean pooled features of every two sets, exemplars counting by mass, `(sets, sets)`."""
    weight = exemplars.mass[:, None] + LEAST_WEIGHT
    means = np.add.reduceat(exemplars.global_ * weight, starts, axis=0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), LEAST_WEIGHT)
    return np.asarray(np.clip(1 - means @ means.T, 0, 2), np.float32)


def _candidate_pairs(pooled: FloatArray, candidates: int) -> tuple[IntArray, IntArray]:
    """Pairs (i < j) in which one is among the other's nearest, in row-major order."""
    count = len(pooled)
    if count - 1 <= candidates:
        return np.triu_indices(count, k=1)
    near = np.zeros((count, count), np.bool_)
    nearest = np.argpartition(pooled, candidates - 1, axis=1)[:, :candidates]
    np.put_along_axis(near, nearest, values=True, axis=1)
    rows, columns = np.nonzero(np.triu(near | near.T, k=1))
    return rows, columns


def _set_distances(
    exemplars: Features,
    starts: IntArray,
    lengths: IntArray,
    rows: IntArray,
    columns: IntArray,
    config: AssociationConfig,
) -> FloatArray:
    """Distance of the exemplar sets `rows[k]` and `columns[k]`, shape `(len(rows),)`."""
    a, b, valid = chosen_pairs(exemplars.global_, starts, lengths, rows, columns, config.pairs)
    distance = np.full(valid.shape, np.inf, np.float32)
    distance[valid] = believed(exemplars, a[valid], b[valid], config)
    return mean_of_closest(distance, config.pairs)


def chosen_pairs(
    pooled: FloatArray, starts: IntArray, lengths: IntArray, rows: IntArray, columns: IntArray, pairs: int
) -> tuple[IntArray, IntArray, npt.NDArray[np.bool_]]:
    """The exemplar pairs of sets `rows[k]` and `columns[k]` that are worth a spatial comparison.

    Args:
        pooled: Pooled vectors of all exemplars, `(m, D)`.
        starts: Where each set begins among them.
        lengths: How many exemplars each has.
        rows: One set of each pair of sets, `(k,)`.
        columns: The other.
        pairs: How many exemplar pairs will count; `COMPARED` times as many are chosen.

    Returns:
        Positions of the exemplars, of shapes `(k, c)`, and the mask `(k, c)` of those that exist.
    """
    a, b, valid = _exemplar_pairs(starts, lengths, rows, columns)
    apart = 1 - pooled[a[:, :, 0]] @ pooled[b[:, 0, :]].transpose(0, 2, 1)
    apart = np.where(valid, apart, np.inf).reshape(len(rows), -1)
    chosen = np.argsort(apart, axis=1, kind="stable")[:, : pairs * COMPARED]
    there = np.take_along_axis(valid.reshape(len(rows), -1), chosen, axis=1)
    return _take(a, valid.shape, chosen), _take(b, valid.shape, chosen), there


def mean_of_closest(distances: FloatArray, pairs: int) -> FloatArray:
    """The mean of the `pairs` smallest finite distances in each row `(k, c)`, shape `(k,)`."""
    smallest = np.sort(distances, axis=1)[:, :pairs]
    counted = np.isfinite(smallest)
    return np.asarray(np.where(counted, smallest, 0).sum(axis=1) / counted.sum(axis=1), np.float32)


def _exemplar_pairs(
    starts: IntArray, lengths: IntArray, rows: IntArray, columns: IntArray
) -> tuple[IntArray, IntArray, npt.NDArray[np.bool_]]:
    """Every exemplar of set `rows[k]` against every one of set `columns[k]`.

    Returns:
        Exemplar positions of shapes `(k, L, 1)` and `(k, 1, L)`, L the longest set's length, and the mask `(k, L, L)`
        of pairs that exist; positions outside the mask are valid but meaningless.
    """
    step = np.arange(lengths.max())
    a_in, b_in = step < lengths[rows][:, None], step < lengths[columns][:, None]
    a = np.where(a_in, starts[rows][:, None] + step, starts[rows][:, None])
    b = np.where(b_in, starts[columns][:, None] + step, starts[columns][:, None])
    return a[:, :, None], b[:, None, :], a_in[:, :, None] & b_in[:, None, :]


def _take(positions: IntArray, shape: tuple[int, ...], chosen: IntArray) -> IntArray:
    return np.take_along_axis(np.broadcast_to(positions, shape).reshape(shape[0], -1), chosen, axis=1)


def believed(exemplars: Features, a: IntArray, b: IntArray, config: AssociationConfig) -> FloatArray:
    """Distances of exemplars `a[k]` and `b[k]`, both directions averaged, plus what low mass adds."""
    if config.matching in ("gasm", "symmetric"):
        # The symmetric method is GASM averaged over both directions, for the price of one.
        distance = pair_distances(exemplars, exemplars, a, b, "symmetric")
    else:
        there = pair_distances(exemplars, exemplars, a, b, config.matching)
        back = pair_distances(exemplars, exemplars, b, a, config.matching)
        distance = np.asarray((there + back) / 2, np.float32)
    return np.asarray(distance + doubt(exemplars.mass[a], exemplars.mass[b], config), np.float32)


def doubt(mass: FloatArray, other: FloatArray, config: AssociationConfig) -> FloatArray:
    """What low mass adds to the distances of exemplars of these masses, `(k,)` each."""
    if not config.trusted_mass:
        return np.zeros_like(mass)
    missing = np.clip(1 - np.maximum(mass, other) / config.trusted_mass, 0, 1)
    return np.asarray(config.mass_penalty * missing, np.float32)
