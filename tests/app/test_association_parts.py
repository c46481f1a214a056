"""What online association is made of: transit times, learned overlaps, places on the ground, joint choice, looks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association import OnlineAssociator, replay
from app.association.clustering import contracted
from app.association.distance import tracklet_distances
from app.association.ground import ENOUGH, Ground, homographies
from app.association.joint import choose
from app.association.looks import Looks
from app.association.transit import STRONGEST, Transits
from app.config import CameraConfig
from app.config_association import AssociationConfig
from tests.app.test_association import People, seen

CONFIG = AssociationConfig(threshold=0.3)


def test_transit_times_are_learned_and_speak_for_those_that_fit():
    transits = Transits(600.0)
    transits.room(2)
    rng = np.random.default_rng(0)
    there, back = np.array([0]), np.array([1])
    for seconds in np.exp(rng.normal(np.log(30), 0.2, 4)):
        transits.learn(0, 1, seconds)
    assert transits.log_odds(there, back, np.array([30.0])) == 0, "too few say nothing"
    for seconds in np.exp(rng.normal(np.log(30), 0.2, 60)):
        transits.learn(0, 1, seconds)
    usual, odd, never = (float(transits.log_odds(there, back, np.array([value]))[0]) for value in (30.0, 200.0, 3.0))
    assert usual > 2
    assert [odd, never] == pytest.approx([np.log(0.1)] * 2, abs=0.05), "the floor: some people take any time"
    assert transits.log_odds(back, there, np.array([30.0])) == 0, "the way back is another way"
    assert transits.log_odds(there, back, np.array([np.nan])) == 0


@settings(max_examples=30)
@given(st.lists(st.floats(0, 500), max_size=30), st.floats(0, 600))
def test_transit_odds_are_bounded(times, seconds):
    transits = Transits(600.0)
    transits.room(2)
    for value in times:
        transits.learn(0, 1, value)
    assert abs(float(transits.log_odds(np.array(0), np.array(1), np.array(seconds)))) <= STRONGEST


def test_the_usual_time_decides_between_two_who_look_alike():
    # Everybody takes twenty seconds from east to west. Then two leave the east 18 seconds apart who look much the same.
    people = People(32, seed=3)
    tracklets = []
    for person in range(30):
        start = 100 * person
        tracklets.append(seen("east", person + 1, range(start, start + 20), people.crops(person)))
        tracklets.append(seen("west", person + 1, range(start + 220, start + 240), people.crops(person)))
    tracklets.append(seen("east", 90, range(4000, 4020), people.crops(31, noise=0.1)))
    tracklets.append(seen("east", 91, range(4010, 4200), people.crops(31, noise=0.0)))
    tracklets.append(seen("west", 92, range(4220, 4240), people.crops(31, noise=0.0)))
    for weight, mate in ((0.02, ("east", 90)), (0.0, ("east", 91))):
        settings = {"transit_weight": weight, "wait_seconds": 0.0, "revise_seconds": 0.0}
        found = replay(tracklets, CONFIG.model_copy(update=settings))
        assert [mate, ("west", 92)] in [[member.key for member in identity.members] for identity in found]


def test_overlap_is_learned_from_doubles():
    people = People(20, seed=4)
    apart, common = OnlineAssociator(CONFIG), OnlineAssociator(CONFIG)
    for i in range(10):
        frames = range(30 * i, 30 * i + 40)
        for associator, other in ((common, i), (apart, 10 + i)):
            associator.observe(seen("east", i + 1, frames, people.crops(i)))
            associator.observe(seen("west", i + 1, frames, people.crops(other)))
            associator.advance(3.0 * i + 8)
    assert common._evidence._overlaps.common_place()[0, 1]
    assert not apart._evidence._overlaps.common_place()[0, 1]
    for associator in (common, apart):
        evidence = associator._evidence
        for row in associator._memory.rows():
            evidence.forget(int(row))
        assert not evidence._overlaps._people.any(), "what is forgotten tells nothing any more"
        assert not evidence._overlaps._same.any()


FLAT = [[0.01, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 1.0]]


def test_people_stand_where_their_feet_are():
    ground = Ground({"east": FLAT, "west": FLAT}, 2.0, 0.0)
    one, other = seen("east", 1, range(20), None, 100), seen("west", 1, range(10, 40), None, 400)
    assert ground.places("east", one.tracklet)[0] == pytest.approx([1.15, 1.0])
    assert ground.apart("east", one.tracklet, "west", other.tracklet) == pytest.approx(3.0)
    later = seen("west", 2, range(50, 60), None, 100)
    assert np.isnan(ground.apart("east", one.tracklet, "west", later.tracklet))
    # Somebody who walks seems elsewhere by clocks that are off, until both are allowed for.
    walking = replace(one.tracklet, boxes=one.tracklet.boxes + np.arange(20)[:, None] * np.float32([20, 0, 20, 0]))
    shifted = replace(walking, times=walking.times + 1.0)
    assert ground.apart("east", walking, "west", shifted) == pytest.approx(2.0, abs=0.05)
    assert Ground({"east": FLAT, "west": FLAT}, 2.0, 2.0).apart("east", walking, "west", shifted) < 0.01


def test_ground_parts_doubles_and_homographies_that_disagree_are_not_used():
    people = People(12, seed=6)

    def pairs(away):
        return [
            seen(camera, i + 1, range(40 * i, 40 * i + 50), people.crops(i), 100 + (away if camera == "west" else 0))
            for i in range(ENOUGH + 3)
            for camera in ("east", "west")
        ]

    def run(tracklets, homographies):
        associator = OnlineAssociator(CONFIG, homographies=homographies)
        for item in tracklets:
            associator.observe(item)
            associator.advance(float(item.tracklet.times[-1]) + 3)
        associator.flush()
        return associator

    both = {"east": FLAT, "west": FLAT}
    assert [len(each.members) for each in run(pairs(0), both).identities()] == [2] * (ENOUGH + 3)
    assert len(run(pairs(500), {"east": FLAT}).identities()) == ENOUGH + 3, "one alone says nothing"
    wrong = run(pairs(500), both)
    assert len(wrong.warnings) == 1
    assert "cameras east and west: their homographies disagree: the same people are 5.0 m apart" in wrong.warnings[0]
    assert len(wrong.identities()) == ENOUGH + 3, "not used any more"
    # Twins of the same look, 5 m apart: the ground knows better than looks.
    look = people.crops(11)
    twins = [*pairs(0), seen("east", 50, range(900, 950), look), seen("west", 50, range(900, 950), look, 700)]
    assert len(run(twins, both).identities()) == ENOUGH + 5
    assert len(run(twins, {}).identities()) == ENOUGH + 4


@pytest.mark.parametrize("rows", [[[1, 0, 0]], [[1, 0], [0, 1], [0, 0]], [[1, 0, 0]] * 3, [[0, 0, 0]] * 3])
def test_a_matrix_that_is_no_homography_is_refused(rows):
    with pytest.raises(ValueError, match="homography"):
        CameraConfig(name="a", source="a.mp4", homography=rows)
    cameras = [CameraConfig(name="a", source="a.mp4", homography=FLAT), CameraConfig(name="b", source="b.mp4")]
    assert homographies(cameras) == {"a": FLAT}


def test_a_group_is_not_pushed_off_by_one_that_may_be_the_same_person():
    inf = np.inf
    apart = np.array([[inf, 0.6], [0.6, inf]], np.float32)
    # Both are nearest to the first identity; the second would do for either.
    totals, counts = np.array([[0.1, 0.5], [0.2, 0.5]]), np.ones((2, 2))
    none = np.zeros((2, 2))
    free = choose(totals, counts, apart, [[0], [1]], none, 0.55)
    assert [(each.group, each.identity) for each in free] == [(0, 0), (1, 0)]
    never = np.full((2, 2), inf, np.float32)
    held = choose(totals, counts, never, [[0], [1]], none, 0.55)
    assert {(each.group, each.identity) for each in held} == {(0, 0), (1, 1)}
    # Together, not one after the other: the nearest pair is given up for the least sum.
    totals = np.array([[0.1, 0.2], [0.2, 0.54]])
    joint = choose(totals, counts, never, [[0], [1]], none, 0.55)
    assert {(each.group, each.identity) for each in joint} == {(0, 1), (1, 0)}


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_laws_of_choice(groups, identities, seed, threshold):
    rng = np.random.default_rng(seed)
    totals = rng.uniform(0, 1, (groups, identities))
    totals[rng.random(totals.shape) < 0.2] = np.inf
    between = rng.uniform(0, 1, (groups, groups)).astype(np.float32)
    between[rng.random(between.shape) < 0.3] = np.inf
    between = np.maximum(between, between.T)
    np.fill_diagonal(between, np.inf)
    made = choose(totals, np.ones_like(totals), between, [[i] for i in range(groups)], np.zeros_like(totals), threshold)
    assert len({each.group for each in made}) == len(made)
    for position, each in enumerate(made):
        assert each.distance <= threshold
        assert np.isfinite(totals[each.group, each.identity])
        before = [other.group for other in made[:position] if other.identity == each.identity]
        members = [totals[each.group, each.identity], *(between[each.group, other] for other in before)]
        assert np.isfinite(members).all(), "nobody joins those whom they can never be"
    if made:
        assert made[0].distance >= totals.min() - 1e-9
    else:
        assert totals.min() > threshold


@settings(max_examples=30)
@given(st.integers(1, 8), st.integers(0, 10**6))
def test_contracting_against_its_definition(count, seed):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 1, (count, count)).astype(np.float32)
    distances[rng.random(distances.shape) < 0.2] = np.inf
    never = rng.random(distances.shape) < 0.1
    parts = np.unique(rng.integers(0, count, count), return_inverse=True)[1]
    found = contracted(distances, never, parts)
    for a in range(parts.max() + 1):
        for b in range(parts.max() + 1):
            block = np.ix_(parts == a, parts == b)
            finite = distances[block][np.isfinite(distances[block])]
            if never[block].any() or not len(finite):
                assert np.isinf(found[a, b])
            else:
                assert found[a, b] == pytest.approx(finite.mean(), abs=1e-5)


def test_looks_in_memory_compare_as_offline():
    people = People(8, seed=7)
    tracklets = [seen(camera, i + 1, [i], people.crops(i, 4)) for camera in "ab" for i in range(8)]
    config = CONFIG.model_copy(update={"camera_people": 0.5})
    looks = Looks(config)
    slots = np.array([looks.put(item.tracklet.exemplars, "ab".index(item.camera)) for item in tracklets])
    expected = tracklet_distances(tracklets, config)
    found = looks.compare(slots, slots, np.zeros((16, 16), bool))
    near = expected <= config.threshold
    assert near.sum() > 8
    # Kept in half precision; and what a camera adds was last taken a tenth of its people ago.
    assert found[near] == pytest.approx(expected[near], abs=0.01)
    assert (found[~near] > config.threshold - 0.01).all()
    assert np.isinf(np.diag(found)).all()
    barred = np.zeros((16, 16), bool)
    barred[0] = True
    assert np.isinf(looks.compare(slots, slots, barred)[0]).all()
    looks.drop(int(slots[3]))
    assert looks.put(people.crops(1), 0) == slots[3], "room is used again"
