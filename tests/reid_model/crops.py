"""Real person crops for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_model.datasets import ReidImages, read_market1501
from reid_model.embedder import ImageArray


def market(shared: Path, part: str) -> ReidImages:
    return read_market1501(shared / "data" / "market1501", part)  # type: ignore[arg-type]


def market_crops(shared: Path, count: int, part: str = "query") -> list[ImageArray]:
    """BGR crops, evenly chosen."""
    images = market(shared, part)
    return list(images.subset(np.linspace(0, len(images) - 1, count).astype(int)).crops())
