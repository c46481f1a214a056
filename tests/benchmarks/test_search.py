from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from benchmarks.search_features import VIEWS, enlarged
from benchmarks.search_peers import nearest
from benchmarks.search_timing import TOP, sized, timed
from reid_model.features import Features
from reid_model.matching import distances
from tests.app.galleries import features

ROWS = 12


@pytest.fixture
def people() -> tuple[Features, np.ndarray]:
    return features(60, 1, pooled=32, cells=ROWS * 2, local=8), np.repeat(np.arange(1, 13), 5)


def test_a_gallery_is_enlarged_by_people_put_together_of_two(people: tuple[Features, np.ndarray]) -> None:
    gallery, identities = people
    whole = Features.concatenate(list(enlarged(gallery, identities, 200)))
    assert len(whole) == 200
    np.testing.assert_array_equal(whole.local[:60], gallery.local)
    np.testing.assert_allclose(whole.saliency.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(whole.global_, axis=1), 1, atol=1e-5)
    for first in range(60, 200, VIEWS):
        for part in (slice(0, 2), slice(ROWS * 2 - 2, ROWS * 2)):
            cells = whole.local[first : first + VIEWS, part]
            source = [np.abs(gallery.local[:, part] - view).max(axis=(1, 2)).argmin() for view in cells]
            assert len(set(identities[source])) == 1, "one person above, one below"
            assert len(set(source)) == VIEWS, "in views of their own"


def test_the_nearest_are_those_of_the_whole_matrix(people: tuple[Features, np.ndarray]) -> None:
    gallery, _ = people
    queries = features(3, 5, pooled=32, cells=ROWS * 2, local=8)
    found = nearest([gallery[:7], gallery[7:50], gallery[50:]], queries)
    expected = np.argsort(distances(queries, gallery), axis=1, kind="stable")[:, :TOP] + 1
    np.testing.assert_array_equal(found, expected)


def test_recall_and_sizes() -> None:
    queries = features(4)
    truth = [np.arange(10)] * 4
    assert timed("all", lambda _: np.arange(10), queries, truth).recall == 100
    assert timed("half", lambda _: np.arange(5, 15), queries, truth).recall == 50
    assert [sized(count) for count in (3000, 100_000, 1_000_000)] == ["3k", "100k", "1M"]


def test_the_measurement_end_to_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, people: tuple[Features, np.ndarray]
) -> None:
    gallery, identities = people
    monkeypatch.setattr(search, "embedded", lambda data, cache: (gallery[::3], gallery, identities))
    monkeypatch.setattr(search, "peaks", lambda: {"int8": 1e9, "fp32": 1e9})
    file = tmp_path / "search.json"
    words = ["--data", "folder:none", "--sightings", "3000", "--queries", "12", "--exact-queries", "3"]
    search.main([*words, "--cache", str(tmp_path / "cache"), "--json", str(file)])
    written = json.loads(file.read_text())
    assert written["command"] == "bench search"
    results = {result["name"]: result for result in written["results"]}
    assert {"two-stage 3k", "filtered 3k", "exact 3k", "faiss flat, then cells 3k"} < results.keys()
    assert results["exact 3k"]["recall@10"] == 100
    assert results["exact against float32 3k"]["recall@10"] > 90
    assert results["two-stage 3k"]["p95_ms"] >= results["two-stage 3k"]["p50_ms"] > 0
    assert not list((tmp_path / "cache").iterdir()), "no snapshot is left"
