"""`track` over a long time: four 720p cameras, and what of them may grow, lag or be lost.

python -m benchmarks.live_endure [--minutes 10] [--scene DIR] [--set SETTING=VALUE]… [--json FILE]

A simulated scene (four cameras, 15 people in view again and again) is played by a real RTSP server, `track` watches it
as a process of its own, and a client of a real MQTT broker hears its events. `event_*_s` counts from the capture of a
frame, as the cameras' processes tell it, to the arrival of a track event of that frame at the client; `age_max_s` is
the oldest that a camera's latest frame was, asked twice a second. Memory is what `track` and its cameras' processes
hold that no file has (see `memory_of`); `slope_mb_min` is its slope over the last half by Theil and Sen, between
`slope_low_mb_min` and `slope_high_mb_min` at 95 %. What people look like is remembered for REMEMBERED seconds after it
was last seen, so that in the last half as much is forgotten as comes.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from benchmarks.verdicts import command_line, conclude, parsed
from tests.app.events.servers import Broker, Subscriber
from tests.rtsp.running import RtspServer, free_port, repeated

NAMES = ("cam1", "cam2", "cam3", "cam4")
SCENE = ("--cameras", "4", "--people", "15", "--seconds", "40", "--seed", "71", "--fps", "15")

REMEMBERED = 60.0
"""`association.remember_seconds` of the run, long forgotten again in its last half; by default it is 600."""

EVENT_SECONDS = 0.7
AGE_SECONDS = 1.0
SLOPE_MEGABYTES = 1.0
LOOK_SECONDS = 0.5

SLOPE_SECONDS = 10.0
"""The slope of a value is that of its medians over so long: what goes up and down with each frame counts once."""

_FIGURE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def main() -> None:
    """Runs it, prints a table, and fails when something lags, grows or is lost."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--scene", type=Path, help="A simulated scene of cam1 to cam4, instead of a new one.")
    parser.add_argument("--set", action="append", default=[], help="As of `track`.")
    arguments = parsed(parser, broker=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scene = arguments.scene or simulated(folder / "scene")
        results = watched(scene, folder, arguments.minutes * 60, arguments.set)
    facts = {"minutes": arguments.minutes, "set": arguments.set}
    conclude("live_endure", results, arguments.json, hidden=["memory_each_minute_mb"], **facts)


def simulated(folder: Path) -> Path:
    """A new scene."""
    subprocess.run([sys.executable, "run.py", "simulate", "--output", str(folder), *SCENE], check=True)
    return folder


def watched(scene: Path, folder: Path, seconds: float, settings: list[str]) -> list[dict[str, Any]]:
    """Lets `track` watch a scene for so long."""
    mounts = []
    for name in NAMES:
        repeated(scene / name / "video.mp4", folder / f"{name}.mp4", seconds + 120)
        mounts.append({"path": f"/{name}", "file": str(folder / f"{name}.mp4")})
    broker, port = Broker(folder), free_port()
    try:
        with RtspServer(*mounts) as server:
            heard = Heard(broker)
            config = {
                "cameras": [{"name": name, "source": server.url(f"/{name}")} for name in NAMES],
                "live": {"folder": str(folder / "live")},
                "association": {"remember_seconds": REMEMBERED},
                "events": {"metrics_port": port, "mqtt": {"host": "127.0.0.1", "port": broker.port}},
            }
            file = folder / "cameras.yaml"
            file.write_text(yaml.safe_dump(config))
            options = [part for setting in settings for part in ("--set", setting)]
            command = [sys.executable, "run.py", "track", "--config", str(file), *options]
            with (folder / "log").open("w+b") as log:
                run = subprocess.Popen(command, stdout=log, stderr=log)
                try:
                    looks = look(run, port, seconds)
                    begun = time.monotonic()
                    run.send_signal(signal.SIGTERM)
                    code = run.wait(60)
                    ended = time.monotonic() - begun
                except Exception:
                    log.seek(0)
                    print(log.read().decode(errors="replace")[-4000:], file=sys.stderr)
                    raise
                finally:
                    if run.poll() is None:
                        run.kill()
            told = [json.loads(line) for line in (folder / "live" / "events.jsonl").read_text().splitlines()]
            heard.wait_for(told)
    finally:
        broker.stop()
    return report(looks, heard, told, code, ended)


class Heard(Subscriber):
    """Events with the time at which they arrived."""

    def __init__(self, broker: Broker) -> None:
        self.arrived: list[tuple[float, dict[str, Any]]] = []
        super().__init__(broker)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        if message.payload.startswith(b"{"):  # what is retained is a word
            self.arrived.append((time.time(), json.loads(message.payload)))

    def wait_for(self, told: list[dict[str, Any]], seconds: float = 10.0) -> None:
        """Waits until everything that was told is heard, at most so long."""
        wanted, end = {each["id"] for each in told}, time.monotonic() + seconds
        while not wanted <= {event["id"] for _, event in self.arrived} and time.monotonic() < end:
            time.sleep(0.1)


Look = dict[str, Any]
Values = npt.NDArray[np.float64]


def look(run: subprocess.Popen[bytes], port: int, seconds: float) -> list[Look]:
    """Looks at the run twice a second, from the moment that all cameras are live."""
    looks: list[Look] = []
    begun, give_up = None, time.monotonic() + 120
    while begun is None or time.monotonic() - begun < seconds:
        time.sleep(LOOK_SECONDS)
        if run.poll() is not None:
            raise RuntimeError(f"the run ended with {run.returncode}")
        try:
            figures = read_figures(port)
        except OSError:
            figures = {}
        live = [figures.get(("crowdtrace_camera_state", name, "live"), 0.0) for name in NAMES]
        if begun is None:
            if time.monotonic() > give_up:
                raise RuntimeError("the cameras did not come")
            if not all(live):
                continue
            begun = time.monotonic()
        looks.append({"time": time.time(), "figures": figures, "memory": memory_of(run.pid), "live": live})
    return looks


def read_figures(port: int) -> dict[tuple[str, ...], float]:
    """The figures of the run: name and values of the labels, in the order of their names, to the value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = {}
    for name, labels, value in _FIGURE.findall(text):
        found[name, *(each for _, each in sorted(_LABEL.findall(labels)))] = float(value)
    return found


def memory_of(pid: int) -> float:
    """Megabytes that a process and its children hold and no file has: heaps, stacks, shared frames; each page once.

    Pages of programs and weights are not counted: the system drops them when nobody has used them for a while, reads
    them again when somebody does, and has them once for all who use them. By that alone, what one process has of them
    went up and down by 140 MB in five minutes.
    """
    total = 0
    for process in (pid, *children(pid)):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        total += sum(int(text.partition(f"\n{kind}:")[2].split()[0]) for kind in ("Pss_Anon", "Pss_Shmem"))
    return total / 1024


def children(pid: int) -> list[int]:
    """The processes that a process has begun, and those that these have."""
    try:
        found = [
            int(each)
            for path in Path(f"/proc/{pid}/task").iterdir()
            for each in (path / "children").read_text().split()
        ]
    except OSError:
        return []
    return found + [each for child in found for each in children(child)]


def slope(times: Values, values: Values) -> float:
    """By how much a value grows in a minute over the last half of the time; see `growth`."""
    return growth(times, values)[0]


def growth(times: Values, values: Values) -> tuple[float, float, float]:
    """The slope of a value over the last half of the time, and the bounds of 95 % around it, a minute.

    The median of the slopes between every two moments (Theil 1950, Sen 1968): a short rise or fall moves it little. The
    bounds take what is left of one moment as independent of the next, and are too narrow where it is not.

    Args:
        times: Seconds, `(n,)`, ascending.
        values: `(n,)`.

    Returns:
        Slope, low and high; all NaN where there are less than two moments of `SLOPE_SECONDS`.
    """
    late = times >= (times[0] + times[-1]) / 2
    _, moment = np.unique((times[late] - times[0]) // SLOPE_SECONDS, return_inverse=True)
    count = int(moment[-1]) + 1
    if count < 2:
        return np.nan, np.nan, np.nan
    when, what = (np.array([np.median(each[late][moment == n]) for n in range(count)]) for each in (times / 60, values))
    i, j = np.triu_indices(count, 1)
    slopes = np.sort((what[j] - what[i]) / (when[j] - when[i]))
    spread = 1.96 * np.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    bounds = np.clip((len(slopes) + np.array([-spread, spread])) / 2, 0, len(slopes) - 1).round().astype(np.intp)
    return float(np.median(slopes)), *slopes[bounds].tolist()


def report(
    looks: list[Look], heard: Heard, told: list[dict[str, Any]], code: int, ended: float
) -> list[dict[str, Any]]:
    """A row for each camera, and one of all together."""
    begun, last = looks[0]["time"], looks[-1]["time"]
    delays: dict[str, list[float]] = {name: [] for name in NAMES}
    for arrived, event in heard.arrived:
        if event["kind"].startswith("track.") and begun <= event["time"] <= last:
            delays[event["camera"]].append(arrived - event["time"])
    rows = [camera_row(name, looks, np.array(delays[name])) for name in NAMES]
    times = np.array([each["time"] for each in looks])
    memory = np.array([each["memory"] for each in looks])
    everything = np.concatenate([delays[name] for name in NAMES])
    ids = [event["id"] for _, event in heard.arrived]
    missed = len({each["id"] for each in told} - set(ids))
    grown, low, high = growth(times, memory)
    rows.append(
        {
            "name": "all",
            "seconds": round(last - begun),
            "fps": round(sum(row["fps"] for row in rows), 1),
            **spread(everything),
            "age_max_s": max(row["age_max_s"] for row in rows),
            "memory_mb": round(float(memory[-1])),
            "memory_each_minute_mb": [
                round(float(memory[times >= begun + 60 * n][0])) for n in range(int((last - begun) / 60) + 1)
            ],
            "slope_mb_min": round(grown, 2),
            "slope_low_mb_min": round(low, 2),
            "slope_high_mb_min": round(high, 2),
            "events": len(told),
            "events_missed": missed,
            "ended_s": round(ended, 1),
            "passed": code == 0
            and missed == 0
            and grown < SLOPE_MEGABYTES
            and float(np.quantile(everything, 0.95)) < EVENT_SECONDS
            and all(row["passed"] for row in rows),
        }
    )
    return rows


def camera_row(name: str, looks: list[Look], delays: npt.NDArray[np.float64]) -> dict[str, Any]:
    """How one camera was watched."""
    first, last = looks[0], looks[-1]
    seconds = last["time"] - first["time"]

    def grown(figure: str, *labels: str) -> float:
        return float(last["figures"].get((figure, *labels), 0.0) - first["figures"].get((figure, *labels), 0.0))

    ages = [look["figures"].get(("crowdtrace_frame_age_seconds", name), np.nan) for look in looks]
    age = float(np.max(np.nan_to_num(np.array(ages), nan=np.inf)))
    reconnects = int(grown("crowdtrace_reconnects_total", name))
    return {
        "name": name,
        "fps_in": round(grown("crowdtrace_frames_in_total", name) / seconds, 1),
        "fps": round(grown("crowdtrace_frames_analysed_total", name) / seconds, 1),
        **spread(delays),
        "age_max_s": round(age, 2),
        "reconnects": reconnects,
        "passed": age <= AGE_SECONDS and reconnects == 0 and all(all(look["live"]) for look in looks),
    }


def spread(delays: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Quantiles of delays."""
    if not len(delays):
        return {"events_timed": 0}
    p50, p95 = np.quantile(delays, [0.5, 0.95]).tolist()
    return {
        "events_timed": len(delays),
        "event_p50_s": round(p50, 3),
        "event_p95_s": round(p95, 3),
        "event_max_s": round(float(delays.max()), 3),
    }


if __name__ == "__main__":
    main()
