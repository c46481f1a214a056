"""A small gallery of the shipped scene: its true boxes as tracklets, with features of the shipped weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from app.association import CameraTracklet, Identity
from app.config import Config
from app.console import accounts
from app.console.application import make_app
from app.console.finder import Finder
from app.console.recorded import RecordedWall
from app.console.state import Console
from app.demo import SCENE
from app.gallery import CameraRow, Gallery
from app.settings import load_config
from app.sources import read_frame
from reid_model.embedder import Embedder, cut
from reid_model.matching import distances
from trackers import evaluation as mot
from trackers.tracklet import Tracklet

CAMERAS = ("cam1", "cam2", "cam3")
FRAMES = (20, 60, 100, 140)
"""Frames whose people are sightings."""

RATE = 10.0
HERE = "https://127.0.0.1"
PASSWORD = "correct horse battery"
APART = 100
"""Added to a person's number in `cam2`: linked with nobody until somebody says so."""


def settings(*overrides: str) -> Config:
    return load_config(None, overrides)


def camera_people(camera: str, embedder: Embedder) -> tuple[CameraRow, dict[int, Tracklet]]:
    """A camera and the people who are plain to see in some of `FRAMES`."""
    sequence = mot.read_sequence(SCENE / camera)
    visible = mot.read_visibility(sequence)
    truth = sequence.truth
    images = {index: read_frame(str(sequence.images), index=index).image for index in FRAMES}
    people = {}
    for person in np.unique(truth.ids).tolist():
        mine = truth.ids == person
        plain = (
            mine & (visible >= 0.5) & np.isin(truth.frames - 1, FRAMES) & (truth.boxes[:, 3] - truth.boxes[:, 1] > 70)
        )
        if not plain.any():
            continue
        size = np.array([[sequence.width, sequence.height] * 2])
        boxes = np.clip(truth.boxes, 0, size).astype(np.float32)
        rows, frames = np.flatnonzero(mine), truth.frames[mine] - 1
        shown = np.flatnonzero(plain)
        crops = [np.array(cut(images[int(truth.frames[row]) - 1], boxes[row])) for row in shown]
        at = truth.frames[shown] - 1
        people[person] = Tracklet(
            track_id=person, frames=frames, times=frames / RATE, boxes=boxes[rows],
            scores=np.ones(len(rows), np.float32), exemplars=embedder.embed(crops), exemplar_frames=at,
            exemplar_times=at / RATE, exemplar_boxes=boxes[shown], exemplar_crops=tuple(crops),
        )  # fmt: skip
    row = CameraRow(camera, str(sequence.images), 0.0, sequence.width, sequence.height, RATE, int(truth.frames.max()))
    return row, people


def make_gallery(path: Path, embedder: Embedder) -> Path:
    """People of three cameras; those of `cam2` have numbers of their own, the others one each."""
    members: dict[int, list[CameraTracklet]] = {}
    with Gallery.create(path, embedder.model_id) as gallery:
        for camera in CAMERAS:
            row, people = camera_people(camera, embedder)
            gallery.add_camera(row)
            gallery.add_tracklets(camera, list(people.values()))
            for person, tracklet in people.items():
                number = person + APART if camera == "cam2" else person
                members.setdefault(number, []).append(CameraTracklet(camera, tracklet))
        gallery.set_identities(
            [
                Identity(number, "linked" if len(each) > 1 else "unknown", tuple(each), (), None, "")
                for number, each in sorted(members.items())
            ]
        )
    return path


@dataclass
class Served:
    """A console, and clients of every role.

    Attributes:
        console: What its routes share.
        admin: Logged in as the first admin.
        operator: Logged in.
        viewer: Logged in.
        anybody: Not logged in.
    """

    console: Console
    admin: TestClient
    operator: TestClient
    viewer: TestClient
    anybody: TestClient


@contextmanager
def served(path: Path, embedder: Embedder, *overrides: str) -> Iterator[Served]:
    config = settings(*overrides)
    with Gallery.open(path, config=config.gallery) as gallery:
        wall = RecordedWall(gallery)
        console = Console(gallery, config, wall, Finder(gallery, config, wall, embedder))
        with clients_of(console) as made:
            yield made


@contextmanager
def clients_of(console: Console) -> Iterator[Served]:
    """Clients of every role of a console whose gallery has no users yet."""
    gallery = console.gallery
    password = accounts.first_admin(gallery)
    made = [("admin", password)] if password else []
    for role in ("operator", "viewer"):
        _, once = accounts.add_user(gallery, role, role, who="test")
        made.append((role, once))
    app = make_app(console)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as anybody:
        clients = {}
        for name, once in made:
            client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
            enter(client, name, once)
            change(client, once, PASSWORD)
            clients[name] = client
        yield Served(console, anybody=anybody, **clients)


def enter(client: TestClient, name: str, password: str) -> None:
    answer = client.post("/api/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf-token"] = answer.json()["csrf"]


def change(client: TestClient, old: str, new: str) -> None:
    answer = client.post("/api/session/password", json={"old": old, "new": new})
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf-token"] = answer.json()["csrf"]


def whom(console: Console) -> tuple[str, int, list[float], int]:
    """Who is most plainly the same in `cam1` and `cam2`: camera, frame, box in `cam1`, and number.

    How well people are recognised is measured elsewhere; here somebody is wanted who is.
    """
    rows, features = console.gallery.sightings()
    assert features is not None
    apart = distances(features, features, "gasm")
    tracks, cameras = np.array([row.track for row in rows]), np.array([row.camera for row in rows])
    same = tracks[:, None] == tracks
    elsewhere = np.where(same & (cameras == "cam2"), apart, np.inf).min(axis=1)
    others = np.where(same, np.inf, apart).min(axis=1)
    margin = np.where(cameras == "cam1", others - elsewhere, -np.inf)
    row = rows[int(margin.argmax())]
    left, top, right, bottom = row.box
    return "cam1", row.frame, [left, top, right - left, bottom - top], row.track
