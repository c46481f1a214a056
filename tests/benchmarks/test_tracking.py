from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv

from app.config import DetectorConfig
from benchmarks import tracking, tracking_boxes, tracking_peers, tracking_run
from benchmarks.tracking_boxes import (
    Boxes,
    detected_boxes,
    names_of,
    own_boxes,
    perfect,
    sequence_folders,
    visibility_of,
)
from benchmarks.tracking_run import Failure, Run, frames_of, rows_of, run_ours, run_peer, run_ultralytics
from benchmarks.tracking_scores import Figures, Judge, together
from trackers import TrackerConfig
from trackers.evaluation import SequenceError
from trackers.gaps import Gaps

LENGTH, GONE = 60, range(21, 34)


def write_sequence(folder: Path, *, kind: int = 1) -> Path:
    """Two people walk; the second is out of sight for a while; a third is hardly to be seen, and never found."""
    truth, found = [], []
    for frame in range(1, LENGTH + 1):
        for person, top in ((1, 50), (2, 250)):
            place = f"{100 + 2 * frame},{top},40,100"
            hidden = person == 2 and frame in GONE
            if not hidden:
                truth.append(f"{frame},{person},{place},1,{kind},1.0")
                found.append(f"{frame},-1,{place},{0.9 if person == 1 else 0.7}")
        truth.append(f"{frame},3,500,50,40,100,1,{kind},0.05")
    found += ["5,-1,300,400,40,80,0.3", "6,-1,300,400,40,80,0.6", "7,-1,300,400,0,80,0.9"]
    (folder / "gt").mkdir(parents=True)
    (folder / "det").mkdir()
    (folder / "gt" / "gt.txt").write_text("\n".join(truth))
    (folder / "det" / "det.txt").write_text("\n".join(found))
    info = {"name": folder.name, "frameRate": 10, "seqLength": LENGTH, "imWidth": 640, "imHeight": 480}
    lines = ["[Sequence]", *(f"{key}={value}" for key, value in info.items())]
    (folder / "seqinfo.ini").write_text("\n".join(lines))
    return folder


@pytest.fixture
def boxes(tmp_path: Path) -> Boxes:
    return own_boxes(write_sequence(tmp_path / "walk"), "walk")


def test_boxes_are_in_order_and_have_areas(boxes: Boxes) -> None:
    assert len(boxes.frames) == 2 * LENGTH - len(GONE) + 2
    assert (np.diff(boxes.frames) >= 0).all()
    assert boxes.of(6).xyxy[:, 0].tolist() == [112, 112, 300]
    assert len(boxes.of(LENGTH + 1)) == 0


def test_perfect_association_knows_everybody_and_keeps_sure_boxes_of_nobody(boxes: Boxes) -> None:
    found = perfect(boxes)
    assert (found.ids == 1).sum() == LENGTH
    assert (found.ids == 2).sum() == LENGTH - len(GONE)
    strangers = found[found.ids > 3]
    assert strangers.frames.tolist() == [6]
    figures = Judge(boxes).perfect.result()
    assert (figures["reached"], figures["IDSW"], figures["gaps_1s"], figures["same_1s"]) == (100.0, 0, 1, 100.0)
    assert figures["same_3s"] is None


def test_a_person_shows_as_much_as_the_truth_says(tmp_path: Path, boxes: Boxes) -> None:
    assert sorted(set(visibility_of(boxes.sequence))) == [0.05, 1.0]
    # Column 8 is no class here, so column 9 is a coordinate.
    other = own_boxes(write_sequence(tmp_path / "other", kind=-1), "other")
    assert (visibility_of(other.sequence) == 1).all()


