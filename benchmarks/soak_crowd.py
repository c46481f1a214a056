"""Who is about in `benchmarks.soak`: some who watch, one who searches, one who hears events, one who takes notes."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.live_endure import children, memory_of
from benchmarks.soak_world import NAMES, Product

WIDTH = 640
SEARCH_SECONDS = 0.7
NOTE_SECONDS = 3.0


class Heard:
    """Hears all events, with a session that the broker keeps while this or the broker is away."""

    def __init__(self, port: int) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.count, self.last = 0, 0.0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="soak", clean_session=False)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        if message.payload.startswith(b"{"):  # what is retained is a word
            event = json.loads(message.payload)
            self.count += 1
            self.last = time.monotonic()
            self.events.setdefault(event["id"], event)

    def close(self) -> None:
        """Stops."""
        self._client.disconnect()
        self._client.loop_stop()


class Worker:
    """Does something in a thread until it is told to stop."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.over = threading.Event()
        self._thread = threading.Thread(target=work, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends."""
        self.over.set()
        self._thread.join(30)


class Searcher(Worker):
    """Clicks on people, one search after the other, each with a reason of its own.

    Attributes:
        answered: The reasons of searches that were answered, in order.
        refused: How many were not, because the product was away or could not do it.
        last: When the last was answered.
    """

    def __init__(self, product: Product, seed: int) -> None:
        super().__init__(self._run)
        self.answered: list[str] = []
        self.refused, self.last = 0, 0.0
        self._product, self._chance = product, random.Random(seed)

    def _run(self) -> None:
        number = 0
        while not self.over.wait(SEARCH_SECONDS):
            number += 1
            reason = f"soak {number:06d}"
            try:
                if self._search(reason):
                    self.answered.append(reason)
                    self.last = time.monotonic()
            except (httpx.HTTPError, ValueError, KeyError):
                self.refused += 1

    def _search(self, reason: str) -> bool:
        product = self._product
        with httpx.Client(base_url=product.address, headers=product.headers, timeout=20) as client:
            shown = client.get("/api/boxes", params={"camera": self._chance.choice(NAMES)}).raise_for_status().json()
            if not shown.get("boxes"):
                return False
            box = self._chance.choice(shown["boxes"])["box"]
            wish = {"camera": shown["camera"], "frame": shown["frame"], "box": box, "reason": reason}
            answer = client.post("/api/searches/box", json=wish)
            if answer.status_code != 201:
                self.refused += 1
            return answer.status_code == 201


class Viewers(Worker):
    """A few pages that show the wall of all cameras, and come back when it goes away.

    Attributes:
        pictures: How many they have got.
    """

    def __init__(self, product: Product, count: int) -> None:
        super().__init__(lambda: asyncio.run(self._run(count)))
        self.pictures = 0
        self._product = product

    async def _run(self, count: int) -> None:
        await asyncio.gather(*(self._watch() for _ in range(count)))

    async def _watch(self) -> None:
        while not self.over.is_set():
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._look()
            await asyncio.sleep(1.0)

    async def _look(self) -> None:
        after = dict.fromkeys(NAMES, -1)
        place = self._product.address.replace("http://", "ws://") + "/api/wall"
        async with connect(
            place, additional_headers=self._product.headers, max_size=None, compression=None, open_timeout=5
        ) as socket:
            while not self.over.is_set():
                await socket.send(json.dumps([{"camera": n, "width": WIDTH, "after": after[n]} for n in NAMES]))
                data = await asyncio.wait_for(socket.recv(), 10)
                assert isinstance(data, bytes)
                at = 0
                while at < len(data):
                    length = int.from_bytes(data[at : at + 4], "big")
                    facts = json.loads(data[at + 4 : at + 4 + length])
                    at += 4 + length + facts.get("bytes", 0)
                    if "frame" in facts:
                        after[facts["camera"]] = facts["frame"]
                        self.pictures += 1
                await asyncio.sleep(0.2)


class Look(NamedTuple):
    """What was there at one moment.

    Attributes:
        time: Monotonic, in seconds.
        start: Which start of the product it was, from 1.
        memory: Megabytes that its processes hold and no file has.
        files: How many they have open.
        sightings: How many the gallery had when it was last looked at.
    """

    time: float
    start: int
    memory: float
    files: int
    sightings: int


class Notes(Worker):
    """Looks at the product from outside every few seconds: what the gallery shows, and what the processes hold.

    Attributes:
        tracklets: Camera and track of all that the gallery has ever shown.
        sightings: Numbers of all that it has ever shown.
        looks: What the processes held, each time.
        nameless: How long each tracklet was seen in the gallery without an identity, seconds, by camera and track.
    """

    def __init__(self, product: Product) -> None:
        super().__init__(self._run)
        self.tracklets: set[tuple[str, int]] = set()
        self.sightings: set[int] = set()
        self.looks: list[Look] = []
        self.nameless: dict[tuple[str, int], float] = {}
        self._product = product

    def _run(self) -> None:
        stored = 0
        since: dict[tuple[str, int], float] = {}
        while not self.over.wait(NOTE_SECONDS):
            with suppress(sqlite3.Error):
                tracklets, sightings = contents(self._product.live / "gallery.db")
                stored = len(sightings)
                self.tracklets |= tracklets
                self.sightings |= sightings
                now, without = time.monotonic(), nameless(self._product.live / "gallery.db")
                since = {key: since.get(key, now) for key in without}
                for key, begun in since.items():
                    self.nameless[key] = max(now - begun, self.nameless.get(key, 0.0))
            process, start = self._product.process, self._product.starts
            if process is None or process.poll() is not None:
                continue
            family = [process.pid, *children(process.pid)]
            files = 0
            for each in family:
                with suppress(OSError):
                    files += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
            look = Look(time.monotonic(), start, memory_of(process.pid), files, stored)
            if process.poll() is None and start == self._product.starts:
                self.looks.append(look)


def nameless(path: Path) -> set[tuple[str, int]]:
    """Tracklets in a gallery of which nobody knows yet who they are."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as file:
        query = "SELECT name, track FROM tracklets JOIN cameras ON camera_id = cameras.id WHERE identity IS NULL"
        return {(str(name), int(track)) for name, track in file.execute(query)}


def contents(path: Path) -> tuple[set[tuple[str, int]], set[int]]:
    """Tracklets and sightings that whoever opens a gallery finds there."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as file:
        query = "SELECT name, track FROM tracklets JOIN cameras ON camera_id = cameras.id"
        tracklets = {(str(name), int(track)) for name, track in file.execute(query)}
        return tracklets, {int(number) for (number,) in file.execute("SELECT id FROM sightings")}
