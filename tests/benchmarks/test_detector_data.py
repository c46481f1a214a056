from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.detector_data import make_simulated, read_truth, with_truth
from benchmarks.detector_labels import Labels, examples, read_labels, write_example, write_labels
from benchmarks.detector_samples import Picture, Pool, make_sample, window
from benchmarks.detector_tiles import OVERLAP, TILE, find_tiled, merge, tile_starts, whole

NOBODY = np.zeros((0, 4))


@given(st.integers(1, 8000))
def test_tiles_cover_a_side_and_overlap(length: int) -> None:
    starts = tile_starts(length)
    assert starts[0] == 0
    assert starts[-1] + TILE >= length
    assert (len(starts) == 1) == (length <= TILE)
    assert all(0 < after - before <= TILE - OVERLAP for before, after in itertools.pairwise(starts))
    assert max(starts) <= max(length - TILE, 0)


def test_boxes_cut_by_a_tile_go_those_cut_by_the_picture_stay() -> None:
    boxes = np.array([[0, 0, 50, 50], [600, 10, 639, 90], [300, 590, 400, 639], [1000, 700, 1080, 720]], float)
    assert whole(boxes[:3], (0, 0, 640, 640), (1280, 720)).tolist() == [True, False, False]
    assert whole(boxes[3:], (440, 80, 1080, 720), (1280, 720)).tolist() == [False]
    assert whole(boxes[3:], (440, 80, 1080, 720), (1080, 720)).tolist() == [True]


def test_merging_keeps_the_surest_box_of_a_person() -> None:
    boxes = np.array(
        [[0, 0, 100, 300], [4, 2, 104, 296], [10, 0, 90, 90], [35, 10, 80, 280], [200, 0, 300, 300]], float
    )
    kept, scores = merge(boxes, np.array([0.8, 0.9, 0.3, 0.7, 0.5]))
    # The third is a part of the first person, the fourth a person of their own: nearly as sure, and inside.
    np.testing.assert_array_equal(scores, [0.9, 0.7, 0.5])
    np.testing.assert_array_equal(kept, boxes[[1, 3, 4]])
    assert merge(NOBODY, np.zeros(0))[0].shape == (0, 4)


def test_tiles_find_small_people_one_look_misses(shared: Path, detector_weights: Path) -> None:
    from app.config import DetectorConfig
    from app.detector import Detector
    from app.sources import read_frame

    detector = Detector(DetectorConfig(weights=str(detector_weights), confidence=0.25))
    street = read_frame(str(shared / "data/mot/MOT17-mini/MOT17-04-FRCNN/img1"), index=0).image
    (once,) = detector.detect([street])
    boxes, scores = find_tiled(detector, street)
    assert len(boxes) > 1.5 * len(once)
    assert (np.diff(scores) <= 0).all()
    assert (boxes >= 0).all()
    assert (boxes <= [1920, 1080, 1920, 1080]).all()


def test_labels_come_back(tmp_path: Path) -> None:
    labels = Labels(np.array([[10, 20, 50, 120], [-30, 5, 40, 300]], float), np.array([[100, 50, 140, 90]], float))
    write_labels(tmp_path / "a.txt", labels, 200, 160)
    back = read_labels(tmp_path / "a.txt", 200, 160)
    np.testing.assert_allclose(back.people, [[10, 20, 50, 120], [0, 5, 40, 160]], atol=0.01)
    np.testing.assert_allclose(back.unsure, labels.unsure, atol=0.01)
    write_example(tmp_path, "b", np.full((160, 200, 3), 90, np.uint8), Labels(NOBODY, NOBODY), largest=100)
    (example,) = examples(tmp_path)
    image, empty = example.read()
    assert image.shape == (80, 100, 3)
    assert empty.people.shape == empty.unsure.shape == (0, 4)


