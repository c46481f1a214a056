"""Many browsers on a live wall: what each gets, and what becomes of the cameras' analysis meanwhile.

python -m benchmarks.console_viewers --live [--scene DIR] [--viewers N …] [--seconds N] [--rounds N] [--json FILE]

A scene, the shipped one where none is given, is played by a real RTSP server, and `serve --config` watches it with the
console's defaults. In each round, in turn and then in reverse, so many viewers watch: each holds a WebSocket and asks
for what is new of all cameras when it has the last, as the page does, in pictures 640 pixels wide. They run in a
process of their own that has the processors only when nobody else wants them: in earnest viewers have machines of
their own. Beside them somebody clicks on people in the newest picture, half a second after the last answer.

`analysed_fps` is frames of all cameras analysed in a second; `event_p50_s` and `event_p95_s` count from the capture of
a frame to the event that somebody in it is new; `search_p50_ms` and `search_p95_ms` from the request for a search to
its answer; `pictures_a_second` is of each camera and viewer, `least` that of the one who got fewest.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from websockets.asyncio.client import connect

from app.errors import InputError
from benchmarks.console_browser import PASSWORD, ROOT
from tests.rtsp.running import RtspServer, free_port, missing, repeated

WIDTH = 640
BETWEEN = 0.5
SETTLE_SECONDS = 3.0
"""Seconds after the viewers have come before anything counts: the console finds its pace."""


@dataclass(frozen=True)
class Watched:
    """A live run with its console.

    Attributes:
        address: Of the console.
        metrics: Of its figures.
        events: File of its events.
        headers: Of a program that may search.
        names: Of its cameras.
    """

    address: str
    metrics: str
    events: Path
    headers: dict[str, str]
    names: tuple[str, ...]


def measure(scene: Path, viewers: Sequence[int], seconds: float, rounds: int) -> list[dict[str, object]]:
    """Figures for each number of viewers, the median of the rounds.

    Raises:
        InputError: If there is no RTSP server on this machine, or no camera in the scene.
    """
    why = missing()
    if why:
        raise InputError(f"live: {why}")
    if not camera_names(scene):
        raise InputError(f"{scene}: holds no <camera>/video.mp4; give the folder of a scene")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        length = 60 + rounds * len(viewers) * (seconds + SETTLE_SECONDS + 10)
        with watched(scene, folder, length) as run:
            time.sleep(10)
            found: dict[int, list[dict[str, float]]] = {count: [] for count in viewers}
            for number in range(rounds):
                # There and back again: what grows with time counts for all alike.
                for count in viewers if number % 2 == 0 else reversed(viewers):
                    found[count].append(look(run, count, seconds))
    return [
        {
            "name": f"{count} viewers",
            **{key: round(float(np.median([each[key] for each in rows])), 3) for key in rows[0]},
        }
        for count, rows in found.items()
    ]


def camera_names(scene: Path) -> list[str]:
    """The cameras of a scene."""
    return sorted(each.parent.name for each in scene.glob("*/video.mp4"))


@contextmanager
def watched(scene: Path, folder: Path, seconds: float) -> Iterator[Watched]:
    """`serve --config` over a scene's cameras, played for so long."""
    mounts, names = [], camera_names(scene)
    for name in names:
        repeated(scene / name / "video.mp4", folder / f"{name}.mp4", seconds)
        mounts.append({"path": f"/{name}", "file": str(folder / f"{name}.mp4")})
    port = free_port()
    with RtspServer(*mounts) as server:
        config = {
            "cameras": [{"name": name, "source": server.url(f"/{name}")} for name in names],
            "detector": {"weights": "bundled"},
            "live": {"folder": str(folder / "live")},
            "events": {"metrics_port": port},
            "console": {"searches_a_minute": 10000, "logins_a_minute": 1000},
        }
        file = folder / "cameras.yaml"
        file.write_text(yaml.safe_dump(config))
        words = [sys.executable, "run.py", "serve", "--config", str(file), "--port", "0"]
        process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            told = ""
            while "console at" not in told:
                line = process.stdout.readline()
                if not line:
                    raise InputError("serve: ended at once; its message is above")
                told += line
            address, once = re.findall(r"console at (\S+);", told)[0], re.findall(r"one-time password (\S+)", told)[0]
            events = folder / "live" / "events.jsonl"
            metrics = f"http://127.0.0.1:{port}/metrics"
            yield Watched(address, metrics, events, log_in(address, once), tuple(names))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def log_in(address: str, once: str) -> dict[str, str]:
    """Headers of a program that may search, of a console that was just started for the first time."""
    with httpx.Client(base_url=address) as client:
        headers: dict[str, str] = {}
        for path, body in (
            ("/api/session", {"name": "admin", "password": once}),
            ("/api/session/password", {"old": once, "new": PASSWORD}),
        ):
            answer = client.post(path, json=body, headers=headers).raise_for_status()
            cookie = answer.headers.get("set-cookie", "").partition(";")[0] or headers.get("cookie", "")
            headers = {"cookie": cookie, "x-csrf-token": answer.json()["csrf"]}
        wanted = {"name": "benchmark", "role": "operator"}
        token = client.post("/api/tokens", json=wanted, headers=headers).raise_for_status().json()
    return {"authorization": f"Bearer {token['secret']}"}


