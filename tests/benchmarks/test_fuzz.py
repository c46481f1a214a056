"""Every input that comes from outside, a few changes of each; the long form is `python -m benchmarks.fuzz`."""

from __future__ import annotations

import copy
import functools
import json
import math
import operator
import random
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association_scene import _read_file
from app.config import CameraConfig
from app.errors import InputError
from app.events.event import new_event
from app.events.outbox import Outbox
from app.gallery import Gallery
from app.gallery.packing import Dimensions, unpack_features
from app.gallery.upkeep import verify
from app.regions import Regions
from app.settings import load_config, validated
from app.simulation.scene import SceneFile, check_scene
from benchmarks.fuzz import Recorder, changed, main
from benchmarks.fuzz_draw import Draw, folder, refused
from benchmarks.fuzz_stores import small_gallery
from benchmarks.fuzz_targets import TARGETS, _small_scene
from tests.conftest import ROOT
from trackers.evaluation import SequenceError, read_mot

CASES = {"gallery, bytes": 100, "gallery, values": 100}


@pytest.mark.parametrize("name", TARGETS)
def test_changed_input_is_accepted_or_refused(name: str) -> None:
    target, rng = TARGETS[name], random.Random(7)
    recorder, seeds = Recorder(target.run), target.seeds()
    for _ in range(CASES.get(name, 150)):
        recorder(changed(rng.choice(seeds), seeds, rng))
    assert recorder.crashes == {}


@pytest.mark.parametrize("name", ["settings", "event", "scene to simulate"])
def test_seeds_as_they_are(name: str) -> None:
    recorder = Recorder(TARGETS[name].run)
    for seed in TARGETS[name].seeds():
        recorder(seed)
    assert recorder.crashes == {}
    assert recorder.refused < recorder.cases, "some are accepted, or what is behind the door is never reached"


@pytest.mark.parametrize(
    "name",
    ["configuration file", "MOT rows", "MOT sequence", "scene with truth", "uploaded picture"],
)
def test_unchanged_seeds_are_accepted(name: str) -> None:
    assert all(TARGETS[name].run(seed) for seed in TARGETS[name].seeds())


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_settings_of_any_kind(data: bytes) -> None:
    TARGETS["settings"].run(data)


def test_a_crash_is_told_once_with_its_input() -> None:
    def run(data: bytes) -> bool:
        if data == b"good":
            return True
        raise KeyError(data)

    recorder = Recorder(run)
    for data in (b"good", b"one", b"two"):
        recorder(data)
    assert recorder.cases == 3
    ((what, data),) = recorder.crashes.items()
    assert what.startswith("KeyError in test_fuzz.py:")
    assert data == b"one"


def test_changes_are_repeatable_and_bounded() -> None:
    seeds = [b"abc", b"", b"x" * 9000]
    first, second = (
        [changed(seeds[turn % 3], seeds, rng) for turn in range(300)] for rng in (random.Random(1), random.Random(1))
    )
    assert first == second
    assert len(set(first)) > 200
    assert max(map(len, first)) <= 8192


def test_the_command_writes_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["fuzz", "--target", "MOT rows", "--cases", "50", "--json", str(tmp_path / "fuzz.json")]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    (row,) = json.loads((tmp_path / "fuzz.json").read_text())["results"]
    assert (row["name"], row["crashes"]) == ("MOT rows", 0)
    assert row["cases"] >= 50


# ---- what was found, and mended ----


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"reason": "torn \udc9a name"}, {"reason": "torn ? name"}),
        ({"speed": float("inf"), "at": [float("nan"), 1.5]}, {"speed": None, "at": [None, 1.5]}),
        ({"box": (1, 2)}, {"box": [1, 2]}),
        ({"source": Path("a/b")}, {"source": "a/b"}),
    ],
)
def test_an_event_is_strict_json_whatever_is_in_it(details: dict[str, object], said: object, tmp_path: Path) -> None:
    event = new_event("camera.failed", 5.0, camera="hall", details=details)
    body = event.to_json()
    assert json.loads(body, parse_constant=pytest.fail)["details"] == said
    outbox = Outbox(tmp_path / "outbox.db", ["file"], 10, 60.0, lambda: 0.0)
    outbox.add(event.kind, event.camera, body)
    assert outbox.waiting("file", 1)[0].body == body
    outbox.close()


def test_an_event_file_with_a_damaged_schema_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path, ["file"], 10, 60.0, lambda: 0.0).close()
    held = path.read_bytes()
    at = held.index(b"CREATE TABLE receivers")
    path.write_bytes(held[: at + 7] + b"\xaf\xe0" + held[at + 9 :])
    with pytest.raises(InputError, match="events cannot be kept there"):
        Outbox(path, ["file"], 10, 60.0, lambda: 0.0)


