"""Live galleries: tracklets written while they grow, identities as they are decided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association import CameraTracklet
from app.association.types import Stay
from app.gallery import Gallery
from app.gallery.growing import Grown, assign, last_tracks, put_all, put_tracklets, recent, runs, stays_before
from tests.app.galleries import MODEL, camera, features, identity, tracklet

ALL = np.arange(3)


@pytest.fixture
def gallery(store):
    with Gallery.create(store, MODEL) as made:
        for name in ("east", "west"):
            made.add_camera(camera(name))
        yield made


def cut(whole, count, first=0):
    """A tracklet's rows from `first` to `count`, with the views there."""
    rows = slice(first, count)
    last, begin = whole.frames[count - 1], whole.frames[first]
    views = np.flatnonzero((whole.exemplar_frames <= last) & (whole.exemplar_frames >= begin))
    return replace(
        whole,
        frames=whole.frames[rows],
        times=whole.times[rows],
        boxes=whole.boxes[rows],
        scores=whole.scores[rows],
        exemplars=whole.exemplars[views],
        exemplar_frames=whole.exemplar_frames[views],
        exemplar_times=whole.exemplar_times[views],
        exemplar_boxes=whole.exemplar_boxes[views],
        exemplar_crops=tuple(whole.exemplar_crops[view] for view in views),
    )


def test_a_tracklet_that_grows_is_brought_up_to_date_and_its_sightings_are_added(gallery):
    whole = tracklet(1, count=20, exemplars=features(3))
    put_tracklets(gallery, "east", [Grown(cut(whole, 10), np.array([0, 1])[:1])])
    before, _ = gallery.sightings()
    put_tracklets(gallery, "east", [Grown(whole, np.array([1, 2]))])
    rows, found = gallery.sightings()
    assert [row.id for row in before] == [rows[0].id]
    assert [row.frame for row in rows] == whole.exemplar_frames.tolist()
    assert {row.span for row in rows} == {(whole.times[0], whole.times[-1])}
    np.testing.assert_allclose(found.global_, whole.exemplars.global_, atol=1e-3)
    np.testing.assert_array_equal(gallery.tracklet("east", 1).boxes, whole.boxes)
    assert gallery.crops([row.id for row in rows]).count(None) == 0
    assert last_tracks(gallery) == {"east": 1, "west": 0}


def test_what_a_track_saw_of_somebody_else_goes_to_the_part_that_is_taken_from_it(gallery):
    whole = tracklet(1, count=20, exemplars=features(3))
    other = tracklet(2, count=20, exemplars=features(1, 9))
    put_tracklets(gallery, "east", [Grown(whole, ALL), Grown(other, ALL[:1])])
    first, second = cut(whole, 15), replace(cut(whole, 20, 15), track_id=3)
    put_tracklets(gallery, "east", [Grown(first, ALL[:0]), Grown(second, ALL[:0]), Grown(other, ALL[:0])])
    rows, _ = gallery.sightings()
    assert [(row.track, row.frame) for row in rows] == [(1, 0), (1, 9), (3, 19), (2, 0)]


def test_nothing_is_written_where_the_camera_is_unknown(gallery):
    with pytest.raises(ValueError, match="camera"):
        put_tracklets(gallery, "north", [Grown(tracklet(1, exemplars=features(1)), ALL[:1])])
    assert gallery.tracklets() == []


