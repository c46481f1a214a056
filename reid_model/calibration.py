"""The probability that two crops show one person, from their distance and their saliency masses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from reid_model.matching import METHODS, Method

FloatArray = npt.NDArray[np.float64]
CORNERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted probability, stored with the weights it belongs to.

    The log-odds are `intercept − slope · distance`. Both depend on how much of the two people is visible: they are
    interpolated between three corners, both crops poor, one poor and one good, both good. Slopes are not negative, so
    the probability never rises with the distance, whatever the masses.

    Attributes:
        intercepts: At the three corners.
        slopes: At the three corners, 0 or above.
        masses: The masses that count as poor and as good; those beyond are treated as these.
        prior: Share of same-person pairs among the pairs it was fitted to, (0, 1).
        matching: The method whose distances it takes.
        form: What the fit let differ between the corners: see `reid_model.fitting.FORMS`.
        people: People it was fitted to, none of them in training.
        crops: Their crops, covered copies included.
        same_pairs: Pairs of one person in different cameras.
        different_pairs: Pairs of two people in different cameras.
        ece: Expected calibration error of people not fitted to, mean over repeated cross-validation, [0, 1].
        ece_worst: The largest of those.
        log_loss: Mean log loss in the same cross-validation, nats; 0.693 says nothing.

    Raises:
        ValueError: If a value is not as described; the message names it.
    """

    intercepts: tuple[float, float, float]
    slopes: tuple[float, float, float]
    masses: tuple[float, float] = (0.0, 1.0)
    prior: float = 0.5
    matching: Method = "gasm"
    form: str = "distance"
    people: int = 0
    crops: int = 0
    same_pairs: int = 0
    different_pairs: int = 0
    ece: float = 0.0
    ece_worst: float = 0.0
    log_loss: float = 0.0

    def __post_init__(self) -> None:
        for name, count in (("intercepts", CORNERS), ("slopes", CORNERS), ("masses", 2)):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != count or not all(map(_is_number, values)):
                raise ValueError(f"calibration: {name}: expected {count} finite numbers, given {values!r}")
        if min(self.slopes) < 0:
            raise ValueError(f"calibration: slopes: expected 0 or above, given {self.slopes}")
        if not 0 <= self.masses[0] < self.masses[1] <= 1:
            raise ValueError(f"calibration: masses: expected poor < good in [0, 1], given {self.masses}")
        _check_prior(self.prior)
        if self.matching not in METHODS:
            raise ValueError(f"calibration: matching: expected one of {', '.join(METHODS)}, given {self.matching!r}")
        if not isinstance(self.form, str):
            raise ValueError(f"calibration: form: expected a name, given {self.form!r}")
        for name in ("people", "crops", "same_pairs", "different_pairs", "ece", "ece_worst", "log_loss"):
            value = getattr(self, name)
            if not _is_number(value) or value < 0:
                raise ValueError(f"calibration: {name}: expected a number of 0 or above, given {value!r}")

    def probability(
        self, distance: npt.ArrayLike, query_mass: npt.ArrayLike, gallery_mass: npt.ArrayLike, prior: float = 0.5
    ) -> FloatArray:
        """The probability that two crops show one person.

        Args:
            distance: Distances by `matching`, any shape, [0, 2].
            query_mass: Masses of the query crops, [0, 1], of a shape that broadcasts with the distance.
            gallery_mass: Masses of the gallery crops, likewise.
            prior: How probable a same-person pair was before its distance was known, (0, 1): one half asks which is
                likelier; one in a thousand suits a search among a thousand people.

        Returns:
            Probabilities, [0, 1], of the broadcast shape.

        Raises:
            ValueError: If the prior is not between 0 and 1.
        """
        _check_prior(prior)
        corners = corner_weights(query_mass, gallery_mass, self.masses)
        odds = corners @ np.array(self.intercepts) - corners @ np.array(self.slopes) * np.asarray(distance, np.float64)
        return sigmoid(odds + _logit(prior) - _logit(self.prior))

    def as_dict(self) -> dict[str, object]:
        """Plain values, as stored beside weights."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Calibration:
        """Reads what `as_dict` gave, also after a way through JSON.

        Raises:
            ValueError: If a value is missing, unknown or not as described.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"calibration: expected an object with values, given {type(values).__name__}")
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            wrong = sorted(map(str, set(values) ^ names))
            raise ValueError(f"calibration: missing or unknown: {', '.join(wrong)}")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**given)


def corner_weights(query_mass: npt.ArrayLike, gallery_mass: npt.ArrayLike, masses: tuple[float, float]) -> FloatArray:
    """How much of a pair lies at each corner: both poor, one poor and one good, both good.

    Masses beyond those fitted to are treated as the nearest fitted one: an empty saliency map must not be trusted to
    follow a line drawn through good ones.

    Args:
        query_mass: Any shape.
        gallery_mass: A shape that broadcasts with it.
        masses: The poor and the good mass.

    Returns:
        Weights `(..., 3)`, [0, 1], which sum to 1.
    """
    poor, good = masses
    shares = [
        np.clip((np.asarray(mass, np.float64) - poor) / (good - poor), 0, 1) for mass in (query_mass, gallery_mass)
    ]
    low, high = np.minimum(*shares), np.maximum(*shares)
    return np.stack([1 - high, high - low, low], axis=-1)


def sigmoid(odds: FloatArray) -> FloatArray:
    """Probabilities of log-odds; never overflows."""
    return np.asarray((1 + np.tanh(odds / 2)) / 2, np.float64)


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_prior(prior: float) -> None:
    if not _is_number(prior) or not 0 < prior < 1:
        raise ValueError(f"calibration: prior: expected a number between 0 and 1, given {prior!r}")
