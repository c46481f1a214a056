"""What is fuzzed: each input that comes from outside, as a function of bytes.

A target returns True where the input is accepted and False where it is refused as bad input is; whatever else happens
is a crash. It works in a folder of its own, in memory where there is room.
"""

from __future__ import annotations

import functools
import json
import math
import random
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.association_scene import read_scene
from app.cli_options import parse_seconds
from app.config import Config
from app.console.uploads import read_upload
from app.errors import InputError
from app.events.event import KINDS, new_event
from app.events.lines import JsonLines
from app.events.outbox import Outbox
from app.gallery import CameraRow, Gallery
from app.gallery.upkeep import verify
from app.settings import load_config
from app.simulation.scene import read_scene as read_simulated
from reid_model.features import Features
from trackers import Tracklet
from trackers.evaluation import SequenceError, read_mot, read_sequence

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo_videos" / "three-cameras"
MODEL = "fuzzed"
REFUSALS = (InputError, SequenceError)


@dataclass(frozen=True, slots=True)
class Target:
    """An input that is fuzzed.

    Attributes:
        name: What it is.
        seeds: Inputs to begin from; fuzzed ones are changes of them.
        run: Accepts or refuses one.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], bool]


PLAIN: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        2,
        5,
        30,
        -1,
        0.5,
        0.05,
        2.5,
        1e308,
        -1e308,
        math.inf,
        -math.inf,
        math.nan,
        2**31,
        2**63,
    ),
    *("", "auto", "cpu", "f32", "bundled", "x", "../../x", "/dev/null", "rtsp://u:p@h/x", "cuda:99", "\0"),
)
"""What settings often are, and what they should not be."""


class Draw:
    """Decisions taken from bytes, one after the other; zeros where they have run out."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def bytes(self, count: int) -> bytes:
        """The next bytes."""
        taken = self._data[self._place : self._place + count]
        self._place += count
        return taken + bytes(count - len(taken))

    def below(self, limit: int) -> int:
        """A number from 0 to below a limit."""
        return int.from_bytes(self.bytes(4), "little") % max(limit, 1)

    def value(self, depth: int = 3) -> object:
        """Something that YAML or JSON can hold, ordinary or not."""
        kind = self.below(16)
        if kind < 2 and depth:
            return [self.value(depth - 1) for _ in range(self.below(5))]
        if kind < 4 and depth:
            return {self.text(): self.value(depth - 1) for _ in range(self.below(4))}
        if kind < 6:
            return self.text()
        if kind < 8:
            return self.number()
        return PLAIN[self.below(len(PLAIN))]

    def number(self) -> float:
        """A whole number of up to 160 bits, or any other."""
        if self.below(2):
            return int.from_bytes(self.bytes(1 + self.below(20)), "little", signed=True)
        return float(struct.unpack("<d", self.bytes(8))[0])

    def text(self) -> str:
        """Some letters of any alphabet, halves of surrogate pairs among them."""
        return self.bytes(self.below(24)).decode("utf-8", "surrogateescape")


