from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.evaluation import Rows
from trackers.gaps import Gaps, matched_rows, same_after_gap

BOX = np.array([0.0, 0, 10, 10])
LENGTHS = (0.1, 0.5, 1.0, 2.0)


def rows(*triples):
    """Rows from (frame, id, place): boxes at different places never touch."""
    frames, ids, places = (np.asarray(each, np.int64) for each in (zip(*triples, strict=True) if triples else [()] * 3))
    return Rows(frames, ids, BOX + 100.0 * places[:, None], np.ones(len(ids)), np.ones(len(ids)))


def counted(truth, predictions, seconds=1.0, visibility=None, fps=10.0):
    shown = np.ones(len(truth)) if visibility is None else np.asarray(visibility, float)
    return same_after_gap(truth, shown, fps, predictions, [seconds])[0]


def gone(first, back, last=40):
    """Frames up to `last` in which somebody is there who is not from `first` until before `back`."""
    return [frame for frame in range(1, last + 1) if not first <= frame < back]


def person(frames, number=1):
    return rows(*[(frame, number, 0) for frame in frames])


@pytest.mark.parametrize(("back", "gaps"), [(20, 0), (21, 1), (30, 1)])
def test_a_gap_lasts_as_long_as_its_frames(back, gaps):
    # Away from frame 11: up to frame 20 are ten frames, one second.
    truth = person(gone(11, back))
    assert counted(truth, truth) == Gaps(gaps, gaps)


def test_low_visibility_and_missing_rows_are_both_out_of_sight():
    truth = person(gone(14, 18))
    shown = np.where((truth.frames >= 11) & (truth.frames <= 20), 0.05, 1.0)
    assert counted(truth, truth, 1.0, shown) == Gaps(1, 1)
    shown[truth.frames == 19] = 0.1
    assert counted(truth, truth, 1.0, shown) == Gaps(0, 0)


def test_coming_late_and_leaving_early_are_no_gaps():
    truth = person(range(50, 60))
    shown = np.where(truth.frames < 55, 0.0, 1.0)
    assert counted(truth, truth, 0.1, shown) == Gaps(0, 0)


def test_who_had_no_number_before_does_not_count():
    truth = person(gone(11, 31))
    late = person(range(31, 41))
    assert counted(truth, late) == Gaps(0, 0)


def test_a_number_of_long_before_the_gap_counts():
    truth = person(gone(11, 31))
    assert counted(truth, person([2, 31])) == Gaps(1, 1)


def test_the_last_number_before_the_gap_is_asked_for():
    truth = person(gone(11, 31))
    exchanged = rows((5, 1, 0), (6, 2, 0), (31, 1, 0))
    assert counted(truth, exchanged) == Gaps(1, 0)
    assert counted(truth, rows((5, 1, 0), (6, 2, 0), (31, 2, 0))) == Gaps(1, 1)


@pytest.mark.parametrize(("frame", "same"), [(31, 1), (41, 1), (42, 0)])
def test_the_number_must_be_back_within_a_second(frame, same):
    truth = person(gone(11, 31, last=60))
    assert counted(truth, person([10, frame])) == Gaps(1, same)


def test_another_number_first_does_no_harm_within_the_second():
    truth = person(gone(11, 31))
    assert counted(truth, rows((10, 1, 0), (31, 2, 0), (35, 1, 0))) == Gaps(1, 1)


def test_not_followed_again_is_a_failure():
    assert counted(person(gone(11, 31)), person([10])) == Gaps(1, 0)


def test_the_number_on_somebody_else_is_a_failure():
    truth = rows(*[(f, 1, 0) for f in gone(11, 31)], *[(f, 2, 5) for f in range(1, 41)])
    assert counted(truth, rows((10, 1, 0), (31, 1, 5))) == Gaps(1, 0)


def test_the_second_after_a_gap_ends_with_the_person():
    # The one person's only row after the gap is the table's last of hers: the next is somebody else's.
    truth = rows((1, 1, 0), (20, 1, 0), (21, 2, 0), (22, 2, 0))
    assert counted(truth, rows((1, 7, 0), (21, 7, 0))) == Gaps(1, 0)


def test_one_box_is_one_persons():
    truth = Rows(*(getattr(rows((1, 1, 0), (1, 2, 0)), name) for name in ("frames", "ids", "boxes", "scores", "kinds")))
    truth.boxes[1] += [1, 0, 1, 0]
    assert matched_rows(truth, person([1])).tolist() == [0, -1]


