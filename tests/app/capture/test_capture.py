"""Cameras come, go and are connected anew; files are played in their own time; nothing is left behind."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.capture import Capture
from app.config import CameraConfig
from app.config_live import LiveConfig
from app.errors import InputError
from tests.rtsp.running import Answering, mjpeg
from tests.rtsp.watching import Watching, decoders, held

pytestmark = pytest.mark.timeout(60)


def film(path: Path, frames: int, size: tuple[int, int] = (64, 48), fps: int = 20) -> None:
    """A video whose frame n is as bright as 6 n, up to frame 40."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"qp": "0", "threads": "1"})
        stream.width, stream.height = size
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 6 * min(number, 40), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


def test_a_file_is_played_once_in_its_own_time_and_then_ended(tmp_path):
    film(tmp_path / "a.mp4", 40)
    with Watching() as watching:
        begun = time.time()
        watching.add("file", str(tmp_path / "a.mp4"), analyse_fps=30)
        watching.until(lambda: watching.state("file").state == "ended", 10)
        state = watching.state("file")
        watching.capture.restart("file")
        watching.until(watching.frames_come("file"), 5)
    assert "played to its end" in state.reason
    assert watching.told("file") == ["online", "offline", "online"]
    frames = watching.frames["file"]
    first = [frame for frame in frames if frame.index < 40]
    times = [frame.time - first[0].time for frame in first]
    # All of them but a few, when the machine is busy; each at its time.
    assert len(first) >= 30
    assert all(abs(when - (frame.index - first[0].index) / 20) < 0.02 for when, frame in zip(times, first, strict=True))
    assert [float(frame.image.mean()) for frame in first] == pytest.approx([6 * frame.index for frame in first], abs=4)
    assert begun <= first[0].time <= time.time()
    # From its beginning again, under numbers that go on.
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert frames[-1].index >= 40


def test_a_folder_of_images_is_played_in_natural_order_at_its_rate(tmp_path):
    for number in (1, 2, 3, 10, 20):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((30, 40, 3), 10 * number, np.uint8))
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=10\n")
    with Watching() as watching:
        watching.add("folder", str(tmp_path), analyse_fps=30)
        watching.until(lambda: watching.state("folder").state == "ended", 10)
    frames = watching.frames["folder"]
    assert [int(frame.image.mean()) for frame in frames] == [10, 20, 30, 100, 200]
    gaps = [after.time - before.time for before, after in itertools.pairwise(frames)]
    assert gaps == pytest.approx([0.1] * 4, abs=0.02)


def test_a_web_camera_without_times_is_timed_by_when_its_pictures_come():
    with Answering(mjpeg) as server, Watching() as watching:
        watching.add("web", f"http://me:secret-word@127.0.0.1:{server.port}/video.mjpg")
        watching.until(watching.frames_come("web", count=15), 10)
        state = watching.state("web")
    frames = watching.frames["web"][-10:]
    gaps = [after.time - before.time for before, after in itertools.pairwise(frames)]
    assert float(np.mean(gaps)) == pytest.approx(1 / 12, abs=0.02)
    assert state.codec == "mjpeg"
    assert state.fps_in == pytest.approx(12, abs=2)


def test_only_as_many_frames_as_are_asked_for(tmp_path):
    film(tmp_path / "a.mp4", 120)
    with Watching() as watching:
        watching.add("file", str(tmp_path / "a.mp4"))
        watching.until(watching.frames_come("file"), 5)
        watching.capture.set_rate("file", 4)
        watching.during(0.4)
        assert 3 <= watching.during(1.5)["file"] <= 8
        watching.capture.set_rate("file", 1000)
        watching.during(0.4)
        # Not more than the configuration allows.
        assert 10 <= watching.during(1.0)["file"] <= 17


def test_frames_that_nobody_takes_are_dropped_and_counted(tmp_path):
    film(tmp_path / "a.mp4", 60)
    with Watching(stale_seconds=0.2) as watching:
        watching.add("file", str(tmp_path / "a.mp4"), analyse_fps=10)
        watching.until(watching.frames_come("file", count=1), 5)
        time.sleep(1.2)
        (frame,) = watching.capture.take() or [None]
        assert frame is None or time.time() - frame.time < 0.3
        assert watching.state("file").dropped["replaced"] >= 8
        watching.until(lambda: watching.state("file").state == "ended", 5)
        assert not watching.capture.wait(0.0)
        assert watching.capture.take() == []


