"""Figures for Prometheus and the small server that gives them."""

import json
import logging
import re
import socket
import sys
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from app.capture import CameraState
from app.errors import InputError
from app.events import SinkState
from app.health import HealthServer
from app.logs import log_to_stderr
from app.metrics import Metrics

STATE = CameraState("east", "live", 0.0, 0.04, 100, 50, {"stale": 2}, 1, 0, 1280, 720, "h264", 25.0, "")


def figures(metrics):
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines)}


def test_counts_follow_those_of_the_cameras_and_begin_anew_with_them():
    metrics = Metrics()
    metrics.cameras([STATE])
    metrics.cameras([replace(STATE, frames_in=150, reconnects=2, dropped={"stale": 3, "replaced": 4})])
    metrics.cameras([replace(STATE, frames_in=20, state="waiting", frame_age=None)])
    found = figures(metrics)
    assert found['crowdtrace_frames_in_total{camera="east"}'] == 170
    assert found['crowdtrace_frames_dropped_total{camera="east",reason="stale"}'] == 5
    assert found['crowdtrace_frames_dropped_total{camera="east",reason="replaced"}'] == 4
    assert found['crowdtrace_reconnects_total{camera="east"}'] == 3
    assert found['crowdtrace_camera_state{camera="east",state="waiting"}'] == 1
    assert found['crowdtrace_camera_state{camera="east",state="live"}'] == 0


def test_a_camera_that_is_removed_is_forgotten_and_may_come_back():
    metrics = Metrics()
    metrics.cameras([STATE, replace(STATE, name="west")])
    metrics.rates({"east": 5.0, "west": 5.0}, slowed=True)
    metrics.cameras([STATE])
    found = figures(metrics)
    assert 'crowdtrace_fps_in{camera="west"}' not in found
    assert found['crowdtrace_fps_in{camera="east"}'] == 25
    assert found["crowdtrace_slowed"] == 1
    metrics.cameras([STATE, replace(STATE, name="west", frames_in=7)])
    assert figures(metrics)['crowdtrace_frames_in_total{camera="west"}'] == 107


def test_frames_stages_people_events_and_receivers():
    metrics = Metrics()
    for age in (0.06, 0.3, 0.8):
        metrics.frame_done("east", age, 4)
    metrics.stage("detect", 0.03)
    metrics.failed("east")
    metrics.people(12)
    metrics.gallery(1000, 3, failing=True)
    metrics.published("track.started")
    metrics.receivers([SinkState("mqtt", 5, 10, 1, 2, "refused")])
    metrics.receivers([SinkState("mqtt", 0, 16, 1, 2, "")])
    found = figures(metrics)
    assert found['crowdtrace_capture_to_event_seconds_count{camera="east"}'] == 3
    assert found['crowdtrace_capture_to_event_seconds_bucket{camera="east",le="0.7"}'] == 2
    assert found['crowdtrace_frames_analysed_total{camera="east"}'] == 3
    assert found['crowdtrace_people{camera="east"}'] == 4
    assert found["crowdtrace_identities"] == 12
    assert found["crowdtrace_gallery_failing"] == 1
    assert found['crowdtrace_events_delivered_total{receiver="mqtt"}'] == 16
    assert found['crowdtrace_events_dead_total{receiver="mqtt"}'] == 1
    assert found['crowdtrace_receiver_failing{receiver="mqtt"}'] == 0


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_server_tells_figures_and_how_the_run_is():
    verdicts = {"alive": (True, ""), "ready": (False, "no camera is live")}
    server = HealthServer("127.0.0.1", 0, Metrics().text, lambda: verdicts["alive"], lambda: verdicts["ready"])
    try:
        code, text = get(server.port, "/metrics")
        assert code == 200
        assert re.search(r"^crowdtrace_identities 0\.0$", text, re.MULTILINE)
        assert get(server.port, "/healthz?x=1") == (200, "ok\n")
        assert get(server.port, "/readyz") == (503, "no camera is live\n")
        assert get(server.port, "/../etc/passwd")[0] == 404
    finally:
        server.close()


def test_a_port_that_is_taken_is_said_in_a_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1:{port}: metrics cannot be served there"):
            HealthServer("127.0.0.1", port, bytes, lambda: (True, ""), lambda: (True, ""))


@pytest.mark.parametrize("style", ["plain", "json"])
def test_the_log_holds_no_passwords(style, monkeypatch, capsys):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    try:
        with capsys.disabled():
            pass
        log_to_stderr(style)
        stream = root.handlers[0]
        said = []
        monkeypatch.setattr(stream, "emit", lambda record: said.append(stream.format(record)))
        try:
            raise RuntimeError("cannot open rtsp://ann:hidden@host/x?token=hidden")
        except RuntimeError:
            logging.getLogger("app.capture").exception("camera east: rtsp://ann:hidden@host/x")
        logging.getLogger("app.capture").info("well")
        logging.getLogger("elsewhere").info("not wanted")
    finally:
        root.handlers[:], root.level = handlers, level
    assert len(said) == 2
    assert "hidden" not in "".join(said)
    if style == "json":
        assert json.loads(said[1])["message"] == "well"
        assert "RuntimeError" in json.loads(said[0])["error"]
    else:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO well", said[1])
