from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from app.association.cameras import camera_neutral
from reid_model.features import Features
from reid_model.matching import reference
from tests.reid_model.builders import random_features

CELLS, LOCAL, POOLED = 6, 8, 16


def unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def two_cameras(people: int, shift: float, seed: int = 0) -> tuple[Features, npt.NDArray[np.intp]]:
    """Everybody seen once by each of two cameras, the second of which shifts all features alike."""
    random = np.random.default_rng(seed)
    pooled, local = random.normal(size=(people, POOLED)), random.normal(size=(people, CELLS, LOCAL))
    added = shift * random.normal(size=POOLED), shift * random.normal(size=LOCAL)
    saliency = random.uniform(0.1, 1, (2 * people, CELLS))
    noise = random.normal(size=(2, people, CELLS, LOCAL)) * 0.4
    return Features(
        unit(np.concatenate([pooled, pooled + added[0] + 0.4 * random.normal(size=pooled.shape)])),
        unit(np.concatenate([local + noise[0], local + added[1] + noise[1]])),
        (saliency / saliency.sum(axis=1, keepdims=True)).astype(np.float32),
        np.full(2 * people, 0.4, np.float32),
    ), np.repeat([0, 1], people)


def test_people_are_told_apart_again_behind_a_camera_that_shifts_everybody() -> None:
    features, cameras = two_cameras(40, shift=1.5)
    owners = np.arange(80)
    right = {}
    for people in (np.inf, 5.0):
        found = camera_neutral(features, cameras, owners, people)
        distances = reference.distances(found, found, "gasm")
        distances[np.arange(80), np.arange(80)] = 9
        # Among everybody, cameras mixed: is the nearest the same person?
        right[people] = float((distances.argmin(axis=1) % 40 == np.arange(80) % 40).mean())
    assert right[np.inf] < 0.4
    assert right[5.0] > 0.8


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 100), st.sampled_from([0.0, 5.0, 1e6, np.inf]))
def test_laws(count: int, cameras: int, seed: int, people: float) -> None:
    random = np.random.default_rng(seed)
    features = random_features(count, cells=CELLS, seed=seed)
    where, owners = random.integers(0, cameras, count), np.unique(random.integers(0, 5, count), return_inverse=True)[1]
    found = camera_neutral(features, where, owners, people)
    np.testing.assert_allclose(np.linalg.norm(found.global_, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.local, axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.saliency, features.saliency)
    np.testing.assert_array_equal(found.mass, features.mass)
    order = random.permutation(count)
    again = camera_neutral(features[order], where[order], owners[order], people)
    np.testing.assert_allclose(again.global_, found.global_[order], atol=1e-5)
    np.testing.assert_allclose(again.local, found.local[order], atol=1e-5)
    if people >= 1e6:
        np.testing.assert_allclose(found.global_, features.global_, atol=1e-3)


def test_somebody_seen_often_says_no_more_about_a_camera_than_anybody_else() -> None:
    features = random_features(3, cells=CELLS, seed=4)
    rows = np.array([0, 1, 2, 2, 2, 2])
    once = camera_neutral(features, np.zeros(3, np.intp), np.arange(3), 5.0)
    often = camera_neutral(features[rows], np.zeros(6, np.intp), rows, 5.0)
    np.testing.assert_allclose(often.global_[:3], once.global_, atol=1e-5)
    np.testing.assert_allclose(often.local[:3], once.local, atol=1e-5)


def test_one_person_alone_stays_who_they_are() -> None:
    features = random_features(1, cells=CELLS, seed=4)
    alone = camera_neutral(features, np.zeros(1, np.intp), np.zeros(1, np.intp), 0.0)
    np.testing.assert_allclose(alone.global_, features.global_, atol=1e-6)
    empty = Features.empty(POOLED, CELLS, LOCAL)
    assert len(camera_neutral(empty, np.zeros(0, np.intp), np.zeros(0, np.intp), 5.0)) == 0
