"""Scores of links against their plain definitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.linking_scores import each_alone, linking_scores


def plain_links(people: list[int], cameras: list[int], identities: list[int]) -> tuple[float, float, float]:
    pairs = [(i, j) for i, j in combinations(range(len(people)), 2) if cameras[i] != cameras[j]]
    linked = {pair for pair in pairs if identities[pair[0]] == identities[pair[1]]}
    true = {pair for pair in pairs if people[pair[0]] == people[pair[1]] >= 0}
    right = len(linked & true)
    found = right / len(linked) if linked else 0.0, right / len(true) if true else 0.0
    return 100 * found[0], 100 * found[1], 200 * found[0] * found[1] / sum(found) if right else 0.0


def plain_b3(people: list[int], identities: list[int]) -> float:
    classes = [{j for j, other in enumerate(people) if other == one >= 0} | {i} for i, one in enumerate(people)]
    groups = [{j for j, other in enumerate(identities) if other == one} for one in identities]
    precision = np.mean([len(c & g) / len(g) for c, g in zip(classes, groups, strict=True)])
    recall = np.mean([len(c & g) / len(c) for c, g in zip(classes, groups, strict=True)])
    return float(200 * precision * recall / (precision + recall))


@given(st.lists(st.tuples(st.integers(-2, 4), st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=14))
def test_scores_are_as_defined(rows: list[tuple[int, int, int]]) -> None:
    people, cameras, identities = (list(column) for column in zip(*rows, strict=True))
    found = linking_scores(*(np.array(column) for column in (people, cameras, identities)))
    expected = plain_links(people, cameras, identities)
    assert (found["precision"], found["recall"], found["F1"]) == pytest.approx(expected)
    assert found["B3"] == pytest.approx(plain_b3(people, identities))
    assert found["unknown"] == pytest.approx(100 * np.mean([identities.count(one) == 1 for one in identities]))


def test_who_is_nobody_is_nobody_else() -> None:
    assert len(set(each_alone(np.array([3, -1, -1, 3, -7])).tolist())) == 4
    linked = linking_scores(np.array([-1, -1]), np.array([0, 1]), np.array([1, 1]))
    assert (linked["precision"], linked["B3"]) == (0, pytest.approx(200 / 3))
