from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.camera_motion import CAMERAS, SIZE, Film, off, square
from trackers.evaluation import Rows, Sequence


@pytest.mark.parametrize("name", CAMERAS)
def source_of(frames: int) -> Sequence:
    """Thirty people stand all over the picture."""
    rng = np.random.default_rng(0)
    low = np.tile(rng.uniform((0, 0), (1800, 900), (30, 2)), (frames, 1))
    ones = np.ones(len(low))
    numbers, people = np.repeat(np.arange(1, frames + 1), 30), np.tile(np.arange(30), frames)
    truth = Rows(numbers, people, np.concatenate([low, low + np.array([60, 150])], axis=1), ones, ones)
    return Sequence("stand", Path("stand"), frames, 30.0, 1920, 1080, None, truth)


@pytest.mark.parametrize("name", CAMERAS)
def test_the_virtual_camera_films_only_what_is_there_and_the_truth_goes_along(name: str) -> None:
    source = source_of(262)
    film = Film.of(name, source)
    corners = np.array([[0, 0, 1], [SIZE[0], 0, 1], [0, SIZE[1], 1], [*SIZE, 1]]).T
    filmed = np.stack([(np.linalg.inv(square(by)) @ corners)[:2].T for by in film.maps])
    assert (filmed >= 0).all()
    assert (filmed <= [1920, 1080]).all()
    truth = film.sequence().truth
    assert (truth.boxes >= 0).all()
    assert (truth.boxes <= np.tile(SIZE, 2)).all()
    assert 0 < len(truth) < len(source.truth)
    step = film.moved(3, 7)
    middle = np.array([960.0, 540, 1])
    np.testing.assert_allclose(step @ [*film.maps[3] @ middle, 1], film.maps[7] @ middle, atol=1e-9)


def test_how_far_maps_are_apart() -> None:
    still, shifted = np.eye(2, 3), np.array([[1.0, 0, 3], [0, 1, -4]])
    assert off(still, still) == 0
    assert off(shifted, still) == pytest.approx(5)
    turned = np.array([[np.cos(0.01), -np.sin(0.01), 0], [np.sin(0.01), np.cos(0.01), 0]])
    assert 0 < off(turned, still) < 0.01 * np.hypot(*SIZE)
