from __future__ import annotations

import json
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.motion import Motion
from app.simulation.picture import Picture
from app.simulation.truth import LEAST_PIXELS, frame_truth, json_line, mot_rows
from app.simulation.writing import CameraWriter, unwritable
from trackers.evaluation import read_sequence

HEIGHT, WIDTH = 48, 64
CAMERA = Camera("east-1", "square", (1, 10, 3), (10, 10, 0), 700, (WIDTH, HEIGHT))


def picture() -> Picture:
    """Person 4 hides most of person 9; person 2 is hidden as a whole, and person 6 beyond the right edge."""
    visible = np.full((HEIGHT, WIDTH), -1, np.int16)
    visible[10:30, 26:28] = 0
    visible[10:40, 10:26] = 1
    boxes = np.array([[12, 10, 28, 30], [10, 10, 26, 40], [12, 12, 20, 30], [70, 10, 80, 30]], np.float64)
    joints = np.stack([np.linspace(box[:2], box[2:] - 1, 13) for box in boxes])
    joints[0, 0] = 28.6, 20.0
    return Picture(
        image=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        visible=visible,
        person=np.array([9, 4, 2, 6], np.int32),
        full_box=boxes,
        visible_box=np.array([[26, 10, 28, 30], [10, 10, 26, 40], [np.nan] * 4, [np.nan] * 4]),
        visibility=np.array([0.125, 1, 0, 0]),
        joints=joints,
    )


def motion() -> Motion:
    person = np.array([1, 2, 4, 6, 9], np.int32)
    zero = np.zeros(5)
    position = np.column_stack([person, 10 * person]).astype(np.float64)
    return Motion(person, position, np.array([0, 4.0, -3, 0, 9]), zero, zero, zero)


def test_everybody_in_the_picture_is_told_hidden_or_not() -> None:
    truth = frame_truth(picture(), motion(), 3, 0.08)
    assert truth.ids.tolist() == [3, 5, 10]
    assert truth.position.tolist() == [[2, 20], [4, 40], [9, 90]]
    np.testing.assert_allclose(truth.heading, [4 - 2 * np.pi, -3, 9 - 2 * np.pi])
    assert truth.pixels.tolist() == [0, 480, 40]
    assert truth.masks[0] == ""


def test_joints_count_as_seen_where_their_person_is_or_beside() -> None:
    truth = frame_truth(picture(), motion(), 3, 0.08)
    assert not truth.joint_visible[0].any()
    assert truth.joint_visible[1].all()
    # The head is 0.6 pixels beside the two columns that show; most others are behind person 4.
    assert truth.joint_visible[2].tolist() == [True] + [False] * 10 + [True] * 2


def test_rows_are_for_those_who_are_seen() -> None:
    rows = mot_rows(frame_truth(picture(), motion(), 3, 0.08))
    assert rows == "3,5,10.00,10.00,16.00,30.00,1,1,1.0000\n3,10,12.00,10.00,16.00,20.00,1,1,0.1250\n"
    hidden = picture()
    hidden.visibility[hidden.visibility == 0.125] = 0.0999
    assert mot_rows(frame_truth(hidden, motion(), 3, 0.08)).splitlines()[1].endswith(",0,1,0.0999")
    barely = picture()
    barely.visible[barely.visible == 0] = -1
    barely.visible[10 : 10 + LEAST_PIXELS - 1, 27] = 0
    assert len(mot_rows(frame_truth(barely, motion(), 3, 0.08)).splitlines()) == 1
    barely.visible[40, 27] = 0
    assert len(mot_rows(frame_truth(barely, motion(), 3, 0.08)).splitlines()) == 2


def test_a_line_of_json_has_it_all() -> None:
    line = json_line(frame_truth(picture(), motion(), 3, 0.08))
    assert line.endswith("}\n")
    document = json.loads(line)
    assert (document["frame"], document["time"]) == (3, 0.08)
    hidden, front, back = document["people"]
    assert (hidden["visible_box"], hidden["mask"], hidden["visibility"]) == (None, "", 0)
    assert (front["id"], front["full_box"], front["position"]) == (5, [10, 10, 16, 30], [4, 40])
    assert back["visible_box"] == [26, 10, 2, 20]
    assert back["joints"][0] == [28.6, 20, 1]


def test_nobody_at_all() -> None:
    empty = picture()
    nobody = Picture(
        empty.image,
        np.full_like(empty.visible, -1),
        empty.person[:0],
        empty.full_box[:0],
        empty.visible_box[:0],
        empty.visibility[:0],
        empty.joints[:0],
    )
    truth = frame_truth(nobody, motion(), 1, 0.0)
    assert mot_rows(truth) == ""
    assert json.loads(json_line(truth)) == {"frame": 1, "time": 0, "people": []}


def write_frames(folder: Path, count: int) -> None:
    with CameraWriter(folder, CAMERA, 29.97) as writer:
        for frame in range(1, count + 1):
            shown = picture()
            writer.write(shown.image, frame_truth(shown, motion(), frame, frame / 29.97))


def test_a_folder_is_a_sequence(tmp_path: Path) -> None:
    write_frames(tmp_path / "east-1", 4)
    sequence = read_sequence(tmp_path / "east-1")
    assert (sequence.name, sequence.fps, sequence.length) == ("east-1", 29.97, 4)
    assert (sequence.width, sequence.height) == (WIDTH, HEIGHT)
    assert sequence.truth.ids.tolist() == [5, 10] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["east-1"]


def test_quality_is_the_camera_s(tmp_path: Path) -> None:
    sizes = []
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for quality in (18, 40):
        camera = replace(CAMERA, look=replace(CAMERA.look, quality=quality))
        with CameraWriter(tmp_path / str(quality), camera, 25) as writer:
            for frame in range(1, 6):
                writer.write(image, frame_truth(picture(), motion(), frame, frame / 25))
        sizes.append((tmp_path / str(quality) / "video.mp4").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_without_a_frame_there_is_no_folder(tmp_path: Path) -> None:
    write_frames(tmp_path / "east-1", 0)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_between_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with CameraWriter(tmp_path / "east-1", CAMERA, 25) as writer:
            writer.write(picture().image, frame_truth(picture(), motion(), 1, 0.0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_line_and_leaves_no_half_folder(tmp_path: Path) -> None:
    # A limit on the size of files stands in for a full disk: both fail in the middle of writing.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)

    def fill() -> None:
        with CameraWriter(tmp_path / "east-1", CAMERA, 25) as writer:
            for frame in range(1, 300):
                writer.write(image[::-1] if frame % 2 else image, frame_truth(picture(), motion(), frame, frame / 25))

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError) as caught:
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value).startswith(f"{tmp_path / 'east-1'}")
    assert "File too large" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".east-1.part").mkdir()
    (tmp_path / ".east-1.part" / "old").write_text("")
    write_frames(tmp_path / "east-1", 1)
    assert sorted(path.name for path in (tmp_path / "east-1").iterdir()) == [
        "gt",
        "seqinfo.ini",
        "truth.jsonl",
        "video.mp4",
    ]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/east-1: cannot be written \(Not a directory\); give another --output"):
        CameraWriter(tmp_path / "file" / "east-1", CAMERA, 25)
    assert str(unwritable(tmp_path, OSError(28, "No space left on device"))) == (
        f"{tmp_path}: the disk is full; free some space or give another --output"
    )
