"""A run over many processes: every actor is made, watched, and made again when it dies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.cluster.actors import AssociatorActor, ShardActor, WorkerActor
from app.cluster.asking import actor_name, ask, shown_name
from app.cluster.sharded import ShardedIndex
from app.config import Config
from app.errors import InputError
from app.gallery import Found, Gallery
from app.gallery.found import Terms
from app.search import Match, search
from reid_model.features import Features

log = logging.getLogger(__name__)

GOOD_SECONDS = 60.0
"""Seconds after which an actor that lives is well: it is started again at once when it dies later."""

PATIENCE_SECONDS = 12.0
"""How long a search waits for a store that is away: a server that is started anew is back by then."""

END_SECONDS = 60.0
"""How long ending in order may take."""


@dataclass
class Kept:
    """An actor that is made again when it dies.

    Attributes:
        name: What messages call it.
        make: Makes it.
        handle: By which it is asked; None while it is away.
        restarts: How often it was made again.
    """

    name: str
    make: Callable[[], Any]
    handle: Any = None
    restarts: int = 0
    _watched: Any = None
    _begun: float = -1e9
    _in_a_row: int = 0
    _due: float = -1e9
    given_up: bool = field(default=False)

    def tend(self, first: float, most: float, tries: int) -> bool:
        """Sees whether it lives, and makes it again when it is time; gives whether it was made."""
        now = time.monotonic()
        if self.handle is not None and ray.wait([self._watched], timeout=0)[0]:
            why = _why(self._watched)
            self.handle, self._watched = None, None
            self._in_a_row = 0 if now - self._begun > GOOD_SECONDS else self._in_a_row + 1
            self._due = now + min(first * 2 ** max(self._in_a_row - 1, 0), most)
            self.given_up = self._in_a_row > tries
            log.warning("%s: died (%s)%s", self.name, why, "; given up" if self.given_up else "; is started again")
        if self.handle is not None or self.given_up or now < self._due:
            return False
        try:
            self.handle = self.make()
        except ValueError:
            # The name of the one before is not free yet, or another cluster has it.
            return False
        self.restarts += self._begun > 0
        self._begun = now
        self._watched = self.handle.watch.remote()
        return True


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search over all shards has found.

    Attributes:
        matches: Nearest first.
        missing: What could not be searched, in words.
    """

    matches: list[Match]
    missing: tuple[str, ...]


class Cluster:
    """Camera workers, index shards and the associator, on the Ray that is running.

    Args:
        config: Everything that is configured; `gallery.url` says where the store is.
        model_id: Of the vectors that are stored and searched.
        workers: What watches cameras; anything else stands for cameras where there are none.

    Raises:
        InputError: If the store cannot be used.
    """

    def __init__(self, config: Config, model_id: str, workers: type[WorkerActor] = WorkerActor) -> None:
        if config.gallery.url is None:
            raise InputError(
                "gallery.url: a cluster needs a server for its gallery; give postgresql://user@host/database"
            )
        self.config, cluster = config, config.cluster
        self.gallery = Gallery.open_or_create(config.gallery.url, model_id, config=config.gallery)
        stored, count = ray.put(config), cluster.shards
        options = {"max_restarts": 0, "max_concurrency": 4, "num_cpus": cluster.shard_cpus}
        shard, associator = ray.remote(ShardActor), ray.remote(AssociatorActor)
        names = [actor_name(self.gallery, number, count) for number in range(count)]
        self.shards = [
            Kept(
                shown_name(number, count),
                lambda n=number: shard.options(name=names[n], **options).remote(stored, n),  # type: ignore[misc]
            )
            for number in range(count)
        ]
        # What it has acknowledged may wait on the disk of its machine: there it is started again.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # Parcels that come together are written together.
        many = {**options, "max_concurrency": cluster.workers + 4, "scheduling_strategy": here}
        self.associator = Kept("the associator", lambda: associator.options(**many).remote(stored, model_id))
        worker = ray.remote(workers)
        room = {**options, "num_cpus": cluster.worker_cpus, "num_gpus": cluster.worker_gpus}
        self.workers = [
            Kept(
                f"worker {number + 1} of {cluster.workers}",
                lambda n=number: worker.options(**room).remote(stored, n, self.associator.handle),  # type: ignore[misc]
            )
            for number in range(min(cluster.workers, len(config.cameras)))
        ]
        self.index = ShardedIndex(model_id, self._ask)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.tend()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    # Watching over all

    def tend(self) -> None:
        """Makes again who died."""
        given = self.config.cluster
        limits = given.restart_seconds, given.most_restart_seconds, given.most_restarts
        with self._lock:
            renewed = self.associator.tend(*limits)
            for each in self.shards:
                each.tend(*limits)
            for each in self.workers:
                if (
                    self.associator.handle is not None
                    and not each.tend(*limits)
                    and renewed
                    and each.handle is not None
                ):
                    each.handle.connect.remote(self.associator.handle)

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            try:
                self.tend()
            except Exception:
                log.exception("looking after the actors failed")

    @property
    def away(self) -> list[str]:
        """Who is not there now."""
        return [each.name for each in (*self.workers, *self.shards, self.associator) if each.handle is None]

    # Searching

    def search(self, query: Features, **wish: Any) -> Answer:
        """Finds a person as `app.search.search` does, in all shards.

        While the store is away, it waits for it; a shard that is away is named.

        Raises:
            InputError: As `app.search.search` has it.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            index = ShardedIndex(self.index.model, self._ask)
            try:
                return Answer(search(self.gallery, query, index=index, **wish), index.missing)
            except InputError as error:
                if not isinstance(error.__cause__, Exception) or time.monotonic() > deadline:
                    raise
                time.sleep(0.25)

    def sync(self) -> None:
        """Has all shards that are there take in what was stored until now."""
        for each in self.shards:
            if each.handle is not None:
                with suppress(ray.exceptions.RayError):
                    ray.get(each.handle.sync.remote(), timeout=60)

    def _ask(self, query: Features, top: int, terms: Terms) -> tuple[list[Found], list[str]]:
        handles = [(each.name, each.handle) for each in self.shards]
        return ask(handles, self.config.cluster.answer_seconds, query, top, terms)

    # The end

    def close(self) -> None:
        """Ends in order: cameras, then who is who, then the shards."""
        self._over.set()
        self._keeper.join()
        self._end(self.workers, "stop", wait=True)
        self._end([self.associator], "close", wait=False)
        for each in (*self.workers, *self.shards, self.associator):
            if each.handle is not None:
                ray.kill(each.handle)
                each.handle = None
        self.gallery.close()

    def _end(self, some: Sequence[Kept], how: str, *, wait: bool) -> None:
        asked = [(each, getattr(each.handle, how).remote()) for each in some if each.handle is not None]
        for each, done in asked:
            try:
                ray.get(done, timeout=END_SECONDS)
                if wait:
                    ray.get(each._watched, timeout=END_SECONDS)
            except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
                log.error("%s: did not end in order (%s)", each.name, type(error).__name__)


def _why(watched: Any) -> str:
    """In a few words, how an actor ended."""
    try:
        ray.get(watched, timeout=1)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        return " ".join(str(cause).split()) if isinstance(cause, InputError) else type(cause).__name__
    except ray.exceptions.RayError as error:
        return type(error).__name__
    return "it ended by itself"
