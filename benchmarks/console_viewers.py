"""Many browsers on one wall: what each gets, and what a search takes meanwhile.

python -m benchmarks.console_viewers --gallery DIR [--viewers N …] [--seconds N] [--json FILE]
python -m benchmarks.console_viewers --live [--scene DIR] [--viewers N …] [--seconds N] [--rounds N] [--json FILE]

The second is over live cameras; `benchmarks/console_viewers_live.py` says how. Of the first: DIR is a folder that
`annotate` or `demo` wrote; it is copied and served with the console's defaults. Each viewer holds a WebSocket and plays
all cameras from one of four moments, and asks for the next picture of a camera when it has the last, as the page does;
pictures are 640 pixels wide. Beside them somebody searches, half a second after the last answer, and does the same when
nobody watches. The viewers run on the same machine and take their share of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.asyncio.client import connect

from app.demo import SCENE
from app.gallery.store import gallery_file
from app.reports import print_results
from benchmarks import console_viewers_live
from benchmarks.console_browser import PASSWORD, opened

WIDTH = 640
MOMENTS = (1.0, 4.0, 7.0, 10.0)
PLAYED = 8.0
"""Seconds of the recordings that are played over and over."""

BETWEEN = 0.5
"""Seconds between two searches."""


def log_in(address: str) -> dict[str, str]:
    """Headers of a program that may search."""
    name = {"name": "admin", "password": PASSWORD}
    answer = httpx.post(f"{address}/api/session", json=name).raise_for_status()
    # Over plain http a cookie for https alone is not sent back by itself.
    cookie = answer.headers["set-cookie"].partition(";")[0]
    headers = {"cookie": cookie, "x-csrf-token": answer.json()["csrf"]}
    wanted = {"name": "benchmark", "role": "operator"}
    token = httpx.post(f"{address}/api/tokens", json=wanted, headers=headers).raise_for_status().json()
    return {"authorization": f"Bearer {token['secret']}"}


async def watch(address: str, headers: dict[str, str], cameras: list[str], seconds: float, start: float) -> int:
    """Plays all cameras; how many pictures came."""
    got, begun = 0, time.monotonic()
    socket_address = address.replace("http://", "ws://") + "/api/wall"
    async with connect(socket_address, additional_headers=headers, max_size=None) as socket:

        async def ask(camera: str) -> None:
            at = start + (time.monotonic() - begun) % PLAYED
            await socket.send(json.dumps({"camera": camera, "at": round(at, 3), "width": WIDTH}))

        for camera in cameras:
            await ask(camera)
        while time.monotonic() < begun + seconds:
            data = await socket.recv()
            assert isinstance(data, bytes)
            facts = json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])
            assert "none" not in facts, facts
            got += 1
            await ask(facts["camera"])
    return got


async def search(address: str, headers: dict[str, str], cameras: list[str], seconds: float) -> list[float]:
    """Searches for people at random; milliseconds that each took."""
    chosen, took, begun = random.Random(0), [], time.monotonic()
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        while time.monotonic() < begun + seconds:
            where: dict[str, str | float] = {"camera": chosen.choice(cameras), "at": round(chosen.uniform(1, 15), 1)}
            shown = (await client.get("/api/boxes", params=where)).raise_for_status().json()
            box = chosen.choice(shown["boxes"])["box"]
            wish = {"camera": shown["camera"], "frame": shown["frame"], "box": box}
            start = time.monotonic()
            answer = await client.post("/api/searches/box", json=wish)
            if answer.status_code == 201:  # a person hidden altogether is refused
                took.append(1000 * (time.monotonic() - start))
            await asyncio.sleep(BETWEEN)
    return took


async def together(address: str, headers: dict[str, str], viewers: int, seconds: float) -> dict[str, object]:
    """What so many viewers get, and how long searches take beside them."""
    listed: list[dict[str, Any]] = httpx.get(f"{address}/api/cameras", headers=headers).raise_for_status().json()
    cameras = [camera["name"] for camera in listed]
    watching = [watch(address, headers, cameras, seconds, MOMENTS[each % len(MOMENTS)]) for each in range(viewers)]
    got, took = await asyncio.gather(asyncio.gather(*watching), search(address, headers, cameras, seconds))
    rates = [count / seconds / len(cameras) for count in got] or [0.0]
    return {
        "name": f"{viewers} viewers",
        "cameras": len(cameras),
        "pictures_a_second": round(float(np.mean(rates)), 2),
        "least": round(float(np.min(rates)), 2),
        "searches": len(took),
        "p50_ms": round(float(np.quantile(took, 0.5)), 1),
        "p95_ms": round(float(np.quantile(took, 0.95)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--gallery", type=Path)
    what.add_argument("--live", action="store_true")
    parser.add_argument("--scene", type=Path, default=SCENE, help="live: cameras in folders")
    parser.add_argument("--viewers", type=int, nargs="+", default=[0, 10, 50])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=2, help="live: how often each number of viewers")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.live:
        results = console_viewers_live.measure(given.scene, given.viewers, given.seconds, given.rounds)
        print_results("console_viewers_live", results, given.json)
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(gallery_file(given.gallery), Path(folder) / "gallery.db")
        with opened(Path(folder)) as console:
            console.browser.close()
            headers = log_in(console.address)
            # The browser's own loop runs in this thread.
            with ThreadPoolExecutor(1) as thread:
                results = [
                    thread.submit(asyncio.run, together(console.address, headers, viewers, given.seconds)).result()
                    for viewers in given.viewers
                ]
    print_results("console_viewers", results, given.json)


if __name__ == "__main__":
    main()
