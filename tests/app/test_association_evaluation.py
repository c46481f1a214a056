"""`evaluate association`: its tracklets, and the command on made-up scenes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from app import association_crops, association_evaluation
from app.association_scene import read_scene
from app.association_tracklets import TrueTracks, owners
from app.config import Config
from app.sources import Frame
from reid_model.features import Features
from trackers import TrackerConfig, Tracklet
from trackers.evaluation import Rows
from trackers.gates import iou

Run = Callable[..., tuple[int, str, str]]
DEMO = Path(__file__).parents[2] / "demo_videos" / "three-cameras"
COLOURS = np.array(
    [[40, 40, 220], [40, 220, 40], [220, 40, 40], [40, 220, 220], [220, 40, 220], [220, 220, 40]], np.uint8
)
WIDTH, HEIGHT, FRAMES, RATE = 400, 300, 6, 2
LOCAL = 4


class ByColour:
    """A network that knows people by their colour, and counts the crops it was given."""

    def __init__(self) -> None:
        self.crops = 0

    def embed(self, crops: list[np.ndarray]) -> Features:
        self.crops += len(crops)
        colours = np.stack([crop[crop.shape[0] // 2, crop.shape[1] // 2] for crop in crops]).astype(int)
        person = np.abs(colours[:, None] - COLOURS.astype(int)).sum(axis=2).argmin(axis=1)
        pooled = np.eye(len(COLOURS), dtype=np.float32)[person]
        local = np.repeat(pooled[:, None], LOCAL, axis=1)
        count = len(crops)
        return Features(pooled, local, np.full((count, LOCAL), 1 / LOCAL, np.float32), np.full(count, 0.5, np.float32))


class Blobs:
    """A detector that finds everything coloured."""

    def __init__(self, config: object) -> None:
        pass

    def detect(self, images: list[np.ndarray]) -> list[sv.Detections]:
        boxes = []
        for colour in COLOURS:
            mask = (np.abs(images[0].astype(int) - colour).sum(axis=2) < 30).astype(np.uint8)
            for left, top, width, height, area in cv2.connectedComponentsWithStats(mask)[2][1:]:
                if area > 50:
                    boxes.append([left, top, left + width, top + height])
        xyxy = np.array(boxes, np.float32).reshape(-1, 4)
        return [sv.Detections(xyxy, confidence=np.full(len(xyxy), 0.9, np.float32), class_id=np.zeros(len(xyxy), int))]


def write_camera(folder: Path, people: list[int], *, extra: int | None = None, info: bool = True) -> None:
    """A camera in which people stand side by side; `extra` is a colour in a corner that no truth knows."""
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rows = []
    for frame in range(FRAMES):
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        for place, person in enumerate(people):
            left, top = 10 + 90 * place + frame, 20
            image[top : top + 100, left : left + 40] = COLOURS[person]
            rows.append(f"{frame + 1},{person + 1},{left},{top},40,100,1,1,1.0")
        if extra is not None:
            image[190:290, 350:390] = COLOURS[extra]
        cv2.imwrite(str(folder / "img1" / f"{frame + 1:06d}.png"), image)
    (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    if info:
        lines = {"name": folder.name, "frameRate": RATE, "seqLength": FRAMES, "imWidth": WIDTH, "imHeight": HEIGHT}
        text = "\n".join(["[Sequence]", *(f"{key}={value}" for key, value in lines.items())])
        (folder / "seqinfo.ini").write_text(text)


@pytest.fixture
def run(crowdtrace: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with a network and a detector that are sure of themselves."""
    for module in (association_evaluation, association_crops):
        monkeypatch.setattr(module, "load_embedder", lambda config: ByColour())
    monkeypatch.setattr(association_evaluation, "Detector", Blobs)
    return partial(crowdtrace, "evaluate", "association")


def results(path: Path) -> dict[str, dict[str, float]]:
    document = json.loads(path.read_text())
    assert document["command"] == "evaluate association"
    return {result["name"]: result for result in document["results"]}


# ---- tracklets of scenes ----


