from __future__ import annotations

import numpy as np

from app.config import CameraConfig
from app.regions import Regions

LEFT_HALF = [(0, 0), (49, 0), (49, 100), (0, 100)]
TOP_HALF = [(0, 0), (100, 0), (100, 49), (0, 49)]
# Boxes by the quarter of the picture their feet stand in; the box itself begins above it.
BOXES = np.array([[20, 0, 30, 20], [70, 0, 80, 20], [20, 0, 30, 80], [70, 0, 80, 80]], np.float32)


def camera(**polygons: object) -> CameraConfig:
    return CameraConfig.model_validate({"name": "a", "source": "b", **polygons})


def test_without_polygons_everyone_counts() -> None:
    assert Regions(camera(), 100, 100).keep(BOXES).all()


def test_feet_decide() -> None:
    assert Regions(camera(ignore=[LEFT_HALF]), 100, 100).keep(BOXES).tolist() == [False, True, False, True]
    assert Regions(camera(interest=[LEFT_HALF]), 100, 100).keep(BOXES).tolist() == [True, False, True, False]
    assert Regions(camera(interest=[TOP_HALF]), 100, 100).keep(BOXES).tolist() == [True, True, False, False]


def test_ignore_wins_inside_interest_and_polygons_add_up() -> None:
    both = camera(interest=[LEFT_HALF], ignore=[TOP_HALF])
    assert Regions(both, 100, 100).keep(BOXES).tolist() == [False, False, True, False]
    assert not Regions(camera(ignore=[LEFT_HALF, [(50, 0), (100, 0), (100, 100)]]), 100, 100).keep(BOXES[:2]).any()


def test_feet_outside_the_picture_count_at_its_edge() -> None:
    beyond = np.array([[20, 0, 30, 500], [-90, 0, -80, 20], [400, 0, 420, 20]], np.float32)
    assert Regions(camera(interest=[LEFT_HALF]), 100, 100).keep(beyond).tolist() == [True, True, False]


def test_no_boxes() -> None:
    assert Regions(camera(ignore=[LEFT_HALF]), 100, 100).keep(np.zeros((0, 4), np.float32)).shape == (0,)