@functools.cache
def folder() -> Path:
    """Where this process writes."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="crowdtrace-fuzz-", dir=memory if memory.is_dir() else None))


def refused(work: Callable[[], object]) -> bool:
    """Runs what an input is for; True where it is refused as bad input is."""
    try:
        work()
    except REFUSALS as error:
        if not str(error).strip():
            raise AssertionError("refused without a word") from error
        return True
    return False


# ---- configuration ----


def _configuration(data: bytes) -> bool:
    path = folder() / "config.yaml"
    path.write_bytes(data)
    return not refused(lambda: load_config(path))


@functools.cache
def keys() -> list[str]:
    """All settings, dotted."""
    config = Config()
    found = ["cameras", "cameras.0.name", "cameras.0.homography", "cameras.0.ignore", "events.mqtt", "events.webhooks"]
    for name in Config.model_fields:
        section = getattr(config, name)
        fields = getattr(type(section), "__pydantic_fields__", {})
        found += [name, *(f"{name}.{key}" for key in fields)]
    return found


def _settings(data: bytes) -> bool:
    draw = Draw(data)
    overrides = []
    for _ in range(1 + draw.below(3)):
        key = draw.text() if draw.below(20) == 0 else keys()[draw.below(len(keys()))]
        value = draw.value()
        text = value if isinstance(value, str) and draw.below(2) else json.dumps(value)
        overrides.append(f"{key}={text}")
    accepted = not refused(lambda: load_config(None, overrides))
    refused(lambda: parse_seconds(draw.text(), "--from"))
    return accepted


# ---- sequences and scenes ----


def _rows(data: bytes) -> bool:
    path = folder() / "gt.txt"
    path.write_bytes(data)
    return not refused(lambda: read_mot(path))


def _sequence(data: bytes) -> bool:
    """The first half is `seqinfo.ini`, the second the truth; a zero byte parts them."""
    info, _, truth = data.partition(b"\0")
    place = folder() / "sequence"
    (place / "gt").mkdir(parents=True, exist_ok=True)
    (place / "seqinfo.ini").write_bytes(info)
    (place / "gt" / "gt.txt").write_bytes(truth)
    return not refused(lambda: read_sequence(place))


def _scene(data: bytes) -> bool:
    place = folder() / "scene"
    if not place.exists():
        for name in ("cam1", "cam2"):
            (place / name / "gt").mkdir(parents=True)
            (place / name / "img1").mkdir()
            cv2.imwrite(str(place / name / "img1" / "000001.jpg"), np.full((48, 64, 3), 90, np.uint8))
            (place / name / "gt" / "gt.txt").write_text("1,1,5,5,10,20,1,1,1\n")
            info = (
                f"[Sequence]\nname={name}\nimDir=img1\nframeRate=10\nseqLength=1\nimWidth=64\nimHeight=48\nimExt=.jpg\n"
            )
            (place / name / "seqinfo.ini").write_text(info)
    (place / "scene.yaml").write_bytes(data)
    return not refused(lambda: [each.times for each in read_scene(place, Config()).cameras])


def _simulated(data: bytes) -> bool:
    path = folder() / "simulated.yaml"
    path.write_bytes(data)
    return not refused(lambda: read_simulated(path))


SCENE = b"""videos: [{camera: cam1, start: 0.5}, {camera: cam2, start: 1772353800}]
calibration: {cam1: {ground_to_image: [[10, 0, 5], [0, 10, 3], [0, 0, 1]]}}
overlaps: [{cameras: [cam1, cam2]}]
ignore: {cam1: [[[0, 0], [10, 0], [10, 10]]]}
"""


def _demo_scene() -> list[bytes]:
    """The demonstration's scene with one camera, one door, one thing of each kind: small, so that reading is quick."""
    import yaml

    whole = yaml.safe_load((DEMO / "scene.yaml").read_text(encoding="utf-8"))
    kept = {key: whole[key] for key in ("crowd", "world")}
    return [yaml.safe_dump(kept, default_flow_style=True, width=10_000).encode()]


# ---- pictures ----


def _picture(data: bytes) -> bool:
    return not refused(lambda: read_upload(data, "picture", 4.0))


def _pictures() -> list[bytes]:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (6, 4, 3), np.uint8), (32, 48), interpolation=cv2.INTER_CUBIC)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    made = [
        cv2.imencode(".jpg", image)[1],
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1],
        cv2.imencode(".jpg", grey)[1],
        cv2.imencode(".png", image)[1],
        cv2.imencode(".png", grey)[1],
        cv2.imencode(".png", np.dstack([image, grey]))[1],
    ]
    return [each.tobytes() for each in made]


# ---- events ----


def _event(data: bytes) -> bool:
    """An event of any content is kept and written as one line of strict JSON that says the same."""
    draw = Draw(data)
    details = draw.value()
    event = new_event(
        KINDS[draw.below(len(KINDS))],
        struct.unpack("<d", draw.bytes(8))[0],
        camera=("entrance", "hall-2", "_")[draw.below(3)] if draw.below(2) else None,
        track=draw.below(2**31) if draw.below(2) else None,
        identity=draw.below(2**31) if draw.below(2) else None,
        details=details if isinstance(details, dict) else {"value": details},
    )
    outbox = _outbox()
    body = event.to_json()
    json.loads(body, parse_constant=_no_number)
    outbox.add(event.kind, event.camera, body)
    (stored,) = outbox.waiting("file", 2)
    path = folder() / "events.jsonl"
    path.unlink(missing_ok=True)
    JsonLines(path, 1 << 20, 2).deliver([stored], lambda: False)
    outbox.delivered("file", stored.number)
    (line,) = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["id"] == event.id
    return True


