"""Asking the index shards of a cluster: those of one's own, or those of another process, by their names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ray
import ray.exceptions

from app.cluster.sharded import ShardedIndex
from app.config import Config
from app.errors import InputError
from app.gallery import Found, Gallery
from app.gallery.found import Terms
from reid_model.features import Features

Handles = Sequence[tuple[str, Any]]
"""What a shard is called, and by which it is asked: None while it is away."""

AWAY = (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError, ray.exceptions.RaySystemError)
"""What Ray says of a shard that is away, or too slow."""


def shown_name(number: int, count: int) -> str:
    """What messages call a shard, given from 0."""
    return f"shard {number + 1} of {count}"


def actor_name(gallery: Gallery, number: int, count: int) -> str:
    """By which Ray knows a shard: another gallery's, or of another number of shards, is never taken for it."""
    return f"{shown_name(number, count)} of {gallery.path}"


def ask(handles: Handles, seconds: float, query: Features, top: int, terms: Terms) -> tuple[list[Found], list[str]]:
    """Asks all shards at once.

    Args:
        handles: The shards.
        seconds: How long they may take.
        query: Whom to search for.
        top: Most hits of each.
        terms: How, and among which sightings.

    Returns:
        The hits of those that answered, and what the others are called.
    """
    given = ray.put(query)
    asked = [(name, None if handle is None else handle.hits.remote(given, top, terms)) for name, handle in handles]
    deadline = time.monotonic() + seconds
    found: list[Found] = []
    missing: list[str] = []
    for name, answer in asked:
        try:
            if answer is None:
                missing.append(name)
            else:
                found.append(ray.get(answer, timeout=max(deadline - time.monotonic(), 0.01)))
        except AWAY:
            missing.append(name)
    return found, missing


class Shards:
    """The shards of a cluster that another process runs, on the Ray that was joined; any thread may ask them.

    Args:
        gallery: The gallery that they have.
        config: Section `cluster`, as the cluster has it: `ask` says where it runs.

    Raises:
        InputError: If none of them is there.
    """

    def __init__(self, gallery: Gallery, config: Config) -> None:
        self._gallery, self._seconds, self._count = gallery, config.cluster.answer_seconds, config.cluster.shards
        self._known: dict[int, Any] = {}
        if all(handle is None for _, handle in self._handles()):
            raise InputError(
                f"cluster.ask {config.cluster.ask}: runs no shards of {gallery.path}, {self._count} of them; "
                "start `cluster` with the same gallery.url and cluster.shards, or leave cluster.ask out"
            )

    def index(self) -> ShardedIndex:
        """An index for one search, which says afterwards what was missing."""
        return ShardedIndex(self._gallery.model, self._ask)

    def _handles(self) -> Handles:
        for number in range(self._count):
            if number not in self._known:
                try:
                    self._known[number] = ray.get_actor(actor_name(self._gallery, number, self._count))
                except ValueError:
                    continue
        return [(shown_name(number, self._count), self._known.get(number)) for number in range(self._count)]

    def _ask(self, query: Features, top: int, terms: Terms) -> tuple[list[Found], list[str]]:
        found, missing = ask(self._handles(), self._seconds, query, top, terms)
        # Whoever was away may be another by the next time, under the same name.
        self._known = {n: each for n, each in self._known.items() if shown_name(n, self._count) not in missing}
        return found, missing
