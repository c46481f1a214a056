"""The whole product for half an hour while everything around it fails: what is lost, doubled, left over, or grows?

python -m benchmarks.soak [--minutes 30] [--seed 1] [--scene DIR] [--keep DIR] [--json FILE]

Four 720p cameras, each a real RTSP server; `serve --config` watches them with everything as shipped, but that what
people look like is remembered for a minute, so that as much of it is forgotten as comes; a real MQTT broker takes
the events; three pages show the wall, and somebody searches all the time. At random one camera is killed or
frozen, the broker stopped or frozen, the disk filled to the last 16 KB (a small one of its own, where one can be
mounted), the product's clock set forward or back by up to an hour, the product ended by SIGTERM or killed and started
again, half of the times while the broker is away. For the last three fifths it is not started again: what it holds by
then must not grow, but for what the search index takes for what comes to the gallery.

After each fault the run must be well again: all cameras live, an event heard, a search answered; `back_s` says how long
that took. In the end: every event told reached both receivers, the gallery has every tracklet and sighting that it ever
showed and every track told to have ended, no identity is in one camera twice at once, each search answered is in the
audit log in order and once, memory and open files are flat, no process is left over, and the log has no exception that
nobody has foreseen.

The clock is that of the product's Python processes, shifted by a hook; the machine's is left alone.
"""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import soak_checks
from benchmarks.live_endure import simulated
from benchmarks.soak_crowd import Heard, Notes, Searcher, Viewers
from benchmarks.soak_world import NAMES, World, until, world
from benchmarks.verdicts import command_line, conclude, parsed

WELL_SECONDS = 60.0
"""Within which a run must be well again."""

RESTLESS = 0.4
"""Share of the time in which the product itself is ended and started, too."""

VIEWERS = 3
SHIFTS = (-3600.0, -90.0, 90.0, 3600.0)
"""Seconds by which the clock is set off."""


@dataclass
class Story:
    """What has happened so far.

    Attributes:
        back: Seconds until the run was well again, by fault.
        never: Faults after which it was not.
        kills: When it was killed, by its own clock.
        left: Processes left over, of all ends.
        codes: Exit codes of ends in order.
    """

    back: dict[str, list[float]] = field(default_factory=dict)
    never: list[str] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    left: int = 0
    codes: list[int] = field(default_factory=list)


class Faults:
    """Faults by name; each lasts for a while and is over when its method returns."""

    def __init__(self, there: World, story: Story, chance: random.Random, is_well: Callable[[float], bool]) -> None:
        self._there, self._story, self._chance, self._is_well = there, story, chance, is_well
        self.steady: dict[str, Callable[[], None]] = {
            "camera killed": self._camera_killed,
            "camera frozen": self._camera_frozen,
            "broker stopped": self._broker_stopped,
            "broker frozen": self._broker_frozen,
            "clock set off": self._clock_set_off,
        }
        if there.disk.mounted:
            self.steady["disk nearly full"] = self._disk_full
        self.ends: dict[str, Callable[[], None]] = {
            "SIGTERM": lambda: self._ended(signal.SIGTERM),
            "kill -9": lambda: self._ended(signal.SIGKILL),
        }

    def rounds(self, restless: Callable[[], bool]) -> Iterator[tuple[str, Callable[[], None]]]:
        """Faults without an end: each once in a round, in another order each time."""
        while True:
            names = [*self.steady, *(self.ends if restless() else ())]
            self._chance.shuffle(names)
            for name in names:
                if name in self.steady or restless():
                    yield name, (self.steady | self.ends)[name]

    def _while(self, least: float, most: float) -> None:
        time.sleep(self._chance.uniform(least, most))

    def _camera_killed(self) -> None:
        server = self._there.cameras[self._chance.choice(NAMES)]
        server.kill()
        self._while(3, 10)
        server.start()

    def _camera_frozen(self) -> None:
        server = self._there.cameras[self._chance.choice(NAMES)]
        server.freeze()
        self._while(3, 10)
        server.thaw()

    def _broker_stopped(self) -> None:
        self._there.broker.stop()
        self._while(5, 15)
        self._there.broker.start()

    def _broker_frozen(self) -> None:
        process = self._there.broker.process
        process.send_signal(signal.SIGSTOP)
        self._while(5, 15)
        process.send_signal(signal.SIGCONT)

    def _clock_set_off(self) -> None:
        self._there.product.set_clock(self._chance.choice(SHIFTS))
        # A clock that stays wrong is nothing to wait for: all goes on with it.
        since = time.monotonic()
        try:
            until(lambda: self._is_well(since), WELL_SECONDS, "")
        except TimeoutError:
            self._story.never.append("clock set off")
        self._while(8, 20)
        self._there.product.set_clock(0.0)

    def _disk_full(self) -> None:
        self._there.disk.fill()
        self._while(8, 20)
        self._there.disk.free()

    def _ended(self, how: signal.Signals) -> None:
        alone = self._chance.random() < 0.5
        if not alone:
            self._there.broker.stop()
            self._while(1, 3)
        if how == signal.SIGKILL:
            self._story.kills.append(time.time())
        self._story.left += self._there.product.end(how)
        if how == signal.SIGTERM:
            process = self._there.product.process
            assert process is not None
            self._story.codes.append(process.returncode)
        self._there.product.start()
        if not alone:
            self._there.broker.start()


