from __future__ import annotations

import asyncio
import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.feed import KEPT, Feed
from app.console.recorded import Boxes, RecordedWall
from app.console.searches import KEPT_SEARCHES, KeptSearches, Search, Wish
from app.console.uploads import read_upload
from app.console.wall import WIDTHS, encode, sent_width
from app.errors import InputError
from app.gallery import CameraRow, Gallery
from app.sources import read_frame
from tests.app.console.scene import CAMERAS, FRAMES
from tests.app.galleries import features, message


def png(width, height, data=b""):
    def chunk(kind, content):
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PICTURE = np.random.default_rng(1).integers(0, 255, (60, 30, 3), np.uint8)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_picture_is_read(ending):
    data = cv2.imencode(ending, PICTURE)[1].tobytes()
    assert read_upload(data, "a", 1).shape == PICTURE.shape


def test_a_picture_that_unpacks_to_gigabytes_is_refused_unread():
    bomb = png(50_000, 50_000, zlib.compress(bytes(10**7), 9))
    with pytest.raises(InputError) as error:
        read_upload(bomb, "bomb.png", 40)
    assert "50000 x 50000 pixels, over 40 megapixels" in message(error)
    large = cv2.imencode(".jpg", np.zeros((3000, 3000), np.uint8))[1].tobytes()
    with pytest.raises(InputError, match="over 8 megapixels"):
        read_upload(large, "large.jpg", 8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00" + bytes(50),
        png(30, 60),
        png(30, 60, b"not deflated"),
        cv2.imencode(".png", PICTURE)[1].tobytes()[:40],
        cv2.imencode(".jpg", PICTURE[:4, :4])[1].tobytes(),
        cv2.imencode(".bmp", PICTURE)[1].tobytes(),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(data):
    with pytest.raises(InputError) as error:
        read_upload(data, "a.jpg", 40)
    assert message(error).startswith("a.jpg: ")


@given(st.binary(max_size=60), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b""]), st.integers(0, 200))
def test_any_bytes_are_a_picture_or_refused(noise, start, cut):
    whole = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    for data in (start + noise, whole[:cut] + noise + whole[cut:]):
        try:
            image = read_upload(data, "a", 1)
        except InputError:
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_pictures_are_sent_in_few_widths_and_never_enlarged(wanted, width):
    sent = sent_width(wanted, width)
    assert sent == width or sent in WIDTHS
    assert sent <= width
    assert sent >= min(wanted, width, WIDTHS[-1])


def test_a_page_that_does_not_keep_up_loses_the_oldest_and_is_told():
    async def run():
        feed = Feed()
        slow, quick = feed.listen(), feed.listen()
        publishing = threading.Thread(
            target=lambda: [feed.publish("identity.merged", 1.0, {"number": i}) for i in range(KEPT + 50)]
        )
        publishing.start()
        publishing.join()
        got, lost = await slow.take(1)
        assert (len(got), lost) == (KEPT, 50)
        assert [each.details["number"] for each in got] == list(range(50, KEPT + 50))
        assert await slow.take(0.01) == ([], 0)
        feed.leave(slow)
        assert len(feed) == 1
        got, lost = await quick.take(1)
        assert len(got) == KEPT

    asyncio.run(run())


@pytest.fixture
def wall(scene):
    with Gallery.open(scene, read_only=True) as gallery:
        yield RecordedWall(gallery), gallery


def test_the_wall_shows_the_frame_of_a_time_and_who_is_in_it(wall):
    shown, gallery = wall
    assert [(view.name, view.state) for view in shown.cameras()] == [(name, "recorded") for name in CAMERAS]
    camera = gallery.cameras()[0]
    # In order, backwards, far ahead: always the frame that decoding from the start gives.
    for index in (10, 11, 12, 5, 150, 151, 0, 199):
        picture = shown.show("cam1", index / 10 + 0.02, 1280)
        assert picture.frame == index
        expected = read_frame(camera.source, index=index).image
        np.testing.assert_array_equal(shown.frame("cam1", index), expected)
        assert picture.jpeg == encode(expected, 1280)
    boxes = shown.show("cam1", FRAMES[0] / 10, 320).boxes
    truth = {row.track: row for row in gallery.tracklets("cam1") if FRAMES[0] in row.frames}
    assert {box.track for box in boxes} == set(truth)
    for box in boxes:
        row = truth[box.track]
        left, top, right, bottom = row.boxes[row.frames == FRAMES[0]][0].tolist()
        np.testing.assert_allclose(box.box, [left, top, right - left, bottom - top], atol=0.06)
        assert box.identity == row.identity


def test_the_wall_has_nothing_outside_of_the_recording(wall):
    shown, _ = wall
    assert shown.show("cam1", -1.0, 320) is None
    assert shown.show("cam1", 1e9, 320) is None
    assert shown.show("cam1", None, 320).frame == 199
    for index in (-1, 200):
        with pytest.raises(InputError, match="has frames 0 to 199"):
            shown.frame("cam1", index)
    with pytest.raises(InputError, match="did you mean cam1"):
        shown.show("cam11", 1.0, 320)


def test_a_recording_that_is_gone_is_told_of(tmp_path):
    with Gallery.create(tmp_path / "gallery.db", "m") as gallery:
        gallery.add_camera(CameraRow("door", str(tmp_path / "gone.mp4"), 0.0, 64, 48, 10.0, 5))
        wall = RecordedWall(gallery)
        (view,) = wall.cameras()
        assert view.state == "missing"
        assert "no such file" in view.note
        assert Boxes(gallery, "door").at(3) == ()
        with pytest.raises(InputError):
            wall.show("door", 0.0, 320)


def test_searches_are_kept_for_whoever_made_them_until_there_are_too_many():
    kept = KeptSearches()
    for number in range(KEPT_SEARCHES + 3):
        made = Search(str(number), number % 2, "", Wish(), {}, features(1), [], (), (), [], 0.5, 0.1, 0.0)
        kept.keep(made)
    assert len(kept) == KEPT_SEARCHES
    assert kept.get(0, "2") is None, "the oldest go first"
    assert kept.get(1, "3").id == "3"
    assert kept.get(0, "3") is None, "nobody sees somebody else's"
    kept.forget()
    assert (len(kept), kept.get(1, "3")) == (0, None)
