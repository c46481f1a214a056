"""One camera, frame by frame: what its own motion does to the tracks."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import supervision as sv
import torch

from app.config import CameraConfig
from app.pipeline import Pipeline, Stopwatch
from app.shared_data import shared_data
from app.sources import Frame, open_source
from app.ultralytics_guard import torch_threads
from trackers import TrackerConfig

Rows = list[tuple[int, list[list[float]], list[int]]]

BOXES = np.array([[200.0, 100, 240, 200], [250, 110, 290, 210], [420, 150, 470, 280]])


def tracked(
    frames: list[Frame], boxes: list[npt.NDArray[np.float64]], *, camera_motion: bool
) -> tuple[Rows, Stopwatch]:
    pipeline = Pipeline(None, TrackerConfig(camera_motion=camera_motion))
    found: Rows = []
    for frame, given in zip(frames, boxes, strict=True):
        people = pipeline.process(
            frame, sv.Detections(given.astype(np.float32), confidence=np.full(len(given), 0.9, np.float32))
        )
        assert people.tracker_id is not None
        found.append((frame.index, people.xyxy.tolist(), people.tracker_id.tolist()))
    return found, pipeline.watch


def shaken(count: int) -> tuple[list[Frame], list[npt.NDArray[np.float64]]]:
    """A wall and three people who stand before it, filmed by a camera that jerks by half a body to and fro."""
    rng = np.random.default_rng(1)
    layers = [cv2.resize(rng.random((side, side, 3)), (760, 480), interpolation=cv2.INTER_CUBIC) for side in (25, 90)]
    wall = (255 * (sum(layers) - np.min(sum(layers))) / np.ptp(sum(layers))).astype(np.uint8)
    frames, boxes = [], []
    for index in range(count):
        right, down = (50, 12) if index % 2 else (0, 0)
        frames.append(
            Frame("hand", index, index / 10, np.ascontiguousarray(wall[down : down + 400, right : right + 640]))
        )
        boxes.append(BOXES - np.tile([right, down], 2))
    return frames, boxes


def test_people_keep_their_numbers_when_the_camera_shakes() -> None:
    frames, boxes = shaken(20)
    told, watch = tracked(frames, boxes, camera_motion=True)
    assert all(numbers == [1, 2, 3] for _, _, numbers in told[2:])
    np.testing.assert_allclose([each for _, each, _ in told[2:]], boxes[2:], atol=0.5)
    assert watch.seconds["motion"] > 0
    untold, watch = tracked(frames, boxes, camera_motion=False)
    assert untold != told
    assert "motion" not in watch.seconds


def test_a_standing_camera_gives_the_same_tracks_with_and_without() -> None:
    video = shared_data("data/videos/town-centre.mp4")
    if video is None:
        pytest.skip("needs the shared videos")
    frames = list(islice(open_source(CameraConfig(name="street", source=str(video))), 40))
    walk = np.array([3.0, 1, 3, 1])
    boxes = [3 * BOXES + walk * frame.index for frame in frames]
    assert tracked(frames, boxes, camera_motion=True)[0] == tracked(frames, boxes, camera_motion=False)[0]


def test_boxes_without_pictures_are_tracked() -> None:
    frames = [Frame("boxes", index, index / 10, np.zeros((1, 1, 3), np.uint8)) for index in range(5)]
    told, _ = tracked(frames, [BOXES] * 5, camera_motion=True)
    assert told[-1][2] == [1, 2, 3]


def test_a_frame_is_finished_in_one_thread_and_the_others_are_there_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, seen = Pipeline(None, TrackerConfig()), []
    update = pipeline.tracker.update

    def counted() -> sv.Detections:
        seen.append(torch.get_num_threads())
        return update()

    monkeypatch.setattr(pipeline.tracker, "update", counted)
    image = np.zeros((90, 160, 3), np.uint8)
    with torch_threads(3):
        pipeline.process(Frame("camera", 0, 0.0, image), sv.Detections.empty())
        assert torch.get_num_threads() == 3
    assert seen == [1]
