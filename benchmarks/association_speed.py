"""How long the online associator takes for a tracklet when it remembers thousands of people.

    python -m benchmarks.association_speed [--people 10000] [--tracklets 1000] [--json FILE]

People are random looks of the size that the default weights give (512 and 48 × 128 dimensions), seen by 20 cameras.
First everybody is met once, then tracklets of random people come, 100 a second, the clock moving on by half a second a
call. `recognised` is the share of those that were given the number their person had been given first.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.association import CameraTracklet, OnlineAssociator
from app.config_association import AssociationConfig
from reid_model.features import Features, FloatArray
from trackers.tracklet import Tracklet

CAMERAS, VIEWS, RATE, STEP = 20, 5, 100, 0.5
POOLED, CELLS, LOCAL = 512, 48, 128


def unit(values: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


class Crowd:
    """People with a look each, in a hundred kinds of clothes: everybody has a hundred strangers who look alike."""

    def __init__(self, people: int, rng: np.random.Generator) -> None:
        self.rng = rng
        kinds = rng.normal(size=(100, POOLED))
        self.pooled = (0.7 * kinds[np.arange(people) % 100] + rng.normal(size=(people, POOLED))).astype(np.float32)
        self.cells = rng.normal(size=(64, CELLS, LOCAL)).astype(np.float32)
        self.shift = rng.normal(size=(people, 1, LOCAL)).astype(np.float32)

    def tracklet(self, person: int, camera: int, track: int, start: float, seconds: float = 5.0) -> CameraTracklet:
        rng = self.rng
        times = start + np.arange(0, seconds, 0.1)
        count = len(times)
        local = self.cells[person % 64] + self.shift[person]
        views = Features(
            unit(self.pooled[person] + 0.5 * rng.normal(size=(VIEWS, POOLED))),
            unit(local + 0.5 * rng.normal(size=(VIEWS, CELLS, LOCAL))),
            np.full((VIEWS, CELLS), 1 / CELLS, np.float32),
            np.full(VIEWS, 0.4, np.float32),
        )
        left = rng.uniform(0, 1800)
        return CameraTracklet(
            f"camera{camera}",
            Tracklet(
                track, np.arange(count), times, np.tile(np.array([left, 10, left + 40, 120], np.float32), (count, 1)),
                np.ones(count, np.float32), views, np.arange(VIEWS), times[:VIEWS],
                np.zeros((VIEWS, 4), np.float32), (None,) * VIEWS,
            ),
        )  # fmt: skip


def run(people: int, tracklets: int, **settings: float) -> dict[str, float]:
    rng = np.random.default_rng(0)
    crowd = Crowd(people, rng)
    config = AssociationConfig(remember_seconds=1e6, wait_seconds=0.0).model_copy(update=settings)
    associator = OnlineAssociator(config)
    now, track, each = 0.0, 0, int(RATE * STEP)
    found: dict[str, list[float]] = {"met": [], "seen again": []}
    processor = {"met": 0.0, "seen again": 0.0}
    number: dict[int, int | None] = {}
    recognised = 0
    for stage, who in (("met", np.arange(people)), ("seen again", rng.integers(0, people, tracklets))):
        for first in range(0, len(who), each):
            some = []
            for person in who[first : first + each].tolist():
                track += 1
                some.append(crowd.tracklet(person, int(rng.integers(CAMERAS)), track, now - 5))
            now += STEP
            begun, used = time.perf_counter(), time.process_time()
            for item in some:
                associator.observe(item)
            associator.advance(now)
            found[stage].append((time.perf_counter() - begun) / len(some))
            processor[stage] += time.process_time() - used
            for person, item in zip(who[first : first + each].tolist(), some, strict=True):
                given = associator.identity_of(item.key)
                first_given = number.setdefault(person, given)
                recognised += stage == "seen again" and given == first_given
    known = len(associator.identities())
    again = np.array(found["seen again"]) * 1000
    return {
        "people": people,
        "identities": known,
        "tracklets": tracklets,
        "recognised": round(100 * recognised / tracklets, 1),
        "ms_a_tracklet_met_mean": round(float(np.mean(found["met"])) * 1000, 2),
        "ms_a_tracklet_mean": round(float(again.mean()), 2),
        "ms_a_tracklet_slowest_call": round(float(again.max()), 2),
        "processor_ms_a_tracklet": round(processor["seen again"] / tracklets * 1000, 2),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--tracklets", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = run(options.people, options.tracklets)
    for name, value in result.items():
        print(f"{name:28} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
