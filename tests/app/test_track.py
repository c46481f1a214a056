"""`track` as a user runs it: a process of its own, a real RTSP server, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
import yaml

from app.gallery import Gallery
from tests.rtsp.running import RtspServer, free_port, missing, repeated

ROOT = Path(__file__).parents[2]
VIDEOS = ROOT / "demo_videos" / "three-cameras"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    why = missing()
    if why:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("streams")
    mounts = []
    for name in ("cam1", "cam2", "cam3"):
        repeated(VIDEOS / name / "video.mp4", folder / f"{name}.mp4", 300)
        mounts.append({"path": f"/{name}", "file": str(folder / f"{name}.mp4")})
    with RtspServer(*mounts) as made:
        yield made


class Run:
    """`track` on a configuration that may change."""

    def __init__(self, folder, cameras, **more):
        self.folder, self.port = folder / "live", free_port()
        self.file = folder / "cameras.yaml"
        self.more = more
        self.write(cameras)
        self.begin()

    def write(self, cameras):
        config = {
            "cameras": cameras,
            "detector": {"weights": "bundled"},
            "association": {"wait_seconds": 1.0},
            "live": {"folder": str(self.folder)},
            "events": {"metrics_port": self.port},
            **self.more,
        }
        self.file.write_text(yaml.safe_dump(config))

    def begin(self):
        command = [sys.executable, str(ROOT / "run.py"), "track", "--config", str(self.file), "--log", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def events(self):
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def until(self, true, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, Counter((each["kind"], each.get("camera")) for each in self.events())
            time.sleep(0.2)

    def happened(self, kind, *cameras):
        return lambda: set(cameras) <= {each.get("camera") for each in self.events() if each["kind"] == kind}

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def started():
    runs = []

    def start(*arguments, **more):
        runs.append(Run(*arguments, **more))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


def camera(server, name, **more):
    return {"name": name, "source": server.url(f"/{name}"), "analyse_fps": 6, **more}


def test_live_cameras_from_the_first_start_to_a_restart(server, tmp_path, started):
    nowhere = {"name": "nowhere", "source": "rtsp://ann:hidden-word@no-such-host.invalid/x"}
    run = started(tmp_path, [camera(server, "cam1"), camera(server, "cam2"), nowhere])
    # The camera whose name does not resolve holds up nobody.
    run.until(run.happened("track.started", "cam1", "cam2"))
    run.until(run.happened("identity.appeared", "cam1", "cam2"))
    assert run.get("/healthz") == (200, "ok\n")
    assert run.get("/readyz") == (200, "ok\n")
    _, figures = run.get("/metrics")
    assert 'crowdtrace_camera_state{camera="nowhere",state="live"} 0.0' in figures
    assert 'crowdtrace_camera_state{camera="cam1",state="live"} 1.0' in figures
    assert 'crowdtrace_stage_seconds_count{stage="embed"}' in figures
    # One camera goes, another comes, a third is left alone.
    before = len([each for each in run.events() if each["kind"] == "camera.online" and each["camera"] == "cam1"])
    run.write([camera(server, "cam1"), camera(server, "cam3")])
    run.process.send_signal(signal.SIGHUP)
    run.until(run.happened("track.started", "cam3"))
    online = [each for each in run.events() if each["kind"] == "camera.online" and each["camera"] == "cam1"]
    assert len(online) == before == 1
    # A configuration that is wrong is not taken over, and nothing stops.
    run.file.write_text("cameras: [{name: cam1}]")
    run.process.send_signal(signal.SIGHUP)
    run.write([camera(server, "cam1"), camera(server, "cam3")])
    code, out, err = run.end()
    assert code == 0, err
    assert out.rstrip().endswith("ended in order")
    assert "hidden-word" not in out + err + (tmp_path / "live" / "events.jsonl").read_text()
    assert all(json.loads(line) for line in err.splitlines())
    events = run.events()
    assert [each["id"] for each in events] == sorted({each["id"] for each in events})
    assert (events[0]["kind"], events[-1]["kind"]) == ("system.started", "system.stopped")
    tracks = Counter((each["camera"], each["track"]) for each in events if each["kind"] == "track.started")
    ended = Counter((each["camera"], each["track"]) for each in events if each["kind"] == "track.ended")
    assert tracks == ended
    assert set(tracks.values()) == {1}
    with Gallery.open(run.folder / "gallery.db", read_only=True) as gallery:
        stored = gallery.tracklets()
        assert {row.camera for row in stored} == {"cam1", "cam2", "cam3"}
        assert all(row.identity is not None for row in stored)
        assert "hidden-word" not in repr(gallery.cameras())
        people = {each.number for each in gallery.identities()}
        newest = {row.camera: row.track for row in stored}
    told = {each["identity"] for each in events if each["kind"] == "identity.appeared"}
    told |= {each["details"]["into"] for each in events if each["kind"] == "identity.split"}
    assert told >= people

    run.begin()
    count = len(events)
    run.until(lambda: any(each["kind"] == "track.started" for each in run.events()[count:]))
    code, _, err = run.end(signal.SIGINT)
    assert code == 0, err
    for each in run.events()[count:]:
        if each["kind"] == "track.started":
            assert each["track"] > newest[each["camera"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cameras": []}, "cameras: none is configured"),
        ({"cameras": [{"name": "a", "source": "rtsp://u:${NOT_SET_ANYWHERE}@h/x"}]}, "NOT_SET_ANYWHERE"),
        ({"cameras": [{"name": "a", "source": "gone.mp4"}]}, "cameras.0.source: gone.mp4: no such file"),
        ({"cameras": [{"name": "a", "source": "rtsp://h/x"}], "live": {"folder": "file/inside"}}, "file"),
        ({"cameras": [{"name": "a", "source": "rtsp://h/x", "fps": 3}]}, "unknown key"),
    ],
)
def test_bad_configurations_end_with_a_line(change, said, tmp_path, crowdtrace, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    file = tmp_path / "cameras.yaml"
    file.write_text(yaml.safe_dump({"detector": {"weights": "bundled"}, **change}))
    code, _, err = crowdtrace("track", "--config", file)
    assert code == 2
    (line,) = err.splitlines()
    assert said in line
    live = tmp_path / "live"
    assert not live.exists() or not list(live.iterdir())
