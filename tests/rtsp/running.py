"""Servers that tests start, stop, freeze and kill, and a wire between them and the camera that can be cut."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("server.py")

_PROBE = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
needed = "x264enc x265enc jpegenc rtph264pay rtph265pay rtpjpegpay h264parse h265parse videotestsrc".split()
missing = [name for name in needed if Gst.ElementFactory.find(name) is None]
print(" ".join(missing) or "complete")
"""


def missing() -> str:
    """What the server lacks on this machine; empty where it can run."""
    if not Path(PYTHON).exists():
        return f"no {PYTHON}"
    run = subprocess.run([PYTHON, "-W", "ignore", "-c", _PROBE], capture_output=True, text=True, timeout=60)
    if run.returncode:
        return "GStreamer's RTSP server is not installed (.ci/run names the packages)"
    said = run.stdout.strip()
    return "" if said == "complete" else f"GStreamer lacks {said}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def repeated(source: Path, target: Path, seconds: float) -> None:
    """A video again and again until it is at least so long; its packets as they are."""
    with av.open(str(source)) as given:
        stream: Any = given.streams.video[0]
        packets: list[Any] = [packet for packet in given.demux(stream) if packet.size]
        unit = float(stream.time_base)
        start = min(packet.dts for packet in packets)
        # Key frames are alike in all rounds, so that a decoder goes on from one to the next.
        length = max(packet.pts + packet.duration for packet in packets) - min(packet.pts for packet in packets)
        with av.open(str(target), "w") as made:
            copy = made.add_stream_from_template(stream)
            for shift in range(0, max(round(seconds / unit), 1), length):
                for packet in packets:
                    again: Any = av.Packet(bytes(packet))
                    again.stream, again.time_base = copy, packet.time_base
                    again.pts, again.dts = packet.pts - start + shift, packet.dts - start + shift
                    again.duration, again.is_keyframe = packet.duration, packet.is_keyframe
                    made.mux(again)


class RtspServer:
    """A process that serves mounts (see `server.py`); it can be started again on the same port."""

    def __init__(self, *mounts: dict[str, Any], digest: bool = False) -> None:
        self.mounts, self.digest, self.port = mounts, digest, 0
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        command = [
            PYTHON,
            "-W",
            "ignore",
            str(SERVER),
            "--port",
            str(self.port),
            *(["--digest"] if self.digest else []),
        ]
        self.process = subprocess.Popen(
            [*command, *(json.dumps(mount) for mount in self.mounts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.strip().isdecimal(), "the RTSP server did not start"
        self.port = int(line)

    def url(self, path: str, login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}{path}"

    def send(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                pipe.close()
            self.process = None

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Wire:
    """A TCP proxy: forwards, holds back what comes from the camera, or cuts connections off."""

    def __init__(self, target: int) -> None:
        self.target, self.held, self.refusing = target, False, False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while not self._closed.is_set():
                for end in select.select([near, far], [], [], 0.1)[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if not self.held:
                        # Half of what comes is lost when the wire is cut: packets end in the middle.
                        other[end].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            near.close()
            far.close()

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False

    def refuse(self, refusing: bool) -> None:
        """Cuts all connections off and takes no more, or takes them again."""
        self.refusing = refusing
        if refusing:
            self.reset()

    def reset(self) -> None:
        """Cuts all connections off, without a goodbye."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            try:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._closed.set()
        # A thread that waits in accept keeps the socket open otherwise.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Answering:
    """A server that answers every connection the same way."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._answer(connection)
            except OSError:
                return

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in accept keeps the socket open otherwise.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def garbage(connection: socket.socket) -> None:
    """Random bytes, whatever is asked."""
    connection.recv(4096)
    connection.sendall(os.urandom(65536))


def mjpeg(connection: socket.socket) -> None:
    """A web camera: pictures one after another, without times, 12 a second, each brighter than the one before."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n\r\n")
    for number in range(1000):
        image = np.full((120, 160, 3), 40 + number % 200, np.uint8)
        picture = cv2.imencode(".jpg", image)[1].tobytes()
        head = f"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
        connection.sendall(head + picture + b"\r\n")
        time.sleep(1 / 12)
