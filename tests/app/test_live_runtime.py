"""The loop of a live run, with cameras, a detector and a clock made up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import supervision as sv

from app.config import CameraConfig, Config
from app.live.runtime import Runtime
from app.sources import Frame
from reid_model.features import Features


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@dataclass
class Cameras:
    """Frames as the test puts them; a camera's rate and its coming and going are noted."""

    ready: list = field(default_factory=list)
    rates: dict = field(default_factory=dict)
    there: dict = field(default_factory=dict)
    log: list = field(default_factory=list)

    def add(self, camera):
        self.there[camera.name] = "live"
        self.log.append(("add", camera.name))

    def remove(self, name):
        del self.there[name]
        self.log.append(("remove", name))

    def restart(self, name):
        self.log.append(("restart", name))

    def set_rate(self, name, fps):
        self.rates[name] = fps

    def wait(self, timeout):
        return bool(self.ready)

    def take(self):
        ready, self.ready = self.ready, []
        return ready

    def states(self):
        return [SimpleNamespace(name=name, state=state, fps_in=25.0) for name, state in self.there.items()]

    def close(self):
        self.log.append(("close", ""))


class Detector:
    """A person where the picture is bright: one column each, from its first to its last bright row."""

    def __init__(self, clock, cost=0.0):
        self.calls, self.clock, self.cost = [], clock, cost

    def detect(self, images):
        self.calls.append(len(images))
        self.clock.now += self.cost * len(images)
        if any((image == 13).all() for image in images):
            raise RuntimeError("a picture nobody can look at")
        return [self._people(image) for image in images]

    def _people(self, image):
        left = np.flatnonzero(image[-1, :, 0] == 255)
        boxes = np.array([[x, 10, x + 20, 70] for x in left], np.float32).reshape(-1, 4)
        return sv.Detections(boxes, confidence=np.full(len(boxes), 0.9, np.float32), class_id=np.zeros(len(boxes), int))


class Embedder:
    def __init__(self):
        self.calls, self.broken = [], False

    def embed(self, crops):
        self.calls.append(len(crops))
        if self.broken:
            raise RuntimeError("out of memory")
        rng = np.random.default_rng(3)
        unit = rng.normal(size=(1, 16)).repeat(len(crops), 0).astype(np.float32)
        local = rng.normal(size=(1, 4, 8)).repeat(len(crops), 0).astype(np.float32)
        return Features(
            unit / np.linalg.norm(unit, axis=1, keepdims=True),
            local / np.linalg.norm(local, axis=2, keepdims=True),
            np.full((len(crops), 4), 0.25, np.float32),
            np.full(len(crops), 0.5, np.float32),
        )


class Listener:
    def __init__(self):
        self.started, self.ended, self.growing, self.whole, self.slow, self.failures = [], [], [], [], [], []

    def tracked(self, camera, shown, changes):
        assert len(shown.boxes) == len(shown.tracks) == len(shown.scores)
        self.started += [(camera, int(shown.tracks[row])) for row in changes.started]
        self.ended += [(camera, number) for number in changes.ended]

    def analysed(self, camera, shown):
        pass

    def rates(self, rates, slowed):
        pass

    def tracklets(self, camera, tracklets, *, finished):
        (self.whole if finished else self.growing).extend((camera, each) for each in tracklets)

    def slowed(self, slowed, rates):
        self.slow.append((slowed, dict(rates)))

    def failed(self, camera, error):
        self.failures.append((camera, str(error)))


def picture(*columns, size=(80, 120)):
    image = np.zeros((*size, 3), np.uint8)
    image[-1, list(columns)] = 255
    return image


class Stage:
    """A runtime with everything around it made up."""

    def __init__(self, names=("east", "west"), cost=0.0, embedder=True, **settings):
        self.clock, self.cameras, self.listener = Clock(), Cameras(), Listener()
        self.detector, self.embedder = Detector(self.clock, cost), Embedder() if embedder else None
        self.config = Config.model_validate(settings)
        self.runtime = Runtime(
            self.cameras, self.detector, self.embedder, self.config, self.listener, self.clock, {"west": 41}
        )
        for name in names:
            self.runtime.add(CameraConfig(name=name, source="rtsp://x/y", analyse_fps=10))
        self.runtime.step(0)

    def frames(self, **images):
        self.clock.now += 0.1
        self.cameras.ready = [Frame(name, 0, self.clock.now, image) for name, image in images.items()]
        return self.runtime.step(0)


def test_all_ready_frames_go_through_one_detector_call_and_one_embedding_call():
    stage = Stage()
    for _ in range(5):
        assert stage.frames(east=picture(10, 60), west=picture(30)) == 2
    assert set(stage.detector.calls) == {2}
    assert len(stage.embedder.calls) <= 5
    assert max(stage.embedder.calls) == 3
    assert sorted(stage.listener.started) == [("east", 1), ("east", 2), ("west", 41)]
    assert stage.runtime.shown("west").tracks.tolist() == [41]
    assert stage.runtime.analysed == {"east": 5, "west": 5}


