"""The search index as a file beside the store, so that a large gallery need not be read from its tables each time.

A snapshot is derived: what is in it is in the store too, and where it is missing, damaged, cut off, of other weights or
of another program, it is made again. It is mapped into memory, not read, so that a million sightings open in seconds.

    0      "crowdtrace-index", state (0 whole, 1 being changed), length and CRC of the header: 16 bytes and 3 × uint32
    64     the header, JSON: model, revision of the store, cameras, sizes, rows, where each column begins
    …      the rotation and the columns of `app.gallery.index_columns`, each from a multiple of 4096

A new file is written under another name, synchronised and put in the old one's place, so that a power cut leaves one or
the other. Erasing changes the file where it is, because the bytes to go must go from the disk, not only from the
folder: its state says so first, and says otherwise when all is done; cut off in between, it is made again. Every row
has checks over its bytes; those of the small columns are compared on opening, those of the cells when a search first
comes to them. Writers take turns by a lock on the folder.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from app.gallery.index_columns import IDS, SUMS, Columns, Layout, row_sums, small
from app.gallery.packing import Dimensions
from reid_model.features import FloatArray

SUFFIX = ".index"

MAGIC = b"crowdtrace-index"
START = struct.Struct("<16sIII")
HEADER_AT = 64
FORMAT = 1
PAGE = 4096


@dataclass(frozen=True, eq=False)
class Held:
    """What a snapshot holds.

    Attributes:
        model: Name of the model that the vectors come from.
        revision: Of the store that it was made from.
        cameras: Names; the column `cameras` gives places in this list.
        layout: Shapes of the columns.
        rotation: Of pooled vectors, `(D, D)`.
        columns: n rows each; read from a file, they are mapped, and only those that searches need are ever loaded.
    """

    model: str
    revision: int
    cameras: tuple[str, ...]
    layout: Layout
    rotation: FloatArray
    columns: Columns


class SnapshotError(Exception):
    """A snapshot cannot be used; the index is made from the store instead."""


class Snapshot:
    """The file that keeps a gallery's search index.

    Attributes:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, store: Path) -> Snapshot:
        """The snapshot that belongs to a gallery: `gallery.index` beside `gallery.db`."""
        return cls(store.with_suffix(SUFFIX))

    def write(self, held: Held, confirm: Callable[[], bool] = lambda: True) -> bool:
        """Puts a new snapshot in the place of the old one, whole or not at all.

        Args:
            held: What it holds.
            confirm: Asked at the last moment, with the folder locked: whether the store is still the one that this
                was made from. Where it is not, somebody may have been erased from it, and nothing is written.

        Returns:
            Whether it was put there.

        Raises:
            OSError: If the file cannot be written.
        """
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with self._locked():
            self._remove_partial()
            try:
                with partial.open("wb") as file:
                    _write(file, held)
                    file.flush()
                    os.fsync(file.fileno())
                if not confirm():
                    return False
                partial.replace(self.path)
                _sync_folder(self.path.parent)
            finally:
                partial.unlink(missing_ok=True)
        return True

    def read(self, model: str) -> Held:
        """What the snapshot holds, mapped.

        Raises:
            SnapshotError: If it is missing, or for any reason not to be used.
        """
        try:
            with self.path.open("rb") as file:
                header = _read_header(file)
                room = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise SnapshotError(f"{self.path}: cannot be read ({error})") from None
        held = _held(header, room)
        if held.model != model:
            raise SnapshotError(f"{self.path}: holds vectors of {held.model}, not of {model}")
        _check_small(self.path, held.columns)
        if zlib.crc32(held.rotation.tobytes()) != header["rotation"]["crc"]:
            raise SnapshotError(f"{self.path}: is damaged")
        return held

    def drop(self, ids: Sequence[int]) -> int:
        """Erases sightings, so that no byte of theirs is left in the file; to be called when the store has done so.

        Whatever moment this is interrupted at, the file is never taken for whole while it holds half of a change. A
        snapshot that cannot be understood is overwritten and removed.

        Args:
            ids: Keys of the sightings in the store; those that the snapshot does not hold are passed over.

        Returns:
            How many were erased; 0 where there is no snapshot.

        Raises:
            OSError: If the file cannot be written.
        """
        if not len(ids):
            return 0
        with self._locked():
            self._remove_partial()
            if not self.path.exists():
                return 0
            with self.path.open("r+b") as file:
                try:
                    header = _read_header(file)
                except SnapshotError:
                    _blank(file)
                else:
                    return _erase(file, header, np.asarray(ids, np.int64))
            self.path.unlink()
        return 0

    def remove(self) -> None:
        """Overwrites and removes the file, if there is one.

        Raises:
            OSError: If it cannot be written.
        """
        with self._locked():
            self._remove_partial()
            with suppress(FileNotFoundError):
                with self.path.open("r+b") as file:
                    _blank(file)
                self.path.unlink()

    def _remove_partial(self) -> None:
        """What writers that were killed left behind: with the folder locked, nobody is writing."""
        for left in self.path.parent.glob(f".{self.path.name}.*.part"):
            left.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            with suppress(ImportError):  # Without such locks one process at a time is up to the user.
                import fcntl

                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _write(file: IO[bytes], held: Held) -> None:
    rotation = np.ascontiguousarray(held.rotation, "<f4")
    arrays = {"rotation": rotation, **held.columns}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "model": held.model,
        "revision": held.revision,
        "cameras": held.cameras,
        "size": [held.layout.size.pooled, held.layout.size.cells, held.layout.size.local],
        "rows": len(held.columns[IDS]),
        "rotation": {"crc": zlib.crc32(rotation.tobytes())},
        "columns": {},
    }
    # Where the columns begin depends on the header's length, so room is left for the largest numbers.
    length = len(json.dumps(facts)) + 64 * len(arrays)
    at = _page(HEADER_AT + length)
    for name, values in arrays.items():
        facts["columns"][name] = at
        at = _page(at + values.nbytes)
    facts["bytes"] = at
    header = json.dumps(facts).encode()
    file.write(START.pack(MAGIC, 0, len(header), zlib.crc32(header)).ljust(HEADER_AT, b"\0") + header)
    for name, values in arrays.items():
        file.seek(facts["columns"][name])
        for first in range(0, len(values), 1 << 14):
            file.write(np.ascontiguousarray(values[first : first + (1 << 14)]).data)
    file.truncate(at)