def test_connecting_anew_leaks_nothing():
    names = [f"hit{number}" for number in range(4)]
    with Answering(mjpeg) as server:
        before = held()
        with Watching() as watching:
            for name in names:
                watching.add(name, f"http://127.0.0.1:{server.port}/")
            watching.until(watching.frames_come(*names, count=1), 10)
            during = held()
            for number in range(5):
                for name in names:
                    watching.capture.restart(name)
                watching.until(watching.frames_come(*names, count=1), 10)
                assert [watching.state(name).reconnects for name in names] == [number + 1] * 4
            # Sockets of the server's side come and go in this process too.
            watching.until(lambda: held() == during, 3)
            assert during["decoders"] == 4
            for name in names:
                watching.capture.remove(name)
            assert watching.capture.states() == []
            watching.until(lambda: not decoders(), 3)
        deadline = time.monotonic() + 3
        while held() != before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert held() == before


def test_a_camera_of_the_same_name_takes_the_place_of_the_one_before(tmp_path):
    film(tmp_path / "a.mp4", 60)
    film(tmp_path / "b.mp4", 60, (32, 24))
    with Watching() as watching:
        watching.add("one", str(tmp_path / "a.mp4"))
        watching.until(watching.frames_come("one", count=1), 5)
        watching.add("one", str(tmp_path / "b.mp4"))
        watching.frames.clear()
        watching.until(watching.frames_come("one", count=1), 5)
        assert watching.frames["one"][0].image.shape == (24, 32, 3)
        watching.until(lambda: len(decoders()) == 1, 2)
        # Orders for a camera that is not there any more are no mistake.
        watching.capture.remove("other")
        watching.capture.restart("other")
        watching.capture.set_rate("other", 1)


def test_closing_is_quick_whatever_the_cameras_do(tmp_path):
    film(tmp_path / "a.mp4", 60)
    before = held()
    capture = Capture(LiveConfig())
    for number, source in enumerate([str(tmp_path / "a.mp4"), "rtsp://127.0.0.1:1/x", "/dev/video97"]):
        capture.add(CameraConfig(name=f"c{number}", source=source))
    capture.wait(3)
    begun = time.monotonic()
    capture.close()
    capture.close()
    assert time.monotonic() - begun < 2
    assert held() == before
    with pytest.raises(RuntimeError, match="closed"):
        capture.add(CameraConfig(name="late", source="a.mp4"))
    assert not capture.wait(0.1)


def test_a_source_that_cannot_be_meant_is_refused_at_once():
    with Watching() as watching:
        with pytest.raises(InputError, match="NO_SUCH_WORD, which is not set"):
            watching.add("one", "rtsp://me:${NO_SUCH_WORD}@host/x")
        assert watching.capture.states() == []


def test_pictures_that_need_too_much_memory_cost_their_camera_alone(tmp_path):
    film(tmp_path / "small.mp4", 400)
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((7000, 7000), np.uint8))
    with Watching(decoder_megabytes=256) as watching:
        watching.add("large", str(tmp_path))
        watching.add("small", str(tmp_path / "small.mp4"))
        watching.until(lambda: "offline" in watching.told("large"), 10)
        watching.until(watching.frames_come("small"), 5)
        assert "live.decoder_megabytes" in watching.state("large").reason
        assert watching.state("large").restarts >= 1


ORPHAN = """
import os, sys, time
from app.capture import Capture
from app.config import CameraConfig
from app.config_live import LiveConfig
capture = Capture(LiveConfig())
capture.add(CameraConfig(name="one", source=sys.argv[1]))
assert capture.wait(20)
children = open(f"/proc/self/task/{capture._thread.native_id}/children").read().split()
print(*children, flush=True)
time.sleep(60)
"""


def test_decoders_die_with_a_parent_that_is_killed(tmp_path):
    film(tmp_path / "a.mp4", 400)
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path / "a.mp4")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 1
    finally:
        parent.kill()
        parent.communicate()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and any(_alive(pid) for pid in pids):
        time.sleep(0.02)
    assert not any(_alive(pid) for pid in pids)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_decoding_process_is_light():
    script = "import sys, app.capture.worker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "pydantic", "app.config", "cv2", "ultralytics"} & set(run.stdout.split())
