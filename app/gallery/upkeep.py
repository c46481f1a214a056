"""Checking a gallery, from its pages to the last vector and picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from sqlalchemy import Connection, func, select

from app.gallery import queries
from app.gallery.packing import Dimensions, unpack_features
from app.gallery.schema import Base, CropRecord, SightingRecord, TrackletRecord, VectorRecord
from app.gallery.scrubbing import unfinished
from app.gallery.store import Gallery

AT_ONCE = 1000
"""Rows read at once."""

MOST_PROBLEMS = 20
"""Problems of one kind that are named."""

Progress = Callable[[int, int], None]
"""Told the rows done and those expected."""


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        counts: Rows of each table.
        expired: Sightings past their expiry that nobody has purged yet.
        problems: What is wrong, a line each; none in a sound gallery.
        unfinished: Whether an erasure still has to clean up behind itself.
    """

    counts: dict[str, int]
    expired: int
    problems: tuple[str, ...]
    unfinished: bool


def verify(gallery: Gallery, progress: Progress = lambda done, expected: None) -> Report:
    """Checks a gallery from the file's pages to the last vector and picture; changes nothing.

    Args:
        gallery: Which one.
        progress: Called as sightings are checked.

    Raises:
        InputError: If it is so damaged that it cannot be read.
    """
    problems = gallery.integrity()
    with gallery.checked() as connection:
        counts = {name: queries.row_count(connection, table) for name, table in Base.metadata.tables.items()}
        expired = connection.scalar(select(func.count()).where(SightingRecord.expires <= gallery.now())) or 0
        problems += _wrong_tracklets(connection)
        size = queries.dimensions(connection)
        if size is None and counts["vectors"]:
            problems.append("meta: the dimensions of the vectors are missing")
        elif size is not None:
            problems += _wrong_sightings(connection, size, counts["sightings"], progress)
        waiting = unfinished(queries.meta(connection))
    return Report(counts, expired, tuple(problems), waiting)


def _wrong_tracklets(connection: Connection) -> list[str]:
    table = TrackletRecord
    sizes = [func.length(column) for column in (table.frames, table.times, table.boxes, table.scores)]
    rows = connection.execute(select(table.id, *sizes))
    wrong = [key for key, frames, *others in rows if not frames or others != [frames, 2 * frames, frames // 2]]
    return [f"tracklet {key}: its boxes, times and scores are not of one length" for key in wrong[:MOST_PROBLEMS]]


def _wrong_sightings(connection: Connection, size: Dimensions, total: int, progress: Progress) -> list[str]:
    wrong: list[str] = []
    table, vector, crop = SightingRecord, VectorRecord, CropRecord
    query = (
        select(table.id, table.mass, vector.pooled, vector.local, vector.saliency, crop.jpeg)
        .outerjoin_from(table, vector, vector.sighting_id == table.id)
        .outerjoin(crop, crop.sighting_id == table.id)
        .order_by(table.id)
        .execution_options(yield_per=AT_ONCE)
    )
    done = 0
    for rows in connection.execute(query).partitions():
        whole = [row for row in rows if row[2] is not None]
        wrong += [f"sighting {row[0]}: its vectors are missing" for row in rows if row[2] is None]
        if not _are_features(whole, size):
            wrong += [f"sighting {row[0]}: its vectors are damaged" for row in whole if not _are_features([row], size)]
        wrong += [
            f"sighting {row[0]}: its picture is damaged" for row in rows if row[5] is not None and not _decodes(row[5])
        ]
        done += len(rows)
        progress(done, total)
    return wrong[:MOST_PROBLEMS]


def _are_features(rows: Any, size: Dimensions) -> bool:
    if not len(rows):
        return True
    try:
        pooled, local, saliency = ([row[i] for row in rows] for i in (2, 3, 4))
        unpack_features(pooled, local, saliency, [row[1] for row in rows], size)
    except ValueError:
        return False
    return True


def _decodes(jpeg: bytes) -> bool:
    try:
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
    except cv2.error:
        return False