@pytest.fixture
def gallery(tmp_path: Path) -> Callable[[str], Path]:
    """A small gallery, changed by a statement."""

    def change(statement: str) -> Path:
        path = tmp_path / "gallery.db"
        path.write_bytes(small_gallery())
        database = sqlite3.connect(path)
        database.execute(statement)
        database.commit()
        database.close()
        return path

    return change


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = x'0028' WHERE key = 'schema'",
        "UPDATE meta SET value = x'028ef1' WHERE key = 'pooled'",
        "UPDATE vectors SET pooled = 7",
        "UPDATE vectors SET saliency = 0.5",
        "UPDATE tracklets SET frames = 3",
    ],
)
def test_values_of_another_type_are_damage(statement: str, gallery: Callable[[str], Path]) -> None:
    path = gallery(statement)

    def read() -> None:
        with Gallery.open(path, read_only=True) as opened:
            opened.tracklets()
            opened.sightings()
            problems = verify(opened).problems
        raise InputError(f"{path}: is damaged: {problems[0]}")

    with pytest.raises(InputError, match="damaged"):
        read()


def test_a_gallery_with_a_damaged_schema_is_told_in_a_line(tmp_path: Path) -> None:
    held = small_gallery()
    at = held.index(b"CREATE TABLE cameras")
    path = tmp_path / "gallery.db"
    path.write_bytes(held[: at + 7] + b"\xc5\xc5" + held[at + 9 :])
    with pytest.raises(InputError, match="damaged"):
        Gallery.open(path, read_only=True)


def test_draws_end_where_the_bytes_end() -> None:
    draw = Draw(b"")
    assert (draw.below(10), draw.text(), draw.bytes(3)) == (0, "", b"\0\0\0")
    assert folder().is_dir()


@pytest.mark.parametrize("row", ["1e300,1,5,5,10,20", "1,-1e19,5,5,10,20"])
def test_frames_and_numbers_too_large_are_refused_not_made_others(row: str, tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text(row + "\n")
    with pytest.raises(SequenceError, match="expected a frame from 1 and a whole id"):
        read_mot(tmp_path / "gt.txt")


@pytest.mark.parametrize("text", ["a: 2026-02-30", "a: " + "[" * 5000, "a: 2026-01-01T99:00:00"])
def test_yaml_that_python_cannot_make_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"not valid YAML|unknown key"):
        load_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        _read_file(path)
    with pytest.raises(InputError, match=r"not valid YAML|unknown key"):
        load_config(None, [text.replace(": ", "=")])


def test_an_override_with_half_a_letter_is_refused() -> None:
    for text in ("detector.weights=\udc80x", 'detector.weights="\\udcb4"', 'live.folder="a\\ud800"'):
        with pytest.raises(InputError, match="--set"):
            load_config(None, [text])


def test_polygons_may_reach_far_beyond_the_picture() -> None:
    far = CameraConfig(name="a", source="b.mp4", ignore=[[(0, 0), (10, 0), (10, 1e31), (0, 1e31)]])
    inside = Regions(far, 64, 48).keep(np.array([[2.0, 2, 8, 40], [30, 2, 40, 40]]))
    assert inside.tolist() == [False, True]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("values", [[np.inf, -np.inf], [np.nan, 0], [6e4, 6e4]])
def test_saliency_that_is_no_number_is_refused_without_a_warning(values: list[float]) -> None:
    size = Dimensions(1, len(values), 1)
    saliency = np.array(values, "<f2").tobytes()
    one, more = np.ones(1, "<f2").tobytes(), np.ones(len(values), "<f2").tobytes()
    with pytest.raises(ValueError, match="saliency"):
        unpack_features([one], [more], [saliency], [0.5], size)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("mass", [1e308, -1e308, math.inf, math.nan])
def test_mass_that_is_no_number_is_refused_without_a_warning(mass: float) -> None:
    one = np.ones(1, "<f2").tobytes()
    with pytest.raises(ValueError, match="mass"):
        unpack_features([one], [one], [one], [mass], Dimensions(1, 1, 1))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_scene_with_any_number_out_of_proportion_is_accepted_or_refused() -> None:
    path, taken = Path("scene.yaml"), []
    for place in places(_small_scene()):
        for number in (1e308, -1e155, 2**200, math.nan):
            scene = copy.deepcopy(_small_scene())
            *way, last = place
            functools.reduce(operator.getitem, way, scene)[last] = number
            taken.append(not refused(lambda: check_scene(validated(scene, SceneFile, path), path)))  # noqa: B023
    assert len(taken) > 250
    assert 0 < sum(taken) < len(taken)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of nested values are."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))
    elif isinstance(value, int | float):
        yield at
