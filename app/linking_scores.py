"""How well tracklets are linked across cameras: pairs, B-cubed, and the share that is linked to nobody."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]

NOBODY = -1
"""Person of a tracklet that shows no one person."""


def each_alone(people: Labels) -> Labels:
    """People `(n,)` in which everybody who is `NOBODY`, or any other negative number, is a person of their own."""
    result = people.copy()
    alone = np.flatnonzero(people < 0)
    result[alone] = people.max(initial=0) + 1 + np.arange(len(alone))
    return result


def cross_pairs(labels: Labels, cameras: Labels) -> int:
    """Pairs of tracklets of one label in two different cameras."""
    return _pairs(labels) - _pairs(_both(labels, cameras))


def pair_scores(right: float, linked: float, true: float) -> dict[str, float]:
    """`precision`, `recall` and `F1`, per cent, of pairs; without any pair to be found, or found, 0."""
    return {
        "precision": 100 * right / max(linked, 1),
        "recall": 100 * right / max(true, 1),
        "F1": 200 * right / max(linked + true, 1),
    }


def linking_scores(people: Labels, cameras: Labels, identities: Labels) -> dict[str, float]:
    """Scores identities of tracklets.

    Args:
        people: True person of each tracklet, `(n,)`; negative: a person of their own, who must stay alone.
        cameras: Number of its camera, `(n,)`.
        identities: The identity it was given, `(n,)`.

    Returns:
        In per cent: `precision`, `recall` and `F1` of pairs of tracklets of different cameras; `B3`, the harmonic mean
        of B-cubed precision and recall, to which every tracklet contributes the share of its identity that is truly its
        person, and the share of its person's tracklets in its identity (Bagga and Baldwin, 1998), one camera's
        included; `unknown`, the share of tracklets that are alone in their identity.
    """
    people = each_alone(people)
    both = _both(people, identities)
    right, linked, true = (cross_pairs(labels, cameras) for labels in (both, identities, people))
    together, given, wanted = _sizes(both), _sizes(identities), _sizes(people)
    count = max(len(people), 1)
    precision, recall = float((together / given).sum()) / count, float((together / wanted).sum()) / count
    return {
        **pair_scores(right, linked, true),
        "B3": 200 * precision * recall / max(precision + recall, 1e-12),
        "unknown": 100 * float((given == 1).sum()) / count,
    }


def _both(labels: Labels, others: Labels) -> Labels:
    """One label for each pair of labels that occurs, `(n,)`."""
    _, first = np.unique(labels, return_inverse=True)
    _, second = np.unique(others, return_inverse=True)
    return np.asarray(first.astype(np.int64) * (second.max(initial=0) + 1) + second)


def _pairs(labels: Labels) -> int:
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _sizes(labels: Labels) -> Labels:
    """How many there are of each one's label, `(n,)`."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], np.int64)
