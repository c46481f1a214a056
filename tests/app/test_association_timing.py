"""What the time between tracklets says of who is who, where all of them are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association import associate
from app.association.timing import ENOUGH, OUTLIERS, STRONGEST, gaps, sure_pairs, time_odds
from app.config_association import AssociationConfig
from tests.app.test_association import People, seen

CONFIG = AssociationConfig(threshold=0.3, camera_people=float("inf"))


def walks(people, seconds, rng):
    """Everybody is in camera 0 at some time, and in camera 1 `seconds` later: distances, cameras, first and last."""
    count = 2 * people
    person, cameras = np.arange(count) % people, np.arange(count) // people
    start = rng.uniform(0, 10_000, people)
    first = np.where(cameras == 0, start[person], start[person] + 10 + seconds[person])
    distances = np.where(person[:, None] == person, 0.1, 0.9).astype(np.float32)
    np.fill_diagonal(distances, np.inf)
    return distances, cameras, first, first + 10.0


def odds_of(people, seconds, rng):
    distances, cameras, first, last = walks(people, seconds, rng)
    never = np.zeros(distances.shape, np.bool_)
    return time_odds(distances, never, cameras, first, last, 0.5), gaps(first, last)


def test_the_usual_time_speaks_for_one_person_and_any_other_against():
    rng = np.random.default_rng(0)
    people = int(5 * ENOUGH)
    odds, apart = odds_of(people, rng.uniform(20, 30, people), rng)
    i = np.arange(people)
    assert np.median(odds[i, i + people]) > 2
    between = odds[:people, people:]
    assert between[apart[:people, people:] > 600].max() == pytest.approx(np.log(OUTLIERS), abs=0.5)
    assert np.all(odds[apart < 0] == 0), "time in common says nothing here"
    few, _ = odds_of(4, np.full(4, 25.0), np.random.default_rng(1))
    assert np.abs(few).max() < 0.7, "a few say little"


def test_times_that_are_any_say_nothing():
    rng = np.random.default_rng(0)
    people = int(5 * ENOUGH)
    distances, cameras, first, last = walks(people, np.zeros(people), rng)
    first = np.where(cameras == 1, rng.uniform(0, 10_000, 2 * people), first)
    last = first + 10
    odds = time_odds(distances, np.zeros(distances.shape, np.bool_), cameras, first, last, 0.5)
    assert np.abs(odds).mean() < 0.2


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_odds_are_bounded_and_do_not_depend_on_the_order(count, cameras, seed):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 1, (count, count)).astype(np.float32)
    distances = np.maximum(distances, distances.T)
    np.fill_diagonal(distances, np.inf)
    never = np.triu(rng.uniform(size=(count, count)) < 0.2, 1)
    never |= never.T
    place, first = rng.integers(0, cameras, count), rng.uniform(0, 1000, count)
    last = first + rng.uniform(0, 50, count)
    odds = time_odds(distances, never, place, first, last, 0.6)
    assert np.array_equal(odds, odds.T)
    assert np.all((odds >= np.log(OUTLIERS) - 1e-6) & (odds <= STRONGEST))
    turn = rng.permutation(count)
    turned = time_odds(
        distances[np.ix_(turn, turn)], never[np.ix_(turn, turn)], place[turn], first[turn], last[turn], 0.6
    )
    assert turned == pytest.approx(odds[np.ix_(turn, turn)], abs=1e-5)


def test_sure_are_those_nearest_to_each_other_and_far_below_the_limit():
    distances = np.array([[9, 0.1, 0.2], [0.1, 9, 0.9], [0.2, 0.9, 9]], np.float32)
    sure = sure_pairs(distances, np.array([0, 1, 1]), 0.5)
    assert sure.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert not sure_pairs(distances, np.array([0, 1, 1]), 0.15).any()


def test_nobody_at_all_is_no_trouble():
    none = np.zeros(0)
    empty = np.zeros((0, 0))
    assert time_odds(empty.astype(np.float32), empty > 0, np.zeros(0, np.intp), none, none, 0.5).shape == (0, 0)


def test_the_usual_time_decides_between_strangers_who_look_alike():
    # Two hundred people take about half a minute from east to west; two who look the same leave the east in turn.
    people, rng = People(201, seed=5), np.random.default_rng(0)
    tracklets = []
    for person in range(200):
        start, walk = 500 * person, int(rng.integers(200, 300))
        tracklets.append(seen("east", person + 1, range(start, start + 20), people.crops(person)))
        tracklets.append(seen("west", person + 1, range(start + 20 + walk, start + 40 + walk), people.crops(person)))
    tracklets.append(seen("east", 901, range(200_000, 200_020), people.crops(200, noise=0.05)))
    tracklets.append(seen("east", 902, range(200_010, 200_225), people.crops(200, noise=0.0)))
    tracklets.append(seen("west", 903, range(200_270, 200_290), people.crops(200, noise=0.0)))
    for weight, mate in ((0.042, ("east", 901)), (0.0, ("east", 902))):
        config = CONFIG.model_copy(update={"transit_weight": weight, "crowd_step": 0.0})
        found = [[member.key for member in identity.members] for identity in associate(tracklets, config)]
        assert [mate, ("west", 903)] in found
