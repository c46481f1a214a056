"""Frames a second, shared out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.live.rates import BUSY, LEAST, SETTLED, Governor, fair_rates

wishes = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(LEAST, 60), min_size=1, max_size=8)


def plain(wanted, capacity):
    """Raises everybody's rate in small steps until nothing is left."""
    given_ = dict.fromkeys(wanted, 0.0)
    left, step = capacity, capacity / 20000
    while left > 0 and any(given_[name] < wanted[name] for name in wanted):
        for name in wanted:
            if given_[name] < wanted[name]:
                given_[name] = min(given_[name] + step, wanted[name])
                left -= step
    return given_


@given(wishes, st.floats(0.1, 100))
def test_shares_are_those_of_raising_everybody_together(wanted, capacity):
    found, expected = fair_rates(wanted, capacity), plain(wanted, capacity)
    for name in wanted:
        assert found[name] == pytest.approx(max(expected[name], LEAST), abs=capacity / 500 + 1e-9)


@given(wishes, st.floats(0.1, 100))
def test_nobody_gets_more_than_wanted_and_all_together_not_more_than_there_is(wanted, capacity):
    found = fair_rates(wanted, capacity)
    assert found.keys() == wanted.keys()
    assert all(LEAST <= found[name] <= wanted[name] + 1e-9 for name in wanted)
    assert sum(found.values()) <= capacity + LEAST * len(wanted) + 1e-6


def test_a_machine_that_does_not_keep_up_analyses_less_of_every_camera_and_says_so():
    governor, wanted = Governor(), {"a": 15.0, "b": 15.0, "c": 2.0}
    assert governor.rates(wanted, 0.0) == wanted
    for _ in range(100):
        governor.spent(0.2, 2)
    rates = governor.rates(wanted, 1.0)
    assert governor.slowed
    assert governor.cost == pytest.approx(0.1)
    assert rates["a"] == rates["b"] == pytest.approx((BUSY / 0.1 - 2) / 2)
    assert rates["c"] == 2.0
    # One frame as quick as lightning does not turn it round; many do, and then it waits to be sure.
    governor.spent(0.001, 1)
    assert sum(governor.rates(wanted, 2.0).values()) < 12
    for _ in range(5000):
        governor.spent(0.01, 2)
    assert governor.rates(wanted, 3.0) == wanted
    assert governor.slowed
    governor.rates(wanted, 3.0 + SETTLED + 0.1)
    assert not governor.slowed


def test_rates_do_not_flutter_with_the_cost():
    governor, wanted, rng = Governor(), {"a": 30.0, "b": 30.0}, np.random.default_rng(0)
    seen = []
    for i in range(400):
        governor.spent(float(rng.normal(0.1, 0.01)), 2)
        seen.append(governor.rates(wanted, i * 0.1)["a"])
    assert len(set(seen[100:])) < 10


def test_a_camera_that_comes_back_is_given_its_share_at_once():
    governor = Governor()
    for _ in range(50):
        governor.spent(0.1, 1)
    alone = governor.rates({"a": 15.0}, 0.0)
    both = governor.rates({"a": 15.0, "b": 15.0}, 1.0)
    assert alone["a"] == pytest.approx(9.0)
    assert both["a"] == both["b"] == pytest.approx(4.5)
