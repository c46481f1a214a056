from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.simulation.wardrobe import SHIRTS, TROUSERS, Appearance, Bag, Sex, Top, wardrobe

seeds = st.integers(0, 2**31)


def sharing(people: tuple[Appearance, ...]) -> int:
    """How many wear the same two colours as somebody else."""
    worn = Counter((person.shirt, person.trousers) for person in people)
    return sum(count for count in worn.values() if count > 1)


@given(people=st.integers(0, 45), seed=seeds)
def test_one_in_four_shares_both_colours(people, seed):
    shared = sharing(wardrobe(people, seed))
    assert shared % 2 == 0
    # Who shares comes in pairs, so the nearest even number to a quarter is as near as it gets.
    assert abs(shared - people / 4) <= 1


@given(people=st.integers(46, 120), seed=seeds)
def test_more_people_than_pairs_of_colours_wear_them_evenly(people, seed):
    worn = Counter((person.shirt, person.trousers) for person in wardrobe(people, seed))
    assert len(worn) == 40
    assert max(worn.values()) - min(worn.values()) <= 1


def test_colours_are_few():
    people = wardrobe(400, 3)
    assert {person.shirt for person in people} == set(SHIRTS.values())
    assert {person.trousers for person in people} == set(TROUSERS.values())
    assert len(SHIRTS) <= 8
    assert len(TROUSERS) <= 5


@given(seed=seeds)
def test_ground_and_pace_are_in_range(seed):
    for person in wardrobe(20, seed):
        assert person.radius == 0.55 if person.push_chair else 0.22 <= person.radius <= 0.3
        assert 0.9 <= person.pace <= 1.6
        assert 1.1 < person.height < 2.0
        assert 0.84 <= person.build <= 1.3


def test_nobody_carries_two_things_in_a_hand():
    for person in wardrobe(1000, 5):
        assert person.push_chair + person.umbrella + (person.bag is Bag.hand) <= 1


def test_crowd_is_mixed():
    people = wardrobe(1000, 5)
    assert 0.4 < sum(person.sex is Sex.woman for person in people) / 1000 < 0.6
    assert not any(person.top is Top.dress for person in people if person.sex is Sex.man)
    assert 20 < sum(person.push_chair for person in people) < 80
    assert 20 < sum(person.umbrella for person in people) < 80
    assert 20 < sum(person.height < 1.5 for person in people) < 120
    for kind in Bag:
        assert sum(person.bag is kind for person in people) > 80


def test_same_seed_dresses_alike_and_another_does_not():
    assert wardrobe(30, 7) == wardrobe(30, 7)
    assert wardrobe(30, 7) != wardrobe(30, 8)


@pytest.mark.parametrize(("people", "seed", "cause"), [(-1, 0, "people is -1"), (3, -2, "seed is -2")])
def test_negative_numbers_are_refused(people, seed, cause):
    with pytest.raises(InputError, match=cause):
        wardrobe(people, seed)
