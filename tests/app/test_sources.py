"""Videos made here carry their frame number in their pixels, so that every frame can be told from every other."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import CameraConfig
from app.decoding import Clock
from app.errors import InputError
from app.sources import Source, name_sources, open_source, read_frame

MILLISECOND = Fraction(1, 1000)
FRAME = Fraction(1, 25)


def numbered_image(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(12):
        image[bit // 6 * 24 : bit // 6 * 24 + 24, bit % 6 * 10 : bit % 6 * 10 + 10] = 255 * (number >> bit & 1)
    return image


def number_in(image: np.ndarray) -> int:
    return sum(int(image[bit // 6 * 24 + 12, bit % 6 * 10 + 5].mean() > 127) << bit for bit in range(12))


def write_video(
    path: Path, stamps: list[int], unit: Fraction, codec: str = "libx264", faststart: bool = False, **options: str
) -> Path:
    with av.open(str(path), "w", options={"movflags": "+faststart"} if faststart else {}) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = unit
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered_image(number), format="bgr24")
            frame.pts, frame.time_base = stamp, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def open_path(path: Path, start: float = 0.0) -> Source:
    return open_source(CameraConfig(name="door", source=str(path), start=start))


B_FRAMES = {"bf": "3", "g": "12"}
OPEN_GROUPS = {**B_FRAMES, "x264-params": "open-gop=1"}
UNEVEN = np.cumsum(np.random.default_rng(0).integers(10, 200, 60)).tolist()


@pytest.mark.parametrize(
    ("name", "stamps", "unit", "codec", "options"),
    [
        ("b-frames.mp4", list(range(100)), FRAME, "libx264", B_FRAMES),
        ("uneven.mp4", UNEVEN, MILLISECOND, "libx264", B_FRAMES),
        ("uneven.mkv", UNEVEN, MILLISECOND, "libx264", B_FRAMES),
        # Leading pictures of a group refer to the group before it.
        ("open-groups.mp4", list(range(100)), FRAME, "libx264", OPEN_GROUPS),
        ("stream.ts", list(range(100)), FRAME, "libx264", B_FRAMES),
        # Several frames in a packet with one stamp: seeking would number them wrongly.
        ("program.mpg", list(range(100)), FRAME, "mpeg1video", {"bf": "2", "g": "12"}),
        ("mpeg4.avi", list(range(100)), FRAME, "mpeg4", {"bf": "2", "g": "12"}),
        # Packets that are never shown.
        ("hidden.webm", list(range(100)), FRAME, "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "12"}),
    ],
)
def test_every_frame_once_at_its_time_and_read_alone(
    tmp_path: Path, name: str, stamps: list[int], unit: Fraction, codec: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, stamps, unit, codec, **options)
    source = open_path(path, start=1000.0)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(len(stamps)))
    assert [number_in(frame.image) for frame in frames] == list(range(len(stamps)))
    expected = [1000 + float((stamp - stamps[0]) * unit) for stamp in stamps]
    np.testing.assert_allclose([frame.time for frame in frames], expected, atol=0.0011)
    assert source.warnings == []
    assert [number_in(frame.image) for frame in source] == list(range(len(stamps))), "iterating again starts again"
    for index in [0, 1, len(stamps) - 1, *range(2, len(stamps), 9)]:
        alone = read_frame(str(path), index=index, start=1000.0)
        assert (alone.index, alone.time, number_in(alone.image)) == (index, frames[index].time, index)
        assert read_frame(str(path), time=round(alone.time, 3), start=1000.0).index == index


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("videos/corridor.mpg", 485, (384, 288)),
        ("videos/one-by-one.mp4", 1394, (768, 432)),
        ("videos/town-centre.mp4", 302, (1920, 1080)),
    ],
)
def test_real_videos_are_whole(shared: Path, name: str, count: int, size: tuple[int, int]) -> None:
    source = open_path(shared / "data" / name)
    times = []
    for frame in source:
        assert frame.image.shape == (size[1], size[0], 3)
        times.append(frame.time)
    assert len(times) == count
    assert source.frame_count == count
    assert source.warnings == []
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_frame_of_a_real_video_read_alone_is_the_same(shared: Path) -> None:
    path = shared / "data/videos/one-by-one.mp4"
    wanted = {3, 700, 1393}
    for frame in open_path(path):
        if frame.index in wanted:
            assert np.array_equal(read_frame(str(path), index=frame.index).image, frame.image)


def test_time_between_frames_is_the_frame_shown_then(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slow.mp4", [0, 1000, 5000], MILLISECOND)
    assert read_frame(str(path), time=4.9).index == 1
    assert read_frame(str(path), time=5.0).index == 2


@pytest.mark.parametrize("where", [{"index": 3}, {"index": -1}, {"time": 9.0}, {"time": -0.5}])
def test_outside_the_recording(tmp_path: Path, where: dict[str, int]) -> None:
    path = write_video(tmp_path / "short.mp4", [0, 1, 2], FRAME)
    with pytest.raises(InputError, match=r"short\.mp4"):
        read_frame(str(path), **where)


def test_truncated_video_gives_what_decodes_and_a_warning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", list(range(100)), FRAME, faststart=True, **B_FRAMES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    source = open_path(path)
    frames = list(source)
    numbers = [number_in(frame.image) for frame in frames]
    assert 20 < len(numbers) < 100
    assert numbers == [frame.index for frame in frames]
    # A picture is stored before those between it and the last one, so some of these may be cut off before it.
    assert numbers[:-3] == list(range(len(numbers) - 3))
    assert any("cut off" in warning and f"{len(numbers)} of 100" in warning for warning in source.warnings)


def test_truncated_before_the_index_of_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", list(range(100)), FRAME)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.mp4: the file is cut off"):
        open_path(path)


def test_truncated_matroska_is_noticed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mkv", list(range(200)), FRAME, **B_FRAMES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_path(path)
    assert 20 < len(list(source)) < 200
    assert any("cut off" in warning for warning in source.warnings)


def test_damage_in_the_middle_ends_in_a_warning_and_numbers_stay_true(tmp_path: Path) -> None:
    path = write_video(tmp_path / "damaged.mp4", list(range(100)), FRAME, faststart=True, **B_FRAMES)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + len(data) // 3
    for position in np.random.default_rng(1).integers(begin, begin + len(data) // 6, 40):
        data[position] ^= 0xFF
    path.write_bytes(data)
    source = open_path(path)
    frames = list(source)
    assert source.warnings
    assert all(later.index > earlier.index and later.time > earlier.time for earlier, later in pairwise(frames))
    # The last group of pictures is whole again: each has the number it was recorded with.
    assert [(frame.index, number_in(frame.image)) for frame in frames[-10:]] == [(n, n) for n in range(90, 100)]


def write_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.rate, sound.pts = 16000, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "no such file"),
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"Shopping list: bread, butter\n" * 200, "not a video"),
        ("noise.mp4", np.random.default_rng(0).bytes(50_000), "not a video"),
        # A playlist must not be followed to where it points.
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:10,\nhttp://192.0.2.1/a.ts\n", "not a video"),
    ],
)
def test_not_a_video(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_path(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_audio_only(tmp_path: Path) -> None:
    write_audio(tmp_path / "song.mp4")
    with pytest.raises(InputError, match="no video stream"):
        open_path(tmp_path / "song.mp4")


def test_video_without_one_frame_that_decodes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "head.mp4", list(range(10)), FRAME, faststart=True)
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"mdat") + 20])
    with pytest.raises(InputError, match="not one frame"):
        open_path(path)


def test_rotation_in_the_metadata_is_applied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "portrait.mp4", list(range(5)), FRAME)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    # A quarter turn clockwise, as telephones held upright write it.
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    source = open_path(path)
    assert (source.width, source.height) == (48, 64)
    for frame in source:
        assert frame.image.shape == (64, 48, 3)
        assert number_in(np.rot90(frame.image)) == frame.index


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=50), st.integers(1, 240))
def test_times_always_increase(stamps: list[int | None], rate: int) -> None:
    clock = Clock(Fraction(rate))
    times = [clock(stamp, MILLISECOND) for stamp in stamps]
    assert times[0] == 0
    assert all(later > earlier for earlier, later in pairwise(times))


def write_images(folder: Path, numbers: list[int], width: int = 64) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / f"frame{number}.png"), numbered_image(number, width))


def test_folder_in_natural_order_at_the_rate_beside_it(tmp_path: Path) -> None:
    write_images(tmp_path / "img1", [1, 2, 10, 9, 100])
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=2\n")
    (tmp_path / "img1/notes.txt").write_text("not an image")
    source = open_path(tmp_path / "img1", start=50.0)
    frames = list(source)
    assert [number_in(frame.image) for frame in frames] == [1, 2, 9, 10, 100]
    assert [frame.time for frame in frames] == [50.0, 50.5, 51.0, 51.5, 52.0]
    assert (source.rate, source.frame_count) == (2, 5)
    assert number_in(read_frame(str(tmp_path / "img1"), time=51.2, start=50.0).image) == 9


def test_folder_of_a_real_sequence(shared: Path) -> None:
    source = open_path(shared / "data/mot/MOT17-mini/MOT17-04-FRCNN/img1")
    assert [frame.image.shape for frame in source] == [(1080, 1920, 3)] * 8
    assert source.rate == 30


def test_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.jpg or \.png"):
        open_path(tmp_path)


def test_folder_with_two_sizes_names_the_file(tmp_path: Path) -> None:
    write_images(tmp_path, [1, 2])
    write_images(tmp_path, [3], width=66)
    with pytest.raises(InputError, match=r"frame3\.png: 66 x 48 pixels"):
        open_path(tmp_path)


def test_folder_with_a_file_that_is_no_image(tmp_path: Path) -> None:
    write_images(tmp_path, [1, 3])
    (tmp_path / "frame2.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"frame2\.jpg: not an image"):
        open_path(tmp_path)


def test_image_removed_on_the_way_keeps_the_numbers_of_the_others(tmp_path: Path) -> None:
    write_images(tmp_path, [1, 2, 3])
    source = open_path(tmp_path)
    (tmp_path / "frame2.png").write_bytes(b"")
    assert [(frame.index, number_in(frame.image)) for frame in source] == [(0, 1), (2, 3)]
    assert "frame2.png" in source.warnings[0]


def names_of(tmp_path: Path, files: list[str], arguments: list[str]) -> list[str]:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    filled = [argument.replace("@", f"{tmp_path}/") for argument in arguments]
    return [camera.name for camera in name_sources(filled)]


@pytest.mark.parametrize(
    ("files", "arguments", "names"),
    [
        (["door.mp4"], ["@door.mp4"], ["door"]),
        (["door.mp4"], ["east_1=@door.mp4"], ["east_1"]),
        (["a/x.mp4", "b/x.mp4", "b/y.mp4"], ["@a/x.mp4", "@b/x.mp4", "@b/y.mp4"], ["a", "b", "y"]),
        (
            ["a/x.mp4", "b/x.mp4", "a/y.mp4", "b/y.mp4"],
            ["@a/x.mp4", "@b/x.mp4", "@a/y.mp4", "@b/y.mp4"],
            ["a_x", "b_x", "a_y", "b_y"],
        ),
        (["été 2.mp4"], ["@été 2.mp4"], ["-t--2"]),
        # A path that itself has a sign of equality.
        (["k=v.mp4"], ["@k=v.mp4"], ["k-v"]),
        # A given name is kept; the derived one gives way.
        (["door.mp4", "b/door.mp4"], ["door=@door.mp4", "@b/door.mp4"], ["door", "b"]),
        (["seq1/img1/1.png", "seq2/img1/1.png"], ["@seq1/img1", "@seq2/img1"], ["seq1", "seq2"]),
    ],
)
def test_names(tmp_path: Path, files: list[str], arguments: list[str], names: list[str]) -> None:
    assert names_of(tmp_path, files, arguments) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a/b=@door.mp4"], "cannot name a camera"),
        (["=@door.mp4"], "cannot name a camera"),
        (["east=@none.mp4"], "no such file"),
        (["@none.mp4"], "no such file"),
        (["east="], "no path after"),
        (["x" * 300], "no such file"),
        (["@door.mp4", "@door.mp4"], "two sources would be named"),
        (["a=@door.mp4", "a=@b/door.mp4"], "two sources would be named a"),
    ],
)
def test_bad_names(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        names_of(tmp_path, ["door.mp4", "b/door.mp4"], arguments)


def test_an_address_is_refused_without_its_password() -> None:
    for argument in ("rtsp://guard:secret@10.0.0.1/door", "door=rtsp://guard:secret@10.0.0.1/door"):
        with pytest.raises(InputError, match="address of the network") as caught:
            name_sources([argument])
        assert "secret" not in str(caught.value)
