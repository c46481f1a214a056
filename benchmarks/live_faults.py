"""Faults of live cameras in their long form: how long each takes to be noticed and made up for, and what is left over.

python -m benchmarks.live_faults [--reconnects 200] [--times 5] [--json FILE]

Four 720p cameras of a real RTSP server (GStreamer's). First each fault happens to one of them `times` times while the
others are watched: `back_s` is counted from the moment the camera is there again, `others_gap_s` is the longest time
that any other camera was without a frame. Then all four are cut off again and again, and what this process holds is
counted: processes, open files, shared memory, and the slope of its memory over the last half.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.verdicts import command_line, conclude, parsed
from tests.rtsp.running import RtspServer, Wire
from tests.rtsp.watching import Watching, held

MOUNT = {"width": 1280, "height": 720, "fps": 15, "gop": 15, "bitrate": 2000}
NAMES = ["one", "two", "three", "four"]
BACK_SECONDS = 5.0
LEAK_MEGABYTES = 1.0
"""Growth of memory over a hundred reconnects that is taken for none."""


def fault(
    watching: Watching, name: str, times: int, begin: Callable[[], None], end: Callable[[], None]
) -> dict[str, Any]:
    """Lets a fault happen to camera one some times."""
    noticed, back, gaps = [], [], []
    for _ in range(times):
        watching.until(watching.frames_come(*NAMES, count=15), 60)
        marks = {other: len(watching.frames[other]) for other in NAMES[1:]}
        gone = more(watching, "offline", ["one"])
        begin()
        begun = time.monotonic()
        noticed.append(watching.until(gone, 30))
        while time.monotonic() - begun < 4.0:
            watching.look(0.05)
        end()
        back.append(watching.until(watching.frames_come("one", count=1), 60))
        gaps += [
            float(np.diff([frame.time for frame in watching.frames[other][mark:]]).max())
            for other, mark in marks.items()
        ]
        watching.ages.clear()
    return {
        "name": name,
        "times": times,
        "noticed_s": round(max(noticed), 2),
        "back_p50_s": round(float(np.median(back)), 2),
        "back_s": round(max(back), 2),
        "others_gap_s": round(max(gaps), 2),
        "passed": max(back) <= BACK_SECONDS,
    }


def more(watching: Watching, kind: str, names: list[str]) -> Callable[[], bool]:
    """Whether each camera has been told to be online, or offline, once more from now on."""
    told = {name: watching.told(name).count(kind) for name in names}
    return lambda: all(watching.told(name).count(kind) > told[name] for name in names)


def reconnects(watching: Watching, wires: list[Wire], count: int) -> dict[str, Any]:
    """Cuts all cameras off again and again."""
    watching.until(watching.frames_come(*NAMES), 60)
    before = held()
    begun, back, memory = total(watching), [], []
    while total(watching) - begun < count:
        online = more(watching, "online", NAMES)
        for wire in wires:
            wire.reset()
        # From the cut on: noticing it, the wait before the next attempt, and connecting.
        back.append(watching.until(online, 60))
        watching.frames.clear()
        watching.ages.clear()
        memory.append(resident())
    watching.until(watching.frames_come(*NAMES), 60)
    deadline = time.monotonic() + 10
    while held() != before and time.monotonic() < deadline:
        watching.look(0.1)
    after = held()
    half = np.array(memory[len(memory) // 2 :])
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 100 / len(NAMES) if len(half) > 2 else 0.0
    return {
        "name": "reconnects",
        "times": total(watching) - begun,
        "back_p50_s": round(float(np.median(back)), 2),
        "back_s": round(max(back), 2),
        **{f"{what}_left": after[what] - before[what] for what in after},
        "memory_mb_per_100": round(slope, 3),
        "passed": after == before and slope <= LEAK_MEGABYTES and max(back) <= BACK_SECONDS,
    }


def total(watching: Watching) -> int:
    """How often cameras have been connected to again."""
    return sum(state.reconnects for state in watching.capture.states())


def resident() -> float:
    """Memory of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def run(times: int, count: int) -> list[dict[str, Any]]:
    """All faults, then all reconnects."""
    before = held()
    mounts = [{**MOUNT, "path": f"/{name}"} for name in NAMES]
    results = []
    with RtspServer(mounts[0]) as hit, RtspServer(*mounts[1:]) as others, Wire(hit.port) as wire:
        with Watching(keep_images=False) as watching:
            watching.add("one", f"rtsp://127.0.0.1:{wire.port}/one")
            for name in NAMES[1:]:
                watching.add(name, others.url(f"/{name}"))
            results += [
                fault(watching, "server killed", times, hit.kill, hit.start),
                fault(watching, "server frozen", times, hit.freeze, hit.thaw),
                fault(watching, "packets held back", times, wire.hold, wire.release),
                fault(watching, "connections cut off", times, lambda: wire.refuse(True), lambda: wire.refuse(False)),
            ]
        ports = [hit.port, others.port, others.port, others.port]
        wires = [Wire(port) for port in ports]
        with Watching(keep_images=False) as watching:
            for name, each in zip(NAMES, wires, strict=True):
                watching.add(name, f"rtsp://127.0.0.1:{each.port}/{name}")
            results.append(reconnects(watching, wires, count))
        for each in wires:
            each.close()
    time.sleep(1.0)
    after = held()
    left = {f"{what}_left": after[what] - before[what] for what in after}
    results.append({"name": "all closed", **left, "passed": not any(left.values())})
    return results


def main() -> None:
    """Runs them, prints a table, and fails when a camera takes too long or something is left over."""
    parser = command_line(__doc__)
    parser.add_argument("--reconnects", type=int, default=200)
    parser.add_argument("--times", type=int, default=5, help="how often each fault happens")
    arguments = parsed(parser, broker=False)
    conclude("live_faults", run(arguments.times, arguments.reconnects), arguments.json)


if __name__ == "__main__":
    main()
