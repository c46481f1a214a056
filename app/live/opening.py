"""The gallery of a live run, and its cameras as that knows them."""

from __future__ import annotations

from pathlib import Path

from app.addresses import redacted
from app.config import CameraConfig, Config
from app.gallery import CameraRow, Gallery
from app.gallery.places import place_of
from app.gallery.store import SECONDS_A_DAY
from app.gallery.waiting import FILE
from app.live.spool import Spool


def open_gallery(folder: Path, model_id: str, config: Config) -> Gallery:
    """The gallery of a live run, which goes on where there is one.

    Raises:
        InputError: If it cannot be used, or holds another model's vectors.
    """
    place = place_of(config.gallery.url or folder / "gallery.db")
    return Gallery.open_or_create(place, model_id, config=config.gallery)


def open_spool(folder: Path, config: Config, name: str = FILE) -> Spool:
    """What an earlier run has left to wait for the gallery, without what should have expired there by now.

    Raises:
        InputError: If the file cannot be used.
    """
    kept = config.gallery.retention_days * SECONDS_A_DAY
    made = Spool(folder / name, config.live.waiting_megabytes << 20, kept)
    made.expire()
    return made


def camera_row(camera: CameraConfig) -> CameraRow:
    """A live camera as the gallery knows it: without the password of its address, and of no fixed length."""
    return CameraRow(camera.name, redacted(camera.source), camera.start, 0, 0, camera.analyse_fps, 0)
