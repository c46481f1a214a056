import numpy as np
import pytest

from app.gallery import Gallery, Index
from reid_model.features import Features
from reid_model.matching import METHODS, distances
from tests.app.galleries import MODEL, features, fill, unit


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.db"


@pytest.fixture
def filled(path):
    return fill(path)


@pytest.mark.parametrize("method", METHODS)
def test_two_stages_equal_exact_when_the_shortlist_covers_everything(filled, method):
    with Gallery.open(filled, read_only=True) as gallery:
        index = Index.build(gallery)
    query = features(2, 99)
    two, exact = (index.search(query, 10, exact=e, method=method, shortlist=len(index)) for e in (False, True))
    np.testing.assert_array_equal(two.positions, exact.positions)
    np.testing.assert_array_equal(two.distances, exact.distances)
    everything = distances(query, index.features, method)
    np.testing.assert_allclose(exact.distances, np.sort(everything.min(axis=0))[:10], atol=1e-6)
    np.testing.assert_array_equal(exact.crops, everything[:, exact.positions].argmin(axis=0))


def test_two_stages_recall():
    rng = np.random.default_rng(3)
    people = features(500, 1)

    def views(source, noise):
        saliency = rng.uniform(0.1, 1, source.saliency.shape).astype(np.float32)
        return Features(
            unit(source.global_ + noise * rng.normal(size=source.global_.shape)),
            unit(source.local + noise * rng.normal(size=source.local.shape)),
            saliency / saliency.sum(axis=1, keepdims=True),
            source.mass,
        )

    gallery = views(people[np.repeat(np.arange(500), 8)], 0.1)
    index = Index([None] * len(gallery), gallery)
    recalls = []
    for i in range(40):
        query = views(people[[i]], 0.1)
        exact = index.search(query, 10, exact=True)
        assert exact.positions[0] // 8 == i
        two = index.search(query, 10)
        recalls.append(len(np.intersect1d(two.positions, exact.positions)) / 10)
        assert two.positions[0] == exact.positions[0]
    assert np.mean(recalls) > 0.95


def test_index_without_sightings_finds_nothing(path):
    with Gallery.create(path, MODEL) as gallery:
        index = Index.build(gallery)
    assert len(index.search(features(1), 5).positions) == 0
    with pytest.raises(ValueError, match="top: expected 1 or more"):
        index.search(features(1), 0)
    with pytest.raises(ValueError, match="expected at least one crop"):
        index.search(features(1)[:0], 5)
