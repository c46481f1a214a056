"""What is fuzzed of that which is stored: events, the file in which they wait, and galleries."""

from __future__ import annotations

import functools
import json
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, event

from app.errors import InputError
from app.events.event import KINDS, new_event
from app.events.lines import JsonLines
from app.events.outbox import Outbox
from app.gallery import CameraRow, Gallery
from app.gallery.upkeep import verify
from benchmarks.fuzz_draw import Draw, folder, refused
from reid_model.features import Features
from trackers import Tracklet

MODEL = "fuzzed"


def any_event(data: bytes) -> bool:
    """An event of any content is kept and written as one line of strict JSON that says the same."""
    draw = Draw(data)
    details = draw.value()
    made = new_event(
        KINDS[draw.below(len(KINDS))],
        struct.unpack("<d", draw.bytes(8))[0],
        camera=("entrance", "hall-2", "_")[draw.below(3)] if draw.below(2) else None,
        track=draw.below(2**31) if draw.below(2) else None,
        identity=draw.below(2**31) if draw.below(2) else None,
        details=details if isinstance(details, dict) else {"value": details},
    )
    outbox = _outbox()
    body = made.to_json()
    json.loads(body, parse_constant=_no_number)
    outbox.add(made.kind, made.camera, body)
    (stored,) = outbox.waiting("file", 2)
    path = folder() / "events.jsonl"
    path.unlink(missing_ok=True)
    JsonLines(path, 1 << 20, 2).deliver([stored], lambda: False)
    outbox.delivered("file", stored.number)
    (line,) = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["id"] == made.id
    return True


@functools.cache
def _outbox() -> Outbox:
    return Outbox(folder() / "outbox.db", ["file"], 1000, 3600.0, lambda: 0.0)


def _no_number(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


@functools.cache
def small_gallery() -> bytes:
    """The file of a gallery with two cameras, four tracklets, their sightings, and two identities."""
    path = folder() / "made.db"
    with Gallery.create(path, MODEL) as gallery:
        for name in ("east", "west"):
            gallery.add_camera(CameraRow(name, f"/videos/{name}.mp4", 0.0, 640, 480, 10.0, 100))
            gallery.add_tracklets(name, [_tracklet(number) for number in (1, 2)])
        gallery.audit("search", {"camera": "east", "found": [1, 2]})
    return path.read_bytes()


def _tracklet(number: int) -> Tracklet:
    rng = np.random.default_rng(number)
    frames = np.arange(5, dtype=np.int64)
    local = rng.normal(size=(2, 6, 8)).astype(np.float32)
    pooled = rng.normal(size=(2, 16)).astype(np.float32)
    seen = Features(
        pooled / np.linalg.norm(pooled, axis=-1, keepdims=True),
        local / np.linalg.norm(local, axis=-1, keepdims=True),
        np.full((2, 6), 1 / 6, np.float32),
        np.full(2, 0.5, np.float32),
    )
    boxes = np.tile(np.array([10.0, 10, 40, 90], np.float32), (5, 1))
    picture = np.full((20, 10, 3), 99, np.uint8)
    scores = np.ones(5, np.float32)
    return Tracklet(
        number, frames, frames / 10.0, boxes, scores, seen, frames[:2], frames[:2] / 10.0, boxes[:2], (picture,) * 2
    )


def gallery_bytes(data: bytes) -> bool:
    """The file itself, with bytes changed."""
    draw, held = Draw(data), bytearray(small_gallery())
    way = draw.below(len(WAYS))
    for _ in range(1 + draw.below(8)):
        place = draw.below(min(len(held), 4096) if draw.below(3) == 0 else len(held))
        change = draw.bytes(1 + draw.below(8))
        held[place : place + len(change)] = change
    if draw.below(8) == 0:
        del held[draw.below(len(held)) :]
    path = folder() / "gallery" / "gallery.db"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(held)
    return _read_gallery(path, way)


def gallery_values(data: bytes) -> bool:
    """Values in its tables, changed into others that SQLite takes: it keeps to no types."""
    draw, path = Draw(data), folder() / "values" / "gallery.db"
    way = draw.below(len(WAYS))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(small_gallery())
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("BEGIN")
        for _ in range(1 + draw.below(3)):
            table, columns = _tables()[draw.below(len(_tables()))]
            column = columns[draw.below(len(columns))]
            value = draw.value(0)
            if draw.below(3) == 0:
                value = draw.bytes(draw.below(64))
            if isinstance(value, int) and abs(value) >= 2**63:
                value = float(value)
            which = f"rowid % {1 + draw.below(3)} = 0" if draw.below(2) else "1"
            # What SQLite does not take cannot be in the file.
            with suppress(sqlite3.Error, UnicodeEncodeError):
                database.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (value,))
        database.execute("COMMIT")
    return _read_gallery(path, way)


@functools.cache
def _tables() -> list[tuple[str, list[str]]]:
    """Names of its tables and of their columns."""
    path = folder() / "tables.db"
    path.write_bytes(small_gallery())
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [name for (name,) in database.execute(query)]
        return [(name, [row[1] for row in database.execute(f"PRAGMA table_info({name})")]) for name in names]


WAYS: tuple[Callable[[Gallery], object], ...] = (
    lambda gallery: verify(gallery, lambda done, expected: None),
    lambda gallery: (gallery.cameras(), gallery.tracklets()),
    lambda gallery: (gallery.identities(), gallery.audit_log()),
    lambda gallery: gallery.sightings(),
    lambda gallery: gallery.crops([1, 2, 3]),
)
"""How a gallery is read; each case takes one of them, so that many are run."""

_COMPILED: dict[Any, Any] = {}
_DIALECT: list[Any] = []


def _share(connection: Connection) -> None:
    """Statements compiled for one gallery serve the next: it is what takes longest otherwise."""
    if not _DIALECT:
        _DIALECT.append(connection.dialect)
    connection.dialect = _DIALECT[0]
    connection.execution_options(compiled_cache=_COMPILED)


def _read_gallery(path: Path, way: int) -> bool:
    """Opens a gallery and reads it in one way."""
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)

    def read() -> None:
        with Gallery.open(path, read_only=True) as gallery:
            refused(lambda: WAYS[way](gallery))

    event.listen(Engine, "engine_connect", _share)
    try:
        return not refused(read)
    finally:
        event.remove(Engine, "engine_connect", _share)


def outbox_bytes(data: bytes) -> bool:
    """The file in which events wait, with bytes changed."""
    path = folder() / "events" / "outbox.db"
    path.parent.mkdir(exist_ok=True)
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    draw, held = Draw(data), bytearray(_small_outbox())
    for _ in range(1 + draw.below(8)):
        at = draw.below(len(held))
        change = draw.bytes(1 + draw.below(8))
        held[at : at + len(change)] = change
    path.write_bytes(held)

    def use() -> None:
        outbox = Outbox(path, ["file"], 1000, 3600.0, lambda: 0.0)
        try:
            outbox.add("system.started", None, "{}")
            for stored in outbox.waiting("file", 10):
                outbox.delivered("file", stored.number)
            outbox.prune()
        except sqlite3.Error as error:  # as documented; the hub tells it
            raise InputError(str(error)) from None
        finally:
            outbox.close()

    return not refused(use)


@functools.cache
def _small_outbox() -> bytes:
    path = folder() / "small-outbox.db"
    outbox = Outbox(path, ["file"], 1000, 3600.0, lambda: 0.0)
    for number in range(5):
        outbox.add(
            "track.started", "east", new_event("track.started", 1.0 * number, camera="east", track=number).to_json()
        )
    outbox.close()
    return path.read_bytes()