def look(run: Watched, viewers: int, seconds: float) -> dict[str, float]:
    """What so many viewers get in so many seconds, and how the cameras are analysed meanwhile."""
    words = [
        sys.executable,
        "-m",
        "benchmarks.console_viewers_live",
        run.address,
        str(viewers),
        str(seconds),
        *run.names,
    ]
    environment = {**os.environ, "CROWDTRACE_HEADERS": json.dumps(run.headers)}
    crowd = subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, preexec_fn=lambda: os.nice(19)
    )
    assert crowd.stdout is not None
    assert crowd.stdout.readline().strip() == "watching"
    time.sleep(SETTLE_SECONDS)
    begun, before = time.time(), analysed(run)
    took = asyncio.run(search(run, seconds))
    ended, after = time.time(), analysed(run)
    rates: list[float] = json.loads(crowd.communicate(timeout=60)[0]) or [0.0]
    late = delays(run.events, begun, ended)
    return {
        "analysed_fps": (after - before) / (ended - begun),
        "event_p50_s": float(np.quantile(late, 0.5)),
        "event_p95_s": float(np.quantile(late, 0.95)),
        "events": float(len(late)),
        "search_p50_ms": float(np.quantile(took, 0.5)),
        "search_p95_ms": float(np.quantile(took, 0.95)),
        "searches": float(len(took)),
        "pictures_a_second": float(np.mean(rates)),
        "least": float(np.min(rates)),
    }


def analysed(run: Watched) -> float:
    """Frames of all cameras that were analysed so far."""
    with urllib.request.urlopen(run.metrics, timeout=30) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^crowdtrace_frames_analysed_total\{.*\} (\S+)$", text, re.M))


def delays(path: Path, begun: float, ended: float) -> list[float]:
    """Seconds from the capture of a frame to the event of somebody new in it, of events made in a span of time."""
    found = []
    for line in path.read_text().rpartition("\n")[0].splitlines():
        event: dict[str, Any] = json.loads(line)
        made = (int(event["id"][:16], 16) >> 16) / 1000
        if event["kind"] == "track.started" and begun <= made <= ended:
            found.append(made - event["time"])
    return found or [float("nan")]


async def search(run: Watched, seconds: float) -> list[float]:
    """Clicks on people at random in newest pictures; milliseconds that each search took."""
    chosen, took, begun = random.Random(0), [], time.monotonic()
    async with httpx.AsyncClient(base_url=run.address, headers=run.headers, timeout=60) as client:
        while time.monotonic() < begun + seconds:
            shown = (await client.get("/api/boxes", params={"camera": chosen.choice(run.names)})).json()
            if shown.get("boxes"):
                wish = {"camera": shown["camera"], "frame": shown["frame"], "box": chosen.choice(shown["boxes"])["box"]}
                start = time.monotonic()
                answer = await client.post("/api/searches/box", json=wish)
                if answer.status_code == 201:  # a person hidden altogether is refused
                    took.append(1000 * (time.monotonic() - start))
            await asyncio.sleep(BETWEEN)
    return took or [float("nan")]


async def crowd(
    address: str, headers: dict[str, str], viewers: int, seconds: float, names: Sequence[str]
) -> list[float]:
    """Pictures a second of a camera that each of so many viewers gets, after they have all come."""
    there = asyncio.Event()
    arriving = [asyncio.create_task(watch(address, headers, seconds, there, names)) for _ in range(viewers)]
    await asyncio.sleep(0.5 + 0.05 * viewers)
    print("watching", flush=True)
    await asyncio.sleep(SETTLE_SECONDS)
    there.set()
    await asyncio.sleep(0 if arriving else seconds)
    return [*await asyncio.gather(*arriving)]


async def watch(
    address: str, headers: dict[str, str], seconds: float, counts: asyncio.Event, names: Sequence[str]
) -> float:
    """Watches all cameras; pictures a second of each, of the seconds that count."""
    got, ends = 0, float("inf")
    after = dict.fromkeys(names, -1)
    place = address.replace("http://", "ws://") + "/api/wall"
    async with connect(place, additional_headers=headers, max_size=None, compression=None) as socket:
        while time.monotonic() < ends:
            asked = [{"camera": name, "width": WIDTH, "after": after[name]} for name in names]
            await socket.send(json.dumps(asked))
            data = await socket.recv()
            assert isinstance(data, bytes)
            if counts.is_set() and ends == float("inf"):
                got, ends = 0, time.monotonic() + seconds
            at = 0
            while at < len(data):
                length = int.from_bytes(data[at : at + 4], "big")
                facts = json.loads(data[at + 4 : at + 4 + length])
                assert "none" not in facts, facts
                at += 4 + length + facts["bytes"]
                after[facts["camera"]] = facts["frame"]
                got += 1
    return got / seconds / len(names)


if __name__ == "__main__":
    # The process of the viewers.
    given_address, given_viewers, given_seconds, *given_names = sys.argv[1:]
    headers_of_all = json.loads(os.environ["CROWDTRACE_HEADERS"])
    many = crowd(given_address, headers_of_all, int(given_viewers), float(given_seconds), given_names)
    print(json.dumps(asyncio.run(many)))
