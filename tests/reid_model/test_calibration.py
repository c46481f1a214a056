from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.calibrating import calibrate, cover
from reid_model.calibration import Calibration, corner_weights
from reid_model.checkpoint import DEFAULT_WEIGHTS, load_weights
from reid_model.datasets import ReidImages, held_out, read_market1501
from reid_model.explain import look
from reid_model.fitting import (
    FORMS,
    Pairs,
    calibration_error,
    cross_camera_pairs,
    fit,
    fit_pairs,
    reliability,
)
from reid_model.matching import distances
from tests.reid_model.builders import random_features

FITTED = Calibration(intercepts=(15.7, 18.2, 18.3), slopes=(20.8, 25.8, 29.1), masses=(0.22, 0.47))

shares = st.floats(0, 1)
calibrations = st.builds(
    lambda intercepts, slopes, poor, width: Calibration(
        intercepts=intercepts, slopes=slopes, masses=(poor, poor + width)
    ),
    st.tuples(*[st.floats(-40, 40)] * 3),
    st.tuples(*[st.floats(0, 60)] * 3),
    st.floats(0, 0.5),
    st.floats(0.01, 0.5),
)


@given(calibrations, st.lists(st.floats(0, 2), min_size=2, max_size=20), shares, shares, st.floats(0.001, 0.999))
def test_probability_never_rises_with_distance_and_stays_between_0_and_1(calibration, distance, first, second, prior):
    probability = calibration.probability(np.sort(distance), first, second, prior)
    assert probability.shape == (len(distance),)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) <= 1e-12).all()


@given(calibrations, st.floats(0, 2), shares, shares)
def test_it_does_not_matter_which_crop_is_the_query(calibration, distance, first, second):
    there, back = (calibration.probability(distance, *masses) for masses in ((first, second), (second, first)))
    assert there == back


@given(st.floats(0.4, 0.9), shares, shares, st.floats(0.001, 0.999))
def test_a_prior_shifts_the_odds_exactly(distance, first, second, prior):
    even = FITTED.probability(distance, first, second)
    told = FITTED.probability(distance, first, second, prior)
    assert told / (1 - told) == pytest.approx(even / (1 - even) * prior / (1 - prior), rel=1e-6)


@given(shares, shares)
def test_corners_share_a_pair_and_masses_outside_count_as_the_nearest(first, second):
    weights = corner_weights(first, second, (0.2, 0.6))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    clipped = corner_weights(np.clip(first, 0.2, 0.6), np.clip(second, 0.2, 0.6), (0.2, 0.6))
    np.testing.assert_allclose(weights, clipped, atol=1e-12)


def test_probabilities_are_given_for_whole_matrices() -> None:
    distance = np.random.default_rng(0).random((4, 5))
    query, gallery = np.linspace(0.1, 0.5, 4), np.linspace(0.1, 0.5, 5)
    matrix = FITTED.probability(distance, query[:, None], gallery)
    assert matrix.shape == (4, 5)
    assert matrix[2, 3] == FITTED.probability(distance[2, 3], query[2], gallery[3])


