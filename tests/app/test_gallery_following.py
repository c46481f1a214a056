import json

import numpy as np
import pytest

from app.association import CameraTracklet
from app.gallery import Gallery
from app.gallery.erasing import erase_identity, purge
from app.gallery.following import Follow, delete_follows, follows, insert_follow, reappearances
from app.gallery.growing import Grown, put_all, put_tracklets
from reid_model.calibration import Calibration
from reid_model.features import Features
from reid_model.matching import distances
from tests.app.galleries import DAY, MODEL, camera, features, identity, tracklet, unit

CALIBRATION = Calibration(intercepts=(10.0, 10.0, 10.0), slopes=(20.0, 20.0, 20.0))
"""Even odds at a distance of 0.5."""


def near(source, noise, seed=0):
    rng = np.random.default_rng(seed)
    return Features(
        unit(source.global_ + noise * rng.normal(size=source.global_.shape)),
        unit(source.local + noise * rng.normal(size=source.local.shape)),
        source.saliency,
        source.mass,
    )


def follow(query, **changes):
    values = {
        "id": 0,
        "name": "red coat",
        "who": "ann",
        "stored": 0.0,
        "expires": DAY,
        "origin": {"images": ["a.jpg"]},
        "cameras": None,
        "method": "gasm",
        "calibration": CALIBRATION,
        "prior": 0.5,
        "bar": 0.5,
        "query": query,
    }
    return Follow(**{**values, **changes})


@pytest.fixture
def gallery(store):
    with Gallery.create(store, MODEL, clock=lambda: 100.0) as gallery:
        for name in ("east", "west"):
            gallery.add_camera(camera(name))
        gallery.add_tracklets("east", [tracklet(1, exemplars=features(3))])
        yield gallery


def store(gallery, *given):
    with gallery.writing() as connection:
        return [insert_follow(connection, each) for each in given]


def stored(gallery):
    with gallery.reading() as connection:
        return follows(connection, gallery.now())


def test_a_follow_comes_back_as_it_was_stored(gallery):
    given = follow(features(2, 7), cameras=("east",), prior=0.01, bar=0.7)
    (number,) = store(gallery, given)
    (read,) = stored(gallery)
    assert read.id == number > 0
    for name in ("name", "who", "stored", "expires", "origin", "cameras", "method", "calibration", "prior", "bar"):
        assert getattr(read, name) == getattr(given, name)
    for name in ("global_", "local", "saliency", "mass"):
        np.testing.assert_allclose(getattr(read.query, name), getattr(given.query, name), atol=1e-3)


def test_whoever_looks_alike_raises_one_event_a_tracklet(gallery):
    person, stranger = features(3, 1), features(3, 2)
    first, second = store(gallery, follow(person[[0, 1]]), follow(person[[0]], name="west only", cameras=("west",)))
    assert gallery.add_tracklets("east", [tracklet(2, exemplars=stranger)]) == []
    seen = near(person[[0, 1, 2]], 0.03)
    events = gallery.add_tracklets("east", [tracklet(3, exemplars=seen), tracklet(4, exemplars=stranger)])
    (event,) = events
    assert (event.follow, event.name, event.camera, event.track, event.raised) == (first, "red coat", "east", 3, 100.0)
    assert event.span == (tracklet(3).times[0], tracklet(3).times[-1])
    rows, found = gallery.sightings(["east"], track=3)
    every = distances(stored(gallery)[0].query, found)
    assert event.sighting == rows[int(every.min(axis=0).argmin())].id
    assert event.distance == pytest.approx(every.min(), abs=1e-6)
    likely = CALIBRATION.probability(event.distance, 0.5, 0.5, 0.5)
    assert event.probability == pytest.approx(likely, abs=1e-6)
    later = gallery.add_tracklets("west", [tracklet(3, exemplars=seen)])
    assert [(each.follow, each.camera) for each in later] == [(first, "west"), (second, "west")]
    with gallery.reading() as connection:
        assert reappearances(connection) == events + later
        assert reappearances(connection, events[-1].id) == later
    log = [(entry.who, entry.action, entry.details) for entry in gallery.audit_log()]
    assert log[0] == ("ann", "reappeared", {"follow": first, "found": [["east", 3]]})
    assert len(log) == 3
    assert json.loads(json.dumps(event.as_row()))["track"] == 3


