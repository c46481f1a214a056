"""The world of `benchmarks.soak`: cameras, a broker, a small disk, a clock, and the product among them as processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.console_viewers_live import log_in
from benchmarks.live_endure import REMEMBERED, children, read_figures
from tests.app.events.servers import Broker
from tests.rtsp.running import RtspServer, free_port, repeated

ROOT = Path(__file__).parents[1]
NAMES = ("cam1", "cam2", "cam3", "cam4")
DISK_MEGABYTES = 768
LEFT_BYTES = 16384
"""What a disk that is nearly full still has."""

HOOK = '''
"""Shifts the wall clock of a Python process by the seconds that a file says; the machine's stays as it is."""
import os, time

_time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic
_known = [0.0, -1.0]


def _shift():
    if _monotonic() - _known[1] > 0.2:
        try:
            with open(os.environ["CROWDTRACE_SOAK_CLOCK"]) as file:
                _known[0] = float(file.read() or 0)
        except (OSError, ValueError, KeyError):
            pass
        _known[1] = _monotonic()
    return _known[0]


time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + int(_shift() * 1e9)
'''


class DurableBroker(Broker):
    """A broker that keeps over a stop what it has not handed on yet: what is lost is then not its own doing."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "mosquitto"
        self._kept.mkdir()
        super().__init__(folder)

    def start(self) -> None:
        """Starts it, or starts it again."""
        text = self._settings.read_text()
        if "persistence" not in text:
            self._settings.write_text(f"{text}persistence true\npersistence_location {self._kept}/\n")
        super().start()

    def stop(self) -> None:
        """Ends it in order."""
        self.process.terminate()
        self.process.wait(20)


class Disk:
    """A small disk of its own where one can be mounted; else a folder, and it is never full."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "crowdtrace-soak", str(folder)]
        self.mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        """Leaves room for next to nothing."""
        found = os.statvfs(self.folder)
        with self._filler.open("wb") as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(found.f_bavail * found.f_frsize - LEFT_BYTES, 1))

    def free(self) -> None:
        """Makes room again."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Takes it away."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class Product:
    """`serve --config` over the cameras: tracking, gallery, events and console in one command, started again and again.

    Args:
        folder: Where its configuration, log and clock lie.
        live: The run's folder.
        sources: Names and addresses of the cameras.
        broker: Port of the broker.
    """

    def __init__(self, folder: Path, live: Path, sources: dict[str, str], broker: int) -> None:
        self.live, self.log = live, folder / "log"
        self._folder, self._clock = folder, folder / "clock"
        self._port, self.figures_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self.headers: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        hook = folder / "hook"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        self.set_clock(0.0)
        self._environment = {**os.environ, "PYTHONPATH": str(hook), "CROWDTRACE_SOAK_CLOCK": str(self._clock)}
        config: dict[str, Any] = {
            "cameras": [{"name": name, "source": source} for name, source in sources.items()],
            "detector": {"weights": "bundled"},
            "live": {"folder": str(live)},
            "events": {"metrics_port": self.figures_port, "mqtt": {"host": "127.0.0.1", "port": broker}},
            "association": {"remember_seconds": REMEMBERED},
            "console": {"searches_a_minute": 10000, "logins_a_minute": 1000, "require_reason": True},
        }
        (folder / "cameras.yaml").write_text(yaml.safe_dump(config))

    def set_clock(self, shift: float) -> None:
        """Has its clock be off by so many seconds, from now on."""
        partial = self._clock.with_suffix(".part")
        partial.write_text(repr(shift))
        partial.replace(self._clock)

    def start(self) -> None:
        """Starts it, and waits until the console answers."""
        self.starts += 1
        place = self.log.stat().st_size if self.log.exists() else 0
        words = [sys.executable, "run.py", "serve", "--config", str(self._folder / "cameras.yaml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, "--port", str(self._port)], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        until(lambda: self._has_begun(place), 120, "the product did not begin")
        if not self.headers:
            (once,) = re.findall(r"one-time password (\S+)", self.log.read_text())
            self.headers = log_in(self.address, once)

    def end(self, how: signal.Signals) -> int:
        """Ends it; gives how many of its processes were left ten seconds later."""
        assert self.process is not None
        family = [(each, _began(each)) for each in children(self.process.pid)]
        self.process.send_signal(how)
        self.process.wait(90)

        def left() -> int:
            return sum(_began(each) == began is not None for each, began in family)

        with suppress(TimeoutError):
            until(lambda: left() == 0, 10, "")
        return left()

    def is_ready(self) -> bool:
        """Whether it says so, and all cameras are live."""
        with suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.figures_port}/readyz", timeout=5) as answer:
                ready = answer.status == 200
            figures = read_figures(self.figures_port)
            return ready and all(figures.get(("crowdtrace_camera_state", name, "live")) for name in NAMES)
        return False

    def _has_begun(self, place: int) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the product ended with {self.process.returncode}")
        with self.log.open("rb") as file:
            file.seek(place)
            return b"console at" in file.read()


def _began(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where there is none, or one that only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class World:
    """Everything at once.

    Attributes:
        cameras: A server for each.
        broker: The broker.
        disk: What the product writes to.
        product: The product.
    """

    def __init__(self, cameras: dict[str, RtspServer], broker: DurableBroker, disk: Disk, product: Product) -> None:
        self.cameras, self.broker, self.disk, self.product = cameras, broker, disk, product


@contextmanager
def world(scene: Path, folder: Path, seconds: float) -> Iterator[World]:
    """A world in which the cameras play a scene for so long; the product is not started yet."""
    with ExitStack() as closing:
        cameras = {}
        for name in NAMES:
            film = folder / f"{name}.mp4"
            repeated(scene / name / "video.mp4", film, seconds)
            mount = {"path": f"/{name}", "file": str(film)}
            cameras[name] = closing.enter_context(RtspServer(mount))
        disk = Disk(folder / "disk")
        closing.callback(disk.close)
        broker = DurableBroker(folder)
        closing.callback(broker.stop)
        sources = {name: server.url(f"/{name}") for name, server in cameras.items()}
        product = Product(folder, disk.folder / "live", sources, broker.port)
        try:
            yield World(cameras, broker, disk, product)
        finally:
            if product.process is not None and product.process.poll() is None:
                product.process.kill()
                product.process.wait()
            for server in cameras.values():
                with suppress(AssertionError, ProcessLookupError):
                    server.thaw()


def until(true: Callable[[], bool], seconds: float, otherwise: str) -> float:
    """Waits until something is true; gives how long that took.

    Raises:
        TimeoutError: If it does not become true in so many seconds.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(otherwise)
        time.sleep(0.1)
    return time.monotonic() - begun
