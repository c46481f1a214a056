"""What the benchmarks of association do to tracklets, on a few made-up people."""

from __future__ import annotations

import numpy as np
import pytest

from app.config_association import AssociationConfig
from benchmarks import association_clocks as clocks
from benchmarks import association_speed as speed
from tests.app.test_association import People, seen

CONFIG = AssociationConfig(threshold=0.3, camera_people=float("inf"))


@pytest.fixture
def tracklets():
    """Four people who walk through three cameras one after another, in the picture for two seconds each."""
    people = People(4, seed=1)
    return [
        seen(
            camera, person + 1, range(50 * person + 30 * place, 50 * person + 30 * place + 20), people.crops(person, 4)
        )
        for person in range(4)
        for place, camera in enumerate("abc")
    ]


def test_clocks_are_off_by_camera(tracklets):
    for before, after in zip(tracklets, clocks.off(tracklets), strict=True):
        wrong = {"a": 0.0, "b": 2.0, "c": -2.0}[before.camera]
        assert after.key == before.key
        assert after.tracklet.times == pytest.approx(before.tracklet.times + wrong)
        assert after.tracklet.exemplar_times == pytest.approx(before.tracklet.exemplar_times + wrong)
        assert after.tracklet.boxes is before.tracklet.boxes


def test_the_last_camera_is_gone_and_shows_the_rest_later(tracklets):
    middle = float(np.median(np.concatenate([item.tracklet.times for item in tracklets])))
    cut = seen("c", 9, range(int(10 * middle) - 5, int(10 * middle) + 5), People(1).crops(0, 4))
    parts = clocks.interrupted([*tracklets, cut])
    middle = float(np.median(np.concatenate([item.tracklet.times for item in [*tracklets, cut]])))
    both = [item for item in (*tracklets, cut) if item.tracklet.times[0] < middle <= item.tracklet.times[-1]]
    halves = sum(item.camera == "c" for item in both)
    assert halves >= 1
    assert len({item.key for item in parts}) == len(parts) == len(tracklets) + 1 + halves, "each is cut in two"
    given, left = ([item for item in some if item.camera == "c"] for some in ([*tracklets, cut], parts))
    assert sum(len(item.tracklet) for item in left) == sum(len(item.tracklet) for item in given), "no box is lost"
    times = np.concatenate([item.tracklet.times for item in left])
    assert not ((times >= middle + 1) & (times < middle + clocks.GONE - 1)).any()
    for item in left:
        assert np.all(np.isin(item.tracklet.exemplar_frames, item.tracklet.frames)), "views go with their boxes"
        assert len(item.tracklet.exemplars or ()) == len(item.tracklet.exemplar_crops)
    assert [item for item in parts if item.camera != "c"] == [item for item in tracklets if item.camera != "c"]


def test_every_way_links_the_people_of_a_quiet_place(tracklets):
    for name, way in clocks.ways({}).items():
        found = way(tracklets, CONFIG)
        assert sum(len(each.members) for each in found) >= len(tracklets), name
        if "gone" not in name:
            groups = sorted([member.tracklet.track_id for member in each.members] for each in found)
            assert groups == [[number] * 3 for number in (1, 2, 3, 4)], name


def test_speed_counts_whom_it_knows_again():
    # Some come again while they are still elsewhere; in another place of the same camera nobody is the same.
    settings = {"camera_people": float("inf"), "apart_penalty": 0.0}
    result = speed.run(150, 40, **settings)
    assert result["recognised"] >= 90
    assert result["identities"] <= 154
    assert 0 < result["ms_a_tracklet_mean"] <= result["ms_a_tracklet_slowest_call"]
    nobody = speed.run(150, 40, **settings, threshold=0.0)
    assert nobody["recognised"] < 50, "who is never linked is never known again"