def test_a_folder_of_sequences_stands_for_them(tmp_path: Path) -> None:
    first, second = write_sequence(tmp_path / "a" / "cam1"), write_sequence(tmp_path / "b" / "cam1")
    alone = write_sequence(tmp_path / "b" / "cam2")
    folders = sequence_folders([first, tmp_path / "b"])
    assert folders == [first, second, alone]
    assert names_of(folders) == ["a-cam1", "b-cam1", "cam2"]
    assert sequence_folders([tmp_path / "missing"]) == [tmp_path / "missing"]


def test_our_tracker_is_scored_as_it_goes(boxes: Boxes) -> None:
    run = run_ours("ours", boxes, TrackerConfig(), None)
    assert len(run.elapsed) == len(run.processor) == LENGTH
    assert run.tracks.frames.min() > 1, "a number is given after a few frames, and not to those before"
    figures = Judge(boxes).figures(run)
    assert figures.frames == LENGTH
    assert figures.scores["IDF1"] > 75
    assert figures.result()["fps"] == pytest.approx(LENGTH / run.elapsed.sum(), abs=0.1)


@pytest.mark.parametrize("name", tracking_run.ULTRALYTICS)
def test_ultralytics_takes_the_same_boxes(boxes: Boxes, name: str) -> None:
    run = run_ultralytics(name, boxes)
    assert isinstance(run, Run)
    assert Judge(boxes).figures(run).scores["IDF1"] > 75


def test_tracks_that_cannot_be_scored_are_a_failure(boxes: Boxes) -> None:
    twice = rows_of([1, 1], [4, 4], [[0, 0, 10, 10], [50, 50, 60, 60]])
    result = Judge(boxes).figures(Run("bad", twice, np.ones(1), np.ones(1))).result()
    assert result == {
        "name": "walk: bad",
        "sequence": "walk",
        "tracker": "bad",
        "failed": "predictions: an id has two boxes in one frame",
    }


def test_boxes_that_are_no_numbers_are_left_out() -> None:
    rows = rows_of([1, 2], [1, 1], [[0, 0, 10, 10], [0, np.nan, 10, 10]])
    assert rows.frames.tolist() == [1]


def failure(found: list[Run | Failure]) -> str:
    (each,) = found
    assert isinstance(each, Failure)
    assert "\n" not in each.reason
    return each.reason


def test_a_peer_that_cannot_run_says_why(tmp_path: Path, boxes: Boxes) -> None:
    file = tmp_path / "boxes.npz"
    boxes.save(file)
    assert "left out" in failure(run_peer(None, "BoxMOT ByteTrack", [(file, None)]))
    assert "No such file" in failure(run_peer(tmp_path / "python", "BoxMOT ByteTrack", [(file, None)]))
    # This environment has no BoxMOT.
    assert "No module named 'boxmot'" in failure(run_peer(Path(sys.executable), "BoxMOT ByteTrack", [(file, None)]))


def echo(name: str) -> tracking_peers.Step:
    return lambda boxes, scores, vectors, picture: np.column_stack([boxes, np.arange(len(boxes))])


def test_the_script_writes_tracks_and_times(tmp_path: Path, boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_peers, "roboflow", echo)
    boxes.save(tmp_path / "boxes.npz")
    sequences: list[dict[str, Any]] = [
        {"boxes": str(tmp_path / name), "video": None, "tracks": str(tmp_path / "tracks.npz")}
        for name in ("boxes.npz", "missing.npz")
    ]
    job = {"peer": "roboflow SORT", "reid": None, "report": str(tmp_path / "report.json"), "sequences": sequences}
    (tmp_path / "job.json").write_text(json.dumps(job))
    monkeypatch.setattr(sys, "argv", ["tracking_peers.py", str(tmp_path / "job.json")])
    tracking_peers.main()
    good, bad = json.loads((tmp_path / "report.json").read_text())
    assert good is None
    assert bad.startswith("FileNotFoundError")
    found = np.load(tmp_path / "tracks.npz")
    assert found["frames"].tolist() == boxes.frames.tolist()
    assert np.array_equal(found["xyxy"], boxes.xyxy)
    assert len(found["elapsed"]) == len(found["processor"]) == LENGTH


