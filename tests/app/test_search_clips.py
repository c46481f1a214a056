from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from app.clips import AROUND, cut_clips
from app.gallery import CameraRow, Gallery
from app.search import search
from app.video import VideoWriter
from tests.app.galleries import MODEL, features, tracklet

SIZE, FRAMES, RATE = (160, 96), 260, 10
START = 1000.0


def frame(index):
    """A frame whose shade tells its number, coarsely; its neighbours differ by less than coding does."""
    return np.full((SIZE[1], SIZE[0], 3), index * 250 // FRAMES, np.uint8)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "east.mp4"
    with VideoWriter(path, *SIZE, Fraction(RATE)) as writer:
        for index in range(FRAMES):
            writer.write(frame(index), index / RATE)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    for index in range(80):
        cv2.imwrite(str(path / f"{index:04d}.png"), frame(index))
    (path / "seqinfo.ini").write_text(f"[Sequence]\nframeRate={RATE}\n")
    return path


def found_at(path, source, first, count=200):
    """A gallery with one tracklet from a frame on, and the match of its first sighting."""
    seen = tracklet(1, first, count, exemplars=features(1))
    times = START + seen.frames / RATE
    boxes = np.tile(np.array([20, 10, 60, 90], np.float32), (count, 1))
    seen = replace(seen, times=times, boxes=boxes, exemplar_times=times[:1], exemplar_boxes=boxes[:1])
    gallery = Gallery.create(path, MODEL)
    gallery.add_camera(CameraRow("east", str(source), START, *SIZE, float(RATE), FRAMES))
    gallery.add_tracklets("east", [seen])
    return gallery, search(gallery, features(1))


def images(path):
    with av.open(str(path)) as container:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]


@pytest.mark.parametrize("at", [0, 5, 120, 131, 259])
def test_a_clip_shows_the_seconds_around_the_sighting(tmp_path, video, at):
    gallery, matches = found_at(tmp_path / "gallery.db", video, at, min(20, FRAMES - at))
    with gallery:
        assert cut_clips(gallery, matches, [tmp_path / "clip.mp4"]) == [""]
    first, last = max(0, at - AROUND * RATE), min(FRAMES - 1, at + AROUND * RATE)
    shown = images(tmp_path / "clip.mp4")
    assert [round(time * RATE) for time, _ in shown] == list(range(int(last - first) + 1))
    shades = [image[5, 150].mean() for _, image in shown]
    expected = [frame(index)[0, 0, 0] for index in range(int(first), int(last) + 1)]
    assert np.abs(np.array(shades) - expected).max() < 6
    drawn = [bool(np.ptp(image[48].astype(int), axis=0).max() > 60) for _, image in shown]
    assert drawn == [at <= index < at + 20 for index in range(int(first), int(last) + 1)]


def test_image_folders_too(tmp_path, folder):
    gallery, matches = found_at(tmp_path / "gallery.db", folder, 40, 5)
    with gallery:
        assert cut_clips(gallery, matches, [tmp_path / "clip.mp4"]) == [""]
    assert len(images(tmp_path / "clip.mp4")) == 61


def test_why_there_is_no_clip(tmp_path, video, folder):
    gallery, matches = found_at(tmp_path / "gallery.db", tmp_path / "none.mp4", 10)
    target = tmp_path / "clip.mp4"
    with gallery:
        (reason,) = cut_clips(gallery, matches, [target])
        assert reason.startswith("no clip: ")
        assert "none.mp4" in reason
        gallery.add_camera(CameraRow("east", str(video), START, 320, 96, RATE, FRAMES))
        assert "another size" in cut_clips(gallery, matches, [target])[0]
        gallery.add_camera(CameraRow("east", str(video), START + 1e6, *SIZE, RATE, FRAMES))
        assert "has no frames at that time" in cut_clips(gallery, matches, [target])[0]
        gallery.add_camera(CameraRow("east", "rtsp://user:secret@host/", START, *SIZE, RATE, 0))
        (reason,) = cut_clips(gallery, matches, [target])
        assert "secret" not in reason
    assert not target.exists()
