"""A small scene, simulated once through the command line; everything it wrote is held against everything else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from app import cli
from app.config import CameraConfig
from app.simulation.figures import Figures
from app.simulation.filming import Shooting, pictures
from app.simulation.masks import decode_mask
from app.simulation.render import Renderer
from app.simulation.scene import read_scene
from app.simulation.simulate import plan, shootings
from app.simulation.truth import LEAST_PIXELS, LEAST_VISIBILITY, frame_truth
from app.simulation.wardrobe import wardrobe
from app.simulation.writing import CameraWriter
from app.sources import open_source
from tests.app.conftest import Command
from tests.conftest import ROOT
from trackers.evaluation import Sequence, read_sequence, score

SIZE = (320, 180)
CAMERAS = ("cam1", "cam2", "cam3")
EDGE = 1.0
"""Pixels by which the whole pixels of a mask may stand over the exact full box."""

Frames = list[dict[str, Any]]
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("simulated") / "scene"
    words = "--cameras 3 --people 12 --seconds 1.2 --seed 7 --size 320x180 --workers 2 --start 1700000000"
    argv = sys.argv
    sys.argv = ["crowdtrace", "simulate", "--output", str(output), *words.split()]
    try:
        cli.main()
    except SystemExit as error:
        assert not error.code  # noqa: PT017  (a command that succeeds ends so as well)
    finally:
        sys.argv = argv
    return output


@pytest.fixture(scope="module")
def truth(scene: Path) -> dict[str, Frames]:
    return {
        camera: [json.loads(line) for line in (scene / camera / "truth.jsonl").read_text().splitlines()]
        for camera in CAMERAS
    }


@pytest.fixture(scope="module")
def plans(scene: Path) -> list[Shooting]:
    """What each camera did, from what was written about it."""
    world, config = read_scene(scene / "scene.yaml")
    return shootings(scene, world, config, wardrobe(config.people, config.seed), crops=False)


@pytest.fixture(scope="module")
def again(plans: list[Shooting], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Image]]:
    """A folder in which the first camera has filmed again, in this process; and its pictures."""
    folder = tmp_path_factory.mktemp("again")
    images: list[Image] = []
    camera, start, fps = plans[0].world.cameras[0], plans[0].start, plans[0].fps
    with CameraWriter(folder / camera.name, camera, fps) as writer:
        for frame, motion, picture in pictures(plans[0]):
            writer.write(picture.image, frame_truth(picture, motion, frame, start + (frame - 1) / fps))
            images.append(picture.image)
    return folder, images


def people_of(truth: dict[str, Frames]) -> list[tuple[str, int, dict[str, Any]]]:
    everybody = [(name, frame["frame"], each) for name in CAMERAS for frame in truth[name] for each in frame["people"]]
    assert len(everybody) > 200
    return everybody


def corners(box: list[float]) -> npt.NDArray[np.float64]:
    return np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])


def test_boxes_contain_masks_and_one_another(truth: dict[str, Frames]) -> None:
    for _, _, person in people_of(truth):
        mask = decode_mask(person["mask"], SIZE[1], SIZE[0])
        assert (person["visible_box"] is None) == (not mask.any()) == (person["visibility"] == 0)
        if person["visible_box"] is None:
            continue
        y, x = np.nonzero(mask)
        around = corners(person["visible_box"])
        np.testing.assert_array_equal(around, [x.min(), y.min(), x.max() + 1, y.max() + 1])
        full = corners(person["full_box"])
        assert (around[:2] >= full[:2] - EDGE).all()
        assert (around[2:] <= full[2:] + EDGE).all()


def test_masks_of_a_frame_do_not_overlap(truth: dict[str, Frames]) -> None:
    for frame in truth["cam1"]:
        shown = sum(decode_mask(person["mask"], SIZE[1], SIZE[0]).astype(int) for person in frame["people"])
        assert np.max(shown) <= 1


def test_joints_are_inside_the_full_box(truth: dict[str, Frames]) -> None:
    for _, _, person in people_of(truth):
        joints, full = np.array(person["joints"])[:, :2], corners(person["full_box"])
        assert ((joints >= full[:2] - EDGE) & (joints <= full[2:] + EDGE)).all()


def test_joints_are_the_person_s_and_in_order(truth: dict[str, Frames]) -> None:
    seen = []
    for _, _, person in people_of(truth):
        joints = np.array(person["joints"])
        head, ankles = joints[0, 1], joints[11:, 1]
        assert (head < ankles).all()
        if person["visibility"] > 0.99:
            seen.append(joints[:, 2])
    assert np.mean(seen) > 0.9, "who is seen as a whole shows their joints"


def test_visibility_is_the_share_of_the_pixels_they_would_cover_alone(
    truth: dict[str, Frames], plans: list[Shooting]
) -> None:
    world = plans[0].world
    empty = replace(world, things=(), cameras=world.cameras[:1])
    figures = Figures(plans[0].appearances)
    renderer = Renderer(empty, empty.cameras[0], figures, seed=0)
    checked = 0
    for frame in truth["cam1"][::10]:
        motion = plans[0].motions[frame["frame"] - 1]
        for person in frame["people"]:
            left, top, right, bottom = corners(person["full_box"])
            if left < 0 or top < 0 or right > SIZE[0] or bottom > SIZE[1]:
                continue
            row = np.flatnonzero(motion.person == person["id"] - 1)
            alone = renderer.render(figures.pose(_rows(motion, row)), frame["frame"])
            silhouette = int((alone.visible >= 0).sum())
            shown = int(decode_mask(person["mask"], SIZE[1], SIZE[0]).sum())
            # Umbrellas and push-chairs hide their own people, alone too.
            assert shown == pytest.approx(person["visibility"] * silhouette / alone.visibility[0], abs=2, rel=0.02)
            checked += 1
    assert checked > 10


def _rows(motion: Any, rows: npt.NDArray[np.intp]) -> Any:
    names = ("person", "position", "heading", "speed", "phase", "gaze")
    return type(motion)(*(getattr(motion, name)[rows] for name in names))


def test_a_person_projects_consistently_into_overlapping_cameras(scene: Path, truth: dict[str, Frames]) -> None:
    """Each joint's two pixels are the images of one point in space, which is above where the person stands."""
    document = yaml.safe_load((scene / "scene.yaml").read_text())
    pairs = [pair["cameras"] for pair in document["overlaps"]]
    assert ["cam1", "cam2"] in pairs
    matrices = []
    for name in ("cam1", "cam2"):
        given = document["calibration"][name]
        outer = np.column_stack([given["rotation"], given["translation"]])
        matrices.append(np.array(given["intrinsics"]) @ outer)
    met = 0
    for one, other in zip(truth["cam1"], truth["cam2"], strict=True):
        theirs = {person["id"]: person for person in other["people"]}
        for person in one["people"]:
            if person["id"] not in theirs:
                continue
            met += 1
            assert person["position"] == theirs[person["id"]]["position"]
            pixels = np.array([person["joints"], theirs[person["id"]]["joints"]])[..., :2]
            points = triangulated(matrices, pixels)
            for matrix, shown in zip(matrices, pixels, strict=True):
                np.testing.assert_allclose(projected(matrix, points), shown, atol=0.5)
            middle = points[[11, 12], :2].mean(axis=0)
            assert np.linalg.norm(middle - person["position"]) < 0.35, "a stride's length at most"
    assert met > 50