def test_a_calibration_survives_json() -> None:
    assert Calibration.from_dict(json.loads(json.dumps(FITTED.as_dict()))) == FITTED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slopes": [1.0, -0.1, 2.0]}, "slopes: expected 0 or above"),
        ({"slopes": [1.0, 2.0]}, "slopes: expected 3 finite numbers"),
        ({"intercepts": [1.0, None, 2.0]}, "intercepts: expected 3 finite numbers"),
        ({"intercepts": "abc"}, "intercepts: expected 3 finite numbers"),
        ({"intercepts": [1.0, float("nan"), 2.0]}, "intercepts: expected 3 finite numbers"),
        ({"masses": [0.5, 0.5]}, "masses: expected poor < good"),
        ({"prior": 1.0}, "prior: expected a number between 0 and 1"),
        ({"prior": "half"}, "prior: expected a number between 0 and 1"),
        ({"matching": "cosine"}, "matching: expected one of"),
        ({"form": 3}, "form: expected a name"),
        ({"ece": -1}, "ece: expected a number of 0 or above"),
        ({"people": True}, "people: expected a number of 0 or above"),
        ({"colour": 1}, "missing or unknown: colour"),
    ],
)
def test_a_damaged_calibration_is_refused_and_says_where(change, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Calibration.from_dict({**FITTED.as_dict(), **change})
    assert "\n" not in str(caught.value)


def test_what_is_no_calibration_at_all_is_refused() -> None:
    values = FITTED.as_dict()
    del values["slopes"]
    with pytest.raises(ValueError, match="missing or unknown: slopes"):
        Calibration.from_dict(values)
    with pytest.raises(ValueError, match="expected an object with values, given list"):
        Calibration.from_dict([1, 2])
    with pytest.raises(ValueError, match="prior"):
        FITTED.probability(0.5, 0.3, 0.3, prior=0)


def test_the_error_of_honest_probabilities_is_near_0_and_of_others_is_their_gap() -> None:
    random = np.random.default_rng(0)
    promised = random.random(50_000)
    came = random.random(50_000) < promised
    assert calibration_error(promised, came) < 0.01
    assert calibration_error(promised**3, came) == pytest.approx(np.mean(promised - promised**3), abs=0.01)
    assert calibration_error(np.full(50_000, 0.9), came) == pytest.approx(0.9 - came.mean(), abs=1e-9)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.7]), st.booleans(), st.floats(0.1, 5)), min_size=1))
def test_the_error_depends_neither_on_order_nor_on_the_scale_of_weights(rows):
    promised, came, weights = (np.array(column) for column in zip(*rows, strict=True))
    error = calibration_error(promised, came, weights)
    assert 0 <= error <= 1
    assert calibration_error(promised[::-1], came[::-1], weights[::-1] * 7) == pytest.approx(error)
    table = reliability(promised, came, weights)
    assert table[:, 0].sum() == pytest.approx(1)
    assert (np.diff(table[:, 1]) > 0).all()


def synthetic(people: int = 60, seed: int = 0, count: int = 40_000) -> Pairs:
    """Distances whose log-odds are known to be 18 − 30 d for good pairs and 12 − 18 d for poor ones."""
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 2, (2, count)) * 0.4 + 0.2
    both = (first > 0.5) & (second > 0.5)
    distance = random.uniform(0.3, 0.9, count)
    odds = np.where(both, 18 - 30 * distance, 12 - 18 * distance)
    same = random.random(count) < 1 / (1 + np.exp(-odds))
    query = random.integers(0, people, count)
    gallery = np.where(same, query, (query + random.integers(1, people, count)) % people)
    return Pairs(distance, first, second, query, gallery)


def test_a_fit_finds_the_truth_behind_pairs() -> None:
    pairs = synthetic()
    fitted = fit_pairs(pairs, crops=123)
    assert fitted.form == "masses and slopes"
    assert (fitted.people, fitted.crops) == (60, 123)
    assert fitted.same_pairs + fitted.different_pairs == len(pairs)
    assert fitted.ece < 0.05
    assert fitted.ece <= fitted.ece_worst
    prior = fitted.same_pairs / len(pairs)
    for masses, intercept, slope in (((0.6, 0.6), 18, 30), ((0.2, 0.6), 12, 18), ((0.2, 0.2), 12, 18)):
        distance = np.linspace(0.4, 0.8, 9)
        truth = 1 / (1 + np.exp(slope * distance - intercept))
        np.testing.assert_allclose(fitted.probability(distance, *masses, prior), truth, atol=0.05)


def test_a_balanced_fit_is_the_same_however_rare_same_pairs_are() -> None:
    pairs = synthetic()
    rare = pairs[~pairs.same | (np.arange(len(pairs)) % 10 == 0)]
    distance = np.linspace(0.4, 0.8, 9)
    first, second = (fit_pairs(part).probability(distance, 0.6, 0.6) for part in (pairs, rare))
    np.testing.assert_allclose(first, second, atol=0.05)