def test_overlap_is_asked_for():
    truth, half = person([1]), person([1])
    half.boxes[0, 2] = 5.0
    assert matched_rows(truth, half).tolist() == [0]
    half.boxes[0, 2] = 4.9
    assert matched_rows(truth, half).tolist() == [-1]


def test_wrong_input_is_refused():
    truth = person([1, 2])
    with pytest.raises(ValueError, match="expected 2, one for each truth row, given 1"):
        same_after_gap(truth, np.ones(1), 10.0, truth, [1.0])
    with pytest.raises(ValueError, match="above 0"):
        same_after_gap(truth, np.ones(2), 0.0, truth, [1.0])
    with pytest.raises(ValueError, match="above 0"):
        same_after_gap(truth, np.ones(2), 10.0, truth, [0.0])


def test_nobody():
    assert same_after_gap(rows(), np.zeros(0), 10.0, rows(), LENGTHS) == [Gaps(0, 0)] * len(LENGTHS)


PEOPLE, FRAMES = 4, 30


@st.composite
def stories(draw):
    """Truth with visibilities, and predictions: everybody has a place; predictions sit on it under some number."""
    there = draw(st.lists(st.tuples(st.integers(1, FRAMES), st.integers(0, PEOPLE - 1)), unique=True))
    shown = draw(st.lists(st.sampled_from([0.0, 0.05, 0.1, 1.0]), min_size=len(there), max_size=len(there)))
    seen = draw(st.lists(st.tuples(st.integers(1, FRAMES), st.integers(0, PEOPLE - 1)), unique=True))
    numbers = draw(st.lists(st.integers(0, 2), min_size=len(seen), max_size=len(seen)))
    truth = rows(*[(frame, place, place) for frame, place in there])
    predictions = rows(*[(frame, number, place) for (frame, place), number in zip(seen, numbers, strict=True)])
    return truth, np.array(shown), predictions, draw(st.sampled_from([2.0, 5.0, 7.5, 10.0]))


def told_again(truth, visibility, fps, predictions, seconds):
    """The definition, person by person and frame by frame, for boxes that never touch."""
    number = {}
    for frame, who, box in zip(predictions.frames, predictions.ids, predictions.boxes, strict=True):
        number[int(frame), int(box[0]) // 100] = int(who)
    gaps = same = 0
    for who in np.unique(truth.ids):
        frames = sorted(truth.frames[(truth.ids == who) & (visibility >= 0.1)].tolist())
        for last, back in pairwise(frames):
            before = [number[frame, int(who)] for frame in frames if frame <= last and (frame, int(who)) in number]
            if back - last - 1 < max(seconds * fps, 1) or not before:
                continue
            soon = [frame for frame in frames if back <= frame <= back + fps]
            gaps += 1
            same += before[-1] in [number.get((frame, int(who))) for frame in soon]
    return Gaps(gaps, same)


@given(stories())
def test_it_is_the_definition(story):
    truth, shown, predictions, fps = story
    found = same_after_gap(truth, shown, fps, predictions, LENGTHS)
    assert found == [told_again(truth, shown, fps, predictions, seconds) for seconds in LENGTHS]


@given(stories())
def test_longer_gaps_are_fewer_and_the_same_are_at_most_all(story):
    truth, shown, predictions, fps = story
    found = same_after_gap(truth, shown, fps, predictions, LENGTHS)
    assert all(0 <= each.same <= each.gaps for each in found)
    for short, long in pairwise(found):
        assert long.gaps <= short.gaps
        assert long.same <= short.same


@given(stories(), st.permutations(range(3)), st.randoms())
def test_neither_names_nor_the_order_of_rows_count(story, names, random):
    truth, shown, predictions, fps = story
    expected = same_after_gap(truth, shown, fps, predictions, LENGTHS)
    renamed = Rows(
        predictions.frames,
        np.array(names, np.int64)[predictions.ids] + 10,
        predictions.boxes,
        predictions.scores,
        predictions.kinds,
    )
    order = np.array(random.sample(range(len(truth)), len(truth)), np.intp)
    other = np.array(random.sample(range(len(renamed)), len(renamed)), np.intp)
    assert same_after_gap(truth[order], shown[order], fps, renamed[other], LENGTHS) == expected


@given(stories())
def test_truth_survives_all_its_gaps_and_new_numbers_none(story):
    truth, shown, _, fps = story
    assert all(each.same == each.gaps for each in same_after_gap(truth, shown, fps, truth, LENGTHS))
    fresh = Rows(truth.frames, np.arange(len(truth)), truth.boxes, truth.scores, truth.kinds)
    assert all(each.same == 0 for each in same_after_gap(truth, shown, fps, fresh, LENGTHS))
