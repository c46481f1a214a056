"""Whether somebody new is somebody who was lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trackers.people import Wardrobe, boxes_at, detections
from trackers import Tracker, TrackerConfig
from trackers.returning import Returning

LOOKS = st.lists(
    st.tuples(
        st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 5)), st.floats(0, 2), max_size=8),
        st.sets(st.integers(1, 4)),
    ),
    max_size=12,
)


@given(LOOKS)
def test_the_mean_is_over_all_looks_at_those_who_are_still_young(rounds):
    returning, plain = Returning(), {}
    for seen, young in rounds:
        returning.keep(np.array(sorted(young), np.int64))
        plain = {pair: told for pair, told in plain.items() if pair[0] in young}
        for pair, distance in seen.items():
            plain.setdefault(pair, []).append(distance)
        pairs = np.array(list(seen), np.int64).reshape(-1, 2)
        mean, looks = returning.told(pairs[:, 0], pairs[:, 1], np.array(list(seen.values())))
        assert looks.tolist() == [len(plain[pair]) for pair in seen]
        np.testing.assert_allclose(mean, [np.mean(plain[pair]) for pair in seen])


def back(score, mass, config=None, looks=0):
    """Who comes back after three seconds, some way off, with boxes of a score, for 20 frames: number by frame."""
    tracker, wardrobe, numbers = Tracker(config), Wardrobe(3), {}
    for frame in range(60):
        there, later = not 10 <= frame < 40, frame >= 40
        boxes = boxes_at([160.0 if later else 100.0]) if there else np.zeros((0, 4))
        rows = tracker.observe(detections(boxes, score if later else 0.9), frame / 10, frame)
        crops = wardrobe.crops([looks if later else 0] * len(rows), mass if later else 0.5) if len(rows) else None
        found = tracker.update(crops)
        if later and len(found):
            numbers[frame - 40] = int(found.tracker_id[0])
    return numbers


def test_somebody_half_hidden_is_found_again_by_a_faint_box():
    assert back(0.4, 0.5) == dict.fromkeys(range(20), 1)
    assert set(back(0.4, 0.5, TrackerConfig(refind_score=0.5)).values()) == {2}, "as it would be without"
    assert set(back(0.4, 0.5, looks=1).values()) == {2}, "somebody else"


@pytest.mark.parametrize(("score", "found"), [(0.4, False), (0.9, True)])
def test_a_faint_box_must_show_enough_of_a_person(score, found):
    mass = TrackerConfig().full_mass - 0.05
    assert (1 in back(score, mass).values()) == found


def test_one_look_must_be_nearer_than_several():
    """The limit of several looks is met by the second one; where one look is as good as many, by the first."""
    config = TrackerConfig(refind_once=1e-3, refind_share=2.0)
    assert min(back(0.9, 0.5, config)) > 0
    assert set(back(0.9, 0.5, config).values()) == {1}
    assert min(back(0.9, 0.5, TrackerConfig(refind_once=2.0, refind_share=2.0))) == 0
    assert 1 not in back(0.4, 0.5, config).values(), "faint boxes do not become sure by being many"
