"""Fitting calibrations, and measuring how well probabilities keep their word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.calibration import CORNERS, Calibration, FloatArray, corner_weights, sigmoid
from reid_model.features import Features
from reid_model.matching import Method, pair_distances

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BINS = 15
REPEATS = 5
"""How often the people are split into halves; each half is fitted to once and tested on once."""

DIFFERENT_PAIRS = 100_000
"""Most pairs of different people that a fit looks at; they are plenty, and alike."""

LEAST_SAME_PAIRS = 30
LEAST_PEOPLE = 8
RIDGE = 1e-4
"""Weight of the squared parameters beside the mean log loss; keeps them finite where the pairs are separable."""

NEWTON_STEPS = 50
MASS_SHARES = (0.01, 0.99)
"""Shares of the pairs whose mass lies below the poor and below the good mass."""

TOGETHER, APART = np.ones((CORNERS, 1)), np.eye(CORNERS)
FORMS: dict[str, tuple[FloatArray, FloatArray]] = {
    "distance": (TOGETHER, TOGETHER),
    "masses": (APART, TOGETHER),
    "masses and slopes": (APART, APART),
}
"""Which intercepts and which slopes of the three corners may differ: columns of free parameters."""


class FitError(ValueError):
    """Too few people or pairs to fit a calibration to."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of crops of different cameras, n of them.

    Attributes:
        distance: `(n,)`, [0, 2].
        query_mass: `(n,)`, [0, 1].
        gallery_mass: `(n,)`, [0, 1].
        query_identity: `(n,)`.
        gallery_identity: `(n,)`.
    """

    distance: FloatArray
    query_mass: FloatArray
    gallery_mass: FloatArray
    query_identity: IntArray
    gallery_identity: IntArray

    def __len__(self) -> int:
        return len(self.distance)

    def __getitem__(self, rows: BoolArray) -> Pairs:
        return Pairs(*(getattr(self, name)[rows] for name in self.__slots__))

    @property
    def same(self) -> BoolArray:
        """Which pairs show one person."""
        return np.asarray(self.query_identity == self.gallery_identity, np.bool_)

    @property
    def weights(self) -> FloatArray:
        """One half for all same-person pairs together, one half for the others, `(n,)`."""
        same = self.same
        return np.asarray(np.where(same, 0.5 / max(same.sum(), 1), 0.5 / max((~same).sum(), 1)), np.float64)

    def of(self, people: IntArray) -> Pairs:
        """The pairs among some people only."""
        return self[np.isin(self.query_identity, people) & np.isin(self.gallery_identity, people)]


def cross_camera_pairs(
    features: Features,
    identities: IntArray,
    cameras: IntArray,
    *,
    matching: Method = "gasm",
    most_different: int = DIFFERENT_PAIRS,
    seed: int = 0,
) -> Pairs:
    """All same-person pairs of different cameras, in both directions, and a sample of different-person pairs.

    Args:
        features: n crops.
        identities: `(n,)`.
        cameras: `(n,)`.
        matching: How they are compared.
        most_different: Most pairs of different people.
        seed: Chooses them.

    Raises:
        ValueError: If the numbers of crops and labels differ.
    """
    if not len(features) == len(identities) == len(cameras):
        raise ValueError(
            f"pairs: expected a label for each crop, given {len(features)} crops, {len(identities)} identities and "
            f"{len(cameras)} cameras"
        )
    crossing = cameras[:, None] != cameras
    same = identities[:, None] == identities
    different = np.flatnonzero(crossing & ~same)
    if len(different) > most_different:
        different = np.random.default_rng(seed).choice(different, most_different, replace=False)
    rows, columns = np.unravel_index(np.concatenate([np.flatnonzero(crossing & same), different]), same.shape)
    distance = pair_distances(features, features, rows, columns, matching)
    mass = features.mass.astype(np.float64)
    return Pairs(distance.astype(np.float64), mass[rows], mass[columns], identities[rows], identities[columns])


def fit(
    features: Features, identities: IntArray, cameras: IntArray, *, matching: Method = "gasm", seed: int = 0
) -> Calibration:
    """Fits the probability that two crops show one person.

    Args:
        features: Crops of people kept out of training, whole and covered, so that masses differ.
        identities: `(n,)`.
        cameras: `(n,)`; only pairs of different cameras count, because pictures of one are alike for other reasons.
        matching: How crops are compared.
        seed: Chooses pairs and folds.

    Raises:
        ValueError: If there are too few people or pairs to fit to.
    """
    pairs = cross_camera_pairs(features, identities, cameras, matching=matching, seed=seed)
    return fit_pairs(pairs, matching=matching, crops=len(features), seed=seed)


def fit_pairs(pairs: Pairs, *, matching: Method = "gasm", crops: int = 0, seed: int = 0) -> Calibration:
    """Fits a calibration to pairs; cross-validation over people chooses the form, and tells the error to expect.

    Args:
        pairs: Pairs of people kept out of training.
        matching: How they were compared.
        crops: How many crops they come from; stored only.
        seed: Splits the people.

    Raises:
        ValueError: If there are too few people or pairs to fit to.
    """
    same = pairs.same
    people = np.unique(pairs.query_identity[same])
    if len(people) < LEAST_PEOPLE or same.sum() < LEAST_SAME_PAIRS or same.all():
        raise FitError(
            f"calibration: expected {LEAST_PEOPLE} people seen by two cameras and {LEAST_SAME_PAIRS} pairs of one "
            f"person, given {len(people)} people, {same.sum()} such pairs and {(~same).sum()} of two people"
        )
    validated = {form: _cross_validate(pairs, people, form, seed) for form in FORMS}
    form = min(FORMS, key=lambda name: validated[name].log_loss)
    intercepts, slopes, masses = _fit_form(pairs, form)
    return Calibration(
        intercepts=intercepts,
        slopes=slopes,
        masses=masses,
        matching=matching,
        form=form,
        people=len(people),
        crops=crops,
        same_pairs=int(same.sum()),
        different_pairs=int((~same).sum()),
        **validated[form]._asdict(),
    )


class _Validation(NamedTuple):
    ece: float
    ece_worst: float
    log_loss: float


def _cross_validate(pairs: Pairs, people: IntArray, form: str, seed: int) -> _Validation:
    random = np.random.default_rng(seed)
    errors, losses = [], []
    for _ in range(REPEATS):
        shuffled = random.permutation(people)
        halves = [pairs.of(half) for half in np.array_split(shuffled, 2)]
        for fitted, tested in (halves, halves[::-1]):
            intercepts, slopes, masses = _fit_form(fitted, form)
            model = Calibration(intercepts=intercepts, slopes=slopes, masses=masses)
            probability = model.probability(tested.distance, tested.query_mass, tested.gallery_mass)
            errors.append(calibration_error(probability, tested.same, tested.weights))
            right = np.clip(np.where(tested.same, probability, 1 - probability), 1e-12, 1)
            losses.append(float(-tested.weights @ np.log(right)))
    return _Validation(float(np.mean(errors)), float(np.max(errors)), float(np.mean(losses)))


Corners = tuple[float, float, float]


def _fit_form(pairs: Pairs, form: str) -> tuple[Corners, Corners, tuple[float, float]]:
    """Intercepts, slopes and the poor and the good mass."""
    weights = pairs.weights
    poor, good = np.quantile(np.concatenate([pairs.query_mass, pairs.gallery_mass]), MASS_SHARES)
    masses = (float(poor), float(good)) if good > poor else (0.0, 1.0)
    corners = corner_weights(pairs.query_mass, pairs.gallery_mass, masses)
    centre = float(weights @ pairs.distance)
    spread = float(np.sqrt(weights @ (pairs.distance - centre) ** 2)) or 1.0
    near = (centre - pairs.distance)[:, None] / spread
    free, free_slopes = FORMS[form]
    terms = np.concatenate([corners @ free, corners @ free_slopes * near], axis=1)
    parameters = _logistic(terms, pairs.same, weights, bounded=free.shape[1])
    slope = free_slopes @ parameters[free.shape[1] :] / spread
    intercept = free @ parameters[: free.shape[1]] + slope * centre
    return _corners(intercept), _corners(slope), masses


def _corners(values: FloatArray) -> Corners:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _logistic(terms: FloatArray, same: BoolArray, weights: FloatArray, bounded: int) -> FloatArray:
    """Logistic regression with a small ridge, by Newton's method.

    Args:
        terms: `(n, k)`.
        same: What is to be told, `(n,)`.
        weights: `(n,)`, sum 1.
        bounded: The first parameter that must not be negative; those that would be are set to 0 and the others
            fitted again.

    Returns:
        Parameters `(k,)`.
    """
    kept = np.ones(terms.shape[1], np.bool_)
    while True:
        parameters = np.zeros(terms.shape[1])
        parameters[kept] = _newton(terms[:, kept], same, weights)
        negative = parameters < 0
        negative[:bounded] = False
        if not negative.any():
            return parameters
        kept &= ~negative


def _newton(terms: FloatArray, same: BoolArray, weights: FloatArray) -> FloatArray:
    def loss(values: FloatArray) -> float:
        odds = terms @ values
        return float(weights @ (np.logaddexp(0, odds) - same * odds) + RIDGE / 2 * values @ values)

    parameters = np.zeros(terms.shape[1])
    current = loss(parameters)
    for _ in range(NEWTON_STEPS):
        probability = sigmoid(terms @ parameters)
        gradient = terms.T @ (weights * (probability - same)) + RIDGE * parameters
        curvature = terms.T @ (terms * (weights * probability * (1 - probability))[:, None])
        step = np.linalg.solve(curvature + RIDGE * np.eye(len(parameters)), gradient)
        size = 1.0
        while loss(parameters - size * step) > current and size > 1e-6:
            size /= 2
        parameters = parameters - size * step
        previous, current = current, loss(parameters)
        if previous - current < 1e-10:
            break
    return parameters


def reliability(
    probability: npt.ArrayLike, same: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = BINS
) -> FloatArray:
    """What was promised against what came true, in bins of equal weight.

    Equal probabilities always share a bin, so that the order of the pairs does not matter.

    Args:
        probability: `(n,)`.
        same: Whether each pair shows one person, `(n,)`.
        weights: `(n,)`; equal when left out.
        bins: Most bins.

    Returns:
        `(b, 3)`, by rising probability: share of the weight, mean probability, share of same-person pairs.
    """
    promised, group = np.unique(np.asarray(probability, np.float64), return_inverse=True)
    came = np.asarray(same, np.float64)
    mass = np.full(len(came), 1.0) if weights is None else np.asarray(weights, np.float64)
    mass = mass / mass.sum()
    total, hits = np.bincount(group, mass), np.bincount(group, mass * came)
    place = np.minimum(((np.cumsum(total) - total / 2) * bins).astype(int), bins - 1)
    weight, sure, right = (np.bincount(place, values, bins) for values in (total, total * promised, hits))
    used = weight > 0
    return np.stack([weight[used], sure[used] / weight[used], right[used] / weight[used]], axis=1)


def calibration_error(
    probability: npt.ArrayLike, same: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = BINS
) -> float:
    """Expected calibration error: the mean gap between promised and true shares, [0, 1].

    Args: as for `reliability`.
    """
    table = reliability(probability, same, weights, bins)
    return float(table[:, 0] @ np.abs(table[:, 1] - table[:, 2]))
