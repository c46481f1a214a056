"""Segments of what cameras send: whole, playable, in bounds, and never in the camera's way."""

from __future__ import annotations

import itertools
import os
import time

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture.recording import RETRY_SECONDS, UNFINISHED, Recorder, prune
from tests.rtsp.running import RtspServer, missing
from tests.rtsp.watching import Watching


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """200 frames, 25 a second, a key frame each second."""
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "25", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(200):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def packets(video, count):
    """The first packets of a recording, and its stream."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        for packet in itertools.islice(container.demux(stream), count):
            if packet.size:
                yield packet, stream


def record(video, recorder, clock, count=1000):
    """Gives a recorder packets in their time; returns how many there were and how many were key frames."""
    keys = []
    for packet, stream in packets(video, count):
        keys.append(packet.is_keyframe)
        recorder.take(packet, stream)
        clock[0] += 0.04
    return len(keys), sum(keys)


def times(path):
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_segments_hold_every_frame_and_begin_with_a_key_frame(video, tmp_path):
    clock = [1_772_353_800.0]
    recorder = Recorder(tmp_path / "cam", 1.9, lambda: clock[0])
    count, keys = record(video, recorder, clock)
    recorder.close()
    assert recorder.problem == ""
    segments = sorted((tmp_path / "cam").iterdir())
    assert (count, keys, len(segments)) == (200, 8, 4)
    assert segments[0].name == "20260301T083000.000Z.mkv"
    found = [times(path) for path in segments]
    assert sum(map(len, found)) == count
    for each in found:
        assert each[0] == pytest.approx(0, abs=0.1)
        assert all(after > before for before, after in itertools.pairwise(each))


def test_what_is_cut_off_can_be_played_and_is_finished_by_the_next(video, tmp_path):
    clock = [0.0]
    recorder = Recorder(tmp_path, 1000.0, lambda: clock[0])
    count, _ = record(video, recorder, clock, count=60)
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(UNFINISHED)
    cut = tmp_path / "elsewhere.mkv.part"
    # What has reached the disk so far, as after a power cut.
    cut.write_bytes(part.read_bytes())
    whole = len(times(cut)) if cut.stat().st_size else 0
    assert whole <= count
    Recorder(tmp_path, 1000.0, lambda: clock[0])
    assert not list(tmp_path.glob(f"*{UNFINISHED}"))
    recorder.close()  # its file has another name by now
    assert len(times(part.with_suffix(""))) == count


def test_what_cannot_be_written_is_told_and_tried_again(video, tmp_path):
    clock = [0.0]
    (tmp_path / "cam").write_text("in the way")
    recorder = Recorder(tmp_path / "cam", 2.0, lambda: clock[0])
    record(video, recorder, clock, count=50)
    assert "cannot be recorded" in recorder.problem
    assert "\n" not in recorder.problem
    (tmp_path / "cam").unlink()
    record(video, recorder, clock, count=50)
    assert recorder.problem  # not yet
    clock[0] += RETRY_SECONDS
    count, _ = record(video, recorder, clock, count=50)
    recorder.close()
    assert recorder.problem == ""
    (segment,) = (tmp_path / "cam").iterdir()
    assert len(times(segment)) == count


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=20),
    st.integers(0, 100).map(lambda hours: hours + 0.5),
    st.integers(1, 500),
)
def test_pruning_keeps_the_newest_within_age_and_room(tmp_path_factory, files, hours, room):
    folder = tmp_path_factory.mktemp("recordings")
    now = 1e9
    for number, (age, size) in enumerate(files):
        path = folder / f"cam{number % 3}" / f"{number}.mkv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"." * size)
        os.utime(path, (now - age * 3600, now - age * 3600))
    removed = prune(folder, hours, room / 1e9, now)
    left = {int(path.stem) for path in folder.glob("*/*.mkv")}
    order = sorted(range(len(files)), key=lambda each: (now - files[each][0] * 3600, files[each][1]))
    # As few as need be of the oldest go.
    fitting = [
        rest
        for rest in (order[count:] for count in range(len(order) + 1))
        if sum(files[each][1] for each in rest) <= room and all(files[each][0] <= hours for each in rest)
    ]
    assert sum(files[each][1] for each in left) == sum(files[each][1] for each in fitting[0])
    assert removed == len(files) - len(fitting[0])
    assert prune(folder, hours, room / 1e9, now) == 0


def test_pruning_leaves_alone_what_is_being_written(tmp_path):
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam" / f"a.mkv{UNFINISHED}").write_bytes(b"." * 100)
    assert prune(tmp_path, 1.0, 1e-9, time.time()) == 0
    assert prune(tmp_path / "nothing", 1.0, 1.0, time.time()) == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_a_camera_is_recorded_while_it_is_watched(codec, tmp_path):
    why = missing()
    if why:
        pytest.skip(why)
    mount = {"path": "/one", "codec": codec, "width": 320, "height": 240, "fps": 15, "gop": 15}
    config = {"folder": str(tmp_path), "record": True, "record_minutes": 1 / 60}
    with RtspServer(mount) as server, Watching(**config) as watching:
        watching.add("one", server.url("/one"))
        watching.until(watching.frames_come("one", count=45), 60)
        assert watching.capture.states()[0].unrecorded == ""
    segments = sorted((tmp_path / "recordings" / "one").iterdir())
    assert len(segments) >= 2
    assert all(path.suffix == ".mkv" for path in segments)
    frames = [times(path) for path in segments]
    assert sum(map(len, frames)) >= 30
    for each in frames:
        assert all(after > before for before, after in itertools.pairwise(each))
        if len(each) > 5:
            assert each[-1] / (len(each) - 1) == pytest.approx(1 / 15, rel=0.3)
