import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.association import CameraTracklet
from app.config import GalleryConfig
from app.gallery import Gallery
from app.gallery.packing import CROP_HEIGHT, Dimensions
from app.gallery.queries import Filter, sighting_count
from reid_model.matching import distances
from tests.app.galleries import DAY, MODEL, camera, features, fill, identity, picture, tracklet


@pytest.fixture
def path(store):
    return store


@pytest.fixture
def filled(path):
    return fill(path)


@given(st.integers(1, 5), st.integers(0, 1000), st.integers(1, 60))
def test_round_trip(tmp_path_factory, exemplars, seed, count):
    round_trip(tmp_path_factory.mktemp("round") / "gallery.db", exemplars, seed, count)


@settings(max_examples=5)
@given(st.integers(1, 5), st.integers(0, 1000), st.integers(1, 60))
def test_round_trip_through_a_server(postgres, exemplars, seed, count):
    round_trip(postgres.empty(), exemplars, seed, count)


def round_trip(path, exemplars, seed, count):
    given_features = features(exemplars, seed)
    written = tracklet(7, start=seed, count=count, exemplars=given_features)
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [written])
    with Gallery.open(path, model_id=MODEL, read_only=True) as gallery:
        assert gallery.dimensions() == Dimensions(32, 6, 8)
        read = gallery.tracklet("east", 7)
        rows, found = gallery.sightings()
        crops = gallery.crops([row.id for row in rows])
    assert read is not None
    for name in ("frames", "times", "boxes", "scores"):
        before, after = getattr(written, name), getattr(read, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    for name in ("global_", "local", "saliency"):
        np.testing.assert_allclose(getattr(found, name), getattr(given_features, name), atol=1e-3)
    np.testing.assert_array_equal(found.mass, given_features.mass)
    # Half precision moves distances far less than the differences that matter.
    near = distances(given_features, given_features) - distances(found, found)
    assert np.abs(near).max() < 2e-3
    assert [row.frame for row in rows] == written.exemplar_frames.tolist()
    assert [row.time for row in rows] == written.exemplar_times.tolist()
    np.testing.assert_allclose([row.box for row in rows], written.exemplar_boxes)
    assert {row.span for row in rows} == {(written.times[0], written.times[-1])}
    decoded = cv2.imdecode(np.frombuffer(crops[0], np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - written.exemplar_crops[0]).mean() < 10


def test_tall_crops_are_scaled_down_and_none_kept_where_not_wanted(path):
    big = tracklet(1, exemplars=features(1))
    object.__setattr__(big, "exemplar_crops", (picture(0, 600, 200),))
    with Gallery.create(path, MODEL) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [big])
        crop = gallery.crops([1])[0]
        assert cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR).shape == (CROP_HEIGHT, 85, 3)
    with Gallery.open(path, config=GalleryConfig(crops=False)) as gallery:
        gallery.add_tracklets("east", [tracklet(2, exemplars=features(1))])
        assert gallery.crops([2, 1, 99]) == [None, crop, None]


def test_filters_are_inclusive_and_combine(filled):
    with Gallery.open(filled, read_only=True) as gallery:
        everything, _ = gallery.sightings()
        assert len(everything) == 30
        rows, found = gallery.sightings(["west"], start=30 / 12.5, end=40 / 12.5)
        expected = [r for r in everything if r.camera == "west" and 30 / 12.5 <= r.time <= 40 / 12.5]
        assert rows == expected
        assert len(found) == len(rows) > 3
        assert {30 / 12.5, 40 / 12.5} <= {row.time for row in rows}
        assert gallery.sightings(["east"], track=2)[0] == [r for r in everything if (r.camera, r.track) == ("east", 2)]
        assert gallery.sightings([]) == ([], None)
        assert gallery.sightings(start=1000.0) == ([], None)


def test_what_was_added_is_found_by_number(filled):
    with Gallery.open(filled) as gallery:
        everything, _ = gallery.sightings()
        ids = gallery.sighting_ids()
        with gallery.reading() as connection:
            assert sighting_count(connection, Filter(gallery.now())) == len(ids)
            assert 0 < sighting_count(connection, Filter(gallery.now(), ["west"])) < len(ids)
        assert ids.dtype == np.int64
        assert ids.tolist() == [row.id for row in everything] == list(range(1, 31))
        west = gallery.sighting_ids(["west"], start=30 / 12.5, end=40 / 12.5)
        assert west.tolist() == [row.id for row in gallery.sightings(["west"], 30 / 12.5, 40 / 12.5)[0]]
        assert gallery.sightings_by_id(np.array([7, 99, 2])) == [everything[6], None, everything[1]]
        assert gallery.sightings_by_id(ids.repeat(50))[-1] == everything[-1]