def projected(matrix: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    at = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    pixels: npt.NDArray[np.float64] = at[:, :2] / at[:, 2:]
    return pixels


def triangulated(matrices: list[npt.NDArray[np.float64]], pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points (n, 3) whose images in two cameras are nearest to pixels (2, n, 2), by linear least squares."""
    points = []
    for place in range(pixels.shape[1]):
        rows = np.concatenate(
            [pixels[camera, place, :, None] * matrix[2] - matrix[:2] for camera, matrix in enumerate(matrices)]
        )
        points.append(np.linalg.lstsq(rows[:, :3], -rows[:, 3], rcond=None)[0])
    return np.array(points)


def test_feet_are_where_the_homography_says(scene: Path, truth: dict[str, Frames]) -> None:
    document = yaml.safe_load((scene / "scene.yaml").read_text())
    off = []
    for name, _, person in people_of(truth):
        at = np.array(document["calibration"][name]["ground_to_image"]) @ [*person["position"], 1]
        left, _, right, bottom = corners(person["full_box"])
        off.append(np.abs(at[:2] / at[2] - [(left + right) / 2, bottom]) / (bottom - corners(person["full_box"])[1]))
    # A stride, a bag or a push-chair puts the box a little aside of where the person stands.
    assert np.median(off, axis=0).max() < 0.1
    assert np.quantile(off, 0.95, axis=0).max() < 0.4


def test_mot_rows_are_the_truth_and_can_be_scored(scene: Path, truth: dict[str, Frames]) -> None:
    for name in CAMERAS:
        sequence: Sequence = read_sequence(scene / name)
        assert (sequence.name, sequence.length, sequence.fps) == (name, 30, 25.0)
        assert (sequence.width, sequence.height) == SIZE
        expected = [
            (frame["frame"], person["id"], *corners(person["full_box"]))
            for frame in truth[name]
            for person in frame["people"]
            if decode_mask(person["mask"], SIZE[1], SIZE[0]).sum() >= LEAST_PIXELS
            and person["visibility"] >= LEAST_VISIBILITY
        ]
        rows = sequence.truth
        given = np.column_stack([rows.frames, rows.ids, rows.boxes])
        np.testing.assert_allclose(given, np.array(expected).reshape(-1, 6), atol=0.011)
        assert (rows.scores == 1).all()
        assert (rows.kinds == 1).all()
        if len(rows):
            perfect = score(sequence, rows)
            assert (perfect["HOTA"], perfect["IDF1"], perfect["IDSW"]) == (pytest.approx(100), pytest.approx(100), 0)


def test_visibility_is_in_the_ninth_column(scene: Path, truth: dict[str, Frames]) -> None:
    shares = {(frame["frame"], each["id"]): each["visibility"] for frame in truth["cam1"] for each in frame["people"]}
    for line in (scene / "cam1" / "gt" / "gt.txt").read_text().splitlines():
        values = line.split(",")
        assert float(values[8]) == pytest.approx(shares[int(values[0]), int(values[1])], abs=1.1e-4)


def test_frames_have_their_times(scene: Path, truth: dict[str, Frames]) -> None:
    for name in CAMERAS:
        source = open_source(CameraConfig(name=name, source=str(scene / name / "video.mp4"), start=1_700_000_000.0))
        frames = list(source)
        assert source.warnings == []
        assert [frame.image.shape for frame in frames] == [(180, 320, 3)] * 30
        times = [frame["time"] for frame in truth[name]]
        np.testing.assert_allclose([frame.time for frame in frames], times, atol=1e-4)
        assert times[0] == 1_700_000_000.0


def test_a_written_scene_filmed_again_is_the_same_to_the_byte(scene: Path, again: tuple[Path, list[Image]]) -> None:
    """With other processes, as well: the first time there were two beside the main one."""
    files = [path.relative_to(again[0]) for path in sorted(again[0].rglob("*.*"))]
    assert len(files) == 4
    for name in files:
        assert (scene / name).read_bytes() == (again[0] / name).read_bytes(), name


def test_the_video_shows_what_was_rendered(scene: Path, again: tuple[Path, list[Image]]) -> None:
    frames = [frame.image for frame in open_source(CameraConfig(name="a", source=str(scene / "cam1" / "video.mp4")))]
    rendered = again[1]
    off = [
        np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(frames, rendered[shift:], strict=False)])
        for shift in (0, 1)
    ]
    assert off[0] < 6
    assert off[0] < off[1], "the frames are not those a moment later"


def test_another_seed_makes_another_world_and_other_people(plans: list[Shooting]) -> None:
    world, config = plan(None, cameras=3, people=12, seconds=0.1, seed=8, size=SIZE)
    assert world != plans[0].world
    assert wardrobe(12, 8) != plans[0].appearances
    other = shootings(Path(), plans[0].world, config, plans[0].appearances, crops=False)[0].motions[0]
    first = plans[0].motions[0]
    assert len(other.person) != len(first.person) or np.abs(other.position - first.position).max() > 1


def test_a_failure_in_a_process_is_one_line(crowdtrace: Command, scene: Path, tmp_path: Path) -> None:
    long = "a" * 253  # a file may be called so, but not that which becomes it
    text = (scene / "scene.yaml").read_text().replace("name: cam1", f"name: {long}")
    (tmp_path / "edited.yaml").write_text(text)
    code, out, err = crowdtrace(
        "simulate", "--output", tmp_path / "out", "--scene", tmp_path / "edited.yaml", "--workers", 1
    )
    assert (code, out) == (2, "")
    reason = "cannot be written (File name too long); give another --output"
    assert err == f"crowdtrace: camera {long}: {tmp_path / 'out' / long}: {reason}\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_ctrl_c_leaves_whole_files(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ["simulate", "--output", output, "--scene", scene / "scene.yaml", "--seconds", 60, "--workers", 1]
    command = [sys.executable, str(ROOT / "run.py"), *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = output / ".cam1.part" / "truth.jsonl"
    deadline = time.monotonic() + 120
    while not (lines.exists() and lines.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # To all processes, as a terminal sends it.
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err == "interrupted: the files hold what was done by then\n"
    assert sorted(path.name for path in output.iterdir()) == ["cam1", "scene.yaml"]
    sequence = read_sequence(output / "cam1")
    assert 0 < sequence.length < 1500
    assert len((output / "cam1" / "truth.jsonl").read_text().splitlines()) == sequence.length
    assert len(list(open_source(CameraConfig(name="cam1", source=str(sequence.images))))) == sequence.length
    videos = yaml.safe_load((output / "scene.yaml").read_text())["videos"]
    assert [(video["camera"], video["frames"]) for video in videos] == [("cam1", sequence.length)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--people 0", "people 0: expected 1 to"),
        ("--cameras 0", "cameras 0: expected 1 to"),
        ("--seconds 0", "seconds 0: expected more than 0"),
        ("--seconds -1", "seconds -1: expected more than 0"),
        ("--seconds nan", "seconds nan: expected more than 0"),
        ("--fps 0", "fps 0: expected 1 to"),
        ("--seed -1", "seed -1: expected a whole number from 0"),
        ("--size 1x1", "width 1: pictures have an even number"),
        ("--size 321x180", "width 321: pictures have an even number"),
        ("--size huge", "--size huge: expected width and height in pixels, such as 1280x720"),
        ("--workers 0", "workers 0: at least one is needed"),
        ("--start yesterday", "--start yesterday: expected seconds or ISO 8601"),
        ("--cameras 1 --crops", "--crops needs two cameras or more"),
        ("--every 0 --crops", "every 0: expected seconds, more than 0"),
        ("--every 1", "--every is the time between looks of --crops"),
        ("--scene absent.yaml", "absent.yaml: no such file; name a scene.yaml"),
        ("--scene absent.yaml --cameras 2", "--cameras: the cameras are the scene's own"),
        ("--json /absent/r.json", "/absent/r.json: cannot be written"),
    ],
)
def test_bad_input_is_one_line(crowdtrace: Command, tmp_path: Path, words: str, problem: str) -> None:
    code, out, err = crowdtrace("simulate", "--output", tmp_path / "out", *words.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"crowdtrace: {problem}")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_taken(crowdtrace: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for name, problem in [
        ("file", "is a file; give a new folder"),
        ("file/out", "cannot write results there"),
        ("folder", "holds something already, such as mine.txt"),
        ("/proc/out", "cannot write results there"),
    ]:
        code, out, err = crowdtrace("simulate", "--output", tmp_path / name, "--seconds", 1)
        assert (code, out) == (2, "")
        assert problem in err
        assert err.count("\n") == 1
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