def test_distances_that_say_the_opposite_give_a_flat_probability_not_a_rising_one() -> None:
    pairs = synthetic()
    fitted = fit_pairs(replace(pairs, distance=1.2 - pairs.distance))
    assert min(fitted.slopes) == 0
    assert np.ptp(fitted.probability(np.linspace(0, 2, 5), 0.6, 0.6)) < 1e-9


def test_pairs_that_distance_parts_wholly_are_no_trouble() -> None:
    random = np.random.default_rng(0)
    query, gallery = random.integers(0, 20, (2, 4000))
    distance = np.where(query == gallery, 0.2, 0.8)
    fitted = fit_pairs(Pairs(distance, np.full(4000, 0.4), np.full(4000, 0.4), query, gallery))
    assert fitted.probability(0.2, 0.4, 0.4) > 0.95
    assert fitted.probability(0.8, 0.4, 0.4) < 0.05


def test_too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="given 5 people"):
        fit_pairs(synthetic(people=5))
    features = random_features(6)
    with pytest.raises(ValueError, match="given 0 people"):
        fit(features, np.arange(6), np.arange(6))
    with pytest.raises(ValueError, match="6 crops, 5 identities and 6 cameras"):
        fit(features, np.arange(5), np.arange(6))


def test_only_pairs_of_different_cameras_count_and_those_of_one_person_all() -> None:
    features = random_features(40, seed=3)
    random = np.random.default_rng(1)
    identities, cameras = random.integers(0, 8, 40), random.integers(0, 3, 40)
    crossing, same = cameras[:, None] != cameras, identities[:, None] == identities
    pairs = cross_camera_pairs(features, identities, cameras, most_different=100)
    assert (pairs.same.sum(), (~pairs.same).sum()) == ((crossing & same).sum(), 100)
    assert pairs.weights[pairs.same].sum() == pytest.approx(0.5)
    every = cross_camera_pairs(features, identities, cameras)
    np.testing.assert_allclose(
        np.sort(every.distance), np.sort(distances(features, features)[crossing].astype(float)), atol=1e-5
    )


def few_images(images: ReidImages, step: int) -> ReidImages:
    """All people, but few pictures: every step-th of those kept out, one of each other."""
    rows = np.concatenate(
        [np.flatnonzero(held_out(images.identities))[::step], np.unique(images.identities, return_index=True)[1]]
    )
    rows = np.unique(rows)
    return ReidImages(
        [images.names[row] for row in rows],
        [images.encoded[row] for row in rows],
        images.identities[rows],
        images.cameras[rows],
    )


@pytest.fixture(scope="module")
def images(shared: Path) -> ReidImages:
    return read_market1501(shared / "data" / "market1501", "train")


def test_shipped_weights_can_be_calibrated_on_the_people_kept_out(images: ReidImages) -> None:
    fitted = calibrate(DEFAULT_WEIGHTS, few_images(images, step=9))
    assert fitted.form in FORMS
    assert fitted.people >= 40
    assert fitted.ece < 0.1
    assert fitted.log_loss < 0.45
    near, far = fitted.probability([0.35, 0.9], 0.4, 0.4)
    assert near > 0.9
    assert far < 0.1


def test_covers_hide_part_of_most_crops_and_the_network_sees_less(images: ReidImages) -> None:
    some = few_images(images, step=100)
    kept = ReidImages(some.names[:32], some.encoded[:32], some.identities[:32], some.cameras[:32])
    pixels = kept.decode(128, 64)
    network = load_weights(DEFAULT_WEIGHTS)[0]
    covered = cover(network, pixels, kept.identities, seed=5)
    np.testing.assert_array_equal(covered, cover(network, pixels, kept.identities, seed=5))
    assert all(crop.shape == (*network.config.size, 3) for crop in covered)
    small = np.stack([cv2.resize(crop, (64, 128)) for crop in covered])[..., ::-1].astype(int)
    changed = (np.abs(small - pixels).max(axis=3) > 60).mean(axis=(1, 2))
    assert 0.6 < (changed > 0.05).mean() < 1
    assert changed.max() < 0.95
    whole = look(network, [np.ascontiguousarray(crop[..., ::-1]) for crop in pixels])[1]
    assert look(network, covered)[1].mass.mean() < whole.mass.mean() - 0.01