def test_the_revision_grows_with_every_change_of_sightings(filled):
    with Gallery.open(filled) as gallery:
        first = gallery.revision()
        gallery.audit("search", {})
        gallery.add_camera(camera("west", frame_count=9))
        with pytest.raises(ValueError, match="has a track 1 already"):
            gallery.add_tracklets("east", [tracklet(1, exemplars=features(1))])
        assert gallery.revision() == first
        gallery.add_tracklets("east", [tracklet(50, exemplars=features(1))])
        assert gallery.revision() == first + 1
        gallery.set_identities([identity(1, CameraTracklet("east", tracklet(1)))])
        assert gallery.revision() == first + 2
    with Gallery.open(filled, read_only=True) as gallery:
        assert gallery.revision() == first + 2


def test_expired_sightings_are_never_returned(path):
    now = [0.0]
    with Gallery.create(path, MODEL, config=GalleryConfig(retention_days=2), clock=lambda: now[0]) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(1, exemplars=features(2))])
        now[0] = DAY
        gallery.add_tracklets("east", [tracklet(2, exemplars=features(2))])
        now[0] = 2 * DAY - 1
        assert {row.track for row in gallery.sightings()[0]} == {1, 2}
        now[0] = 2 * DAY
        assert {row.track for row in gallery.sightings()[0]} == {2}
        assert gallery.crops([1])[0] is None
        assert gallery.crops([3])[0] is not None


def test_identities_are_replaced_whole(filled):
    def member(name, track):
        return CameraTracklet(name, tracklet(track))

    with Gallery.open(filled) as gallery:
        gallery.set_identities([identity(1, member("east", 2), member("west", 1)), identity(2, member("east", 1))])
        assert gallery.identity(1).tracklets == (("west", 1), ("east", 2)), "in order of appearance"
        assert gallery.identity(2).status == "unknown"
        assert gallery.tracklet("west", 1).identity == 1
        rows, found = gallery.sightings(identity=1)
        assert {(row.camera, row.track, row.status) for row in rows} == {("east", 2, "linked"), ("west", 1, "linked")}
        assert len(found) == 6
        with pytest.raises(ValueError, match="given east track 77"):
            gallery.set_identities([identity(1, member("east", 77))])
        assert len(gallery.identities()) == 2, "what failed changed nothing"
        gallery.set_identities([identity(1, member("west", 5))])
        assert [row.number for row in gallery.identities()] == [1]
        assert gallery.tracklet("west", 1).identity is None


def test_cameras_can_be_corrected(filled):
    with Gallery.open(filled) as gallery:
        gallery.add_camera(camera("west", frame_count=9))
        assert [(row.name, row.frame_count) for row in gallery.cameras()] == [("east", 400), ("west", 9)]
        assert len(gallery.tracklets("west")) == 5
        assert [(row.camera, row.track) for row in gallery.tracklets()][:2] == [("east", 1), ("east", 2)]
        assert gallery.tracklet("west", 6) is None


def test_audit_log(filled):
    with Gallery.open(filled, clock=lambda: 5.0) as gallery:
        gallery.audit("search", {"top": 3}, who="ann")
        gallery.audit("erase", {})
    with Gallery.open(filled, read_only=True) as gallery:
        first, second = gallery.audit_log()
    assert (first.time, first.who, first.action, first.details) == (5.0, "ann", "search", {"top": 3})
    assert second.who


def test_what_does_not_fit_is_refused(filled):
    with Gallery.open(filled) as gallery:
        with pytest.raises(ValueError, match="given 'north'"):
            gallery.add_tracklets("north", [])
        with pytest.raises(ValueError, match="camera east has a track 1 already"):
            gallery.add_tracklets("east", [tracklet(50, exemplars=features(1)), tracklet(1)])
        assert gallery.tracklet("east", 50) is None, "a batch is stored whole or not at all"
        with pytest.raises(ValueError, match="expected 32 pooled, 6 cells of 8, given 32 pooled, 6 cells of 4"):
            gallery.add_tracklets("east", [tracklet(50, exemplars=features(1, local=4))])