def figures(sequence: str, score: float, gaps: tuple[Gaps, ...], failed: str | None = None) -> Figures:
    scores = dict.fromkeys(("HOTA", "IDF1", "MOTA"), score) | {"IDSW": 2.0}
    return Figures(sequence, "ours", scores, 80.0, gaps, 10, 1.0, 0.5, None, failed)


def test_over_several_sequences_scores_are_means_and_counts_sums() -> None:
    parts = [figures("a", 40.0, (Gaps(3, 1), Gaps(0, 0), Gaps(0, 0))), figures("b", 80.0, (Gaps(1, 1),) * 3)]
    row = together("mean", parts).result()
    assert (row["HOTA"], row["IDSW"], row["reached"], row["fps"], row["processor_fps"]) == (60.0, 4, 75.0, 10.0, 20.0)
    assert (row["gaps_1s"], row["same_1s"], row["gaps_5s"]) == (4, 50.0, 1)
    parts.append(figures("c", 0.0, (), failed="broke"))
    assert together("mean", parts).result()["failed"] == "c: broke"


def test_means_are_of_the_sequences_set_apart() -> None:
    assert tracking.sets_of(["walk"]) == {}
    assert list(tracking.sets_of(["one", "two"])) == ["mean"]
    assert list(tracking.sets_of([*tracking.CHOSEN, *tracking.REPORTED])) == ["mean of chosen", "mean of reported"]


def test_the_command_leaves_nobody_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_sequence(tmp_path / "walk")
    monkeypatch.setattr(sys, "argv", ["tracking", "--sequence", str(folder), "--json", str(tmp_path / "found.json")])
    tracking.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["command"] == "bench tracking"
    assert found["version"]
    names = {result["tracker"]: result for result in found["results"]}
    assert set(tracking.PEERS) <= set(names)
    assert all(names[peer]["failed"].startswith("left out") for peer in tracking.PEERS)
    assert names["crowdtrace, boxes only"]["HOTA"] > 50
    assert capsys.readouterr().out.count("failed: left out") == len(tracking.PEERS)


def test_the_command_names_a_folder_that_is_no_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tracking", "--sequence", str(tmp_path / "missing")])
    with pytest.raises(SystemExit) as stopped:
        tracking.main()
    assert stopped.value.code == 2
    assert "missing: no such folder" in capsys.readouterr().err


class OneBox:
    """A detector that finds one person everywhere, and counts how often it is asked."""

    asked = 0

    def __init__(self, config: DetectorConfig) -> None:
        pass

    def detect(self, images: list[Any]) -> list[sv.Detections]:
        OneBox.asked += len(images)
        box = np.array([[10, 10, 50, 110]], np.float32)
        return [sv.Detections(box, confidence=np.array([0.8], np.float32), class_id=np.zeros(1, int))]


def test_a_detector_looks_once_and_everybody_gets_its_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_boxes, "Detector", OneBox)
    folder = write_sequence(tmp_path / "walk")
    with pytest.raises(SequenceError, match=r"neither video\.mp4 nor img1/"):
        detected_boxes(folder, "walk", DetectorConfig(weights="bundled"), tmp_path)
    (folder / "img1").mkdir()
    for frame in range(1, 6):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.jpg"), np.full((480, 640, 3), 40 * frame, np.uint8))
    for _ in range(2):
        boxes = detected_boxes(folder, "walk", DetectorConfig(weights="bundled"), tmp_path)
        assert boxes.frames.tolist() == [1, 2, 3, 4, 5]
        assert boxes.video == folder / "img1"
    assert OneBox.asked == 5
    ours, theirs = frames_of(boxes, pictures=True), tracking_peers.pictures_of(str(boxes.video))
    for frame, picture in zip(ours, theirs, strict=True):
        assert np.abs(frame.image.astype(int) - picture).max() <= 2
