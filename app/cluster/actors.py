"""The actors: what runs in processes of its own, wherever Ray puts it."""

from __future__ import annotations

import logging
import threading
from typing import Any

from app.cluster.shard import Shard
from app.config import Config
from app.errors import InputError
from app.gallery import Found, Gallery
from app.gallery.found import Terms
from app.live.linking import Linking, Parcel
from app.live.process import prepare_process
from reid_model.features import Features

log = logging.getLogger(__name__)

SYNC_SECONDS = 0.5
"""Seconds between two looks of a shard at what was stored."""


class ShardActor:
    """An index shard.

    Args:
        config: Says where the store is, how many shards there are and how long a slice is.
        number: Which one it is.
    """

    def __init__(self, config: Config, number: int) -> None:
        import torch

        torch.set_num_threads(1)
        assert config.gallery.url is not None
        cluster = config.cluster
        self._gallery = Gallery.open(config.gallery.url, read_only=True, config=config.gallery)
        self._shard = Shard(self._gallery, number, cluster.shards, cluster.slice_minutes * 60)
        self._over = threading.Event()
        self._shard.sync()

    def watch(self) -> None:
        """Keeps in step with the store until the process ends; without the store, what is known is searched."""
        while not self._over.wait(SYNC_SECONDS):
            try:
                self._shard.sync()
            except InputError as error:
                log.warning("shard: %s", error)

    def sync(self) -> int:
        """Takes in what was stored until now; gives the last sighting's number."""
        return self._shard.sync()

    def count(self) -> int:
        """How many sightings it has."""
        return len(self._shard)

    def pid(self) -> int:
        """Number of its process."""
        import os

        return os.getpid()

    def hits(self, query: Features, top: int, terms: Terms) -> Found:
        """What a search of all shards chooses its hits from."""
        return self._shard.hits(query, top, terms)


class AssociatorActor:
    """Who is who over all cameras; everything it knows is in the store, or in its folder while that is away."""

    def __init__(self, config: Config, model_id: str) -> None:
        prepare_process()
        self._linking = Linking(config, model_id)
        self._over = threading.Event()

    def watch(self) -> None:
        """Decides what waits for a better look, also while nothing comes in."""
        while not self._over.wait(SYNC_SECONDS):
            self._linking.step()

    def take(self, parcel: Parcel) -> list[tuple[str, int]]:
        """Takes what a worker has seen; gives the ended tracklets that are on a disk now."""
        return self._linking.take(parcel)

    def last_tracks(self) -> dict[str, int]:
        """The highest track number of each camera that was ever taken."""
        return self._linking.last_tracks()

    def pid(self) -> int:
        """Number of its process."""
        import os

        return os.getpid()

    def close(self) -> None:
        """Decides everything that waits, and ends in order."""
        self._over.set()
        self._linking.close()


class WorkerActor:
    """A share of the cameras: frames in, tracklets to the associator."""

    def __init__(self, config: Config, number: int, associator: Any) -> None:
        import ray

        from app.cluster.worker import ANSWER_SECONDS, Worker

        prepare_process()
        known: dict[str, int] = ray.get(associator.last_tracks.remote(), timeout=ANSWER_SECONDS)
        self._worker = Worker(config, number, known)
        self._worker.connect(associator)

    def watch(self) -> None:
        """Watches its cameras until it is told to stop."""
        self._worker.run()

    def connect(self, associator: Any) -> None:
        """Has tracklets go to another associator from now on: a new one in place of one that died."""
        self._worker.connect(associator)

    def stop(self) -> None:
        """Asks it to end: people leave, and what they were seen as is handed over."""
        self._worker.stop()

    def pid(self) -> int:
        """Number of its process."""
        import os

        return os.getpid()
