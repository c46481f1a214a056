from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app import demo
from app.demo import Demonstration, Hidden, choose_hidden, scores, true_person
from app.errors import InputError
from app.gallery.reasons import Reason
from app.search import Match
from trackers.evaluation import Rows, Sequence, read_sequence

INFO = "[Sequence]\nname=%s\nimDir=img1\nframeRate=10\nseqLength=20\nimWidth=640\nimHeight=360\nimExt=.jpg\n"


def camera(folder: Path, name: str, rows: list[tuple[int, int, float, float, float, float, float]]) -> Sequence:
    """Truth of (frame, person, left, top, width, height, visibility)."""
    (folder / name / "gt").mkdir(parents=True)
    (folder / name / "seqinfo.ini").write_text(INFO % name)
    lines = [f"{f},{p},{x},{y},{w},{h},1,1,{share}" for f, p, x, y, w, h, share in rows]
    (folder / name / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    return read_sequence(folder / name)


def test_the_tallest_partly_hidden_person_whom_another_camera_sees_is_searched_for(tmp_path: Path) -> None:
    left = camera(
        tmp_path,
        "left",
        [
            (1, 1, 10, 10, 40, 100, 0.5),
            (2, 2, 10, 10, 40, 120, 0.5),  # the one
            (3, 2, 10, 10, 40, 130, 0.9),  # plain to see
            (4, 3, 10, 10, 40, 200, 0.5),  # nowhere else
            (5, 2, 10, -5, 40, 220, 0.5),  # beyond the picture's edge
            (6, 4, 10, 10, 40, 220, 0.5),  # hidden in the other camera as well
        ],
    )
    right = camera(
        tmp_path,
        "right",
        [(1, 1, 0, 0, 40, 90, 0.9), (1, 2, 90, 0, 40, 90, 0.8), (2, 4, 0, 0, 40, 90, 0.3), (3, 9, 0, 0, 5, 5, 1.0)],
    )
    assert choose_hidden([left, right]) == Hidden("left", 1, (10, 10, 40, 120), 2, 0.5)
    with pytest.raises(InputError, match="nobody in it is partly hidden"):
        choose_hidden([right])


def match(frame: int, box: tuple[float, float, float, float]) -> Match:
    none = np.zeros(0)
    reason = Reason(0.1, 0.1, 0.5, none.astype(np.intp), none.astype(np.intp), none, none)
    return Match(1, 0.1, None, 1, "left", 0.0, frame, box, 1, (0.0, 1.0), None, None, 0.5, 0, reason, None)


def test_a_match_is_right_if_it_shows_the_person(tmp_path: Path) -> None:
    truth = camera(tmp_path, "left", [(3, 7, 10, 10, 40, 100, 1.0), (3, 8, 30, 10, 40, 100, 1.0)]).truth
    assert true_person(match(2, (12, 10, 50, 110)), truth) == 7
    assert true_person(match(2, (29, 12, 70, 110)), truth) == 8
    assert true_person(match(2, (10, 10, 50, 40)), truth) is None, "less than half of either"
    assert true_person(match(3, (12, 10, 50, 110)), truth) is None, "nobody is there in that frame"


def test_scores_across_cameras_decide(tmp_path: Path) -> None:
    rows = [(frame, 1, 10.0, 10.0, 40.0, 100.0, 1.0) for frame in range(1, 21)]
    cameras = [camera(tmp_path, "left", rows), camera(tmp_path, "right", rows)]
    same = scores(cameras, [each.truth for each in cameras])
    assert [(result["name"], result["IDF1"]) for result in same] == [
        ("left", 100),
        ("right", 100),
        ("all cameras", 100),
    ]
    other = cameras[1].truth
    renamed = Rows(other.frames, other.ids + 1, other.boxes, other.scores, other.kinds)
    apart = scores(cameras, [cameras[0].truth, renamed])
    assert [(result["name"], result["IDF1"]) for result in apart] == [
        ("left", 100),
        ("right", 100),
        ("all cameras", 50),
    ]
    annotation = None
    assert Demonstration(annotation, None, same, None, None, []).passed  # type: ignore[arg-type]
    assert not Demonstration(annotation, None, apart, None, None, []).passed  # type: ignore[arg-type]


def test_without_its_scene(crowdtrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(demo, "SCENE", tmp_path / "nothing")
    code, _, error = crowdtrace("demo", "--output", tmp_path / "out")
    assert code == 2
    assert "nothing: the demonstration's videos are not there" in error
    assert not (tmp_path / "out").exists()
