"""What a gallery cannot take now waits on disk: tracklets that have ended, and who they were taken for.

The file is there only while something waits in it. What a call has returned from survives a kill and a power cut.
"""

from __future__ import annotations

import io
import math
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.gallery.growing import Grown, Key
from app.gallery.packing import Dimensions, encode_crop, pack, unpack_features
from app.gallery.waiting import connect, expire
from trackers.tracklet import Tracklet


@dataclass(frozen=True, eq=False)
class Waiting:
    """A tracklet that waits.

    Attributes:
        camera: Name of its camera.
        grown: The tracklet; its exemplars are the views to be stored.
        stored: Whether the gallery had rows of it already.
        heeded: Last entry of the gallery's audit log that was known then.
    """

    camera: str
    grown: Grown
    stored: bool
    heeded: int

    @property
    def key(self) -> Key:
        """Camera and track number."""
        return self.camera, int(self.grown.tracklet.track_id)


class Spool:
    """Ended tracklets and identities that wait for a gallery.

    Args:
        path: The file; it need not exist.
        most_bytes: How large it may grow.
        kept_seconds: How long something may wait in it.
        clock: Seconds since the epoch.

    Raises:
        InputError: If there is a file that cannot be read.
    """

    def __init__(
        self, path: Path, most_bytes: int, kept_seconds: float = math.inf, clock: Callable[[], float] = time.time
    ) -> None:
        self.path, self._most, self._kept, self._clock = path, most_bytes, kept_seconds, clock
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        self.keys: set[Key] = set()
        if path.exists():
            with self._lock:
                self._look()

    def __len__(self) -> int:
        return len(self.keys)

    def keep(self, items: Sequence[Waiting]) -> None:
        """Adds tracklets; one that waits already is replaced.

        Raises:
            InputError: If they cannot be written, or the file is as large as it may be.
        """
        if not items:
            return
        now = self._clock()
        rows = [(*item.key, item.stored, item.heeded, now, now + self._kept, to_bytes(item.grown)) for item in items]
        with self._lock:
            if self._used() + sum(len(row[-1]) for row in rows) > self._most:
                raise InputError(f"{self.path}: is as large as it may be ({self._most >> 20} MB)")
            names = "camera, track, stored, heeded, since, expires, tracklet"
            query = f"INSERT OR REPLACE INTO waiting ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            self._do(lambda file: file.executemany(query, rows))
            self.keys |= {item.key for item in items}

    def keep_numbers(self, numbers: Mapping[Key, int], heeded: int) -> None:
        """Sets who tracklets were taken for, all that are not in the gallery yet.

        Raises:
            InputError: If they cannot be written.
        """
        now = self._clock()
        rows = [(*key, number, heeded, now, now + self._kept) for key, number in numbers.items()]

        def put(file: sqlite3.Connection) -> None:
            file.execute("DELETE FROM people")
            names = "camera, track, identity, heeded, since, expires"
            file.executemany(f"INSERT INTO people ({names}) VALUES (?, ?, ?, ?, ?, ?)", rows)

        with self._lock:
            if rows or self.path.exists():
                self._do(put)
                self._close_if_empty()

    def next(self, most: int) -> list[Waiting]:
        """Those that have waited longest.

        Raises:
            InputError: If the file cannot be read.
        """
        if not self.keys:
            return []
        query = "SELECT camera, stored, heeded, tracklet FROM waiting ORDER BY number LIMIT ?"
        with self._lock:
            rows = self._do(lambda file: file.execute(query, (most,)).fetchall())
            if len(rows) < most:
                self._look()
                self._close_if_empty()
        return [Waiting(camera, from_bytes(data), bool(stored), heeded) for camera, stored, heeded, data in rows]

    def numbers(self) -> dict[Key, tuple[int, int]]:
        """Who tracklets were taken for: the identity, and the last entry of the audit log that was known then.

        Raises:
            InputError: If the file cannot be read.
        """
        if not self.path.exists():
            return {}
        with self._lock:
            query = "SELECT camera, track, identity, heeded FROM people"
            rows = self._do(lambda file: file.execute(query).fetchall())
        return {(camera, track): (identity, heeded) for camera, track, identity, heeded in rows}

    def drop(self, keys: Collection[Key]) -> None:
        """Takes out tracklets: they are in the gallery now, or are not to be.

        Raises:
            InputError: If the file cannot be written.
        """
        gone = self.keys & set(keys)
        if gone:
            query = "DELETE FROM waiting WHERE camera = ? AND track = ?"
            with self._lock:
                self._do(lambda file: file.executemany(query, sorted(gone)))
                self.keys -= gone
                self._close_if_empty()

    def expire(self) -> int:
        """Takes out what has waited for too long; gives how many tracklets that were.

        Raises:
            InputError: If the file cannot be written.
        """
        with self._lock:
            if not self.path.exists():
                return 0
            gone: int = self._do(lambda file: expire(file, self._clock()))
            self._look()
            self._close_if_empty()
        return gone

    def close(self) -> None:
        """Closes the file; what waits stays."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _look(self) -> None:
        """Sees what waits: others may have taken out whoever was erased."""
        rows = self._do(lambda file: file.execute("SELECT camera, track FROM waiting").fetchall())
        self.keys = {(camera, track) for camera, track in rows}

    def _used(self) -> int:
        """Bytes of the file that hold something."""
        if not self.path.exists():
            return 0
        pages = ("page_count", "freelist_count", "page_size")
        count, free, size = self._do(lambda file: [file.execute(f"PRAGMA {name}").fetchone()[0] for name in pages])
        return int((count - free) * size)

    def _do(self, work: Any) -> Any:
        try:
            if self._file is None:
                self._file = connect(self.path, self._clock())
            with self._file:
                return work(self._file)
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: {error}; make room on its disk, or move it away") from error

    def _close_if_empty(self) -> None:
        if self.keys or self._file is None or self._file.execute("SELECT 1 FROM people LIMIT 1").fetchone():
            return
        self._file.close()
        self._file = None
        self.path.unlink(missing_ok=True)


def to_bytes(grown: Grown) -> bytes:
    """A tracklet with the views to be stored; vectors and pictures are as the gallery has them."""
    item, views = grown.tracklet, grown.views
    arrays: dict[str, npt.NDArray[Any]] = {
        name: getattr(item, name) for name in ("frames", "times", "boxes", "scores")
    } | {"track": np.array(item.track_id)}
    if item.exemplars is not None and len(views):
        seen = item.exemplars[views]
        size = Dimensions.of(seen)
        crops = [encode_crop(item.exemplar_crops[view]) or b"" for view in views.tolist()]
        arrays |= {
            "size": np.array([size.pooled, size.cells, size.local]),
            "pooled": np.frombuffer(pack(seen.global_, "<f2"), "<f2"),
            "local": np.frombuffer(pack(seen.local, "<f2"), "<f2"),
            "saliency": np.frombuffer(pack(seen.saliency, "<f2"), "<f2"),
            "mass": seen.mass,
            "view_frames": item.exemplar_frames[views],
            "view_times": item.exemplar_times[views],
            "view_boxes": item.exemplar_boxes[views],
            "crop_sizes": np.array([len(crop) for crop in crops]),
            "crops": np.frombuffer(b"".join(crops), np.uint8),
        }
    with io.BytesIO() as file:
        np.savez(file, **cast(Any, arrays))
        return file.getvalue()


def from_bytes(data: bytes) -> Grown:
    """What `to_bytes` was given, with all views to be stored.

    Raises:
        InputError: If the bytes are damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _grown(dict(arrays))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"a tracklet that waits is damaged ({error}); move the file away") from error


