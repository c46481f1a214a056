"""Cameras that see a common place, and cameras that do not, told apart by who is in both at once."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association import CameraTracklet, associate
from app.association.views import at_once, seen_apart
from app.config_association import AssociationConfig
from trackers.tracklet import Tracklet

CONFIG = AssociationConfig(threshold=0.5, apart_penalty=0.2)


def seen(camera, track, first, last):
    """A tracklet of ten frames a second without views: distances are given beside it."""
    frames = np.arange(first, last)
    count = len(frames)
    return CameraTracklet(
        camera,
        Tracklet(
            track, frames, frames / 10, np.tile(np.float32([0, 0, 10, 30]), (count, 1)), np.ones(count, np.float32),
            None, np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 4), np.float32), (),
        ),
    )  # fmt: skip


def distances_of(count, pairs):
    """Everybody 0.9 from everybody, but for the pairs given."""
    result = np.full((count, count), 0.9, np.float32)
    for (a, b), distance in pairs.items():
        result[a, b] = result[b, a] = distance
    np.fill_diagonal(result, np.inf)
    return result


def crowd(cameras, people, last=50):
    return [seen(camera, track, 0, last) for camera in cameras for track in range(1, people + 1)]


def test_tracklets_are_at_once_when_they_share_time_in_different_cameras():
    tracklets = [seen("a", 1, 0, 20), seen("b", 1, 10, 30), seen("a", 2, 10, 30), seen("b", 2, 19, 60)]
    found = at_once(tracklets, 0.2)
    assert found[0, 1], "half of the time of either"
    assert not found[0, 2], "of one camera"
    assert not found[0, 3], "a moment only"
    assert found[1, 0], "symmetric"
    assert found[2, 3]


@pytest.mark.parametrize(("alike", "apart"), [(0, True), (1, True), (2, False), (10, False)])
def test_a_fifth_of_the_people_alike_at_once_make_a_common_place(alike, apart):
    tracklets = crowd("ab", 10)
    distances = distances_of(20, {(i, 10 + i): 0.3 for i in range(alike)})
    found = seen_apart(tracklets, distances, CONFIG)
    assert found[:10, 10:].all() == apart
    assert found.any() == apart
    assert (found == found.T).all()
    assert not found[:10, :10].any(), "within a camera nothing is said"


def test_only_sure_mutual_likeness_at_once_is_evidence():
    tracklets = crowd("ab", 3)
    assert not seen_apart(tracklets, distances_of(6, {(0, 3): 0.39}), CONFIG).any()
    assert seen_apart(tracklets, distances_of(6, {(0, 3): 0.42}), CONFIG)[0, 3], "not sure enough"
    taken = distances_of(6, {(0, 3): 0.3, (1, 3): 0.2, (1, 4): 0.1})
    assert not seen_apart(tracklets, taken, CONFIG).any(), "the second and her nearest"
    later = [*crowd("a", 3), *(seen("b", track, 60, 90) for track in range(1, 4))]
    assert not seen_apart(later, distances_of(6, {(0, 3): 0.3}), CONFIG).any(), "nobody is there at once"


def test_each_two_cameras_are_judged_for_themselves():
    tracklets = crowd("abc", 4)
    distances = distances_of(12, {(i, 4 + i): 0.2 for i in range(4)})
    found = seen_apart(tracklets, distances, CONFIG)
    assert not found[:4, 4:8].any()
    assert found[:8, 8:].all()


def test_association_asks_more_of_people_at_once_in_cameras_without_a_common_place(monkeypatch):
    # Of ten people in each camera two pairs look fairly alike: the first at once, the second one after the other.
    tracklets = [*crowd("ab", 10), seen("b", 11, 60, 90)]
    pairs = {(0, 10): 0.45, (1, 20): 0.45}
    order = sorted(range(21), key=lambda i: (tracklets[i].tracklet.times[0], tracklets[i].camera, i))
    given_out = distances_of(21, pairs)[np.ix_(order, order)]
    # The package gives its function the module's name, so the module is found where imports are kept.
    module = sys.modules["app.association.associate"]
    monkeypatch.setattr(module, "tracklet_distances", lambda *_: given_out.copy())

    def linked(config):
        people = [{member.key for member in identity.members} for identity in associate(tracklets, config)]
        return {("a", 1), ("b", 1)} in people, {("a", 2), ("b", 11)} in people

    config = CONFIG.model_copy(update={"shared_overlap": 0, "shared_frames": 1})
    assert linked(config.model_copy(update={"apart_penalty": 0.0})) == (True, True)
    # shared_frames decides what is at once; boxes of one camera never part people here.
    strict = CONFIG.model_copy(update={"shared_overlap": 0})
    assert linked(strict) == (False, True)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 10_000))
def test_laws(count_a, count_b, seed):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 40, count_a + count_b)
    tracklets = [
        seen("a" if i < count_a else "b", i + 1, start, start + int(rng.integers(1, 30)))
        for i, start in enumerate(starts.tolist())
    ]
    distances = rng.uniform(0, 1, (len(tracklets),) * 2).astype(np.float32)
    distances = np.minimum(distances, distances.T)
    np.fill_diagonal(distances, np.inf)
    found = seen_apart(tracklets, distances, CONFIG)
    assert (found == found.T).all()
    together = at_once(tracklets, CONFIG.shared_frames) if tracklets else found
    assert not (found & ~together).any()
    # All or nothing between two cameras.
    assert not found.any() or (found == together).all()
