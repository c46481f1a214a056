from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.config import GalleryConfig
from app.gallery import Gallery
from benchmarks import gallery_market
from reid_model.matching import distances
from tests.app.galleries import features


def test_an_exact_search_ranks_everything_as_all_distances_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_market, "BATCH", 7)
    crops, queries = features(40, 1), features(3, 2)
    cameras = np.arange(40) % 3 + 1
    config = GalleryConfig(crops=False)
    with Gallery.create(tmp_path / "gallery.db", gallery_market.MODEL, config=config) as gallery:
        gallery_market.fill(gallery, crops, cameras)
        found = gallery_market.searched(gallery, queries, len(crops))
    # What is stored is in half precision.
    np.testing.assert_allclose(found, distances(queries, crops), atol=2e-3)
