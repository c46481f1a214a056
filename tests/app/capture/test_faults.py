"""What can go wrong with a camera, against a real RTSP server: each costs only that camera, and it comes back."""

from __future__ import annotations

import itertools
import os
import signal
import socket

import pytest

from tests.rtsp.running import Answering, RtspServer, Wire, garbage, missing
from tests.rtsp.watching import Watching, decoders

BACK = 5.0
"""Seconds within which a camera is back."""

ONE = {"path": "/one", "width": 160, "height": 120, "fps": 15, "gop": 5}
QUICK = {"stalled_seconds": 1.5}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def healthy():
    """A camera that nothing ever happens to."""
    why = missing()
    if why:
        pytest.skip(why)
    with RtspServer(ONE, {**ONE, "path": "/two", "audio": True}) as server:
        yield server


@pytest.fixture
def watching(healthy):
    with Watching(**QUICK) as watching:
        watching.add("healthy", healthy.url("/one"))
        yield watching
        # Whatever happened to the other camera, this one was there all the time.
        assert watching.told("healthy") == ["online"]


def test_h264_h265_and_mjpeg_are_seen_with_increasing_times_and_without_sound(watching, healthy):
    kinds = {"h265": "hevc", "mjpeg": "mjpeg"}
    mounts = [{**ONE, "path": f"/{codec}", "codec": codec} for codec in kinds]
    # Its second key frame comes after ten seconds: the first must not be lost in connecting.
    mounts.append({**ONE, "path": "/seldom", "gop": 150})
    with RtspServer(*mounts) as server:
        for codec in kinds:
            watching.add(codec, server.url(f"/{codec}"))
        watching.add("seldom", server.url("/seldom"))
        watching.until(watching.frames_come("seldom"), 7)
        watching.add("sound", healthy.url("/two"))
        watching.add("udp", healthy.url("/one"), transport="udp")
        watching.add("slow", healthy.url("/one"), analyse_fps=5)
        watching.until(watching.frames_come("healthy", "sound", "slow", "udp", *kinds, count=8), 20)
    assert {name: watching.state(name).codec for name in kinds} == kinds
    assert watching.state("sound").codec == "h264"
    for frames in watching.frames.values():
        times = [frame.time for frame in frames]
        assert all(before < after for before, after in itertools.pairwise(times))
        assert all(frame.image.shape == (120, 160, 3) and frame.image.std() > 20 for frame in frames)
    slow = [frame.time for frame in watching.frames["slow"]]
    assert 4 < (len(slow) - 1) / (slow[-1] - slow[0]) < 6
    assert max(watching.ages) < 0.6


def test_a_server_that_is_killed_and_started_again(watching):
    with RtspServer(ONE) as server:
        watching.add("hit", server.url("/one"))
        watching.until(watching.frames_come("hit", "healthy"), 10)
        server.kill()
        watching.until(lambda: "offline" in watching.told("hit"), 4)
        assert watching.during(1.0)["healthy"] > 5
        watching.until(lambda: "refused" in watching.state("hit").reason, 5)
        assert watching.state("hit").state in ("waiting", "connecting")
        server.start()
        assert watching.until(watching.frames_come("hit", count=1), 10) < BACK
    assert watching.told("hit")[:3] == ["online", "offline", "online"]
    assert watching.state("hit").reconnects == 1


def test_a_server_that_freezes(watching):
    with RtspServer(ONE) as server:
        watching.add("hit", server.url("/one"))
        watching.until(watching.frames_come("hit", "healthy"), 10)
        server.freeze()
        noticed = watching.until(lambda: "offline" in watching.told("hit"), 4)
        assert noticed > 1.0
        assert "no frame for 1.5 s" in next(each.reason for each in watching.notices if each.kind == "offline")
        assert watching.during(1.5)["healthy"] > 8
        server.thaw()
        assert watching.until(watching.frames_come("hit", count=1), 10) < BACK
        # What lay in queues meanwhile is not shown as if it were new.
        assert max(watching.ages) < 0.6


@pytest.mark.parametrize("how", ["held", "reset"])
def test_packets_that_are_cut_half_way(watching, how):
    with RtspServer(ONE) as server, Wire(server.port) as wire:
        watching.add("hit", f"rtsp://127.0.0.1:{wire.port}/one")
        watching.until(watching.frames_come("hit", "healthy"), 10)
        if how == "held":
            wire.held = True
            watching.until(lambda: "offline" in watching.told("hit"), 4)
            assert watching.during(1.0)["healthy"] > 5
            wire.held = False
        else:
            wire.reset()
            watching.until(lambda: "offline" in watching.told("hit"), 4)
        assert watching.until(watching.frames_come("hit", count=1), 10) < BACK


