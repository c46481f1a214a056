"""The operator's word beside a plain reference that tries every way to tell people apart."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association.corrections import ContradictionError, Correction, Corrections

KEYS = [("east", 1), ("east", 2), ("west", 1), ("west", 2)]
A, B, C, D = KEYS


def say(number, kind, first, second):
    return Correction(number, kind, tuple(first), tuple(second))


@st.composite
def said(draw):
    found = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=2, max_size=4, unique=True))
        cut = draw(st.integers(1, len(keys) - 1))
        found.append(say(number, draw(st.sampled_from(["merge", "split", "never"])), keys[:cut], keys[cut:]))
    return found


def worlds(corrections):
    """Every way to give the tracklets people in which all of it is true."""
    result = []
    for people in product(range(len(KEYS)), repeat=len(KEYS)):
        who = dict(zip(KEYS, people, strict=True))
        if all(
            len({who[key] for key in each.same()}) <= 1
            and not {who[key] for key in each.apart()[0]} & {who[key] for key in each.apart()[1]}
            for each in corrections
        ):
            result.append(who)
    return result


@given(said())
def test_what_is_refused_is_what_no_world_allows_and_what_is_known_holds_in_every_world(corrections):
    kept, held = [], Corrections()
    for each in corrections:
        before = held.said
        possible = worlds([*kept, each])
        if possible:
            held.add(each)
            kept.append(each)
        else:
            with pytest.raises(ContradictionError):
                held.add(each)
            assert held.said == before, "a refusal changes nothing"
        every = possible or worlds(kept)
        for one, other in product(KEYS, repeat=2):
            if one != other:
                assert (held.group(one) == held.group(other)) == all(who[one] == who[other] for who in every)
        # Walls are those that were said, carried along by groups; what follows from none of them is not known.
        for one, other in product(KEYS, repeat=2):
            wall = any(
                held.group(one) in {held.group(key) for key in sides[0]}
                and held.group(other) in {held.group(key) for key in sides[1]}
                for each in kept
                for sides in (each.apart(), each.apart()[::-1])
            )
            assert held.never(one, other) == wall
            assert not wall or all(who[one] != who[other] for who in every)


@given(said(), st.integers(1, 6))
def test_undone_is_never_said(corrections, number):
    held = Corrections()
    for each in corrections:
        with suppress(ContradictionError):
            held.add(each)
    left = held.without(number)
    plain = Corrections(each for each in held.said if each.number != number)
    assert left.said == plain.said
    for one, other in product(KEYS, repeat=2):
        assert left.group(one) == plain.group(one)
        assert left.never(one, other) == plain.never(one, other)


def test_a_contradiction_names_the_chain():
    held = Corrections([say(1, "merge", [A], [B]), say(2, "merge", [B], [C])])
    with pytest.raises(ContradictionError) as error:
        held.add(say(3, "never", [A], [C]))
    assert str(error.value) == (
        "they are the same: east track 1 = east track 2 (correction 1) = west track 1 (correction 2)"
    )
    walled = Corrections([say(1, "merge", [A], [B]), say(2, "never", [B], [C]), say(3, "merge", [C], [D])])
    with pytest.raises(ContradictionError) as error:
        walled.add(say(4, "merge", [D], [A]))
    text = str(error.value)
    assert text.startswith("east track 2 and west track 1 are never the same (correction 2)")
    assert "west track 2 = west track 1 (correction 3)" in text
    assert "east track 1 = east track 2 (correction 1)" in text
    assert ("hall", 1) not in walled.named