def test_truth_that_counts(tmp_path: Path) -> None:
    rows = ["1,1,10,20,30,40,1,1,0.9", "1,2,10,20,30,40,0,1,0.9", "1,3,10,20,30,40,1,7,0.9"]
    rows += ["1,4,10,20,30,40,1,1,0.3", "1,5,10,20,30,40,1,3,1.0", "2,1,12,20,30,40,1,-1,-1"]
    (tmp_path / "gt.txt").write_text("\n".join(rows))
    truth = read_truth(tmp_path / "gt.txt", 0.5)
    np.testing.assert_array_equal(truth(1).people, [[10, 20, 40, 60]])
    # Not used, standing for good, hardly visible; a car is no person.
    assert len(truth(1).unsure) == 3
    np.testing.assert_array_equal(truth(2).people, [[12, 20, 42, 60]])
    assert len(truth(3).people) == 0
    # Loose truth adds what detections missed as unsure, and keeps the boxes that fit.
    found = Labels(np.array([[11, 21, 39, 60]], float), NOBODY)
    both = with_truth(found, Labels(np.array([[10, 20, 40, 60], [90, 20, 120, 60]], float), NOBODY), exact=False)
    np.testing.assert_array_equal(both.people, found.people)
    np.testing.assert_array_equal(both.unsure, [[90, 20, 120, 60]])


def figure(random: np.random.Generator) -> Picture:
    """Red people, each a rectangle of one colour, on noise without red, with their boxes."""
    image = random.integers(0, 120, (360, 640, 3)).astype(np.uint8)
    image[..., 2] = 0
    people = []
    for left in (40, 280, 520):
        width, height, top = random.integers(20, 60), random.integers(60, 200), random.integers(0, 150)
        image[top : top + height, left : left + width] = (0, 0, 255)
        people.append([left, top, left + width, top + height])
    return Picture((image, cv2.resize(image, None, fx=0.5, fy=0.5)), Labels(np.array(people, float), NOBODY))


@given(st.integers(0, 10**6))
def test_labels_follow_the_picture_into_a_window(seed: int) -> None:
    random = np.random.default_rng(seed)
    sample = window(figure(random), random, 320, 256)
    assert sample.image.shape == (256, 320, 3)
    painted = np.zeros((256, 320), bool)
    boxes = np.concatenate([sample.labels.people, sample.labels.unsure])
    red = sample.image[..., 2] > sample.image[..., 0].astype(int) + 90
    for left, top, right, bottom in boxes:
        inside = red[round(top) : round(bottom), round(left) : round(right)]
        assert inside.size < 30 or inside.mean() > 0.7
        painted[max(int(top) - 1, 0) : int(np.ceil(bottom)) + 1, max(int(left) - 1, 0) : int(np.ceil(right)) + 1] = True
    assert not (red & ~painted & ~grey(sample.image)).any()


def grey(image: np.ndarray) -> np.ndarray:
    return image.max(axis=2).astype(int) - image.min(axis=2) < 60


def test_samples_are_the_same_for_the_same_seed_and_share_out_groups(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for group, count in (("real-street", 2), ("simulated-plaza", 3), ("simulated-hall", 1)):
        for number in range(count):
            picture = figure(random)
            write_example(tmp_path / group, str(number), picture.levels[0], picture.labels)
    pool = Pool(tmp_path, simulated=0.25)
    assert len(pool) == 6
    assert pool.weights.sum() == pytest.approx(1)
    assert pool.weights[0] == pytest.approx(0.75)
    first, again, other = (make_sample(pool, np.random.default_rng(seed), 320, 320) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels.people, again.labels.people)
    assert (first.image != other.image).any()
    with pytest.raises(ValueError, match="no training pictures"):
        Pool(tmp_path / "real-street", simulated=0.5)


def test_simulated_scenes_become_pictures(tmp_path: Path) -> None:
    from fractions import Fraction

    from app.video import VideoWriter

    camera = tmp_path / "scene" / "north"
    (camera / "gt").mkdir(parents=True)
    with VideoWriter(camera / "video.mp4", 320, 192, Fraction(10)) as video:
        for number in range(5):
            video.write(np.full((192, 320, 3), 40 * number, np.uint8), number / 10)
    rows = [f"{frame},1,{10 * frame},20,30,100,1,1,1.0\n{frame},2,200,20,5,12,1,1,1.0" for frame in range(1, 6)]
    (camera / "gt" / "gt.txt").write_text("\n".join(rows))
    make_simulated([tmp_path / "scene"], "test", tmp_path / "data", every=2)
    found = examples(tmp_path / "data" / "test" / "simulated-scene-north")
    assert [example.image.stem for example in found] == ["000001", "000003", "000005"]
    image, labels = found[1].read()
    assert abs(float(image.mean()) - 80) < 4
    np.testing.assert_allclose(labels.people, [[30, 20, 60, 120]], atol=0.01)
    # Twelve pixels are too few to count.
    np.testing.assert_allclose(labels.unsure, [[200, 20, 205, 32]], atol=0.01)