@pytest.mark.parametrize("digest", [False, True])
def test_a_wrong_password_is_named_and_not_tried_again_and_again_and_never_shown(watching, digest, caplog):
    mount = {**ONE, "user": "watcher", "password": "Sesame-17"}
    with RtspServer(mount, digest=digest) as server:
        watching.add("right", server.url("/one", "watcher:Sesame-17@"))
        watching.add("wrong", server.url("/one", "watcher:Sesame-18@"))
        watching.add("none", server.url("/one"))
        watching.add("path", server.url("/other", "watcher:Sesame-17@"))
        watching.until(watching.frames_come("right", "healthy"), 10)
        watching.until(lambda: all("offline" in watching.told(name) for name in ("wrong", "none", "path")), 5)
        # The address is nowhere that others can look.
        arguments = b"".join(open(f"/proc/{pid}/cmdline", "rb").read() for pid in decoders())  # noqa: PTH123, SIM115
        watching.during(1.0)
    states = watching.capture.states()
    assert "password" in watching.state("wrong").reason
    assert "password" in watching.state("none").reason
    assert "path" in watching.state("path").reason
    # One attempt, then a long wait: cameras lock out whoever goes on.
    assert watching.state("wrong").state == "waiting"
    assert arguments
    for word in ("Sesame", "watcher"):
        assert word not in repr((states, watching.notices)) + caplog.text
        assert word.encode() not in arguments


def test_what_cannot_be_reached_at_the_start_keeps_no_other_from_starting(watching, tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    with Answering(garbage) as server, Answering(lambda connection: connection.recv(4096)) as closing:
        expected = {
            "name": ("rtsp://no-such-camera.invalid/one", "does not resolve"),
            "refused": ("rtsp://127.0.0.1:1/one", "connection refused"),
            "garbage": (f"rtsp://127.0.0.1:{server.port}/one", "not video"),
            "webgarbage": (f"http://127.0.0.1:{server.port}/one.mjpg", ""),
            "closing": (f"rtsp://127.0.0.1:{closing.port}/one", "not video"),
            "webcam": ("/dev/video97", "no such device"),
            "gone": (str(tmp_path / "gone.mp4"), "no such file"),
            "text": (str(tmp_path / "text.mp4"), "not a video"),
        }
        for name, (source, _) in expected.items():
            watching.add(name, source)
        watching.until(watching.frames_come("healthy"), 15)
        watching.until(lambda: all("offline" in watching.told(name) for name in expected), 15)
    for name, (_, reason) in expected.items():
        said = next(notice.reason for notice in watching.notices if notice.camera == name)
        assert said
        assert reason in said, name
        assert "\n" not in said


def test_a_camera_that_never_answers(watching):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        watching.add("hit", f"rtsp://127.0.0.1:{silent.getsockname()[1]}/one")
        watching.until(lambda: "offline" in watching.told("hit"), 6)
        assert "no answer" in watching.state("hit").reason


def test_a_stream_whose_size_changes_half_way(watching):
    with RtspServer({**ONE, "sizes": [[160, 120], [640, 480], [320, 240]], "seconds": 1}) as server:
        watching.add("hit", server.url("/one"))
        watching.until(lambda: len({frame.image.shape for frame in watching.frames["hit"]}) == 3, 10)
    assert watching.state("hit").reconnects == 0
    assert watching.told("hit")[:3] == ["online", "changed", "changed"]
    assert all(frame.image.std() > 20 for frame in watching.frames["hit"])


def test_a_camera_that_comes_back_with_another_codec(watching):
    with RtspServer(ONE) as server:
        watching.add("hit", server.url("/one"))
        watching.until(watching.frames_come("hit"), 10)
        server.kill()
        server.mounts = ({**ONE, "codec": "h265", "width": 320, "height": 240},)
        server.start()
        watching.until(lambda: "changed" in watching.told("hit"), BACK)
    reason = next(notice.reason for notice in watching.notices if notice.kind == "changed")
    assert reason == "320 x 240 hevc, was 160 x 120 h264"


def test_a_decoder_that_crashes_or_hangs_costs_its_camera_a_restart(watching):
    watching.until(watching.frames_come("healthy"), 10)
    others = set(decoders())
    with RtspServer(ONE) as server:
        watching.add("hit", server.url("/one"))
        watching.until(watching.frames_come("hit"), 10)
        (victim,) = set(decoders()) - others
        os.kill(victim, signal.SIGSEGV)
        watching.until(lambda: "offline" in watching.told("hit"), 4)
        assert "crashed (signal 11)" in next(each.reason for each in watching.notices if each.kind == "offline")
        watching.until(watching.frames_come("hit", count=1), BACK)
        assert watching.state("hit").restarts == 1
        (victim,) = set(decoders()) - others
        os.kill(victim, signal.SIGSTOP)
        watching.until(lambda: watching.told("hit").count("offline") == 2, 4)
        watching.until(watching.frames_come("hit", count=1), BACK)
        assert victim not in decoders()
