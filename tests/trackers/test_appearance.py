import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.features import Features
from reid_model.matching import distances
from tests.trackers.people import Wardrobe, boxes_at
from trackers.appearance import Crops, Exemplars, Strangers


def show(features, frame=0, time=0.0, boxes=None, images=None):
    boxes = boxes_at(np.zeros(len(features))) if boxes is None else boxes
    return Crops(features, frame, time, boxes, images or [None] * len(features))


def keys(*values):
    return np.array(values, np.int64)


def test_distance_is_the_least_over_the_views():
    wardrobe, bank = Wardrobe(3, noise=0.0), Exemplars(3)
    # Track 7 has turned round: it looked like person 0, then like person 1.
    for frame, person in enumerate((0, 1)):
        bank.learn(keys(7), show(wardrobe.crops([person]), frame))
    query = wardrobe.crops([0, 1, 2])
    found, _ = bank.distances(query, np.arange(3), keys(7, 7, 7))
    expected = distances(query, wardrobe.crops([0, 1]), "gasm").min(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0] < 1e-3
    assert found[1] < 1e-3
    assert found[2] > 0.3


def test_mass_of_a_pair_is_the_geometric_mean():
    wardrobe, bank = Wardrobe(1), Exemplars(2)
    bank.learn(keys(1), show(wardrobe.crops([0], mass=0.64)))
    _, mass = bank.distances(wardrobe.crops([0], mass=0.25), np.array([0]), keys(1))
    assert mass[0] == pytest.approx(0.4)


def test_keeps_the_different_views_and_drops_a_repetition():
    wardrobe, bank = Wardrobe(3, noise=0.02), Exemplars(3)
    for frame, person in enumerate((0, 1, 0, 0, 2, 1, 2, 0)):
        bank.learn(keys(1), show(wardrobe.crops([person]), frame))
    views = bank.forget(1)
    looks = Wardrobe(3, noise=0.0).crops([0, 1, 2])
    assert sorted(distances(views.features, looks, "gasm").argmin(axis=1)) == [0, 1, 2]


def test_a_whole_person_replaces_an_occluded_one():
    wardrobe, bank = Wardrobe(1, noise=0.02), Exemplars(2)
    for frame, mass in enumerate((0.05, 0.06, 0.5, 0.6)):
        bank.learn(keys(1), show(wardrobe.crops([0], mass=mass), frame))
    np.testing.assert_allclose(np.sort(bank.forget(1).features.mass), [0.5, 0.6])


def test_a_view_keeps_its_frame_time_box_and_image():
    wardrobe, bank = Wardrobe(2), Exemplars(4)
    image = np.zeros((4, 2, 3), np.uint8)
    bank.learn(keys(5, 6), show(wardrobe.crops([0, 1]), 9, 1.5, boxes_at([30.0, 90.0]), [None, image]))
    views = bank.forget(6)
    assert views.frames.tolist() == [9]
    assert views.times.tolist() == [1.5]
    np.testing.assert_allclose(views.boxes, boxes_at([90.0]))
    assert views.images[0] is image
    assert bank.forget(6) is None
    assert bank.known(keys(5, 6)).tolist() == [True, False]


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=120))
def test_pool_gives_every_track_its_own_views(steps):
    """Learning and forgetting in any order, through growth and reuse of places, never mixes tracks."""
    wardrobe, bank, seen = Wardrobe(41, noise=0.0), Exemplars(2), {}
    for frame, (track, ends) in enumerate(steps):
        if ends:
            views = bank.forget(track)
            assert (views is None) == (track not in seen)
            if views is not None:
                assert set(views.frames.tolist()) <= set(seen.pop(track))
                assert distances(views.features, wardrobe.crops([track]), "gasm").max() < 1e-3
        else:
            bank.learn(keys(track), show(wardrobe.crops([track]), frame))
            seen.setdefault(track, []).append(frame)
    assert bank.known(np.arange(41)).tolist() == [track in seen for track in range(41)]


def test_features_of_another_model_are_refused():
    bank = Exemplars(2)
    bank.learn(keys(1), show(Wardrobe(1).crops([0])))
    with pytest.raises(ValueError, match=r"expected \(D, P, d\) \(32, 6, 16\) as before, given \(32, 9, 16\)"):
        bank.check(Wardrobe(1, cells=9).crops([0]))
    bank.check(Features.empty(32, 6, 16))


def test_neutral_distance_goes_from_the_first_guess_to_the_measured_one():
    strangers, rng = Strangers(0.3), np.random.default_rng(0)
    assert strangers.neutral == 0.3
    strangers.note(np.zeros(0))
    assert strangers.neutral == 0.3
    strangers.note(np.full(50, 0.5))
    assert strangers.neutral == pytest.approx(0.4)
    for _ in range(30):
        strangers.note(rng.uniform(0.5, 0.7, 50))
    assert strangers.neutral == pytest.approx(0.51, abs=0.005)


def test_neutral_distance_forgets():
    strangers = Strangers(0.3)
    strangers.note(np.full(900, 0.2))
    for _ in range(40):
        strangers.note(np.full(30, 0.6))
    assert strangers.neutral == pytest.approx(0.6)


def test_a_distance_speaks_for_the_person_below_neutral_and_against_up_to_what_strangers_usually_have():
    strangers, rng = Strangers(0.3), np.random.default_rng(0)
    for _ in range(40):
        strangers.note(rng.uniform(0.4, 0.8, 50))
    neutral, usual = strangers.neutral, strangers.usual
    assert (neutral, usual) == pytest.approx((0.42, 0.6), abs=0.02)
    distances = np.array([0.0, neutral / 2, neutral, (neutral + usual) / 2, usual, 2.0])
    np.testing.assert_allclose(strangers.speaks(distances), [1, 0.5, 0, -0.5, -1, -1], atol=1e-6)
    rising = strangers.speaks(np.linspace(0, 2, 200))
    assert (np.diff(rising) <= 0).all()


def test_once_strangers_are_well_known_they_are_measured_now_and_then():
    strangers = Strangers(0.27)
    for frame in range(100):
        assert strangers.due(frame / 25), "nothing is known yet"
        strangers.note(np.full(9, 0.5))
    assert sum(strangers.due(4 + frame / 25) for frame in range(50)) == 50
    strangers.note(np.full(200, 0.5))
    times = [frame for frame in range(50) if strangers.due(10 + frame / 25)]
    assert set(np.diff(times)) <= {5, 6}
