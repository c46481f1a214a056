"""Galleries made up for tests: vectors at random, pictures of a few colours."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager

import cv2
import numpy as np
import psycopg

from app.association import Identity
from app.gallery import CameraRow, Gallery
from reid_model.features import Features
from trackers.tracklet import Tracklet

MODEL = "osnet_x0_25 256x128 cells 12x4"
DAY = 86400.0


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def features(count, seed=0, pooled=32, cells=6, local=8):
    rng = np.random.default_rng(seed)
    saliency = rng.uniform(0, 1, (count, cells)).astype(np.float32) ** 4
    return Features(
        unit(rng.normal(size=(count, pooled))),
        unit(rng.normal(size=(count, cells, local))),
        saliency / saliency.sum(axis=1, keepdims=True),
        rng.uniform(0, 1, count).astype(np.float32),
    )


def picture(seed, height=64, width=32):
    small = np.random.default_rng(seed).integers(0, 255, (4, 2, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def tracklet(track, start=0, count=20, exemplars=None, crops=True):
    rng = np.random.default_rng(track)
    frames = np.arange(start, start + count, dtype=np.int64)
    boxes = rng.uniform(0, 500, (count, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    kept = np.linspace(0, count - 1, 0 if exemplars is None else len(exemplars)).astype(int)
    return Tracklet(
        track_id=track,
        frames=frames,
        times=frames / 12.5,
        boxes=boxes,
        scores=rng.uniform(0, 1, count).astype(np.float32),
        exemplars=exemplars,
        exemplar_frames=frames[kept],
        exemplar_times=frames[kept] / 12.5,
        exemplar_boxes=boxes[kept],
        exemplar_crops=tuple(picture(track + i) if crops else None for i in range(len(kept))),
    )


def camera(name, frame_count=400):
    return CameraRow(name, f"/videos/{name}.mp4", 0.0, 1920, 1080, 12.5, frame_count)


def fill(path):
    """Two cameras with five tracklets of three sightings each."""
    with Gallery.create(path, MODEL) as gallery:
        for number, name in enumerate(("east", "west")):
            gallery.add_camera(camera(name))
            gallery.add_tracklets(
                name, [tracklet(i, start=10 * i, exemplars=features(3, 10 * number + i)) for i in range(1, 6)]
            )
    return path


def identity(number, *members):
    return Identity(number, "linked" if len(members) > 1 else "unknown", members, (), None, "")


class Plain:
    """A server's database, in SQLite's words."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, query, values=()):
        query = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", query.replace("%", "%%").replace("?", "%s"))
        return self._connection.execute(query, values)


@contextmanager
def plain(path):
    """The database itself, committed and closed in the end."""
    if isinstance(path, str):
        with psycopg.connect(path) as connection:
            yield Plain(connection)
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def message(error):
    text = str(error.value)
    assert "\n" not in text
    return text
