"""Looking back: recent tracklets clustered anew, and what that changes in the identities they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.association.crowd import GLIMPSE, longest
from app.association.evidence import Evidence, clusters
from app.association.memory import Memory
from app.association.past import Past
from app.association.types import Link
from reid_model.features import FloatArray
from trackers.assignment import assign

IntArray = npt.NDArray[np.intp]

MOST = 400
"""Tracklets looked at again at once, at most."""

STICK = 0.01
"""How much nearer tracklets of one identity count: a change must be worth it."""


@dataclass(frozen=True)
class Change:
    """Some tracklets of an identity belong to another.

    Attributes:
        origin: The identity they have.
        to: The identity they belong to.
        known: Whether that one was there before.
        rows: Which ones, in order of appearance.
        first_link: Why, for the first of them; None where nothing can be compared.
        reason: One line for people.
    """

    origin: int
    to: int
    known: bool
    rows: tuple[int, ...]
    first_link: Link | None
    reason: str


def revised(
    evidence: Evidence,
    members: Mapping[int, list[int]],
    since: float,
    past: Past,
    new_number: Callable[[], int],
) -> list[Change]:
    """What clustering recent tracklets anew changes.

    Args:
        evidence: What is known.
        members: The rows of each identity.
        since: Identities seen after this time are looked at: the latest, of `MOST` tracklets at most, and whomever the
            operator has spoken of.
        past: Where identities were that can no longer be compared; what it bars does not come together.
        new_number: Gives a number that no identity has had.

    Returns:
        Changes to be carried out in order.
    """
    memory = evidence.memory
    rows = np.array(memory.sorted(_recent(evidence, members, since)), np.intp)
    if len(rows) < 2:
        return []
    numbers = memory.number[rows]
    distances, never = evidence.distances(rows, rows, learn=False)
    distances, never = np.minimum(distances, distances.T), never | never.T | _sealed(memory, rows, past)
    distances[never] = np.inf
    stuck = distances - np.float32(STICK) * (numbers[:, None] == numbers)
    first = longest(memory.view[rows] + GLIMPSE, evidence.config.first_share)
    found = clusters(stuck, never, _together(evidence, rows), evidence.limit, evidence.config.linkage, first)
    targets = _numbered(found, numbers, np.array([len(memory.at(int(row)).item.tracklet) for row in rows]))
    changes: list[Change] = []
    for group, target in zip(found, targets, strict=True):
        to = target or new_number()
        stay = [i for i in group if numbers[i] == to]
        for origin in sorted({int(numbers[i]) for i in group} - {to}):
            moved = [i for i in group if numbers[i] == origin]
            link, reason = _why(memory, rows, distances, moved, stay, evidence.limit)
            changes.append(Change(origin, to, bool(target), tuple(int(rows[i]) for i in moved), link, reason))
            stay += moved
    return changes


def _sealed(memory: Memory, rows: IntArray, past: Past) -> npt.NDArray[np.bool_]:
    """Pairs of two identities that may not come together for what is forgotten of one of them, `(n, n)`."""
    numbers, which = np.unique(memory.number[rows], return_inverse=True)
    barred = past.bars(numbers, memory.camera[rows], memory.first[rows], memory.last[rows])[:, which]
    return np.asarray((which[:, None] != which) & (barred | barred.T | past.apart(numbers)[np.ix_(which, which)]))


def _recent(evidence: Evidence, members: Mapping[int, list[int]], since: float) -> list[int]:
    memory, named = evidence.memory, evidence.corrections.named
    told = {int(memory.number[row]) for key in named if (row := memory.row_of.get(key)) is not None}
    kept = [row for number in sorted(told - {0}) for row in members[number]]
    seen = {
        number: max(float(memory.last[row]) for row in rows) for number, rows in members.items() if number not in told
    }
    for number in sorted(seen, key=lambda each: (-seen[each], each)):
        if seen[number] < since or len(kept) + len(members[number]) > MOST:
            break
        kept += members[number]
    return kept


def _together(evidence: Evidence, rows: IntArray) -> IntArray:
    """A label for each row; those of one label stay together."""
    memory = evidence.memory
    labels = np.arange(len(rows))
    found: dict[object, int] = {}
    for i, row in enumerate(rows):
        key = memory.at(int(row)).item.key
        if key in evidence.corrections.named:
            labels[i] = found.setdefault(evidence.corrections.group(key), i)
    # Whoever has no looks goes where their identity goes.
    looked = memory.slot[rows] >= 0
    for blind in np.flatnonzero(~looked & (labels == np.arange(len(rows)))):
        mates = np.flatnonzero(memory.number[rows] == memory.number[rows[blind]])
        better = mates[looked[mates]] if looked[mates].any() else mates
        labels[blind] = labels[better[np.abs(memory.first[rows[better]] - memory.first[rows[blind]]).argmin()]]
    return labels


def _numbered(found: list[list[int]], numbers: IntArray, weight: IntArray) -> list[int]:
    """For each cluster the identity that it goes on, or 0: together as many boxes as possible keep their number."""
    known = np.unique(numbers)
    shared = np.zeros((len(found), len(known)))
    for i, group in enumerate(found):
        np.add.at(shared[i], np.searchsorted(known, numbers[group]), weight[group])
    most = shared.max() + 1.0
    chosen, columns = assign(most - shared, shared > 0, float(most))
    result = [0] * len(found)
    for i, j in zip(chosen, columns, strict=True):
        result[i] = int(known[j])
    return result


def _why(
    memory: Memory, rows: IntArray, distances: FloatArray, moved: list[int], stay: list[int], threshold: float
) -> tuple[Link | None, str]:
    between = distances[np.ix_(moved, stay)]
    finite = np.isfinite(between)
    if not finite.any():
        return None, "looked at again: not the same person as the others" if not stay else "the operator says so"
    i, j = map(int, np.unravel_index(int(np.where(finite, between, np.inf).argmin()), between.shape))
    mean = float(between[finite].mean())
    first, second = memory.at(int(rows[stay[j]])).item.key, memory.at(int(rows[moved[i]])).item.key
    link = Link(first, second, float(between[i, j]), mean)
    return link, f"looked at again: {mean:.3f} of {threshold:.3f} from the others"
