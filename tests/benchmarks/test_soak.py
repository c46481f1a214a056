"""What the soak test takes for lost, doubled or grown: made up, and found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.gallery import Gallery, LiveIndex
from app.gallery.rows import TrackletRow
from benchmarks import soak_checks
from benchmarks.soak_checks import held, in_order, log, told, twice
from benchmarks.soak_crowd import Look
from benchmarks.soak_world import HOOK, DurableBroker
from tests.app.events.servers import Broker
from tests.app.galleries import MODEL, camera, features, tracklet


def row(track: int, start: float, count: int, left: float = 0.0, identity: int | None = 1, camera: str = "hall") -> Any:
    boxes = np.tile(np.array([left, 0, left + 50, 100], np.float32), (count, 1))
    times = np.round(start + np.arange(count) / 10, 3)
    return TrackletRow(camera, track, np.arange(count), times, boxes, np.ones(count, np.float32), identity)


def test_two_boxes_of_one_moment_are_two_people() -> None:
    assert twice([row(1, 0.0, 20), row(2, 0.0, 20, left=300)]) == [(1, "hall", 1, 2)]
    assert twice([row(1, 0.0, 20), row(2, 2.0, 20, left=300)]) == [], "one after the other, frames counted anew"
    assert twice([row(1, 0.0, 20), row(2, 0.0, 20, left=10)]) == [], "on each other"
    assert twice([row(1, 0.0, 20), row(2, 1.8, 20, left=300)]) == [], "in a tenth of the frames alone"
    assert twice([row(1, 0.0, 20), row(2, 0.0, 20, left=300, identity=2)]) == []
    assert twice([row(1, 0.0, 20), row(2, 0.0, 20, left=300, camera="gate")]) == []
    assert twice([row(1, 0.0, 20, identity=None), row(2, 0.0, 20, left=300, identity=None)]) == []


def test_each_search_once_and_in_order() -> None:
    searcher = cast(Any, SimpleNamespace(answered=["soak 1", "soak 3"], refused=1))
    assert in_order(["soak 1", "soak 2", "soak 3"], searcher)["passed"], "the second was entered, and never answered"
    assert not in_order(["soak 1"], searcher)["passed"]
    assert not in_order(["soak 3", "soak 1"], searcher)["passed"]
    assert not in_order(["soak 1", "soak 1", "soak 3"], searcher)["passed"]
    assert not in_order([], cast(Any, SimpleNamespace(answered=[], refused=9)))["passed"]


FIRST = [Look(float(second), 1, 900.0, 50, 6) for second in range(0, 90, 3)]


def looks(grows: float, more: int, indexed: float = 0.0) -> Any:
    """A long stretch after a short one, growing by so many megabytes a minute and so many sightings a second."""
    long = [
        Look(float(s), 2, 1000.0 + grows * s / 60, 100 + more * (s > 900), int(indexed * s))
        for s in range(100, 1500, 3)
    ]
    return SimpleNamespace(looks=FIRST + long)


def test_what_grows_in_the_longest_stretch_is_found() -> None:
    flat = held(looks(0.1, 0), 7000)
    assert flat["passed"]
    assert flat["seconds"] == 1353
    assert flat["slope_mb_min"] == pytest.approx(0.1)
    assert len(flat["memory_without_index_each_minute_mb"]) == 23
    assert not held(looks(1.5, 0), 7000)["passed"]
    assert not held(looks(0.0, 20), 7000)["passed"]
    short = held(cast(Any, SimpleNamespace(looks=FIRST)), 7000)
    assert short["left"] == ["too short to say"]


def test_whoever_waits_long_for_an_identity_is_found() -> None:
    seen = {("east", 1), ("west", 7)}
    good = SimpleNamespace(tracklets=seen, nameless={("east", 1): 4.0})
    assert soak_checks.names(cast(Any, good)) | {"told": 0} == {
        "name": "names",
        "told": 0,
        "back_s": 4.0,
        "left": [],
        "passed": True,
    }
    bad = soak_checks.names(cast(Any, SimpleNamespace(tracklets=seen, nameless={("east", 1): 4.0, ("west", 7): 61.0})))
    assert (bad["passed"], bad["left"]) == (False, ["west:7"])
    assert not soak_checks.names(cast(Any, SimpleNamespace(tracklets=set(), nameless={})))["passed"], "nothing was seen"


def test_of_what_grows_only_the_index_s_own_rows_are_left_out(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery.db", MODEL) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(1, exemplars=features(3))])
        index = LiveIndex.open(gallery)
    assert index is not None
    (part,) = index._state.parts
    a_row = sum(values.nbytes for values in (*part.columns.values(), part.alive)) / len(part)
    bytes_each = soak_checks.indexed_bytes(tmp_path)
    assert bytes_each == a_row
    megabytes = 60 * 4 * bytes_each / 2**20
    as_it_must = held(looks(megabytes, 0, indexed=4), bytes_each)
    assert as_it_must["passed"]
    assert as_it_must["slope_mb_min"] == pytest.approx(0, abs=0.02)
    assert not held(looks(megabytes + 1.5, 0, indexed=4), bytes_each)["passed"]


def test_events_are_compared_over_all_files(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(number), "kind": "track.started"}) for number in range(4)]
    (tmp_path / "events.1.jsonl").write_text("\n".join(lines[:2]) + "\n")
    (tmp_path / "events.jsonl").write_text("\n".join(lines[1:]) + "\n")
    assert set(told(tmp_path)) == {"0", "1", "2", "3"}
    everything = {str(number): {"id": str(number)} for number in range(4)}
    good = soak_checks.events(tmp_path, cast(Any, SimpleNamespace(events=everything, count=6)))
    assert good == {"name": "events", "told": 4, "lost": 0, "again": 3, "passed": True}
    for heard in ({**everything, "9": {}}, {"0": {}, "1": {}, "2": {}}):
        bad = soak_checks.events(tmp_path, cast(Any, SimpleNamespace(events=heard, count=4)))
        assert (bad["lost"], bad["passed"]) == (1, False)


def test_exceptions_in_the_log_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    assert log(path)["passed"]
    path.write_text("ERROR it failed\nTraceback (most recent call last):\n  File x\nKeyError: 'y'\nmore\n")
    found = log(path)
    assert (found["passed"], found["unforeseen"], found["left"]) == (False, 1, ["KeyError: 'y'"])


def test_the_hook_sets_the_clock_of_a_program_off_and_back_again_and_leaves_its_waits(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    clock = tmp_path / "clock"
    clock.write_text("3600")
    program = """
