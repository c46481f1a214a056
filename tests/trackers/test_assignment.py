from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trackers.assignment import assign, leading

costs = st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
    lambda shape: st.lists(st.floats(0, 1.2), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
        lambda values: np.array(values).reshape(shape)
    )
)


def cheapest(cost, allowed, limit):
    """The least total over all assignments, where a pair left apart costs the limit."""
    n, m = cost.shape
    best = 0.0
    for columns in permutations(list(range(m)) + [-1] * n, n):
        pairs = [(i, j) for i, j in enumerate(columns) if j >= 0]
        if all(allowed[pair] for pair in pairs):
            best = min(best, sum(cost[pair] - limit for pair in pairs))
    return best


@given(costs.filter(lambda c: c.size <= 12), st.integers(0, 2**12 - 1), st.floats(0.1, 1))
def test_is_the_cheapest_of_all_assignments(cost, bits, limit):
    allowed = np.array([bool(bits >> k & 1) for k in range(cost.size)], bool).reshape(cost.shape)
    rows, columns = assign(cost, allowed, limit)
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert allowed[rows, columns].all()
    assert (cost[rows, columns] <= limit).all()
    assert np.isclose((cost[rows, columns] - limit).sum(), cheapest(cost, allowed, limit), atol=1e-6)


def test_prefers_the_better_total_over_the_best_pair():
    cost = np.array([[0.1, 0.2], [0.15, 0.9]])
    rows, columns = assign(cost, np.ones((2, 2), bool), 1.0)
    assert list(zip(rows, columns, strict=True)) == [(0, 1), (1, 0)]


@given(costs, st.floats(0, 0.5))
def test_leading_pairs_beat_their_row_and_column(cost, margin):
    ahead = leading(cost, margin)
    for i, j in np.ndindex(cost.shape):
        others = np.concatenate([np.delete(cost[i], j), np.delete(cost[:, j], i)])
        expected = bool((cost[i, j] + margin <= others).all()) and cost[i, j] <= others.min(initial=np.inf)
        assert ahead[i, j] == expected
