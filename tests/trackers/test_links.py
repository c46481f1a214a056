"""Why each box is in its track."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trackers.people import Wardrobe, boxes_at, detections
from trackers import Tracker, TrackerConfig
from trackers.links import KEPT, Refind, Refinds, sureness
from trackers.pairs import Pairs


def plain(cost, match, limit):
    """Every other choice looked at."""
    sure = []
    for row, box in enumerate(match):
        if box < 0 or not np.isfinite(cost[row, box]):
            sure.append(0.0)
            continue
        others = [limit[row], *np.delete(cost[row], box), *np.delete(cost[:, box], row)]
        sure.append(min(max((min(others) - cost[row, box]) / limit[row], 0.0), 1.0))
    return sure


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_sure_is_what_the_next_best_choice_would_cost_more(tracks, boxes, seed):
    chance = np.random.default_rng(seed)
    cost = np.where(chance.random((tracks, boxes)) < 0.6, chance.uniform(-0.8, 1, (tracks, boxes)), np.inf)
    match = np.full(tracks, -1, np.intp)
    some = min(tracks, boxes)
    match[chance.permutation(tracks)[:some]] = chance.permutation(boxes)[:some]
    limit = chance.uniform(0.1, 1, tracks)
    found = sureness(Pairs.of(cost, np.isfinite(cost)), match, limit)
    np.testing.assert_allclose(found, plain(cost, match, limit))


def test_a_box_without_a_rival_is_surer_than_one_of_two():
    tracker = Tracker()
    for frame in range(20):
        boxes = boxes_at([100, 600] if frame < 10 else [100, 600, 616])
        tracker.observe(detections(boxes), frame / 10, frame)
        tracker.update()
    alone, crowded, _ = tracker.flush()
    assert alone.sure[0] == crowded.sure[0] == 1.0
    assert alone.sure[1:].min() > 0.9
    np.testing.assert_allclose(crowded.sure[1:10], alone.sure[1:10])
    assert crowded.sure[12:].max() < 0.7


def hidden(config, away, back, looks=None, x=100.0):
    """Somebody stands still, is out of sight for some seconds, and is there again, at `x`."""
    tracker, wardrobe = Tracker(config), Wardrobe(3)
    for frame in range(10 + away * 10 + back):
        there = not 10 <= frame < 10 + away * 10
        boxes = boxes_at([100.0 if frame < 10 else x]) if there else np.zeros((0, 4))
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        tracker.update(wardrobe.crops([looks or 0] * len(rows)) if looks is not None and len(rows) else None)
    return tracker


def test_whoever_stands_where_they_were_expected_is_said_to():
    (tracklet,) = hidden(TrackerConfig(), 1, 10).flush()
    (refind,) = tracklet.refinds
    assert (refind.frame, refind.time, refind.distance) == (20, 2.0, None)
    assert refind.away == pytest.approx(1.1)
    assert refind.reason == "out of sight for 1.1 s, then where they were expected"
    assert tracklet.spans(0.5).tolist() == [[0, 9], [10, 19]]
    assert hidden(TrackerConfig(), 0, 10).flush()[0].refinds == ()


def test_whoever_is_found_by_looks_is_said_to_with_the_distance():
    (tracklet,) = hidden(TrackerConfig(), 4, 10, looks=0, x=150.0).flush()
    (refind,) = tracklet.refinds
    assert refind.away == pytest.approx(4.1)
    assert 0 <= refind.distance <= refind.limit
    assert refind.taken_back == 0
    at = tracklet.frames.tolist().index(refind.frame)
    assert tracklet.sure[at] == pytest.approx(1 - refind.distance / refind.limit, abs=1e-6)
    assert f"{refind.distance:.3f} apart, of {refind.limit:.3f} allowed" in refind.reason


def test_whoever_was_somebody_new_for_a_moment_was_found_with_their_first_box():
    """At first too little of them is seen to know them: by then they have a number."""
    tracker, wardrobe = Tracker(TrackerConfig()), Wardrobe(3)
    for frame in range(62):
        there = not 10 <= frame < 50
        rows = tracker.observe(detections(boxes_at([100.0]) if there else np.zeros((0, 4))), frame / 10, frame)
        crops = wardrobe.crops([0] * len(rows), mass=0.0 if 50 <= frame < 55 else 0.9) if len(rows) else None
        tracker.update(crops)
        growing = tracker.growing()
    (tracklet,) = growing
    (refind,) = tracklet.refinds
    assert (refind.frame, refind.taken_back) == (50, 2)
    assert refind.reason.endswith("; was track 2 meanwhile")
    at = tracklet.frames.tolist().index(50)
    assert tracklet.sure[at] == pytest.approx(1 - refind.distance / refind.limit, abs=1e-6)
    assert len(tracklet.sure) == len(tracklet)


def test_of_those_found_again_any_number_of_times_the_latest_are_kept():
    found = Refinds()
    for number in range(3 * KEPT):
        found.note(7, Refind(number, number / 10, 1.0))
    found.note(8, Refind(1000, 100.0, 1.0))
    found.rename(8, 7)
    found.rename(9, 7)
    assert [each.frame for each in found.of(7)] == [*range(2 * KEPT + 1, 3 * KEPT), 1000]
    assert len(found.forget(7)) == KEPT
    assert found.of(7) == found.of(8) == ()
