from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.annotate import COLOURS, Annotator, identity_colour
from app.config import CameraConfig
from app.errors import InputError
from app.sources import Frame, open_source, read_frame
from app.video import VideoWriter

ROOT = Path(__file__).parents[2]
RATE = Fraction(25)


def grey(value: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def frames_of(path: Path) -> list[Frame]:
    source = open_source(CameraConfig(name="out", source=str(path)))
    frames = list(source)
    assert source.warnings == []
    return frames


def test_file_plays_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 64, 48, RATE) as writer:
        for number in range(50):
            writer.write(grey(number), 100 + number / 25)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, stream.average_rate) == (50, RATE)
        assert float(stream.duration * stream.time_base) == pytest.approx(2.0)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser starts to play before it has the whole file"
    assert list(tmp_path.iterdir()) == [path]


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [(200, 60, 60), (60, 200, 60), (60, 60, 200), (230, 230, 230)]
    with VideoWriter(tmp_path / "out.mp4", 64, 48, RATE) as writer:
        for number, colour in enumerate(colours):
            writer.write(np.full((48, 64, 3), colour, np.uint8), number / 25)
    for frame, colour in zip(frames_of(tmp_path / "out.mp4"), colours, strict=True):
        np.testing.assert_allclose(frame.image.mean((0, 1)), colour, atol=8)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.5, 40)) + 1_700_000_000
    with VideoWriter(tmp_path / "out.mp4", 64, 48, RATE) as writer:
        for number, moment in enumerate(times):
            writer.write(grey(number * 6), moment)
    frames = frames_of(tmp_path / "out.mp4")
    np.testing.assert_allclose([frame.time for frame in frames], times - times[0], atol=1e-4)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], np.arange(40) * 6, atol=4)


def test_a_time_that_stands_still_loses_no_frame(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 64, 48, RATE) as writer:
        for moment in (0.0, 0.0, -1.0, 0.04):
            writer.write(grey(100), moment)
    assert len(frames_of(tmp_path / "out.mp4")) == 4


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (63, 47)])
def test_odd_sizes_are_padded_by_a_pixel(tmp_path: Path, width: int, height: int) -> None:
    image = grey(60, width, height)
    image[:, -8:] = image[-8:] = 200
    with VideoWriter(tmp_path / "out.mp4", width, height, RATE) as writer:
        writer.write(image, 0.0)
    (frame,) = frames_of(tmp_path / "out.mp4")
    assert frame.image.shape[:2] == (48, 64)
    np.testing.assert_allclose(frame.image[:height, :width], image, atol=30)
    assert frame.image[-1].min() > 160, "the edge is repeated, not black"


def test_an_exception_leaves_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"

    def fail_in_the_tenth() -> None:
        with VideoWriter(path, 64, 48, RATE) as writer:
            for number in range(10):
                writer.write(grey(50), number / 25)
                1 // (9 - number)

    with pytest.raises(ZeroDivisionError):
        fail_in_the_tenth()
    assert len(frames_of(path)) == 10
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_a_video_that_plays(tmp_path: Path) -> None:
    script = (
        "import signal, sys, numpy as np, itertools; from fractions import Fraction\n"
        "from app.video import VideoWriter\n"
        # A shell that starts tests in the background hands down that Ctrl-C is to be ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with VideoWriter(sys.argv[1], 320, 240, Fraction(25)) as writer:\n"
        "    for number in itertools.count():\n"
        "        writer.write(np.full((240, 320, 3), number % 256, np.uint8), number / 25)\n"
        "        if number == 200: print('going', flush=True)\n"
    )
    path = tmp_path / "out.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert len(frames_of(path)) > 200
    assert list(tmp_path.iterdir()) == [path]


def test_no_frame_no_file_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"yesterday")
    with VideoWriter(path, 64, 48, RATE):
        pass
    assert path.read_bytes() == b"yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", 64, 48, RATE)
    writer.write(grey(1), 0.0)
    writer.close()
    writer.close()
    assert len(frames_of(tmp_path / "out.mp4")) == 1


def test_image_of_another_size(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"expected an image of shape \(48, 64, 3\), got \(48, 62, 3\)"),
        VideoWriter(tmp_path / "out.mp4", 64, 48, RATE) as writer,
    ):
        writer.write(grey(0, 62), 0.0)


