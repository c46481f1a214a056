"""The index of a large gallery: the hits of matching everything plainly, whatever was added, removed or filtered."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.association import CameraTracklet
from app.gallery import Gallery, index_live
from app.gallery.erasing import erase_identity
from app.gallery.index_live import LiveIndex
from app.gallery.index_part import greatest
from app.gallery.index_reading import Batch, read
from app.gallery.packing import Dimensions
from reid_model.features import Features
from reid_model.matching import METHODS, distances
from tests.app.galleries import MODEL, features, fill, identity, tracklet

SIZE = Dimensions(32, 6, 8)
NEAR = 0.03  # cells of 8 values have few to average over


def batch(ids, seed=0, cameras=("east", "west"), times=None, expires=1e12, size=SIZE):
    count = len(ids)
    return Batch(
        np.asarray(ids, np.int64),
        np.asarray(ids, np.int64) // 3,
        [cameras[i % len(cameras)] for i in range(count)],
        np.arange(count, dtype=float) if times is None else np.asarray(times, float),
        np.full(count, float(expires)),
        features(count, seed, size.pooled, size.cells, size.local),
    )


def index_of(*batches, size=SIZE):
    index = LiveIndex(MODEL, size)
    for one in batches:
        index.add(one)
    return index


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("exact", [True, False])
def test_hits_are_those_of_plain_matching(method, exact):
    one, two = batch(range(1, 41), 1), batch(range(50, 80), 2)
    index = index_of(one, two)
    query = features(2, 9)
    everything = distances(query, Features.concatenate([one.features, two.features]), method)
    found = index.search(query, 10, now=0, exact=exact, method=method)
    ids = np.concatenate([one.ids, two.ids])
    by_id = dict(zip(ids.tolist(), everything.T, strict=True))
    np.testing.assert_allclose(found.distances, np.sort(everything.min(axis=0))[:10], atol=NEAR)
    for key, distance, crop in zip(found.ids.tolist(), found.distances, found.crops, strict=True):
        assert abs(by_id[key][crop] - distance) < NEAR
    np.testing.assert_array_equal(found.tracklets, found.ids // 3)
    assert (np.diff(found.distances) >= 0).all()


def test_pooled_distances_are_exact_to_a_thousandth():
    size = Dimensions(512, 1, 8)
    one = batch(range(1, 300), 3, size=size)
    query = features(3, 4, 512, 1, 8)
    found = index_of(one, size=size).search(query[:1], 299, now=0, method="global")
    plain = distances(query[:1], one.features, "global")[0]
    np.testing.assert_allclose(found.distances, plain[found.ids - 1], atol=1e-3)


def test_a_shortlist_of_many_loses_next_to_nothing():
    """People whose views vary less than they differ, as real ones do; more of them than whole vectors are looked at."""
    random = np.random.default_rng(0)
    spread = np.linspace(1, 0.02, 256)

    def views(people, noise):
        values = people + noise * random.normal(size=people.shape) * spread
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)

    people = random.normal(size=(1500, 256)) * spread
    size = Dimensions(256, 2, 8)
    crops = batch(range(1, 6001), 5, size=size)
    pooled = views(people[np.arange(6000) // 4], 0.3)
    crops = Batch(
        crops.ids, crops.tracklets, crops.cameras, crops.times, crops.expires,
        Features(pooled, crops.features.local, crops.features.saliency, crops.features.mass),
    )  # fmt: skip
    index = index_of(crops, size=size)
    recalls = []
    for person in range(20):
        query = features(1, person, 256, 2, 8)
        query = Features(views(people[[person]], 0.3), query.local, query.saliency, query.mass)
        short = index.search(query, 10, now=0, method="global", shortlist=10)
        two = index.search(query, 200, now=0, method="gasm")
        exact = distances(query, crops.features, "global")[0]
        best = np.argsort(exact)[:10] + 1
        recalls.append(np.mean(np.isin(best, two.ids)))
        assert set(best) == set(short.ids)
    assert np.mean(recalls) > 0.99


@given(st.integers(1, 3000), st.integers(1, 400), st.integers(0, 9))
def test_the_greatest_of_many_scores(count, wanted, seed):
    scores = np.random.default_rng(seed).integers(-50, 50, count).astype(np.float32)
    found = greatest(scores, wanted)
    assert len(found) == len(set(found.tolist())) == min(count, wanted)
    np.testing.assert_array_equal(np.sort(scores[found]), np.sort(scores)[max(0, count - wanted) :])


@given(
    cameras=st.none() | st.lists(st.sampled_from(["east", "west", "none"]), max_size=2),
    span=st.tuples(st.none() | st.integers(0, 60), st.none() | st.integers(0, 60)),
    now=st.sampled_from([0.0, 500.0]),
    exact=st.booleans(),
)
def test_filters_come_before_everything(cameras, span, now, exact):
    lasting, short = batch(range(1, 41), 1), batch(range(41, 61), 2, expires=100)
    index = index_of(lasting, short)
    index.remove([3, 4, 50])
    found = index.search(features(1, 7), 100, now=now, exact=exact, cameras=cameras, start=span[0], end=span[1])
    expected = set()
    for one in (lasting, short):
        for key, name, time, expires in zip(one.ids.tolist(), one.cameras, one.times, one.expires, strict=True):
            inside = (span[0] is None or time >= span[0]) and (span[1] is None or time <= span[1])
            if inside and expires > now and (cameras is None or name in cameras) and key not in (3, 4, 50):
                expected.add(key)
    assert set(found.ids.tolist()) == expected


class Changing(RuleBasedStateMachine):
    """Adding, removing and compacting in any order against a plain dictionary."""

    @initialize()
    def begin(self):
        self.index, self.known, self.next = LiveIndex(MODEL, SIZE), {}, 1

    @rule(count=st.integers(1, 30))
    def add(self, count):
        one = batch(range(self.next, self.next + count), self.next)
        self.index.add(one, expected=count)
        self.known |= dict(zip(one.ids.tolist(), one.features.local, strict=True))
        self.next += count

    @rule(data=st.data())
    def remove(self, data):
        keys = data.draw(st.lists(st.sampled_from(sorted(self.known)), max_size=9)) if self.known else [5]
        assert self.index.remove(keys) == len(set(keys) & set(self.known))
        for key in keys:
            self.known.pop(key, None)

    @rule()
    def compact(self):
        self.index.compact()

    @invariant()
    def holds_what_it_should(self):
        assert len(self.index) == len(self.known)
        assert self.index.ids().tolist() == sorted(self.known)
        found = self.index.search(features(1, 1), 1000, now=0, exact=True)
        assert sorted(found.ids.tolist()) == sorted(self.known)


TestChanging = Changing.TestCase


class Expiring(Changing):
    """The same where rows are made room for eight at a time: space that most of them have left is given back."""

    @initialize()
    def begin(self):
        super().begin()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(index_live, "ROOM", 8)

    @rule(share=st.floats(0, 1))
    def expire(self, share):
        """The oldest go."""
        gone = sorted(self.known)[: round(share * len(self.known))]
        assert self.index.remove(gone) == len(gone)
        for key in gone:
            del self.known[key]

    @invariant()
    def has_given_back(self):
        for part in self.index._state.parts:
            assert part.dead < max(8, len(part) / 2)
            assert part.dead < len(part)

    def teardown(self):
        self.patch.undo()


TestExpiring = Expiring.TestCase
TestExpiring.settings = settings(max_examples=30)


def test_a_gallery_that_expires_as_it_grows_takes_no_more_space(monkeypatch):
    monkeypatch.setattr(index_live, "ROOM", 64)
    index, first = LiveIndex(MODEL, SIZE), 1
    held = []
    for day in range(60):
        index.add(batch(range(first + 40 * day, first + 40 * day + 40), day))
        index.remove(range(1, first + 40 * (day - 5)))
        held.append(
            sum(
                len(part.columns["ids"].base) if part.columns["ids"].base is not None else len(part)
                for part in index._state.parts
            )
        )
    assert len(index) == 6 * 40
    assert max(held[30:]) <= max(held[:30]), "days come and days go"
    assert max(held) < 4 * 6 * 40
    assert index.ids().tolist() == list(range(first + 40 * 54, first + 40 * 60))


def test_searches_go_on_while_sightings_come_and_go():
    index = index_of(batch(range(1, 101), 0))
    query, seen, errors = features(1, 1), [], []

    def search():
        try:
            while not done.is_set():
                found = index.search(query, 5000, now=0)
                seen.append(len(found.ids))
                assert len(set(found.ids.tolist())) == len(found.ids)
        except Exception as error:  # a thread's exception is lost otherwise
            errors.append(error)

    done = threading.Event()
    thread = threading.Thread(target=search)
    thread.start()
    for step in range(30):
        index.add(batch(range(1000 + 50 * step, 1050 + 50 * step), step))
        index.remove(range(1000 + 50 * step, 1010 + 50 * step))
        if step % 10 == 5:
            index.compact()
    done.set()
    thread.join()
    assert not errors
    assert len(index) == 100 + 30 * 40
    assert min(seen) >= 100


def test_a_gallery_is_taken_in_and_followed(store):
    path = fill(store)
    with Gallery.open(path) as gallery:
        index = LiveIndex.open(gallery)
        rows, stored = gallery.sightings()
        assert index.ids().tolist() == [row.id for row in rows]
        found = index.search(stored[4:5], 3, now=gallery.now())
        assert found.ids[0] == rows[4].id
        assert found.distances[0] < NEAR
        assert index.sync(gallery) == 0
        gallery.add_tracklets("east", [tracklet(9, exemplars=features(2, 77))])
        assert index.sync(gallery) == 2
        assert index.search(features(2, 77)[:1], 1, now=gallery.now()).distances[0] < NEAR
        later = gallery.now() + 1e9
        assert not len(index.search(stored[:1], 3, now=later).ids)


def test_what_is_new_is_taken_in_alone_and_what_is_gone_later(store):
    with Gallery.open(fill(store)) as gallery:
        index = LiveIndex.open(gallery)
        first = index.ids()
        assert index.take_in(gallery) == 0
        gallery.add_tracklets("east", [tracklet(9, exemplars=features(2, 77))])
        assert index.take_in(gallery) == 2
        assert index.search(features(2, 77)[:1], 1, now=gallery.now()).distances[0] < NEAR
        gallery.set_identities([identity(1, CameraTracklet("east", tracklet(1)))])
        erase_identity(gallery, 1)
        assert index.take_in(gallery) == 0
        assert np.isin(first[:3], index.ids()).all()
        assert index.sync(gallery) == 3
        assert index.ids().tolist() == gallery.sighting_ids().tolist()


def test_who_syncs_and_who_takes_in_at_the_same_time_get_everything_once(tmp_path):
    """Sightings come and are taken in while another thread compares everything."""
    with Gallery.open(fill(tmp_path / "gallery.db")) as gallery:
        index, over = LiveIndex.open(gallery), threading.Event()

        def sync():
            while not over.is_set():
                index.sync(gallery)

        thread = threading.Thread(target=sync)
        thread.start()
        try:
            for number in range(20, 50):
                gallery.add_tracklets("east", [tracklet(number, exemplars=features(2, number))])
                index.take_in(gallery)
                assert index.ids().tolist() == gallery.sighting_ids().tolist()
        finally:
            over.set()
            thread.join()
        index.sync(gallery)
        assert index.ids().tolist() == gallery.sighting_ids().tolist()


def test_reading_takes_any_numbers(tmp_path):
    with Gallery.open(fill(tmp_path / "gallery.db")) as gallery:
        rows, stored = gallery.sightings()
        wanted = np.array([2, 3, 11, 999], np.int64)
        (one,) = read(gallery, wanted, gallery.dimensions())
    assert one.ids.tolist() == [2, 3, 11]
    expected = [row for row in rows if row.id in (2, 3, 11)]
    assert list(one.cameras) == [row.camera for row in expected]
    assert one.times.tolist() == [row.time for row in expected]
    np.testing.assert_array_equal(one.features.local, stored[[1, 2, 10]].local)


def test_bad_requests_are_refused():
    index = index_of(batch([1, 2]))
    with pytest.raises(ValueError, match="at least one crop"):
        index.search(features(1)[:0], 1, now=0)
    with pytest.raises(ValueError, match="top: expected 1 or more"):
        index.search(features(1), 0, now=0)
    with pytest.raises(ValueError, match="query: expected features of"):
        index.search(features(1, pooled=16), 1, now=0)
    with pytest.raises(ValueError, match="index: expected features of"):
        index.add(batch([3], size=Dimensions(16, 6, 8)))
    assert not len(LiveIndex(MODEL, SIZE).search(features(1), 1, now=0).ids)