import sys, time
print(time.time(), flush=True)
sys.stdin.readline()
begun = time.monotonic()
time.sleep(0.3)
print(time.time(), time.time_ns() / 1e9, time.monotonic() - begun)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "CROWDTRACE_SOAK_CLOCK": str(clock)}
    run = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert float(run.stdout.readline()) - time.time() == pytest.approx(3600, abs=60)
    clock.write_text("-90")
    said, _ = run.communicate("\n", timeout=30)
    seconds, nanoseconds, slept = map(float, said.split())
    assert seconds - time.time() == pytest.approx(-90, abs=30)
    assert nanoseconds == pytest.approx(seconds, abs=1)
    assert 0.3 <= slept < 30


def test_a_broker_that_is_stopped_hands_on_afterwards_what_it_has(tmp_path: Path) -> None:
    if Broker.missing():
        pytest.skip("mosquitto is not installed; apt-get install mosquitto")
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    from benchmarks.soak_crowd import Heard
    from tests.app.events.servers import eventually

    broker = DurableBroker(tmp_path)
    try:
        heard = Heard(broker.port)
        eventually(lambda: heard._client.is_connected())
        time.sleep(0.2)
        heard.close()
        sender = paho.Client(CallbackAPIVersion.VERSION2)
        sender.connect("127.0.0.1", broker.port)
        sender.loop_start()
        sender.publish("crowdtrace/x", json.dumps({"id": "7"}), qos=1).wait_for_publish(5)
        sender.loop_stop()
        broker.stop()
        broker.start()
        again = Heard(broker.port)
        eventually(lambda: "7" in again.events)
        again.close()
    finally:
        broker.stop()