@pytest.mark.parametrize("place", ["file/out.mp4", "absent/out.mp4", "folder.mp4", "/proc/out.mp4"])
def test_output_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=r"out\.mp4|folder\.mp4") as caught:
        VideoWriter(tmp_path / place, 64, 48, RATE)
    assert "\n" not in str(caught.value)


def test_full_disk_is_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    # A limit on the size of files stands in for a full disk: both fail in the middle of writing.
    script = (
        "import resource, signal, sys, numpy as np; from fractions import Fraction; from app.video import VideoWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (200_000,) * 2)\n"
        "noise = np.random.default_rng(0)\n"
        "with VideoWriter(sys.argv[1], 320, 240, Fraction(25)) as writer:\n"
        "    for number in range(200):\n"
        "        writer.write(noise.integers(0, 256, (240, 320, 3), dtype=np.uint8), number / 25)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.mp4")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1].startswith("app.errors.InputError: ")
    assert list(tmp_path.iterdir()) == []


def bgr(identity: int) -> np.ndarray:
    return np.array(identity_colour(identity)[::-1])


BOXES = np.array([[100.0, 200.0, 180.0, 400.0], [500.0, 0.0, 560.0, 150.0], [1230.0, 300.0, 1279.0, 500.0]])


def test_boxes_have_their_identity_s_colour(shared: Path) -> None:
    image = read_frame(str(shared / "data/videos/town-centre.mp4"), index=0).image[:720, :1280].copy()
    before = image.copy()
    drawn = Annotator(720).draw(image, BOXES, np.array([3, 40, 7]))
    assert np.array_equal(image, before), "the source image stays as it was"
    for (left, top, right, bottom), identity in zip(BOXES.astype(int), (3, 40, 7), strict=True):
        for x, y in ((left, (top + bottom) // 2), (right, (top + bottom) // 2), ((left + right) // 2, bottom)):
            assert np.array_equal(drawn[y, x], bgr(identity))
    untouched = drawn == before
    assert untouched[450:, 200:1200].all()


def test_one_identity_has_one_colour_whoever_else_is_there() -> None:
    annotator = Annotator(720)
    alone = annotator.draw(grey(128, 1280, 720), BOXES[:1], np.array([9]))
    among = annotator.draw(grey(128, 1280, 720), BOXES, np.array([9, 1, 2]))
    assert np.array_equal(alone[150:410, 90:190], among[150:410, 90:190])


@pytest.mark.parametrize("height", [288, 720, 1080, 2160])
def test_labels_lie_inside_the_image(height: int) -> None:
    """Every label is a filled rectangle of the colour; at the border it moves inside, whole."""
    width = height * 16 // 9
    side = height // 10
    middle = Annotator(height).draw(grey(0, width, height), np.array([[width // 2, height // 2] * 2]), np.array([77]))
    whole = (middle == bgr(77)).all(-1).sum()
    corners = [[0, 0, side, side], [width - side // 4, 0, width - 1, side], [width - 5, height - 5, width, height]]
    for box in corners:
        drawn = Annotator(height).draw(grey(0, width, height), np.array([box], float), np.array([77]))
        assert (drawn == bgr(77)).all(-1).sum() >= 0.9 * whole


def test_numbers_can_be_read(tmp_path: Path) -> None:
    """Two numbers of one colour differ in their label, and the text stands out from its ground."""
    first, second = (
        Annotator(1080).draw(grey(128, 1920, 1080), np.array([[300.0, 300.0, 400.0, 600.0]]), np.array([number]))
        for number in (4, 4 + COLOURS)
    )
    assert not np.array_equal(first, second)
    text = (first == 0).all(-1) | (first == 255).all(-1)
    assert text[255:300, 290:330].sum() > 50


def test_colours_are_told_apart() -> None:
    colours = np.array([[identity_colour(number) for number in range(COLOURS)]], np.uint8)
    lab = cv2.cvtColor((colours / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    differences = [np.linalg.norm(one - other) for one, other in combinations(lab, 2)]
    assert min(differences) > 15, "2.3 is just noticeable"
    assert min(np.linalg.norm(one - other) for one, other in combinations(lab[:8], 2)) > 45
    assert identity_colour(5) == identity_colour(5 + COLOURS)


def test_nobody_to_draw() -> None:
    image = grey(90)
    drawn = Annotator(48).draw(image, np.empty((0, 4)), np.empty(0, int))
    assert np.array_equal(drawn, image)
    assert drawn is not image
