"""What is fuzzed: each input that comes from outside, as a function of bytes.

A target returns True where the input is accepted and False where it is refused as bad input is; whatever else happens
is a crash. It works in a folder of its own, in memory where there is room.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.association_scene import read_scene
from app.cli_options import parse_seconds
from app.config import Config
from app.console.uploads import read_upload
from app.settings import load_config, validated
from app.simulation.scene import SceneFile
from app.simulation.scene import check_scene as check_simulated
from benchmarks.fuzz_draw import Draw, Target, chance, folder, refused
from benchmarks.fuzz_stores import any_event, gallery_bytes, gallery_values, outbox_bytes
from trackers.evaluation import read_mot, read_sequence

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo_videos" / "three-cameras"

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
    """A small scene with values changed, left out, put in twice or put elsewhere.

    As it is when the YAML is read, of which the configuration file is the target.
    """
    draw, path = Draw(data), Path("scene.yaml")
    values = copy.deepcopy(_small_scene())
    for _ in range(draw.below(5)):
        _change(values, draw)
    return not refused(lambda: check_simulated(validated(values, SceneFile, path), path))


def _change(values: dict[str, Any], draw: Draw) -> None:
    """Changes something somewhere in nested values."""
    target: Any = values
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        if not keys:
            return
        key = keys[draw.below(len(keys))]
        if not isinstance(target[key], dict | list) or draw.below(8) == 0:
            break
        target = target[key]
    value, kind = target[key], draw.below(8)
    if kind == 0:
        del target[key]
    elif kind == 1 and isinstance(target, list):
        target.insert(draw.below(len(target) + 1), copy.deepcopy(value))
    elif kind == 2:
        target[draw.text() if isinstance(target, dict) else key] = value
    elif kind < 6 and isinstance(value, int | float):
        target[key] = value * (draw.number() if kind == 3 else 1 + (draw.below(2001) - 1000) / 1000)
    else:
        target[key] = draw.value()


SCENE = b"""videos: [{camera: cam1, start: 0.5}, {camera: cam2, start: 1772353800}]
calibration: {cam1: {ground_to_image: [[10, 0, 5], [0, 10, 3], [0, 0, 1]]}}
overlaps: [{cameras: [cam1, cam2]}]
ignore: {cam1: [[[0, 0], [10, 0], [10, 10]]]}
"""


@functools.cache
def _small_scene() -> dict[str, Any]:
    """Two small rooms with two doors, one thing and one camera each: of every kind, and quickly checked."""
    rooms: list[tuple[str, str, float]] = [("plaza-1", "plaza", 0.0), ("hall-1", "hall", 60.0)]
    look = {"balance": [0.9, 1.0, 1.1], "exposure": 0.9, "noise": 1.5, "blur": 0.4, "quality": 28}
    areas, things, doors, cameras = [], [], [], []
    for number, (name, ground, left) in enumerate(rooms, 1):
        other = rooms[2 - number][0]
        areas.append(
            {"name": name, "ground": ground, "left": left, "bottom": 0.0, "right": left + 5, "top": 4.0, "height": 4.0}
        )
        shape = {"length": 0.8, "width": 0.6, "height": 1.9, "yaw": 0.3}
        things.append({"kind": "kiosk", "area": name, "centre": [left + 2.5, 2.0], **shape})
        way = {"area": name, "width": 1.4}
        there = {"leads_to": f"{other}-door-1", "seconds": 3.0}
        out = {"leads_to": None, "seconds": 0.0}
        doors += [
            {"name": f"{name}-door-1", "position": [left + 5, 2.0], "inwards": math.pi, **way, **there},
            {"name": f"{name}-door-2", "position": [left, 2.0], "inwards": 0.0, **way, **out},
        ]
        place = {"position": [left + 4.5, 0.35, 2.6], "target": [left + 1.5, 2.5, 1.0]}
        cameras.append(
            {"name": f"cam{number}", "area": name, **place, "focal": 500.0, "size": [640, 360], "look": look}
        )
    crowd = {"people": 5, "seconds": 4.0, "fps": 10.0, "seed": 11, "start": 0.0}
    world = {"areas": areas, "things": things, "doors": doors, "cameras": cameras, "sun": [0.0, 0.0, 1.0], "seed": 11}
    return {"crowd": crowd, "world": world}


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


TARGETS = {
    target.name: target
    for target in (
        Target("configuration file", lambda: [(ROOT / "configs/cameras.example.yaml").read_bytes()], _configuration),
        Target("settings", lambda: chance(300), _settings),
        Target("MOT rows", lambda: [b"1,1,5,5,10,20,0.9,1,1\n2,1,6,5,10,20\n", b"1 2 3.5 4 5e1 6\n"], _rows),
        Target(
            "MOT sequence",
            lambda: [(DEMO / "cam1/seqinfo.ini").read_bytes() + b"\0" + b"1,1,5,5,10,20,1,1,0.8\n3,1,6,5,9,20,0,1,1\n"],
            _sequence,
        ),
        Target("scene with truth", lambda: [SCENE, b"", b"overlaps: []"], _scene),
        Target("scene to simulate", lambda: [bytes(4), *chance(50)], _simulated),
        Target("uploaded picture", _pictures, _picture),
        Target("event", lambda: chance(50), any_event),
        Target("event file", lambda: chance(50), outbox_bytes),
        Target("gallery, bytes", lambda: chance(50), gallery_bytes),
        Target("gallery, values", lambda: chance(50), gallery_values),
    )
}
