"""How far the features of an exported network are from the original's."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from reid_model.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Two sets of features of the same crops, compared.

    Attributes:
        global_mean: Mean cosine of the pooled vectors.
        global_min: Least cosine of the pooled vectors.
        local_mean: Mean cosine of the cells.
        local_min: Mean cosine of the cells of the worst crop.
        saliency: Largest difference of a cell's weight, as a share of the uniform weight.
        mass: Largest difference of mass.
    """

    global_mean: float
    global_min: float
    local_mean: float
    local_min: float
    saliency: float
    mass: float

    def as_dict(self) -> dict[str, float]:
        """The figures, rounded."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def compare(reference: Features, other: Features) -> Parity:
    """Parity of two sets of features of the same n ≥ 1 crops, of the same dimensions.

    Raises:
        ValueError: If the sets differ in size or dimensions, or are empty.
    """
    if reference.local.shape != other.local.shape or not len(reference):
        raise ValueError(
            f"other: expected the reference's 1 or more crops {reference.local.shape}, given {other.local.shape}"
        )
    pooled = np.einsum("nd,nd->n", reference.global_, other.global_)
    cells = np.einsum("npd,npd->np", reference.local, other.local)
    return Parity(
        global_mean=float(pooled.mean()),
        global_min=float(pooled.min()),
        local_mean=float(cells.mean()),
        local_min=float(cells.mean(axis=1).min()),
        saliency=float(np.abs(reference.saliency - other.saliency).max() * reference.cells),
        mass=float(np.abs(reference.mass - other.mass).max()),
    )
