from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from trackers import Tracker
from trackers.evaluation import Rows, Sequence, SequenceError, read_detections, read_sequence, score, score_cameras

BOX = np.array([0.0, 0, 10, 10])


def rows(*triples):
    """Rows from (frame, id, place): boxes at different places never touch."""
    frames, ids, places = (np.array(each, np.int64) for each in zip(*triples, strict=True)) if triples else ([], [], [])
    frames, ids, places = (np.asarray(each, np.int64) for each in (frames, ids, places))
    boxes = BOX + 100.0 * places[:, None]
    return Rows(frames, ids, boxes, np.ones(len(ids)), np.ones(len(ids)))


def sequence(truth, length=10):
    return Sequence("test", Path(), length, 30.0, 100, 100, None, truth)


TWO = rows(*[(frame, person, person) for frame in range(1, 11) for person in (1, 2)])


def test_perfect_predictions():
    found = score(sequence(TWO), TWO)
    assert found == {"HOTA": 100, "AssA": 100, "DetA": 100, "IDF1": 100, "MOTA": 100, "IDSW": 0}


def test_no_predictions():
    found = score(sequence(TWO), rows())
    assert found == {"HOTA": 0, "AssA": 0, "DetA": 0, "IDF1": 0, "MOTA": 0, "IDSW": 0}


def test_numbers_exchanged_half_way():
    swapped = rows(*[(f, p if f <= 5 else 3 - p, p) for f in range(1, 11) for p in (1, 2)])
    found = score(sequence(TWO), swapped)
    # Each pair of truth and number agrees on 5 boxes of 15 in their union; 2 switches on 20 boxes.
    assert found["DetA"] == pytest.approx(100)
    assert found["AssA"] == pytest.approx(100 / 3)
    assert found["HOTA"] == pytest.approx(100 / np.sqrt(3))
    assert found["IDF1"] == pytest.approx(50)
    assert found["MOTA"] == pytest.approx(90)
    assert found["IDSW"] == 2


def test_cameras_together_ask_for_one_number_a_person():
    two, one = sequence(TWO), sequence(TWO[TWO.ids == 1], length=12)
    same = score_cameras([two, one], [TWO, one.truth])
    assert same == {"HOTA": 100, "AssA": 100, "DetA": 100, "IDF1": 100, "MOTA": 100, "IDSW": 0}
    renamed = Rows(one.truth.frames, one.truth.ids + 10, one.truth.boxes, one.truth.scores, one.truth.kinds)
    apart = score_cameras([two, one], [TWO, renamed])
    # Person 1 is right in 10 of their 20 boxes; 10 boxes under the other number are neither's.
    assert apart["DetA"] == pytest.approx(100)
    assert apart["IDF1"] == pytest.approx(100 * 2 * 20 / 60)
    assert apart["IDSW"] == 1
    assert score_cameras([two], [TWO]) == score(two, TWO)


def test_cameras_together_refuse_what_one_refuses():
    with pytest.raises(SequenceError, match="expected frames 1 to 5"):
        score_cameras([sequence(TWO), sequence(rows(), length=5)], [TWO, TWO])


def test_found_half_of_the_time():
    found = score(sequence(TWO), TWO[TWO.frames % 2 == 0])
    assert found["DetA"] == pytest.approx(50)
    assert found["AssA"] == pytest.approx(50)
    assert found["IDF1"] == pytest.approx(200 / 3)
    assert found["MOTA"] == pytest.approx(50)


def test_false_boxes_can_make_mota_negative():
    ghosts = rows(*[(frame, number, number + 10) for frame in range(1, 11) for number in range(4)])
    assert score(sequence(TWO), ghosts)["MOTA"] == pytest.approx(-200)


def test_a_loose_box_counts_less_and_only_below_its_overlap():
    """Overlap 0.62: found for CLEAR and Identity (0.5), and for 12 of HOTA's 19 thresholds."""
    loose = Rows(TWO.frames, TWO.ids, TWO.boxes + np.array([0, 0, 0, 10 / 0.62 - 10]), TWO.scores, TWO.kinds)
    found = score(sequence(TWO), loose)
    assert found["IDF1"] == found["MOTA"] == pytest.approx(100)
    assert found["DetA"] == pytest.approx(100 * 12 / 19)


present = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.integers(0, 2)), max_size=24)


def once(triples, key):
    return list({tuple(t[k] for k in key): t for t in triples}.values())


@given(present, present)
def test_idf1_is_the_best_pairing_of_people_and_numbers(truth, guess):
    """Against the definition, by trying every pairing."""
    truth = once(once(truth, (0, 1)), (0, 2))
    guess = once(once(guess, (0, 1)), (0, 2))
    agree = np.zeros((4, 4))
    for frame, person, place in truth:
        for frame2, number, place2 in guess:
            agree[person, number] += (frame, place) == (frame2, place2)
    best = max(sum(agree[i, j] for i, j in enumerate(order)) for order in permutations(range(4)))
    expected = 200 * best / (len(truth) + len(guess)) if truth or guess else 0.0
    assert score(sequence(rows(*truth), 6), rows(*guess))["IDF1"] == pytest.approx(expected)


def test_predictions_outside_or_twice_are_refused():
    with pytest.raises(SequenceError, match="expected frames 1 to 10, given 1 to 11"):
        score(sequence(TWO), rows((1, 1, 1), (11, 1, 1)))
    with pytest.raises(SequenceError, match="two boxes in one frame"):
        score(sequence(TWO), rows((1, 1, 1), (1, 1, 2)))


def test_prints_nothing(capsys):
    score(sequence(TWO), TWO)
    assert capsys.readouterr().out == ""


def track(found, fps, length):
    """The online ids of a sequence's detections, boxes only."""
    tracker, parts = Tracker(), []
    for frame in range(1, length + 1):
        mine = found[found.frames == frame]
        tracker.observe(
            sv.Detections(xyxy=mine.boxes.astype(np.float32), confidence=mine.scores.astype(np.float32)),
            (frame - 1) / fps,
            frame,
        )
        shown = tracker.update()
        parts.append((np.full(len(shown), frame), shown.tracker_id, shown.xyxy.astype(float), shown.confidence))
    frames, ids, boxes, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Rows(frames, ids, boxes, scores, np.full(len(ids), -1.0))


@pytest.mark.parametrize(
    ("name", "hota", "idf1"),
    # What ultralytics' ByteTrack reaches on the same boxes, rounded down: our tracker is above it.
    [("KITTI-17", 44, 66), ("PETS09-S2L1", 35, 44), ("TUD-Campus", 45, 62)],
)
def test_boxes_only_is_better_than_a_plain_tracker(shared, name, hota, idf1):
    sequence = read_sequence(shared / "data" / "mot-boxes" / name)
    found = score(sequence, track(read_detections(sequence), sequence.fps, sequence.length))
    assert found["HOTA"] > hota
    assert found["IDF1"] > idf1


def test_truth_as_detections_is_followed_almost_perfectly(shared):
    sequence = read_sequence(shared / "data" / "mot-boxes" / "TUD-Campus")
    found = score(sequence, track(sequence.truth, sequence.fps, sequence.length))
    assert found["IDF1"] > 85
    assert found["MOTA"] > 90