def _grown(arrays: dict[str, npt.NDArray[Any]]) -> Grown:
    empty = np.zeros(0)
    item = Tracklet(
        track_id=int(arrays["track"]),
        frames=arrays["frames"],
        times=arrays["times"],
        boxes=arrays["boxes"],
        scores=arrays["scores"],
        exemplars=None,
        exemplar_frames=empty.astype(np.int64),
        exemplar_times=empty.astype(np.float64),
        exemplar_boxes=np.zeros((0, 4), np.float32),
        exemplar_crops=(),
    )
    if "size" not in arrays:
        return Grown(item, empty.astype(np.intp))
    size = Dimensions(*arrays["size"].tolist())
    count = len(arrays["mass"])
    rows = [list(np.ascontiguousarray(arrays[name].reshape(count, -1))) for name in ("pooled", "local", "saliency")]
    pooled, local, saliency = ([row.tobytes() for row in each] for each in rows)
    features = unpack_features(pooled, local, saliency, arrays["mass"].tolist(), size)
    ends = np.cumsum(arrays["crop_sizes"])
    pieces = [arrays["crops"][end - size : end] for end, size in zip(ends, arrays["crop_sizes"], strict=True)]
    pictures = tuple(cast(Any, cv2.imdecode(piece, cv2.IMREAD_COLOR)) if len(piece) else None for piece in pieces)
    item = replace(
        item,
        exemplars=features,
        exemplar_frames=arrays["view_frames"],
        exemplar_times=arrays["view_times"],
        exemplar_boxes=arrays["view_boxes"],
        exemplar_crops=pictures,
    )
    return Grown(item, np.arange(count))