def _read_header(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    start = file.read(HEADER_AT)
    if len(start) < HEADER_AT:
        raise SnapshotError("cut off")
    magic, state, length, crc = START.unpack(start[: START.size])
    if magic != MAGIC or state != 0:
        raise SnapshotError("not a snapshot, or a change of it was cut off")
    header = file.read(length)
    if zlib.crc32(header) != crc:
        raise SnapshotError("its header is damaged")
    facts: dict[str, Any] = json.loads(header)
    if facts["format"] != FORMAT or os.fstat(file.fileno()).st_size != facts["bytes"]:
        raise SnapshotError("of another version, or cut off")
    return facts


def _held(header: dict[str, Any], room: mmap.mmap) -> Held:
    layout = Layout(Dimensions(*header["size"]))
    columns = {
        name: np.ndarray((header["rows"], *shape), dtype, room, header["columns"][name])
        for name, (dtype, shape) in layout.columns.items()
    }
    wide = layout.size.pooled
    rotation = np.array(np.ndarray((wide, wide), "<f4", room, header["columns"]["rotation"]))
    return Held(header["model"], header["revision"], tuple(header["cameras"]), layout, rotation, columns)


def _check_small(path: Path, columns: Columns) -> None:
    if not np.array_equal(row_sums(columns, small(columns)), columns[SUMS][:, 0]):
        raise SnapshotError(f"{path}: is damaged")


def _erase(file: IO[bytes], header: dict[str, Any], ids: npt.NDArray[np.int64]) -> int:
    layout = Layout(Dimensions(*header["size"]))
    file.seek(header["columns"][IDS])
    stored = np.frombuffer(file.read(8 * header["rows"]), "<i8")
    rows = np.flatnonzero(np.isin(stored, ids[ids != 0]))
    _set_state(file, 1)
    for name, (dtype, shape) in layout.columns.items():
        width = np.dtype(dtype).itemsize * int(np.prod(shape))
        for row in rows.tolist():
            file.seek(header["columns"][name] + row * width)
            file.write(bytes(width))
    file.flush()
    os.fsync(file.fileno())
    _set_state(file, 0)
    return len(rows)


def _set_state(file: IO[bytes], state: int) -> None:
    file.seek(len(MAGIC))
    file.write(struct.pack("<I", state))
    file.flush()
    os.fsync(file.fileno())


def _blank(file: IO[bytes]) -> None:
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    for first in range(0, size, 1 << 20):
        file.write(bytes(min(1 << 20, size - first)))
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _page(at: int) -> int:
    return -(-at // PAGE) * PAGE