def test_tracklets_of_many_cameras_are_written_as_one_by_one_and_all_or_none(store, tmp_path):
    whole, other = tracklet(1, count=20, exemplars=features(3)), tracklet(2, count=20, exemplars=features(2, 9))
    taken = replace(cut(whole, 20, 15), track_id=3)
    steps = [
        {"east": [Grown(whole, ALL)], "west": [Grown(whole, ALL[:1]), Grown(other, ALL[:2])]},
        {"east": [Grown(cut(whole, 15), ALL[:0]), Grown(taken, ALL[:0])], "west": [Grown(whole, ALL)]},
        {"west": [Grown(whole, ALL)], "east": [Grown(other, ALL[:1])]},
    ]
    found = []
    for path, at_once in ((store, True), (tmp_path / "other.db", False)):
        with Gallery.create(path, MODEL, clock=lambda: 1.0) as made:
            for name in ("east", "west"):
                made.add_camera(camera(name))
            for step in steps:
                for part in [step] if at_once else [{name: some} for name, some in step.items()]:
                    put_all(made, part)
            assert made.revision() == (3 if at_once else 4), "it grows with each transaction that adds sightings"
            with pytest.raises(ValueError, match="north"):
                put_all(made, {"east": [Grown(tracklet(9), ALL[:0])], "north": [Grown(tracklet(9), ALL[:0])]})
            out = {("east", 9), ("west", 1)}
            put_all(made, {"east": [Grown(tracklet(9), ALL[:0]), Grown(tracklet(10), ALL[:0])]}, lambda _, out=out: out)
            rows, vectors = made.sightings()
            order = sorted(range(len(rows)), key=lambda i: (rows[i].camera, rows[i].frame, rows[i].track))
            found.append(
                (
                    [(rows[i].camera, rows[i].track, rows[i].frame, rows[i].span) for i in order],
                    vectors.global_[order].tolist(),
                    [(row.camera, row.track, row.boxes.tolist()) for row in made.tracklets()],
                )
            )
    assert found[0] == found[1]
    assert [each[:3] for each in found[0][0] if each[0] == "east"] == [
        ("east", 1, 0), ("east", 2, 0), ("east", 1, 9), ("east", 3, 19)
    ]  # fmt: skip
    assert [each[:2] for each in found[0][2]] == [
        ("east", 1), ("east", 2), ("east", 3), ("east", 10), ("west", 1), ("west", 2)
    ]  # fmt: skip


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(), max_size=9)), st.integers(1, 7))
def test_runs_hold_everything_once_in_order_and_no_more_than_they_may(cameras, most):
    parts = list(runs(cameras, most))
    assert all(0 < sum(map(len, part.values())) <= most for part in parts)
    assert {name: [each for part in parts for each in part.get(name, [])] for name in cameras} == cameras
    assert len(parts) == -(-sum(map(len, cameras.values())) // most)


KEYS = [("east", 1), ("east", 2), ("west", 1), ("west", 2)]


STEPS = st.lists(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 4), min_size=1), max_size=6)


@settings(max_examples=25)
@given(STEPS)
def test_identities_decided_one_by_one_are_those_decided_at_once(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("assign")
    one_by_one(folder / "one.db", folder / "two.db", steps)


@settings(max_examples=4)
@given(STEPS)
def test_a_server_decides_like_a_file(postgres, tmp_path_factory, steps):
    one_by_one(postgres.empty(), tmp_path_factory.mktemp("assign") / "two.db", steps)


def one_by_one(first, second, steps):
    final = {}
    with Gallery.create(first, MODEL) as one, Gallery.create(second, MODEL) as two:
        for made in (one, two):
            for name in ("east", "west"):
                made.add_camera(camera(name))
                made.add_tracklets(name, [tracklet(number) for number in (1, 2)])
        for step in steps:
            final.update(step)
            with one.writing() as connection:
                assign(connection, {**step, ("west", 77): 1})
        members = {number: [key for key in KEYS if final.get(key) == number] for number in set(final.values())}
        two.set_identities(
            [
                identity(number, *(CameraTracklet(name, tracklet(track)) for name, track in keys))
                for number, keys in members.items()
            ]
        )
        assert one.identities() == two.identities()
        assert {(row.camera, row.track): row.identity for row in one.tracklets()} == {
            (row.camera, row.track): row.identity for row in two.tracklets()
        }


def test_what_was_seen_lately_is_given_back_with_its_views_and_identities(gallery):
    old, late = tracklet(1, start=0, exemplars=features(2)), tracklet(2, start=1000, exemplars=features(3, 5))
    bare = tracklet(1, start=1000)
    gallery.add_tracklets("east", [old, late])
    gallery.add_tracklets("west", [bare])
    with gallery.writing() as connection:
        assign(connection, {("east", 2): 7})
    found = recent(gallery, 50.0)
    assert [(item.key, number) for item, number in found] == [(("east", 2), 7), (("west", 1), None)]
    np.testing.assert_array_equal(found[0][0].tracklet.frames, late.frames)
    np.testing.assert_allclose(found[0][0].tracklet.exemplars.global_, late.exemplars.global_, atol=1e-3)
    assert found[1][0].tracklet.exemplars is None
    assert recent(gallery, 1e9) == []


def test_where_identities_were_before_is_one_span_a_camera(gallery):
    tracks = [tracklet(number, start=start) for number, start in ((1, 0), (2, 300), (3, 1000), (4, 100))]
    gallery.add_tracklets("east", tracks)
    gallery.add_tracklets("west", [tracklet(1, start=50)])
    numbers = {("east", 1): 7, ("east", 2): 7, ("east", 3): 7, ("east", 4): 8, ("west", 1): 7}
    with gallery.writing() as connection:
        assign(connection, numbers)
    first, last = tracks[0].times[0], tracks[1].times[-1]
    west = tracklet(1, start=50).times
    stays = [Stay(7, "east", first, last), Stay(7, "west", west[0], west[-1])]
    assert sorted(stays_before(gallery, {7, 9}, 60.0), key=lambda stay: stay.camera) == stays
    assert stays_before(gallery, {7}, 0.0) == stays_before(gallery, set(), 60.0) == []
