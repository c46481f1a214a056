"""Valid features and crops for tests."""

from __future__ import annotations

import numpy as np

from reid_model.features import Features, FloatArray


def unit(random: np.random.Generator, *shape: int) -> FloatArray:
    values = random.standard_normal(shape, np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def random_features(count: int, cells: int = 6, seed: int = 0, pooled: int = 16, local: int = 8) -> Features:
    random = np.random.default_rng(seed)
    saliency = random.random((count, cells), np.float32) ** 3
    saliency /= saliency.sum(axis=1, keepdims=True)
    mass = random.random(count, np.float32)
    return Features(unit(random, count, pooled), unit(random, count, cells, local), saliency, mass)
