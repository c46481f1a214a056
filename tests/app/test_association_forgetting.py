"""What online association forgets, and what it must not: who was beside whom, whoever still grows, clocks that leap."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association import CameraTracklet, OnlineAssociator
from app.association.events import Merged, Split
from app.association.past import Past
from app.association.types import Stay
from tests.app.test_association import seen
from tests.app.test_association_online import CONFIG, crops, grown, run


@pytest.mark.parametrize("restarted", [False, True])
def test_nobody_joins_those_whom_a_forgotten_tracklet_saw_them_beside(restarted):
    # Two who look alike stand side by side in the east; one goes west. When the east has forgotten that one, the other,
    # who is remembered a second longer, would fit the west as well.
    config = CONFIG.model_copy(
        update={
            "wait_seconds": 0.0,
            "late_seconds": 0.0,
            "leave_seconds": 5.0,
            "remember_seconds": 20.0,
            "revise_seconds": 0.5,
        }
    )
    look = crops(0, noise=0.0)
    one, other = seen("east", 1, range(0, 100), look), seen("east", 2, range(90, 120), crops(0))
    later = seen("west", 1, range(250, 270), look)
    associator = OnlineAssociator(config)
    events = run(associator, 28, one, other, later)
    assert [associator.identity_of(item.key) for item in (one, other, later)] == [1, 2, 1]
    if restarted:
        associator = OnlineAssociator(config)
        associator.recall([(other, 2), (later, 1)], [Stay(1, "east", 0.0, 10.0)])
    for now in np.arange(28.5, 33.5, 0.5).tolist():
        events += associator.advance(now)
        if now <= 31.5 and not restarted:
            assert associator.identity_of(other.key) == 2, f"at {now} s"
    assert not [event for event in events if isinstance(event, Merged | Split)]
    assert associator.identity_of(later.key) == 1


FORGETFUL = {"wait_seconds": 0.0, "late_seconds": 0.0, "leave_seconds": 5.0, "remember_seconds": 20.0}


@pytest.mark.parametrize("revise", [0.0, 0.5])
def test_whoever_is_in_view_when_the_clock_is_set_forward_is_still_known(revise):
    config = CONFIG.model_copy(update={**FORGETFUL, "revise_seconds": revise})
    associator = OnlineAssociator(config)
    look = crops(0, noise=0.0)
    run(associator, 5, seen("west", 1, range(0, 20), look), seen("west", 2, range(0, 20), crops(1)))
    standing = seen("east", 1, range(30, 200), look)
    hour = 3600.0

    def leaps(item):
        times = np.where(item.tracklet.times > 10.95, item.tracklet.times + hour, item.tracklet.times)
        return CameraTracklet(item.camera, replace(item.tracklet, times=times))

    alike = leaps(seen("east", 2, range(120, 160), look))
    for last in range(80, 171, 10):
        now = 3.0 + last / 10
        if now > 11.0:
            now += hour
        # Not heard of for the first seconds after: a camera of few frames, or a machine that is held up.
        if not hour < now < hour + 13.0:
            associator.observe(leaps(grown(standing, last)), finished=last == 170)
        if now > hour + 16.0:
            associator.observe(alike)
        associator.advance(now)
        assert associator.identity_of(standing.key) == 1, f"at {now} s"
    assert associator.identity_of(alike.key) not in (None, 1, 2)


@pytest.mark.parametrize(("frames", "joins"), [(range(90, 300), False), (range(110, 300), True)])
def test_a_late_part_of_a_track_does_not_join_those_whom_it_was_seen_beside(frames, joins):
    associator = OnlineAssociator(CONFIG.model_copy(update=FORGETFUL))
    look = crops(0, noise=0.0)
    run(associator, 36, seen("east", 1, range(0, 100), look), seen("west", 1, range(150, 170), look))
    assert associator.identity_of(("east", 1)) is None
    assert associator.identity_of(("west", 1)) == 1
    associator.observe(seen("east", 2, frames, look))
    associator.advance(36.0)
    assert associator.identity_of(("east", 2)) == (1 if joins else 2)


def test_a_tracklet_that_is_never_heard_of_again_is_forgotten():
    associator = OnlineAssociator(CONFIG.model_copy(update=FORGETFUL))
    associator.observe(seen("east", 1, range(0, 20), crops(0)), finished=False)
    for now in np.arange(2.0, 40.0, 1.0).tolist():
        associator.advance(now)
        # 2 s when it was heard of, 20 s that it is remembered, 10 s that it has as it may grow.
        assert (associator.identity_of(("east", 1)) is None) == (now > 32.0), f"at {now} s"


def test_whoever_grows_in_a_camera_whose_clock_is_far_behind_is_one_person():
    associator = OnlineAssociator(CONFIG.model_copy(update=FORGETFUL))
    for last in range(10, 200, 10):
        associator.observe(grown(seen("east", 1, range(0, 200), crops(0)), last), finished=False)
        associator.advance(3600.0 + last / 10)
        assert associator.identity_of(("east", 1)) == 1


SPANS = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 20), st.integers(0, 8))


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, min_size=1, max_size=4), st.booleans())
def test_what_is_barred_is_what_a_span_of_a_camera_meets(forgotten, new, joined):
    past, spans = Past(), {}
    for number, camera, first, length in forgotten:
        past.add(number, camera, float(first), float(first + length))
        spans.setdefault((number, camera), []).append((first, first + length))
    if joined:
        past.join(1, 2)
        past.drop(1)
        for camera in range(3):
            spans.setdefault((2, camera), []).extend(spans.pop((1, camera), []))
    hulls = {key: (min(a for a, _ in each), max(b for _, b in each)) for key, each in spans.items() if each}

    def meet(one, two):
        return one is not None and two is not None and one[0] <= two[1] and two[0] <= one[1]

    numbers = np.array([1, 2, 3])
    camera, first, last = (np.array(each) for each in zip(*((c, a, a + n) for _, c, a, n in new), strict=True))
    bars = past.bars(numbers, camera, first.astype(float), last.astype(float))
    assert bars.tolist() == [
        [meet(hulls.get((number, int(c))), (a, b)) for number in (1, 2, 3)]
        for c, a, b in zip(camera, first, last, strict=True)
    ]
    assert past.apart(numbers).tolist() == [
        [i != j and any(meet(hulls.get((i, c)), hulls.get((j, c))) for c in range(3)) for j in (1, 2, 3)]
        for i in (1, 2, 3)
    ]