def test_the_bar_and_the_prior_decide(gallery):
    person = features(1, 1)
    seen = near(person, 0.06)
    distance = float(distances(person, seen)[0, 0])
    likely = float(CALIBRATION.probability(distance, person.mass, seen.mass, 0.001)[0])
    assert 0.05 < likely < 0.999
    store(gallery, follow(person, prior=0.001, bar=likely - 0.02), follow(person, prior=0.001, bar=likely + 0.02))
    (event,) = gallery.add_tracklets("east", [tracklet(2, exemplars=seen)])
    assert event.probability == pytest.approx(likely, abs=0.01)


def test_follows_end(gallery):
    person = features(1, 1)
    first, _, _ = store(
        gallery, follow(person, expires=99.0), follow(person, expires=100.0), follow(person, expires=101.0)
    )
    assert [each.id for each in stored(gallery)] == [first + 2]
    gallery.add_tracklets("east", [tracklet(2, exemplars=near(person, 0.01))])
    assert purge(gallery).follows == 2
    with gallery.writing() as connection:
        assert len(reappearances(connection)) == 1
        delete_follows(connection, [first + 2])
        assert reappearances(connection) == []
    assert stored(gallery) == []


def test_nothing_is_stored_when_the_batch_fails(gallery):
    person = features(1, 1)
    store(gallery, follow(person))
    with pytest.raises(ValueError, match="has a track 1 already"):
        gallery.add_tracklets("east", [tracklet(2, exemplars=near(person, 0.01)), tracklet(1)])
    with gallery.reading() as connection:
        assert reappearances(connection) == []
    assert gallery.audit_log() == []


def test_erasing_a_person_ends_the_searches_for_them(gallery):
    person, other = features(3, 1), features(3, 2)
    gallery.add_tracklets("east", [tracklet(2, exemplars=person), tracklet(3, exemplars=other)])
    members = [CameraTracklet("east", tracklet(track)) for track in (2, 3)]
    gallery.set_identities([identity(number, member) for number, member in enumerate(members, 1)])
    by_name = follow(features(1, 50), origin={"identity": 1})
    alike, another = follow(near(person, 0.02)[[1]]), follow(near(other, 0.02)[[0]])
    *_, kept = store(gallery, by_name, alike, another)
    (event, *_) = gallery.add_tracklets("west", [tracklet(2, exemplars=near(other, 0.03))])
    assert event.follow == kept
    assert erase_identity(gallery, 1).follows == 2
    assert [each.id for each in stored(gallery)] == [kept]
    with gallery.reading() as connection:
        assert reappearances(connection) == [event]


def test_a_tracklet_that_grows_is_told_of_once(gallery):
    person = features(3, 5)
    store(gallery, follow(person[:1]))
    whole = tracklet(7, exemplars=person[np.array([0, 0, 0])])
    told = [put_tracklets(gallery, "west", [Grown(whole, np.array([view]))]) for view in range(3)]
    assert [len(each) for each in told] == [1, 0, 0]
    assert told[0][0].track == 7


def test_of_many_cameras_written_at_once_a_follow_sees_its_own(gallery):
    person = features(1, 5)
    store(gallery, follow(person), follow(person, cameras=("west",)))
    item = Grown(tracklet(7, exemplars=near(person, 0.01)), np.array([0]))
    told = put_all(gallery, {"east": [item], "west": [item]})
    first, second = stored(gallery)
    assert [(each.follow, each.camera) for each in told] in (
        [(first.id, "east"), (first.id, "west"), (second.id, "west")],
        [(first.id, "west"), (first.id, "east"), (second.id, "west")],
    )
    assert [entry.details["found"] for entry in gallery.audit_log()][1:] == [[["west", 7]]]
