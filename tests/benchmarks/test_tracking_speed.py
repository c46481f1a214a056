from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import tracking_speed
from benchmarks.tracking_run import Failure, Run, rows_of
from benchmarks.tracking_speed import CELLS, GLOBAL, LOCAL, associate, crowd
from trackers import TrackerConfig


@settings(max_examples=10)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 5))
def test_a_crowd_has_as_many_boxes_in_every_frame(count: int, frames: int, seed: int) -> None:
    made = crowd(count, frames, seed)
    assert np.bincount(made.boxes.frames, minlength=frames + 1)[1:].tolist() == [count] * frames
    assert (made.boxes.xyxy[:, 2:] > made.boxes.xyxy[:, :2]).all()
    for frame in range(1, frames + 1):
        people = made.people[made.boxes.frames == frame]
        assert len(np.unique(people)) == count
    assert np.array_equal(crowd(count, frames, seed).boxes.xyxy, made.boxes.xyxy)


def test_a_larger_crowd_stands_as_dense() -> None:
    small, large = crowd(100, 1).boxes.sequence, crowd(400, 1).boxes.sequence
    assert large.width * large.height == pytest.approx(4 * small.width * small.height, rel=0.02)


def test_a_person_looks_alike_in_every_frame() -> None:
    made = crowd(20, 4)
    vectors = made.vectors()
    alike = vectors @ vectors.T
    same = made.people[:, None] == made.people[None, :]
    assert alike[same].min() > alike[~same].max()
    features = made.features(vectors, np.array([0, 3, 5], np.intp))
    assert features.global_.shape == (3, GLOBAL)
    assert features.local.shape == (3, CELLS, LOCAL)


@pytest.mark.parametrize("appearance", [False, True])
def test_association_is_timed_frame_by_frame(appearance: bool) -> None:
    run = associate(crowd(12, 5), TrackerConfig(), appearance=appearance)
    assert len(run.elapsed) == len(run.processor) == 5
    assert (run.elapsed > 0).all()


def test_figures_are_medians_over_the_rounds() -> None:
    def run(seconds: float) -> Run | Failure:
        times = np.full(tracking_speed.FRAMES, seconds)
        times[: tracking_speed.WARM_UP] = 100.0
        return Run("x", rows_of([], [], []), times, times / 2)

    rounds = [[run(0.1), run(0.4)], [run(0.2), run(0.5)], [run(0.1), run(1.0)]]
    result = tracking_speed.summary("x", rounds)
    assert result == {
        "name": "x",
        "fps_156": 10.0,
        "fps_600": 2.0,
        "processor_fps_156": 20.0,
        "processor_fps_600": 4.0,
        "ratio": 4.0,
    }
    assert tracking_speed.summary("x", [*rounds, [Failure("x", "broke"), run(1.0)]])["failed"] == "broke"
