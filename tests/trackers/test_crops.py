import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trackers.config import TrackerConfig
from trackers.crops import Allowance, Need, choose, contested
from trackers.pairs import Pairs


def need(count, **given):
    plain = {
        "contested": np.zeros(count, bool),
        "returning": np.zeros(count, bool),
        "new": np.zeros(count, bool),
        "age": np.zeros(count),
        "life": np.full(count, 100.0),
        "covered": np.zeros(count),
        "height": np.full(count, 100.0),
        "score": np.full(count, 0.9),
    }
    return Need(**{**plain, **{name: np.asarray(value) for name, value in given.items()}})


def test_nobody_is_embedded_without_a_reason():
    assert choose(need(5), TrackerConfig(), 8).tolist() == []


def test_returning_before_contested_before_new_before_stale():
    wanted = need(
        4,
        age=[9.0, 0, 0, 0],
        new=[False, True, False, False],
        contested=[False, False, True, False],
        returning=[False, False, False, True],
    )
    assert choose(wanted, TrackerConfig(), 8).tolist() == [3, 2, 1, 0]


def test_a_covered_box_decides_but_is_not_learned():
    covered = need(3, covered=[0.9, 0.9, 0.9], new=[True, True, True], contested=[False, True, False])
    assert choose(covered, TrackerConfig(), 8).tolist() == [1]


def test_small_and_doubtful_boxes_are_left_out():
    assert choose(
        need(3, new=[True] * 3, height=[10.0, 100, 100], score=[0.9, 0.2, 0.9]), TrackerConfig(), 8
    ).tolist() == [2]


def test_bound_keeps_the_clearest():
    wanted = need(4, new=[True] * 4, score=[0.6, 0.9, 0.7, 0.8])
    assert choose(wanted, TrackerConfig(), 2).tolist() == [1, 3]


def test_the_longest_unseen_comes_before_the_slightly_clearer():
    assert choose(need(2, age=[2.0, 8.0], score=[0.95, 0.9]), TrackerConfig(), 1).tolist() == [1]


def test_contested_needs_a_rival_almost_as_good():
    def found(cost, allowed=None):
        cost = np.array(cost)
        return contested(Pairs.of(cost, np.ones(cost.shape, bool) if allowed is None else allowed), 2, 0.9, 0.4)

    assert found([[0.1, 0.3], [0.3, 0.1]]).tolist() == [True, True]
    assert found([[0.1, 0.8], [0.8, 0.1]]).tolist() == [False, False]
    assert found([[0.1, 0.3], [0.3, 0.1]], np.eye(2, dtype=bool)).tolist() == [False, False]
    assert found(np.zeros((0, 2))).tolist() == [False] * 2


def test_views_of_somebody_new_are_refreshed_sooner():
    config = TrackerConfig(exemplar_seconds=3.0)
    some = need(4, age=[1.5, 1.5, 2.5, 3.5], life=[2.0, 6.0, 6.0, 60.0])
    assert sorted(choose(some, config, 8).tolist()) == [0, 2, 3]
    # Where views are refreshed more often than that, the age of a track makes no difference.
    often = TrackerConfig(exemplar_seconds=0.3)
    assert sorted(choose(need(2, age=[0.4, 0.4], life=[0.5, 60.0]), often, 8).tolist()) == [0, 1]


def test_without_a_rate_every_frame_has_as_many_crops():
    allowance = Allowance(TrackerConfig(crops_per_frame=5))
    assert allowance.after(0.0) == 5
    allowance.spend(5)
    assert allowance.after(0.01) == 5


@given(
    st.floats(0.2, 50.0), st.integers(1, 20), st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 30)), max_size=60)
)
def test_a_rate_holds_over_any_stretch_of_time(rate, most, frames):
    allowance = Allowance(TrackerConfig(crops_per_frame=most, crops_per_second=rate))
    spent = []
    for step, wanted in frames:
        allowed = allowance.after(step)
        assert 0 <= allowed <= most
        taken = min(wanted, allowed)
        allowance.spend(taken)
        spent.append((step, taken))
    for start in range(len(spent)):
        seconds = sum(step for step, _ in spent[start + 1 :])
        assert sum(taken for _, taken in spent[start:]) <= most + rate * seconds + 1e-6


def test_what_was_not_used_is_there_for_a_crowded_moment():
    allowance = Allowance(TrackerConfig(crops_per_frame=8, crops_per_second=2.0))
    allowance.spend(8)
    assert allowance.after(0.4) == 0
    assert allowance.after(0.2) == 1
    assert allowance.after(100.0) == 8