def tracklet(number: int, frames: list[int], boxes: list[list[float]]) -> Tracklet:
    return Tracklet(
        number,
        np.array(frames, np.int64),
        np.array(frames, np.float64),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(len(frames), np.float32),
        None,
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros((0, 4), np.float32),
        (),
    )


@given(st.integers(0, 10**6))
def test_a_tracklet_is_the_persons_whom_most_of_its_boxes_show(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def places(count: int) -> np.ndarray:
        corner = rng.integers(0, 4, (count, 2)) * 20 + rng.uniform(-8, 8, (count, 2))
        return np.concatenate([corner, corner + 20], axis=1)

    pairs = np.unique(np.stack([rng.integers(1, 6, 12), rng.integers(1, 4, 12)], axis=1), axis=0)
    rng.shuffle(pairs)
    ones = np.ones(len(pairs))
    truth = Rows(pairs[:, 0], pairs[:, 1], places(len(pairs)), ones, ones)
    made = []
    for number in range(1, 4):
        frames = np.flatnonzero(rng.random(6) < 0.7)
        frames = frames if len(frames) else np.array([0])
        made.append(tracklet(number, frames.tolist(), places(len(frames)).tolist()))
    for one, found in zip(made, owners(truth, made), strict=True):
        shown = []
        for frame, box in zip(one.frames, one.boxes, strict=True):
            here = truth[truth.frames == frame + 1]
            overlap = iou(box[None].astype(np.float64), here.boxes)[0]
            if len(here) and overlap.max() >= 0.5:
                shown.append(int(here.ids[overlap.argmax()]))
        most = max((shown.count(person) for person in shown), default=0)
        best = {person for person in shown if shown.count(person) == most}
        assert found in (best if most >= len(one) / 2 and most else {-1})


def test_nobody_is_asked_of_nothing() -> None:
    empty = Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    assert owners(empty, [tracklet(1, [0], [[0, 0, 9, 9]])]).tolist() == [-1]
    assert owners(empty, []).tolist() == []


def test_an_absence_parts_a_true_tracklet_and_a_hidden_person_is_not_looked_at(tmp_path: Path) -> None:
    write_camera(tmp_path / "cam1", [0, 1])
    rows = []
    for frame in range(1, FRAMES + 1):
        rows.append(f"{frame},1,{10 + frame},20,40,100,1,1,{0.1 if frame > 2 else 1.0}")
        if frame not in (3, 4, 5):  # two seconds between frames 2 and 6
            rows.append(f"{frame},2,{100 + frame},20,40,100,1,1,1.0")
    (tmp_path / "cam1" / "gt" / "gt.txt").write_text("\n".join(reversed(rows)))
    (camera,) = read_scene(tmp_path, Config()).cameras
    embedder = ByColour()
    true = TrueTracks(camera, embedder, TrackerConfig(exemplars=2, exemplar_seconds=0.4))  # type: ignore[arg-type]
    for frame in camera.source:
        true.look(frame)
    tracklets, people = true.finish()
    assert people.tolist() == [1, 2, 2]
    assert [each.frames.tolist() for each in tracklets] == [[0, 1, 2, 3, 4, 5], [0, 1], [5]]
    assert [len(each.exemplars or []) for each in tracklets] == [2, 2, 1]
    assert embedder.crops == 5
    assert [each.exemplar_frames.tolist() for each in tracklets] == [[0, 1], [0, 1], [5]]


def test_a_scene_file_says_when_and_where(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_camera(tmp_path / name, [0], info=name == "a")
    (tmp_path / "scene.yaml").write_text(
        "command: anything\n"
        "videos: [{camera: b, start: 7.5, fps: 2}]\n"
        "calibration: {b: {ground_to_image: [[2, 0, 0], [0, 4, 0], [0, 0, 1]]}}\n"
        "overlaps: [{cameras: [a, b], square_metres: 9}, {cameras: [a, gone]}]\n"
        "ignore: {a: [[[0, 0], [50, 0], [50, 50]]]}\n"
    )
    scene = read_scene(tmp_path, Config())
    a, b = scene.cameras
    assert (a.times[0], a.times[1]) == (0, 0.5)
    assert (b.times[0], b.sequence.length, b.sequence.fps) == (7.5, FRAMES, 25)  # nobody says at what rate
    assert np.allclose(scene.homographies["b"], [[0.5, 0, 0], [0, 0.25, 0], [0, 0, 1]])
    assert list(scene.homographies) == ["b"]
    assert scene.settings(Config().association).overlaps == [("a", "b")]
    assert len(a.config.ignore) == 1
    own = Config(cameras=[{"name": "b", "source": "elsewhere", "start": 3}])
    assert read_scene(tmp_path, own).cameras[1].times[0] == 3
    bare = read_scene(tmp_path, Config(), calibrated=False)
    assert (bare.homographies, bare.settings(Config().association).overlaps) == ({}, None)


# ---- the command on scenes ----


@pytest.mark.parametrize("associator", ["offline", "online"])
def test_six_uncalibrated_cameras_at_two_frames_a_second(run: Run, tmp_path: Path, associator: str) -> None:
    for camera in range(6):
        people = [(camera + step) % 6 for step in range(4)]
        write_camera(tmp_path / "scene" / f"cam{camera}", people)
    file = tmp_path / "r.json"
    code, out, err = run("--scene", tmp_path / "scene", "--associator", associator, "--json", file)
    assert (code, err) == (0, "")
    found = results(file)
    assert list(found) == ["real-boxes", "true-boxes", "true-tracks"]
    for name, result in found.items():
        assert name in out
        for score in ("IDF1", "HOTA", "AssA", "DetA"):
            assert result[score] >= (100 if name == "true-tracks" else 90), (name, score, result)
        for score in ("precision", "recall", "F1", "B3"):
            assert result[score] == 100, (name, score, result)
        assert (result["unknown"], result["tracklets"], result["people"]) == (0, 24, 6)


def test_what_is_ignored_counts_neither_way(run: Run, tmp_path: Path) -> None:
    scene = tmp_path / "scene"
    for name in ("a", "b"):
        write_camera(scene / name, [0, 1, 2], extra=4 if name == "a" else None)
    file = tmp_path / "r.json"
    assert run("--scene", scene, "--json", file)[0] == 0
    there = results(file)
    (scene / "scene.yaml").write_text("ignore: {a: [[[340, 180], [399, 180], [399, 299], [340, 299]]]}\n")
    assert run("--scene", scene, "--json", file)[0] == 0
    away = results(file)
    assert there["real-boxes"]["tracklets"] == away["real-boxes"]["tracklets"] + 1 == 7
    assert away["real-boxes"]["IDF1"] > there["real-boxes"]["IDF1"] + 3
    assert away["real-boxes"]["IDF1"] == away["true-boxes"]["IDF1"]
    with (scene / "a" / "gt" / "gt.txt").open("a") as more:  # somebody in the corner whom the truth knows
        more.write("".join(f"{frame + 1},9,350,190,40,100,1,1,1.0\n" for frame in range(FRAMES)))
    assert run("--scene", scene, "--json", file)[0] == 0
    assert results(file)["true-tracks"]["IDF1"] == 100
    assert results(file)["true-tracks"]["people"] == 3


def test_a_scene_in_which_nobody_counts_has_no_scores(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_camera(tmp_path / "scene" / name, [])
    for associator in ("offline", "online"):
        code, _, err = run("--scene", tmp_path / "scene", "--associator", associator, "--json", tmp_path / "r.json")
        assert (code, err) == (0, "")
        found = results(tmp_path / "r.json")
        assert {result["tracklets"] for result in found.values()} == {0}
        assert {result["F1"] for result in found.values()} == {0}


def test_settings_are_obeyed_and_several_scenes_have_a_mean(run: Run, tmp_path: Path) -> None:
    for scene in ("one", "two"):
        for name in ("a", "b"):
            write_camera(tmp_path / scene / name, [0, 1])
    file, words = tmp_path / "r.json", ["--scene", tmp_path / "one", "--scene", tmp_path / "two"]
    assert run(*words, "--set", "association.threshold=0", "--json", file)[0] == 0
    rows = json.loads(file.read_text())["results"]
    assert [row["scene"] for row in rows] == ["one"] * 3 + ["two"] * 3 + ["mean"] * 3
    assert (results(file)["true-tracks"]["tracklets"], results(file)["true-tracks"]["recall"]) == (8, 0)
    config = tmp_path / "c.yaml"
    config.write_text("association: {threshold: 0.001, matching: global, apart_penalty: 0}\n")
    assert run("--scene", tmp_path / "one", "--config", config, "--json", file)[0] == 0
    assert results(file)["true-tracks"]["F1"] == 100
    assert run("--scene", tmp_path / "one", "--set", "tracker.crops_per_frame=0", "--json", file)[0] == 0
    nobody = results(file)["true-tracks"]
    assert (nobody["unknown"], nobody["recall"]) == (100, 0)


def test_filmed_people_the_bundled_detector_and_the_shipped_network(crowdtrace: Run, tmp_path: Path) -> None:
    """Four frames of two cameras of the demonstration, as image folders."""
    scene, frames = tmp_path / "scene", 4
    for name in ("cam1", "cam2"):
        (scene / name / "img1").mkdir(parents=True)
        (scene / name / "gt").mkdir()
        video = cv2.VideoCapture(str(DEMO / name / "video.mp4"))
        for number in range(1, frames + 1):
            cv2.imwrite(str(scene / name / "img1" / f"{number:06d}.jpg"), video.read()[1])
        rows = (DEMO / name / "gt" / "gt.txt").read_text().splitlines()
        kept = [row for row in rows if int(row.split(",")[0]) <= frames]
        (scene / name / "gt" / "gt.txt").write_text("\n".join(kept))
        info = (DEMO / name / "seqinfo.ini").read_text().replace("seqLength=200", f"seqLength={frames}")
        (scene / name / "seqinfo.ini").write_text(info)
    file = tmp_path / "r.json"
    words = ("--scene", scene, "--set", "detector.weights=bundled", "--set", "embedder.weights=small")
    code, _, err = crowdtrace("evaluate", "association", *words, "--json", file)
    assert (code, err) == (0, "")
    found = results(file)
    assert found["true-tracks"]["people"] > 10
    # A wrong link of two people whose boxes overlap loses the boxes of one, even among true tracks.
    assert found["true-tracks"]["DetA"] > found["true-boxes"]["DetA"] > found["real-boxes"]["DetA"] > 20


# ---- crops ----


def write_market(root: Path) -> Path:
    """People known by their colours over three cameras, and distractors that look like one of them."""
    parts = {"bounding_box_train": range(1, 31), "query": range(1, 4), "bounding_box_test": range(1, 4)}
    for part, people in parts.items():
        (root / part).mkdir(parents=True)
        for person in people:
            for camera in (1,) if part == "query" else (1, 2, 3):
                for turn in range(1 if part == "query" else 2):
                    crop = np.full((128, 64, 3), COLOURS[person % 6], np.uint8)
                    name = f"{person:04d}_c{camera}s1_{100 * person + 25 * turn + 1:06d}_0{turn}.jpg"
                    cv2.imwrite(str(root / part / name), crop)
    for camera in (1, 2, 3):
        crop = np.full((128, 64, 3), COLOURS[5], np.uint8)
        cv2.imwrite(str(root / "bounding_box_test" / f"0000_c{camera}s1_009000_01.jpg"), crop)
    return root


def test_links_between_crops(run: Run, tmp_path: Path) -> None:
    data, file = write_market(tmp_path / "market"), tmp_path / "r.json"
    code, out, err = run("--tracklets", f"market1501:{data}", "--json", file)
    assert (code, err) == (0, "")
    found = results(file)
    assert list(found) == ["gasm", "global", "mean-feature", "as configured"]
    for name, result in found.items():
        assert name in out
        # Nine links between three people in three cameras, three between distractors who look the same.
        assert (result["precision"], result["recall"]) == (75, 100), result
        assert (result["tracklets"], result["people"], result["unknown"]) == (12, 3, 0)
    assert found["as configured"]["threshold"] == Config().association.threshold
    assert run("--tracklets", f"market1501:{data}", "--set", "association.threshold=0.0", "--associator", "online",
               "--set", "association.transit_weight=0", "--json", file)[0] == 0  # fmt: skip
    assert results(file)["gasm"]["recall"] == 100
    assert results(file)["as configured"]["threshold"] == 0


def test_covered_crops(run: Run, shared: Path, tmp_path: Path) -> None:
    data, file = write_market(tmp_path / "market"), tmp_path / "r.json"
    words = ("--tracklets", f"market1501:{data}", "--json", file)
    cover = ("--occlude", 1, "--occluders", shared / "data" / "pennfudan")
    assert run(*words)[0] == 0
    plain = results(file)["gasm"]["F1"]
    found = []
    for _ in range(2):
        assert run(*words, *cover)[0] == 0
        found.append(results(file))
    assert found[0] == found[1]
    assert found[0]["gasm"]["F1"] < plain


# ---- bad input ----


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((), ("--scene DIR or --tracklets KIND:DIR",)),
        (("--scene", "x", "--tracklets", "market1501:x"), ("one of the two",)),
        (("--scene", "nowhere"), ("nowhere: no such folder",)),
        (("--scene", "."), ("no <camera>/gt/gt.txt",)),
        (("--scene", "x", "--occlude", 1), ("--occlude",)),
        (("--scene", "x", "--associator", "best"), ("--associator best", "offline or online")),
        (("--tracklets", "market1501:nowhere"), ("nowhere", "no such folder")),
        (("--tracklets", "market1501:.", "--uncalibrated"), ("--uncalibrated",)),
        (("--tracklets", "market1501:.", "--occlude", -1), ("--occlude -1", "0 or more")),
        (("--tracklets", "market1501:.", "--occluders", "x"), ("without --occlude",)),
        (("--scene", "x", "--set", "association.thresold=1"), ("did you mean 'threshold'",)),
    ],
)
def test_bad_input_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], parts: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run(*words), *parts)