def test_a_camera_without_frames_holds_up_nobody():
    stage = Stage()
    for _ in range(5):
        assert stage.frames(east=picture(10)) == 1
    assert stage.listener.started == [("east", 1)]
    assert stage.runtime.shown("west") is None


def test_people_who_are_there_are_told_of_each_second_and_whole_when_they_leave():
    stage = Stage(tracker={"lost_seconds": 0.5, "refind_seconds": 0.5})
    for _ in range(25):
        stage.frames(east=picture(10))
    assert [(camera, each.track_id) for camera, each in stage.listener.growing] == [("east", 1)] * len(
        stage.listener.growing
    )
    assert 2 <= len(stage.listener.growing) <= 3
    assert stage.listener.whole == []
    for _ in range(10):
        stage.frames(east=picture())
    ((camera, tracklet),) = stage.listener.whole
    assert (camera, tracklet.track_id, len(tracklet)) == ("east", 1, 25)
    assert stage.listener.ended == [("east", 1)]
    times = tracklet.times
    np.testing.assert_array_equal(tracklet.frames, np.round(times * 1000).astype(int))


def test_everybody_leaves_when_a_camera_is_removed_and_at_the_end():
    stage = Stage()
    for _ in range(5):
        stage.frames(east=picture(10), west=picture(30))
    stage.runtime.remove("east")
    stage.runtime.step(0)
    assert [(camera, each.track_id) for camera, each in stage.listener.whole] == [("east", 1)]
    assert ("remove", "east") in stage.cameras.log
    stopped = threading.Event()
    stopped.set()
    stage.runtime.run(stopped)
    assert [(camera, each.track_id) for camera, each in stage.listener.whole] == [("east", 1), ("west", 41)]
    assert sorted(stage.listener.ended) == [("east", 1), ("west", 41)]
    assert stage.cameras.log[-1] == ("close", "")


def test_a_camera_that_comes_back_goes_on_with_its_numbers():
    stage = Stage()
    for _ in range(5):
        stage.frames(east=picture(10))
    stage.runtime.remove("east")
    stage.runtime.add(CameraConfig(name="east", source="rtsp://x/z"))
    stage.runtime.restart("west")
    for _ in range(5):
        stage.frames(east=picture(10))
    assert stage.listener.started == [("east", 1), ("east", 2)]
    assert ("restart", "west") in stage.cameras.log


def test_a_picture_of_another_size_begins_everybody_anew():
    stage = Stage()
    for _ in range(5):
        stage.frames(east=picture(10))
    for _ in range(5):
        stage.frames(east=picture(10, size=(90, 160)))
    assert stage.listener.started == [("east", 1), ("east", 2)]
    assert [each.track_id for _, each in stage.listener.whole] == [1]


def test_a_picture_that_fails_costs_only_its_camera_a_frame(caplog):
    stage = Stage()
    for _ in range(5):
        stage.frames(east=np.full((80, 120, 3), 13, np.uint8), west=picture(30))
    assert stage.listener.started == [("west", 41)]
    assert stage.runtime.analysed == {"west": 5}
    assert "camera east" in caplog.text


def test_a_camera_whose_tracking_fails_begins_anew_and_the_others_go_on(monkeypatch):
    stage = Stage()
    for _ in range(5):
        stage.frames(east=picture(10), west=picture(30))
    lane = stage.runtime._lanes["east"]

    def broken(features):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(lane, "update", broken)
    for _ in range(5):
        stage.frames(east=picture(10), west=picture(30))
    assert stage.listener.failures == [("east", "a bug")]
    assert stage.listener.started == [("east", 1), ("west", 41), ("east", 2)]
    assert stage.runtime.analysed == {"east": 9, "west": 10}


def test_people_are_tracked_by_their_boxes_where_their_looks_cannot_be_had(caplog):
    stage = Stage()
    stage.embedder.broken = True
    for _ in range(5):
        stage.frames(east=picture(10))
    assert stage.listener.started == [("east", 1)]
    assert "tracked by their boxes" in caplog.text


def test_a_machine_that_does_not_keep_up_looks_less_often_at_every_camera_and_says_so():
    stage = Stage(cost=0.1)
    for _ in range(40):
        stage.frames(east=picture(10), west=picture(30))
    ((slowed, rates),) = stage.listener.slow
    assert slowed
    assert rates["east"] == rates["west"] < 10
    assert stage.cameras.rates["east"] == pytest.approx(4.5, rel=0.15)


def test_frames_of_a_camera_that_was_removed_are_left_out():
    stage = Stage(names=("east",))
    assert stage.frames(north=picture(10)) == 0
