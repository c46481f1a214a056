"""From the store's tables into the index's columns, a few thousand sightings at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from app.errors import InputError
from app.gallery.packing import Dimensions, unpack_features
from app.gallery.schema import Camera, SightingRecord, TrackletRecord, VectorRecord
from app.gallery.store import Gallery
from reid_model.features import Features

BATCH = 2048
"""Sightings read at once: 30 MB of vectors."""

KEYS = 500
"""Most numbers named in one question."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some sightings of the store.

    Attributes:
        ids: Their numbers, `(n,)`, ascending.
        tracklets: Keys of their tracklets, `(n,)`.
        cameras: Names of their cameras.
        times: Seconds since the epoch, `(n,)`.
        expires: Likewise.
        features: n crops.
    """

    ids: npt.NDArray[np.int64]
    tracklets: npt.NDArray[np.int64]
    cameras: Sequence[str]
    times: npt.NDArray[np.float64]
    expires: npt.NDArray[np.float64]
    features: Features


def read(gallery: Gallery, ids: npt.NDArray[np.int64], size: Dimensions) -> Iterator[Batch]:
    """Sightings by their numbers, in batches; those that are gone or have expired are left out.

    Args:
        gallery: The store.
        ids: Ascending numbers.
        size: Sizes of its vectors.

    Raises:
        InputError: If what is stored is damaged.
    """
    table, owner, vector = SightingRecord, TrackletRecord, VectorRecord
    columns = (table.id, owner.id, Camera.name, table.time, table.expires, table.mass)
    query = (
        select(*columns, vector.pooled, vector.local, vector.saliency)
        .join_from(table, owner)
        .join(Camera, owner.camera_id == Camera.id)
        .join(vector, vector.sighting_id == table.id)
        .where(table.expires > gallery.now())
        .order_by(table.id)
    )
    for first in range(0, len(ids), BATCH):
        some = ids[first : first + BATCH]
        rows: list[tuple[Any, ...]] = []
        with gallery.reading() as connection:
            if some[-1] - some[0] + 1 == len(some):
                found = connection.execute(query.where(table.id.between(int(some[0]), int(some[-1]))))
                rows += map(tuple, found)
            else:
                for start in range(0, len(some), KEYS):
                    found = connection.execute(query.where(table.id.in_(some[start : start + KEYS].tolist())))
                    rows += map(tuple, found)
        if rows:
            yield _batch(gallery, rows, size)


def newer_ids(gallery: Gallery, newest: int) -> npt.NDArray[np.int64]:
    """The numbers of the sightings that were stored after one, `(n,)`, ascending, without those that have expired.

    Writers take turns, so that no smaller number can come later.

    Raises:
        InputError: If the store cannot be read.
    """
    table = SightingRecord
    query = select(table.id).where(table.id > newest, table.expires > gallery.now()).order_by(table.id)
    with gallery.reading() as connection:
        return np.fromiter(connection.scalars(query), np.int64)


def _batch(gallery: Gallery, rows: list[tuple[Any, ...]], size: Dimensions) -> Batch:
    ids, tracklets, cameras, times, expires, mass, pooled, local, saliency = zip(*rows, strict=True)
    try:
        features = unpack_features(pooled, local, saliency, mass, size)
    except ValueError as error:
        raise InputError(f"{gallery.path}: is damaged: {error}; restore it from a copy or annotate again") from error
    return Batch(
        np.array(ids, np.int64),
        np.array(tracklets, np.int64),
        cameras,
        np.array(times, np.float64),
        np.array(expires, np.float64),
        features,
    )