def soak(scene: Path, folder: Path, seconds: float, seed: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Lets everything happen for so long; a row for each fault and each thing that must hold."""
    chance, story = random.Random(seed), Story()
    with world(scene, folder, seconds + 600) as there:
        product = there.product
        heard, searcher = Heard(there.broker.port), Searcher(product, seed)
        product.start()
        crowd = [searcher, Viewers(product, VIEWERS), Notes(product)]
        _, viewers, notes = crowd
        assert isinstance(viewers, Viewers)
        assert isinstance(notes, Notes)
        for each in crowd:
            each.start()

        def is_well(since: float) -> bool:
            return _is_well(there, heard, searcher, since)

        until(lambda: is_well(time.monotonic() - 5), 120, "the run is not well to begin with")
        begun = time.monotonic()
        faults = Faults(there, story, chance, is_well)
        for name, happen in faults.rounds(lambda: time.monotonic() - begun < RESTLESS * seconds):
            happen()
            over = time.monotonic()
            try:
                back = until(lambda: is_well(over), WELL_SECONDS, name)  # noqa: B023
                story.back.setdefault(name, []).append(back)
                say(f"{over - begun:6.0f} s  {name}: well again after {back:.1f} s")
            except TimeoutError:
                story.never.append(name)
                say(f"{over - begun:6.0f} s  {name}: not well after {WELL_SECONDS:.0f} s")
            if time.monotonic() - begun >= seconds:
                break
            time.sleep(chance.uniform(3, 12))
        time.sleep(10)
        for each in crowd:
            each.close()
        story.left += product.end(signal.SIGTERM)
        assert product.process is not None
        story.codes.append(product.process.returncode)
        with suppress(TimeoutError):
            until(lambda: soak_checks.told(product.live).keys() <= heard.events.keys(), 10, "")
        heard.close()
        rows: list[dict[str, Any]] = [
            {
                "name": name,
                "times": len(times),
                "back_p50_s": round(sorted(times)[len(times) // 2], 1),
                "back_s": round(max(times), 1),
                "passed": name not in story.never,
            }
            for name, times in sorted(story.back.items())
        ]
        rows += [{"name": name, "times": 0, "passed": False} for name in set(story.never) - story.back.keys()]
        rows += [
            soak_checks.events(product.live, heard),
            soak_checks.gallery(product.live, notes, story.kills),
            soak_checks.identities(product.live),
            soak_checks.names(notes),
            soak_checks.audit(product.live, searcher),
            soak_checks.held(notes, soak_checks.indexed_bytes(product.live)),
            soak_checks.log(product.log),
            {"name": "processes left", "told": product.starts, "left": story.left, "passed": not story.left},
            {"name": "ends in order", "told": len(story.codes), "left": story.codes, "passed": not any(story.codes)},
            {"name": "pictures for pages", "told": viewers.pictures, "passed": viewers.pictures > 0},
        ]
        shutil.copytree(product.live, folder / "kept", ignore=shutil.ignore_patterns("recordings"))
    return rows


def _is_well(there: World, heard: Heard, searcher: Searcher, since: float) -> bool:
    """Whether the product does all it has to do: an event and a search of after some time, and all cameras."""
    process = there.product.process
    if process is not None and process.poll() is not None:
        raise RuntimeError(f"the product ended with {process.returncode}")
    return min(heard.last, searcher.last) > since and there.product.is_ready()


def main() -> None:
    """Runs it, prints a table, and fails where something does not hold."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", type=Path, help="A simulated scene of cam1 to cam4, instead of a new one.")
    parser.add_argument("--keep", type=Path, help="Folder for the log and for what the product wrote.")
    arguments = parsed(parser, broker=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            scene = arguments.scene or simulated(folder / "scene")
            rows = soak(scene, folder, arguments.minutes * 60, arguments.seed, lambda line: print(line, flush=True))
        finally:
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                for each in (folder / "log", *folder.glob("kept/*")):
                    if each.is_file():
                        shutil.copy(each, arguments.keep)
    each_minute = ["memory_without_index_each_minute_mb"]
    conclude("soak", rows, arguments.json, each_minute, minutes=arguments.minutes, seed=arguments.seed)


if __name__ == "__main__":
    main()