def test_a_broken_scene_is_one_line(run: Run, tmp_path: Path) -> None:
    write_camera(tmp_path / "scene" / "a", [0])
    for text, part in (
        ("videos: [", "cannot be read"),
        ("overlaps: [{cameras: [a]}]", "overlaps.0.cameras"),
        ("calibration: {a: {ground_to_image: [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}}", "ground_to_image"),
        ("ignore: {a: [[[0, 0], [1, 1]]]}", "ignore.a.0"),
    ):
        (tmp_path / "scene" / "scene.yaml").write_text(text)
        assert_refused(run("--scene", tmp_path / "scene"), "scene.yaml", part)
    (tmp_path / "scene" / "scene.yaml").unlink()
    (tmp_path / "scene" / "b" / "gt").mkdir(parents=True)
    (tmp_path / "scene" / "b" / "gt" / "gt.txt").write_text("")
    assert_refused(run("--scene", tmp_path / "scene"), "video.mp4")
    shutil.rmtree(tmp_path / "scene" / "b")
    (tmp_path / "scene" / "a" / "seqinfo.ini").unlink()
    with (tmp_path / "scene" / "a" / "gt" / "gt.txt").open("a") as more:
        more.write("99,1,1,1,9,9,1,1,1\n")
    assert_refused(run("--scene", tmp_path / "scene"), "frame 99")


def assert_refused(outcome: tuple[int, str, str], *parts: str) -> None:
    code, _, err = outcome
    assert code == 2, err
    assert err.startswith("crowdtrace: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_frames_past_the_truth_are_not_asked_for(tmp_path: Path) -> None:
    write_camera(tmp_path / "a", [0])
    info = tmp_path / "a" / "seqinfo.ini"
    info.write_text(info.read_text().replace(f"seqLength={FRAMES}", f"seqLength={FRAMES + 2}"))
    (camera,) = read_scene(tmp_path, Config()).cameras
    assert camera.times.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert isinstance(next(iter(camera.source)), Frame)
