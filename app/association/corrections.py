"""The operator's word: who is the same person and who is not, and whether it contradicts itself.

A correction is about tracklets, which stay what they are, not about identities, whose numbers a later decision may
change. Those said to be the same form groups (union-find); between groups are walls. Undoing a correction takes it away
as if it had never been said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Key = tuple[str, int]
"""Camera name and track number."""

Kind = Literal["merge", "split", "never"]


class ContradictionError(ValueError):
    """What is said contradicts what was said before; the message names the chain."""


@dataclass(frozen=True)
class Correction:
    """One thing the operator said.

    Attributes:
        number: Its number; later ones are greater.
        kind: `merge`: all tracklets of both sides are one person; `split`: those of the first side are one person, and
            none of the second is; `never`: nobody of the first side is anybody of the second.
        first: Tracklets of one side, one or more.
        second: Tracklets of the other side.
    """

    number: int
    kind: Kind
    first: tuple[Key, ...]
    second: tuple[Key, ...]

    def same(self) -> tuple[Key, ...]:
        """Tracklets that it says are one person."""
        if self.kind == "merge":
            return self.first + self.second
        return self.first if self.kind == "split" else ()

    def apart(self) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Tracklets none of which is any of the others."""
        return ((), ()) if self.kind == "merge" else (self.first, self.second)


class Corrections:
    """Corrections that hold at once."""

    def __init__(self, said: Iterable[Correction] = ()) -> None:
        """Takes corrections in order of their numbers.

        Raises:
            ContradictionError: If one contradicts those before it.
        """
        self._said: list[Correction] = []
        self._parent: dict[Key, Key] = {}
        self._links: dict[Key, list[tuple[Key, int]]] = {}
        self._walls: dict[Key, dict[Key, tuple[Key, Key, int]]] = {}
        for correction in sorted(said, key=lambda each: each.number):
            self.add(correction)

    @property
    def said(self) -> tuple[Correction, ...]:
        """All of them, by number."""
        return tuple(self._said)

    @property
    def named(self) -> set[Key]:
        """Tracklets that corrections are about."""
        return set(self._parent)

    def add(self, correction: Correction) -> None:
        """Takes one more.

        Raises:
            ContradictionError: If it contradicts those before; nothing is changed then.
        """
        same, (first, second) = correction.same(), correction.apart()
        self._check(correction.number, same, first, second)
        for key in (*correction.first, *correction.second):
            self._find(key)
        for key, other in pairwise(same):
            self._links.setdefault(key, []).append((other, correction.number))
            self._links.setdefault(other, []).append((key, correction.number))
            self._join(key, other)
        for key in first:
            for other in second:
                wall = (key, other, correction.number)
                a, b = self._find(key), self._find(other)
                self._walls.setdefault(a, {}).setdefault(b, wall)
                self._walls.setdefault(b, {}).setdefault(a, wall)
        self._said.append(correction)

    def without(self, number: int) -> Corrections:
        """These, as if one had never been said."""
        return Corrections(each for each in self._said if each.number != number)

    def group(self, key: Key) -> Key:
        """Stands for all tracklets said to be one person with this one."""
        return self._find(key) if key in self._parent else key

    def never(self, key: Key, other: Key) -> bool:
        """Whether two tracklets can never be one person."""
        return self.group(other) in self._walls.get(self.group(key), {})

    def _check(self, number: int, same: Sequence[Key], first: Sequence[Key], second: Sequence[Key]) -> None:
        trial = Corrections._copy_of(self)
        for key, other in pairwise(same):
            wall = trial._walls.get(trial._find(key), {}).get(trial._find(other))
            if wall is not None:
                raise ContradictionError(
                    f"{name(wall[0])} and {name(wall[1])} are never the same (correction {wall[2]})"
                    + trial._because([(key, wall), (other, wall)])
                )
            trial._links.setdefault(key, []).append((other, number))
            trial._links.setdefault(other, []).append((key, number))
            trial._join(key, other)
        for key in first:
            for other in second:
                if trial._find(key) == trial._find(other):
                    raise ContradictionError(f"they are the same: {trial._chain(key, other)}")

    def _because(self, ends: list[tuple[Key, tuple[Key, Key, int]]]) -> str:
        """How tracklets come to stand on either side of a wall."""
        chains = []
        for key, wall in ends:
            side = wall[0] if self._find(wall[0]) == self._find(key) else wall[1]
            if side != key:
                chains.append(self._chain(key, side))
        return f", and {'; '.join(chains)}" if chains else ""

    def _chain(self, key: Key, other: Key) -> str:
        """The shortest way from one tracklet to another by what was said to be the same."""
        came: dict[Key, tuple[Key, int] | None] = {key: None}
        waiting = deque([key])
        while waiting and other not in came:
            here = waiting.popleft()
            for there, number in self._links.get(here, ()):
                if there not in came:
                    came[there] = (here, number)
                    waiting.append(there)
        steps, here = [], other
        while (step := came.get(here)) is not None:
            steps.append(f" = {name(here)} (correction {step[1]})")
            here = step[0]
        return name(key) + "".join(reversed(steps))

    def _find(self, key: Key) -> Key:
        self._parent.setdefault(key, key)
        root = key
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[key] != root:
            self._parent[key], key = root, self._parent[key]
        return root

    def _join(self, key: Key, other: Key) -> None:
        root, taken = sorted((self._find(key), self._find(other)))
        if root == taken:
            return
        self._parent[taken] = root
        for neighbour, wall in self._walls.pop(taken, {}).items():
            del self._walls[neighbour][taken]
            self._walls.setdefault(root, {}).setdefault(neighbour, wall)
            self._walls[neighbour].setdefault(root, wall)

    @staticmethod
    def _copy_of(other: Corrections) -> Corrections:
        made = Corrections()
        made._parent = dict(other._parent)
        made._links = {key: list(links) for key, links in other._links.items()}
        made._walls = {key: dict(walls) for key, walls in other._walls.items()}
        return made


def name(key: Key) -> str:
    """A tracklet for people."""
    return f"{key[0]} track {key[1]}"
