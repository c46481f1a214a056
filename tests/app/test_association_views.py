"""Which cameras see a common place, where all tracklets are at hand at once."""

import numpy as np
import pytest

from app.association.views import MOMENT, at_once, seen_apart
from app.config_association import AssociationConfig
from tests.app.test_association import seen

CONFIG = AssociationConfig(threshold=0.5)


def scene(pieces=0):
    """Ten people whom two cameras see at once for six seconds; `pieces` more of each in one camera, a second each."""
    tracklets = [seen(camera, i + 1, range(60), None) for camera in ("east", "west") for i in range(10)]
    tracklets += [seen("east", 100 + i, range(10), None) for i in range(10 * pieces)]
    tracklets += [seen("west", 100 + i, range(10), None) for i in range(10 * pieces)]
    distances = np.full((len(tracklets), len(tracklets)), 0.9, np.float32)
    np.fill_diagonal(distances, np.inf)
    return tracklets, distances


def pair(distances, first, second, value):
    distances[first, second] = distances[second, first] = value


@pytest.mark.parametrize(("alike", "common"), [(0, False), (1, False), (3, True)])
def test_two_cameras_see_a_common_place_where_some_at_once_look_the_same(alike, common):
    tracklets, distances = scene()
    for i in range(alike):
        pair(distances, i, 10 + i, 0.2)
    apart = seen_apart(tracklets, distances, CONFIG)
    assert (apart == apart.T).all()
    assert apart[0, 10:20].all() != common
    assert not apart[0, :10].any(), "what one camera shows is another question"


def test_short_pieces_of_tracks_are_no_crowd_without_doubles():
    tracklets, distances = scene(pieces=2)
    for i in range(5):
        pair(distances, i, 10 + i, 0.2)
    # By count five of thirty; by the time spent in company, more than a third.
    assert not seen_apart(tracklets, distances, CONFIG).any()


def test_who_looks_the_same_at_another_time_does_not_hide_a_double():
    tracklets, distances = scene()
    tracklets += [seen("west", 200 + i, range(1000, 1060), None) for i in range(10)]
    distances = np.pad(distances, ((0, 10), (0, 10)), constant_values=0.9)
    for i in range(5):
        pair(distances, i, 10 + i, 0.2)
        pair(distances, i, 20 + i, 0.1)
    assert not seen_apart(tracklets, distances, CONFIG).any()


def test_at_once_is_more_than_a_moment_and_in_two_cameras():
    tracklets = [seen("east", 1, range(30), None), seen("west", 1, range(29, 60), None)]
    tracklets += [seen("west", 2, range(20, 60), None), seen("east", 2, range(30), None)]
    assert MOMENT == 0.5
    together = at_once(tracklets, 0.2)
    assert together.tolist() == [
        [False, False, True, False],
        [False, False, False, False],
        [True, False, False, True],
        [False, False, True, False],
    ]
