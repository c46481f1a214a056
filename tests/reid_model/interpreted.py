"""The GPU's kernel run by Triton's interpreter, against the plain form and the processor's: see test_matching_fused."""

from __future__ import annotations

import numpy as np
import torch

from reid_model.matching import distances, fused
from reid_model.matching.int8 import CellQueries, cell_similarities
from reid_model.matching.quantise import ZERO, Quantised
from tests.reid_model.builders import random_features

SHAPES = [(2, 5, 48, 48, 128), (3, 4, 6, 9, 8), (1, 3, 50, 20, 130)]
ROUNDING = 2e-6


def check_bf16(q: int, g: int, p: int, p2: int, d: int) -> None:
    x, y = random_features(q, p, 1, local=d), random_features(g, p2, 2, local=d)
    ours, theirs = torch.from_numpy(x.local).bfloat16(), torch.from_numpy(y.local).bfloat16()
    found = fused.similarities(ours, torch.from_numpy(x.saliency), theirs).numpy()
    scores = torch.einsum("qpd,gcd->qgpc", ours.float(), theirs.float())
    expected = (scores.amax(3) * torch.from_numpy(x.saliency)[:, None]).sum(2).numpy()
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    np.testing.assert_allclose(1 - found, distances(x, y, "local"), atol=2**-7)


def check_int8(q: int, g: int, p: int, p2: int, d: int) -> None:
    queries = CellQueries.of(random_features(q, p, 1, local=d))
    gallery = Quantised.of(random_features(g, p2, 2, local=d))
    given = (
        torch.from_numpy(queries.cells),
        torch.from_numpy(queries.weights),
        torch.from_numpy((gallery.cells ^ ZERO).view(np.int8)),
        torch.from_numpy(gallery.scale),
    )
    expected = cell_similarities(queries, gallery)
    np.testing.assert_allclose(fused.similarities(*given).numpy(), expected, atol=ROUNDING)
    chosen = np.array([2, 0, 2, 1])
    found = fused.similarities(*given, torch.from_numpy(chosen)).numpy()
    np.testing.assert_allclose(found, expected[:, chosen], atol=ROUNDING)


if __name__ == "__main__":
    for shape in SHAPES:
        check_bf16(*shape)
        print("bf16")
        check_int8(*shape)
        print("int8")