@functools.cache
def _outbox() -> Outbox:
    return Outbox(folder() / "outbox.db", ["file"], 1000, 3600.0, lambda: 0.0)


def _no_number(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


# ---- databases ----


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


def _gallery_bytes(data: bytes) -> bool:
    """The file itself, with bytes changed."""
    draw, held = Draw(data), bytearray(small_gallery())
    for _ in range(1 + draw.below(8)):
        place = draw.below(min(len(held), 4096) if draw.below(3) == 0 else len(held))
        change = draw.bytes(1 + draw.below(8))
        held[place : place + len(change)] = change
    if draw.below(8) == 0:
        del held[draw.below(len(held)) :]
    return _read_gallery(bytes(held))


def _gallery_values(data: bytes) -> bool:
    """Values in its tables, changed into others that SQLite takes: it keeps to no types."""
    draw, path = Draw(data), folder() / "values.db"
    path.write_bytes(small_gallery())
    database = sqlite3.connect(path)
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    database.execute("PRAGMA foreign_keys = OFF")
    for _ in range(1 + draw.below(3)):
        table = names[draw.below(len(names))]
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = columns[draw.below(len(columns))]
        value = draw.value(0)
        if draw.below(3) == 0:
            value = draw.bytes(draw.below(64))
        if isinstance(value, int) and abs(value) >= 2**63:
            value = float(value)
        which = f"rowid % {1 + draw.below(3)} = 0" if draw.below(2) else "1"
        try:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (value,))
        except (sqlite3.Error, UnicodeEncodeError):
            continue  # what SQLite does not take cannot be in the file
    database.commit()
    database.close()
    return _read_gallery(path.read_bytes())


def _read_gallery(data: bytes) -> bool:
    place = folder() / "gallery"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    path = place / "gallery.db"
    path.write_bytes(data)

    def read() -> None:
        with Gallery.open(path, read_only=True) as gallery:
            for work in (
                lambda: verify(gallery, lambda done, expected: None),
                gallery.cameras,
                gallery.tracklets,
                gallery.identities,
                gallery.audit_log,
                gallery.sightings,
                lambda: gallery.crops([1, 2, 3]),
            ):
                refused(work)

    return not refused(read)


def _outbox_bytes(data: bytes) -> bool:
    """The file in which events wait, with bytes changed."""
    place = folder() / "events"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    path = place / "outbox.db"
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


def chance(count: int, longest: int = 200) -> list[bytes]:
    """Bytes at random, to begin from where every byte is a decision."""
    rng = random.Random(0)
    return [rng.randbytes(rng.randrange(longest)) for _ in range(count)]


TARGETS = {
    target.name: target
    for target in (
        Target("configuration file", lambda: [(ROOT / "configs/cameras.example.yaml").read_bytes()], _configuration),
        Target("settings", lambda: chance(50), _settings),
        Target("MOT rows", lambda: [b"1,1,5,5,10,20,0.9,1,1\n2,1,6,5,10,20\n", b"1 2 3.5 4 5e1 6\n"], _rows),
        Target(
            "MOT sequence",
            lambda: [(DEMO / "cam1/seqinfo.ini").read_bytes() + b"\0" + b"1,1,5,5,10,20,1,1,0.8\n3,1,6,5,9,20,0,1,1\n"],
            _sequence,
        ),
        Target("scene with truth", lambda: [SCENE, b"", b"overlaps: []"], _scene),
        Target("scene to simulate", _demo_scene, _simulated),
        Target("uploaded picture", _pictures, _picture),
        Target("event", lambda: chance(50), _event),
        Target("event file", lambda: chance(50), _outbox_bytes),
        Target("gallery, bytes", lambda: chance(50), _gallery_bytes),
        Target("gallery, values", lambda: chance(50), _gallery_values),
    )
}
