"""Figures of a live run for Prometheus; docs/live.md lists them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.capture.states import CameraState
from app.events.hub import SinkState

STATES = ("connecting", "live", "stalled", "waiting", "ended")

LATENCY = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0)
STAGE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Metrics:
    """The figures of one run, in a registry of their own. All methods may be called from any thread."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._before: dict[tuple[str, ...], float] = {}

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"crowdtrace_{name}", what, labels, registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"crowdtrace_{name}", what, labels, registry=registry)

        self._age = Histogram(
            "crowdtrace_capture_to_event_seconds",
            "From the capture of a frame to its track events.",
            ("camera",),
            buckets=LATENCY,
            registry=registry,
        )
        self._stage = Histogram(
            "crowdtrace_stage_seconds",
            "Time of one step of a stage, of all cameras together.",
            ("stage",),
            buckets=STAGE,
            registry=registry,
        )
        self._analysed = counter("frames_analysed", "Frames analysed.", "camera")
        self._frames = counter("frames_in", "Frames that came from the camera.", "camera")
        self._dropped = counter("frames_dropped", "Frames not analysed, by reason.", "camera", "reason")
        self._reconnects = counter("reconnects", "New connections after frames had come.", "camera")
        self._restarts = counter("decoder_restarts", "Crashes of the decoding process.", "camera")
        self._failures = counter("camera_failures", "How often a camera's tracking had to begin anew.", "camera")
        self._state = gauge("camera_state", "1 for the state that the camera is in.", "camera", "state")
        self._frame_age = gauge("frame_age_seconds", "Age of the latest frame.", "camera")
        self._fps = gauge("fps_in", "Frames a second that come.", "camera")
        self._unrecorded = gauge("camera_unrecorded", "1 while a camera should be recorded and is not.", "camera")
        self._rate = gauge("fps_wanted", "Frames a second that are to be analysed.", "camera")
        self._people = gauge("people", "People in the latest frame.", "camera")
        self._slowed = gauge("slowed", "1 while the machine does not keep up with what is wanted.")
        self._identities = gauge("identities", "Identities remembered.")
        self._sightings = gauge("gallery_sightings", "Sightings in the gallery.")
        self._unwritten = gauge("gallery_pending", "Tracklets that are not in the gallery yet.")
        self._unwritable = gauge("gallery_failing", "1 while the gallery cannot be written.")
        self._published = counter("events_published", "Events published.", "kind")
        self._pending = gauge("events_pending", "Events that a receiver has not got.", "receiver")
        self._delivered = counter("events_delivered", "Events that a receiver got.", "receiver")
        self._dead = counter("events_dead", "Events that a receiver will never take.", "receiver")
        self._lost = counter("events_lost", "Events kept for too long, or too many, for a receiver.", "receiver")
        self._failing = gauge("receiver_failing", "1 while a receiver cannot be reached.", "receiver")

    def frame_done(self, camera: str, age_seconds: float, people: int) -> None:
        """A frame of a camera was analysed: how old it is now, and how many people are in it."""
        self._age.labels(camera).observe(max(age_seconds, 0.0))
        self._analysed.labels(camera).inc()
        self._people.labels(camera).set(people)

    def stage(self, name: str, seconds: float) -> None:
        """A step of a stage is done."""
        self._stage.labels(name).observe(seconds)

    def failed(self, camera: str) -> None:
        """A camera's tracking had to begin anew."""
        self._failures.labels(camera).inc()

    def cameras(self, states: Sequence[CameraState]) -> None:
        """How the cameras are doing; those not among them are forgotten."""
        with self._lock:
            for state in states:
                self._camera(state)
            gone = {key[1] for key in self._before if key[0] == "in"} - {state.name for state in states}
            for name in gone:
                self._forget(name)

    def _camera(self, state: CameraState) -> None:
        name = state.name
        self._count(self._frames, "in", state.frames_in, name)
        self._count(self._reconnects, "reconnects", state.reconnects, name)
        self._count(self._restarts, "restarts", state.restarts, name)
        for reason, count in state.dropped.items():
            self._count(self._dropped, "dropped", count, name, reason)
        for each in STATES:
            self._state.labels(name, each).set(each == state.state)
        self._frame_age.labels(name).set(float("nan") if state.frame_age is None else state.frame_age)
        self._fps.labels(name).set(state.fps_in)
        self._unrecorded.labels(name).set(bool(state.unrecorded))

    def _count(self, counter: Counter, what: str, now: float, *labels: str) -> None:
        """Brings a counter to where somebody else's count is, which begins anew when that one does."""
        before = self._before.get((what, *labels), 0.0)
        counter.labels(*labels).inc(now - before if now >= before else now)
        self._before[what, *labels] = now

    def _forget(self, camera: str) -> None:
        self._before = {key: value for key, value in self._before.items() if key[1] != camera}
        for gauge in (self._frame_age, self._fps, self._rate, self._people, self._unrecorded):
            gauge.remove_by_labels({"camera": camera})
        self._state.remove_by_labels({"camera": camera})

    def rates(self, rates: Mapping[str, float], slowed: bool) -> None:
        """Frames a second that are to be analysed of each camera, and whether that is less than wanted."""
        for name, rate in rates.items():
            self._rate.labels(name).set(rate)
        self._slowed.set(slowed)

    def people(self, identities: int) -> None:
        """How many identities are remembered."""
        self._identities.set(identities)

    def gallery(self, sightings: int, pending: int, failing: bool) -> None:
        """How many sightings the gallery holds, how many tracklets wait, and whether it cannot be written."""
        self._sightings.set(sightings)
        self._unwritten.set(pending)
        self._unwritable.set(failing)

    def published(self, kind: str) -> None:
        """An event was published."""
        self._published.labels(kind).inc()

    def receivers(self, states: Sequence[SinkState]) -> None:
        """How the receivers of events are doing."""
        with self._lock:
            for state in states:
                self._pending.labels(state.name).set(state.pending)
                self._failing.labels(state.name).set(bool(state.failing))
                self._count(self._delivered, "delivered", state.delivered, state.name)
                self._count(self._dead, "dead", state.dead, state.name)
                self._count(self._lost, "lost", state.lost, state.name)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
