"""What a live run has to tell: track events at once, identity events when they are decided, and figures of both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.capture import CameraNotice
from app.events import Event, EventHub, from_association, from_notice, from_reappearance, new_event, new_id
from app.live.lane import Changes, Shown
from app.live.linker import Linker, Outcome
from app.metrics import Metrics
from trackers import Tracklet

MOST_REFINDS = 8
"""Times found again, the latest, that the event of a track that ended tells of."""


class Teller:
    """Turns what the loop, the linker and the cameras report into events, figures and work for the linker.

    Args:
        hub: Keeps and delivers events.
        metrics: Counts.
        clock: Current time, seconds since the epoch.

    Attributes:
        linker: Takes the tracklets; set before the loop begins.
        watcher: Is given each frame that is done, with its camera's name, and must not wait; nobody where it is None.
    """

    linker: Linker
    watcher: Callable[[str, Shown], None] | None = None

    def __init__(self, hub: EventHub, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._hub, self._metrics, self._clock = hub, metrics, clock
        self._order, self._last = threading.Lock(), ""

    def publish(self, event: Event) -> None:
        """Hands an event to the hub; under a new id, as these increase, where another thread was quicker."""
        with self._order:
            if event.id <= self._last:
                event = replace(event, id=new_id())
            self._last = event.id
            self._hub.publish(event)
        self._metrics.published(event.kind)

    # From the loop

    def tracked(self, camera: str, shown: Shown, changes: Changes) -> None:
        """Tells who is new in a frame and whose track is over."""
        when = shown.frame.time
        for row in changes.started.tolist():
            details = {"box": _sides(shown.boxes[row].tolist()), "score": round(float(shown.scores[row]), 3)}
            self.publish(new_event("track.started", when, camera=camera, track=int(shown.tracks[row]), details=details))
        for number, tracklet in changes.ended.items():
            if tracklet is None:
                # It turned out to be somebody who had been out of sight: their track goes on instead.
                self.linker.withdraw(camera, number)
            details = {"taken_back": True} if tracklet is None else _way(tracklet)
            self.publish(new_event("track.ended", when, camera=camera, track=number, details=details))

    def analysed(self, camera: str, shown: Shown) -> None:
        """Counts a frame that is done, and gives it to who watches."""
        self._metrics.frame_done(camera, self._clock() - shown.frame.time, len(shown.tracks))
        if self.watcher is not None:
            self.watcher(camera, shown)

    def tracklets(self, camera: str, tracklets: Sequence[Tracklet], *, finished: bool) -> None:
        """Hands tracklets to the linker."""
        self.linker.offer(camera, tracklets, finished=finished)

    def slowed(self, slowed: bool, rates: Mapping[str, float]) -> None:
        """Tells that the machine does not keep up, or does again."""
        details = {"fps": {name: round(rate, 2) for name, rate in rates.items()}}
        self.publish(new_event("system.slowed" if slowed else "system.recovered", self._clock(), details=details))

    def rates(self, rates: Mapping[str, float], slowed: bool) -> None:
        """Counts at how many frames a second each camera is analysed."""
        self._metrics.rates(rates, slowed)

    def failed(self, camera: str, error: Exception) -> None:
        """Tells that a camera's people are tracked anew."""
        self._metrics.failed(camera)
        self.publish(new_event("camera.failed", self._clock(), camera=camera, details={"error": type(error).__name__}))

    # From the cameras and the linker

    def noticed(self, notice: CameraNotice) -> None:
        """Tells that a camera came, went, or changed."""
        self.publish(from_notice(notice))
        if notice.kind != "changed":
            self._hub.availability(notice.camera, notice.kind == "online")

    def linked(self, outcome: Outcome) -> None:
        """Tells what the linker has found."""
        for decision in outcome.decisions:
            self.publish(from_association(decision))
        for seen in outcome.reappearances:
            self.publish(from_reappearance(seen))


def _sides(box: Sequence[float]) -> list[float]:
    return [round(side, 1) for side in box]


def _way(tracklet: Tracklet) -> dict[str, object]:
    """Since when a track was there, and where it was last."""
    way: dict[str, object] = {
        "first_time": round(float(tracklet.times[0]), 3),
        "last_time": round(float(tracklet.times[-1]), 3),
        "boxes": len(tracklet),
        "box": _sides(tracklet.boxes[-1].tolist()),
    }
    if tracklet.refinds:
        latest = tracklet.refinds[-MOST_REFINDS:]
        way["found_again"] = [{"time": round(each.time, 3), "reason": each.reason} for each in latest]
    return way
