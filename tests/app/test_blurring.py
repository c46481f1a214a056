from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.blurring import CELLS, HELD, MARGIN, Sightings, pixelated
from app.blurring_choice import Blur, Blurring, chosen_blurring
from app.errors import InputError
from app.sources import CameraConfig, open_source
from trackers.evaluation import Rows, read_mot

DEMO = Path(__file__).parents[2] / "demo_videos" / "three-cameras" / "cam1"
FRAMES = 8


def noise(seed: int = 0, height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rows_of(*each: tuple[int, int, tuple[float, float, float, float]]) -> Rows:
    """Rows of (frame from 1, identity, box), in order of frame."""
    frames, ids, boxes = zip(*each, strict=True)
    count = len(frames)
    return Rows(np.array(frames), np.array(ids), np.array(boxes, float), np.ones(count), np.full(count, -1.0))


def inside(box: tuple[float, ...], areas: np.ndarray) -> bool:
    return any((areas[:, :2] <= box[:2]).all(axis=1) & (areas[:, 2:] >= box[2:]).all(axis=1))


# ---- the picture ----


def test_nothing_is_left_but_the_means_of_a_few_cells() -> None:
    box = (100.0, 40.0, 180.0, 200.0)
    shown = pixelated(noise(), np.array([box]))[40:200, 100:180]
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= CELLS[0] * CELLS[1]


def test_it_cannot_be_undone_because_other_pictures_give_the_same() -> None:
    image = noise()
    box = np.array([[100.0, 40.0, 180.0, 200.0]])
    blurred = pixelated(image, box)
    other = image.copy()
    # Upside down within each cell: another picture, the same means.
    rows, columns = np.nonzero((blurred != image).any(axis=2))
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert (bottom - top) % CELLS[1] in range(CELLS[1])
    other[top:bottom, left:right] = blurred[top:bottom, left:right]
    assert not np.array_equal(other, image)
    again = pixelated(other, box)
    assert np.abs(again.astype(int) - blurred).max() <= 40
    assert np.abs(again.astype(int) - blurred).mean() < 8


@given(
    st.lists(st.tuples(*[st.floats(-200, 600, width=32)] * 4), max_size=6),
    st.integers(0, 3),
)
def test_only_what_is_near_a_box_changes_and_all_that_is_in_one(boxes: list[tuple[float, ...]], seed: int) -> None:
    image = noise(seed)
    given_boxes = np.array(boxes, float).reshape(-1, 4)
    blurred = pixelated(image, given_boxes)
    assert blurred.shape == image.shape
    assert blurred is not image
    changed = (blurred != image).any(axis=2)
    for y, x in np.argwhere(changed)[:: max(changed.sum() // 50, 1)]:
        widths = np.abs(given_boxes[:, 2:] - given_boxes[:, :2]) * MARGIN
        reach = np.maximum(widths, 3) + 2
        low, high = given_boxes[:, :2] - reach, given_boxes[:, 2:] + reach
        assert (([x, y] >= low) & ([x, y] <= high)).all(axis=1).any()
    for left, top, right, bottom in given_boxes:
        area = blurred[max(int(np.ceil(top)), 0) : max(int(bottom), 0), max(int(np.ceil(left)), 0) : max(int(right), 0)]
        if area.shape[0] > 30 and area.shape[1] > 30:
            # Noise differs from pixel to pixel; what is left of it does not.
            assert (area[:, 1:] == area[:, :-1]).all(axis=2).mean() > 0.5


def test_a_face_has_no_finer_cells_than_the_person_around_it() -> None:
    person, face = (100.0, 40.0, 180.0, 200.0), (130.0, 45.0, 150.0, 65.0)
    both = pixelated(noise(), np.array([person, face]))
    np.testing.assert_array_equal(both, pixelated(noise(), np.array([person])))


# ---- who ----


def test_a_detection_that_is_nobody_s_is_blurred() -> None:
    seen = Sightings()
    faint = (10.0, 10.0, 40.0, 90.0)
    seen.detected(0, 0.0, np.array([faint]))
    areas = seen.areas(rows_of((1, 7, (200.0, 10.0, 240.0, 90.0))), {7}, 1)
    assert inside(faint, areas[0])
    assert len(areas[0]) == 1


def test_who_is_kept_stays_clear_and_who_covers_them_does_not() -> None:
    kept, other, behind = (100.0, 20.0, 160.0, 180.0), (150.0, 20.0, 210.0, 180.0), (120.0, 25.0, 150.0, 80.0)
    seen = Sightings()
    seen.detected(0, 0.0, np.array([(102.0, 22.0, 161.0, 178.0), (149.0, 20.0, 208.0, 181.0), behind]))
    (areas,) = seen.areas(rows_of((1, 1, kept), (1, 2, other)), {1}, 1)
    assert inside(other, areas)
    assert inside(behind, areas), "somebody half hidden behind a kept person is nobody's detection"
    assert not inside((102.0, 22.0, 161.0, 178.0), areas)
    (everybody,) = seen.areas(rows_of((1, 1, kept), (1, 2, other)), (), 1)
    assert inside(kept, everybody)


def test_who_is_hidden_is_blurred_where_they_are_expected() -> None:
    seen = Sightings()
    seen.detected(0, 0.0, np.zeros((0, 4)))
    seen.expected(0, np.array([(50.0, 50.0, 90.0, 150.0)]))
    (areas,) = seen.areas(rows_of((5, 1, (0.0, 0.0, 9.0, 9.0))), {1}, 1)
    assert inside((50.0, 50.0, 90.0, 150.0), areas)


def test_a_person_missed_for_a_moment_stays_blurred() -> None:
    seen = Sightings()
    box = (50.0, 50.0, 90.0, 150.0)
    for frame in range(20):
        seen.detected(frame, 100 + frame / 10, np.array([box] if frame == 10 else np.zeros((0, 4))))
    areas = seen.areas(rows_of((99, 1, (0.0, 0.0, 9.0, 9.0))), (), 20)
    blurred = [frame for frame in range(20) if len(areas[frame])]
    assert blurred == list(range(10 - round(10 * HELD), 11 + round(10 * HELD)))
    assert HELD >= 0.2


def test_frames_that_did_not_decode_change_nothing() -> None:
    seen = Sightings()
    for frame in (1, 2, 5):
        seen.detected(frame, 7.0 + 10 * frame, np.array([(frame * 10.0, 0.0, frame * 10.0 + 5, 20.0)]))
    areas = seen.areas(rows_of((99, 1, (0.0, 0.0, 9.0, 9.0))), (), 6)
    assert inside((50.0, 0.0, 55.0, 20.0), areas[5])
    assert inside((20.0, 0.0, 25.0, 20.0), areas[2])
    assert not inside((20.0, 0.0, 25.0, 20.0), areas[5])
    assert [len(each) for each in Sightings().areas(rows_of((99, 1, (0.0, 0.0, 9.0, 9.0))), (), 3)] == [0, 0, 0]


# ---- the command ----


def test_what_is_asked_for() -> None:
    assert chosen_blurring(None, []) is None
    assert chosen_blurring(Blur.all, []) == Blurring()
    assert chosen_blurring(Blur.others, ["3", "7, 9"]) == Blurring(frozenset({3, 7, 9}))
    for blur, keep, word in (
        (Blur.others, [], "--keep ID"),
        (Blur.all, ["3"], "--blur others"),
        (None, ["3"], "--blur others"),
        (Blur.others, ["x"], "a number"),
        (Blur.others, ["-1"], "a number"),
    ):
        with pytest.raises(InputError, match=word):
            chosen_blurring(blur, keep)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of a camera of the demonstration."""
    target = tmp_path_factory.mktemp("clip") / "cam1.mp4"
    with av.open(str(DEMO / "video.mp4")) as source, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.pts is not None]
        for packet in packets[:FRAMES]:
            packet.stream = stream
            output.mux(packet)
    return target


def pictures(path: Path) -> list[np.ndarray]:
    return [frame.image for frame in open_source(CameraConfig(name="x", source=str(path)))]


def likeness(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> float:
    """How alike the fine structure in the middle of a box is, where its own lines are not drawn, [-1, 1]."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    fine = []
    for image in (before, after):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
        fine.append(
            (grey - cv2.GaussianBlur(grey, (0, 0), 2))[
                int(top + 0.3 * height) : int(bottom - 0.2 * height), int(left + 0.2 * width) : int(right - 0.2 * width)
            ].ravel()
        )
    return float(np.corrcoef(*fine)[0, 1])


def test_annotate_blurs_everybody_but_those_kept(
    clip: Path, tmp_path: Path, crowdtrace: Callable[..., tuple[int, str, str]]
) -> None:
    weights = ("--set", "detector.weights=bundled")
    words = ("--blur", "others", "--keep", 1, "--keep", 999)
    code, _, error = crowdtrace("annotate", clip, "--output", tmp_path, *words, *weights)
    assert code == 0, error
    assert "--keep 999: nobody has this number" in error
    rows = read_mot(tmp_path / "cam1.txt")
    tall = rows[(rows.boxes[:, 3] - rows.boxes[:, 1] > 60) & (rows.scores > 0.5)]
    before, after = pictures(clip), pictures(tmp_path / "cam1.mp4")
    likenesses = np.array(
        [likeness(before[frame - 1], after[frame - 1], box) for frame, box in zip(tall.frames, tall.boxes, strict=True)]
    )
    kept = tall.ids == 1
    assert (kept.sum() > 5, (~kept).sum() > 20) == (True, True)
    assert np.median(likenesses[~kept]) < 0.2
    assert np.median(likenesses[kept]) > 0.7
    background = np.ones(before[0].shape[:2], bool)
    for left, top, right, bottom in rows.boxes[rows.frames <= 4]:
        background[max(int(top) - 60, 0) : int(bottom) + 60, max(int(left) - 60, 0) : int(right) + 60] = False
    assert np.abs(after[0].astype(int) - before[0])[background].mean() < 4, "what is nobody stays as it was"


def test_a_wrong_wish_is_refused_before_any_work(
    crowdtrace: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, error = crowdtrace("annotate", "none.mp4", "--output", tmp_path / "out", "--blur", "others")
    assert (code, error.count("\n")) == (2, 1)
    assert "--keep ID" in error
