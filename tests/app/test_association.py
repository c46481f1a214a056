import time
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association import CameraTracklet, associate
from app.association.clustering import agglomerate, agglomerate_in_turn, joined
from app.association.constraints import simultaneous
from app.association.crowd import Crowd, longest, people_among, seconds_in_view
from app.association.distance import tracklet_distances
from app.config_association import AssociationConfig
from reid_model.features import Features
from reid_model.matching import reference
from trackers.tracklet import Tracklet

CONFIG = AssociationConfig(threshold=0.3)  # of the looks invented here
D, P, LOCAL = 16, 6, 8


def _unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


class People:
    """Random prototypes, one a person; their crops are the prototype plus noise."""

    def __init__(self, count, seed=0):
        self.rng = np.random.default_rng(seed)
        self.pooled = self.rng.normal(size=(count, D))
        self.local = self.rng.normal(size=(count, P, LOCAL))

    def crops(self, person, count=3, noise=0.2, mass=0.4):
        def near(prototype):
            values = np.repeat(prototype[None], count, axis=0)
            return _unit(values + noise * self.rng.normal(size=values.shape))

        saliency = self.rng.uniform(0.1, 1, (count, P)).astype(np.float32)
        saliency /= saliency.sum(axis=1, keepdims=True)
        pooled, local = near(self.pooled[person]), near(self.local[person])
        return Features(pooled, local, saliency, np.full(count, mass, np.float32))


def seen(camera, track, frames, exemplars, left=None):
    """A tracklet; every track of a camera stands in a place of its own, unless told where."""
    frames = np.asarray(frames, np.int64)
    left = 100 * track if left is None else left
    count = 0 if exemplars is None else len(exemplars)
    return CameraTracklet(
        camera,
        Tracklet(
            track_id=track,
            frames=frames,
            times=frames / 10,
            boxes=np.tile(np.array([left, 10, left + 30, 100], np.float32), (len(frames), 1)),
            scores=np.full(len(frames), 0.9, np.float32),
            exemplars=exemplars,
            exemplar_frames=np.resize(frames, count),
            exemplar_times=np.resize(frames, count) / 10,
            exemplar_boxes=np.tile(np.array([10, 10, 40, 100], np.float32), (count, 1)),
            exemplar_crops=(None,) * count,
        ),
    )


def keys(identity):
    return [member.key for member in identity.members]


def test_one_person_over_cameras_and_time_is_one_identity():
    people = People(2)
    tracklets = [
        seen("east", 1, range(0, 20), people.crops(0)),
        seen("west", 1, range(10, 30), people.crops(0)),  # both cameras see her at once
        seen("east", 7, range(50, 60), people.crops(0)),  # gone and come back
        seen("east", 2, range(5, 25), people.crops(1)),
    ]
    first, second = associate(tracklets, CONFIG)
    assert keys(first) == [("east", 1), ("west", 1), ("east", 7)]
    assert (first.number, first.status, len(first.links)) == (1, "linked", 2)
    assert all(link.linkage <= CONFIG.threshold for link in first.links)
    assert (second.number, second.status, keys(second)) == (2, "unknown", [("east", 2)])
    assert second.nearest is not None
    assert second.nearest > CONFIG.threshold
    assert "over 0.3" in second.reason


def test_two_in_one_frame_are_two_people_however_alike():
    people = People(1)
    twins = [seen("east", 1, range(0, 20), people.crops(0)), seen("east", 2, range(15, 40), people.crops(0))]
    assert [identity.status for identity in associate(twins, CONFIG)] == ["unknown", "unknown"]
    # A third view fits both; it can take only one of them along.
    groups = associate([*twins, seen("west", 1, range(0, 9), people.crops(0))], CONFIG)
    assert sorted(len(identity.members) for identity in groups) == [1, 2]


def test_a_tracker_that_slips_for_a_moment_does_not_part_a_person():
    people = People(1)
    before = seen("east", 1, range(0, 20), people.crops(0))
    for frames, left, together in (
        (range(16, 40), None, True),  # 4 of 20 frames in two places
        (range(15, 40), None, False),  # 5 of 20
        (range(5, 40), 105, True),  # the second box lies over the first
        (range(5, 40), 120, False),  # beside it, for the most part
        (range(17, 20), None, False),  # a short one, seen with the other all its life
    ):
        found = associate([before, seen("east", 2, frames, people.crops(0), left)], CONFIG)
        assert (len(found) == 1) == together, (frames, left)
    strict = AssociationConfig(shared_frames=0, shared_overlap=1)
    for last, together in ((20, True), (21, False)):
        first = seen("east", 1, range(last), people.crops(0))
        assert (len(associate([first, seen("east", 2, range(20, 40), people.crops(0))], strict)) == 1) == together


def test_no_exemplars_no_link():
    people = People(1)
    found = associate([seen("a", 1, [0], None), seen("b", 1, [0], None), seen("c", 1, [0], people.crops(0))], CONFIG)
    assert [identity.status for identity in found] == ["unknown"] * 3
    assert found[0].reason == "no exemplar to compare"
    assert found[2].nearest is None


def test_nothing_in_nothing_out():
    assert associate([], CONFIG) == []


def test_track_number_twice_is_refused():
    with pytest.raises(ValueError, match="east track 3 twice"):
        associate([seen("east", 3, [0], None), seen("east", 3, [9], None)], CONFIG)


def test_interleaved_tracks_without_a_common_frame_are_not_simultaneous():
    a = seen("east", 1, [0, 1, 2, 30, 31], None)
    b = seen("east", 2, [10, 11], None)
    c = seen("east", 3, [11, 12], None)
    d = seen("west", 1, [10, 11], None)
    expected = np.zeros((4, 4), bool)
    expected[1, 2] = expected[2, 1] = True
    assert (simultaneous([a, b, c, d]) == expected).all()


def test_two_hidden_people_are_not_linked_on_thin_evidence():
    people = People(1)
    config = AssociationConfig(threshold=0.1, trusted_mass=0.2, mass_penalty=0.3)
    hidden = [seen(name, 1, [0], people.crops(0, noise=0.1, mass=0.05)) for name in ("a", "b")]
    whole = seen("c", 1, [0], people.crops(0, noise=0.1, mass=0.5))
    assert [len(identity.members) for identity in associate(hidden, config)] == [1, 1]
    assert len(associate([hidden[0], whole], config)[0].members) == 2, "one whole view is enough"
    trusting = AssociationConfig(threshold=0.1, trusted_mass=0)
    assert len(associate(hidden, trusting)[0].members) == 2


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("matching", ["global", "local", "gasm", "gated", "symmetric"])
def test_distance_is_that_of_the_closest_pairs_in_both_directions_and_of_the_mean_looks(matching, weight):
    people = People(3, seed=4)
    config = AssociationConfig(
        matching=matching, pairs=2, trusted_mass=0, camera_people=float("inf"), mean_weight=weight
    )
    tracklets = [seen("a", 1, [0], people.crops(0, 3)), seen("b", 1, [0], people.crops(1, 2))]
    a, b = (item.tracklet.exemplars for item in tracklets)
    both = (reference.distances(a, b, matching) + reference.distances(b, a, matching).T) / 2
    # Pooled features choose four of the six pairs; the mean is over the closest two of these.
    pooled = reference.distances(a, b, "global").ravel()
    closest = np.sort(both.ravel()[np.argsort(pooled)[:4]])[:2].mean()
    means = [_unit((each.global_ * each.mass[:, None]).sum(axis=0)) for each in (a, b)]
    expected = (1 - weight) * closest + weight * (1 - means[0] @ means[1])
    found = tracklet_distances(tracklets, config)
    assert found[0, 1] == found[1, 0] == pytest.approx(expected, abs=1e-5)
    assert np.isinf(np.diag(found)).all()


def test_shortlist_of_candidates_changes_no_identity():
    people = People(30, seed=2)
    tracklets = [seen(camera, i + 1, [i], people.crops(i)) for camera in "abcd" for i in range(30)]
    full = associate(tracklets, AssociationConfig(threshold=0.3, candidates=10000))
    short = associate(tracklets, AssociationConfig(threshold=0.3, candidates=5))
    assert [keys(identity) for identity in full] == [keys(identity) for identity in short]
    assert [len(identity.members) for identity in full] == [4] * 30


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from(["average", "complete"]), st.floats(0, 1.5))
def test_clustering_against_its_definition(count, seed, linkage, threshold):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 2, (count, count)).astype(np.float32)
    distances[rng.random((count, count)) < 0.2] = np.inf
    distances = np.maximum(distances, distances.T)
    clusters = [[i] for i in range(count)]
    reduce = np.mean if linkage == "average" else np.max
    while len(clusters) > 1:
        pairs = [
            (reduce(distances[np.ix_(a, b)].astype(np.float64)), i, j)
            for i, a in enumerate(clusters)
            for j, b in enumerate(clusters)
            if i < j
        ]
        value, i, j = min(pairs)
        if not value <= threshold:
            break
        clusters[i] = sorted(clusters[i] + clusters.pop(j))
    found = {i: [i] for i in range(count)}
    for merge in agglomerate(distances, threshold, linkage):
        found[merge.first] += found.pop(merge.second)
    assert sorted(sorted(group) for group in found.values()) == sorted(clusters)


@st.composite
def scenes(draw):
    people = People(3, seed=draw(st.integers(0, 1000)))
    tracklets = []
    for camera in "ab":
        for track in range(1, draw(st.integers(0, 6)) + 1):
            start = draw(st.integers(0, 30))
            frames = [f for f in range(start, start + draw(st.integers(1, 15))) if f == start or f % 4]
            crops = people.crops(draw(st.integers(0, 2)), draw(st.integers(1, 5)), noise=0.4)
            tracklets.append(seen(camera, track, frames, crops if draw(st.booleans()) else None))
    return tracklets


@given(scenes(), st.randoms(use_true_random=False), st.sampled_from(["average", "complete"]), st.floats(0, 2))
def test_laws(tracklets, random, linkage, threshold):
    config = AssociationConfig(linkage=linkage, threshold=threshold, shared_overlap=1, shared_frames=0)
    found = associate(tracklets, config)
    assert [identity.number for identity in found] == list(range(1, len(found) + 1))
    everyone = [key for identity in found for key in keys(identity)]
    assert sorted(everyone) == sorted(item.key for item in tracklets), "each in exactly one identity"
    for identity in found:
        frames = Counter((m.camera, frame) for m in identity.members for frame in m.tracklet.frames.tolist())
        assert max(frames.values()) == 1, "two tracks of one camera at once"
        assert (identity.status == "linked") == (len(identity.members) > 1)
        assert len(identity.links) == len(identity.members) - 1
        if identity.status == "linked":
            assert all(member.tracklet.exemplars is not None for member in identity.members)
    shuffled = list(tracklets)
    random.shuffle(shuffled)
    again = associate(shuffled, config)
    assert [(keys(i), i.links, i.reason) for i in again] == [(keys(i), i.links, i.reason) for i in found]


@given(scenes(), st.floats(0, 1), st.floats(0.5, 2))
def test_an_identity_is_in_two_places_of_a_camera_no_longer_than_it_may(tracklets, share, threshold):
    for identity in associate(tracklets, AssociationConfig(shared_frames=share, threshold=threshold)):
        for a, b in combinations(identity.members, 2):
            if a.camera == b.camera:
                shared = np.intersect1d(a.tracklet.frames, b.tracklet.frames)
                assert len(shared) <= share * min(len(a.tracklet), len(b.tracklet))


def test_a_thousand_tracklets_take_seconds():
    people = People(250, seed=1)
    tracklets = [seen(camera, i + 1, [i], people.crops(i, 5)) for camera in "abcd" for i in range(250)]
    started = time.perf_counter()
    found = associate(tracklets, AssociationConfig(threshold=0.1, crowd_step=0))
    assert time.perf_counter() - started < 30
    assert len(found) == 250


@given(st.integers(2, 40), st.floats(0, 0.2), st.floats(1, 30), st.integers(0, 99))
def test_among_more_people_two_must_be_more_alike(count, step, people, seed):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 1, (count, count)).astype(np.float32)
    distances = np.maximum(distances, distances.T)
    seen = rng.uniform(0, 30, count)
    crowd = Crowd(people, step)
    assert crowd.limit(0.5, people) == 0.5, "among as many as it was chosen for the threshold holds"
    assert crowd.limit(0.5, 4 * count) <= crowd.limit(0.5, count) <= 0.5
    merges, plain = agglomerate(distances, 0.5, crowd=crowd, seen=seen), agglomerate(distances, 0.5)
    assert merges == plain[: len(merges)], "the same joins, and fewer of them"

    def limit(made):
        return crowd.limit(0.5, people_among(joined(plain[:made], seen)))

    if merges:
        assert merges[-1].distance <= limit(len(merges)) + 1e-9
    for made in range(len(merges) + 1, len(plain) + 1):
        assert plain[made - 1].distance > limit(made) - 1e-9, "no more of them would do"


def test_many_tracklets_of_few_people_are_no_crowd():
    owner = np.repeat(np.arange(4), 25)
    distances = np.where(owner[:, None] == owner, 0.45, 0.9).astype(np.float32)
    # A hundred people would have to look more alike than these do; four need not.
    crowd = Crowd(10, 0.1)
    assert crowd.limit(0.5, 100) < 0.45
    assert len(agglomerate(distances, 0.5, crowd=crowd)) == 96


@given(st.lists(st.floats(0, 1000, allow_subnormal=False), max_size=30), st.floats(0.01, 100))
def test_people_count_by_the_time_they_are_in_view(seen, unit):
    seen = np.array(seen)
    count = people_among(seen)
    assert 0 <= count <= np.count_nonzero(seen) + 1e-6
    assert count == pytest.approx(people_among(seen * unit), rel=1e-6), "whatever the unit"
    assert people_among(np.full(len(seen), unit)) == pytest.approx(len(seen))


def test_pieces_of_tracks_hardly_count_as_people():
    people, pieces = np.full(60, 100.0), np.full(200, 1.0)
    assert 60 < people_among(np.concatenate([people, pieces])) < 65


def test_seconds_in_view_leave_out_absences():
    assert seconds_in_view(np.array([5.0])) == 0
    assert seconds_in_view(np.array([0.0, 0.1, 0.2, 60.0, 60.1])) == pytest.approx(0.3 + 1.0)


@given(st.integers(2, 30), st.integers(0, 99), st.sampled_from(["average", "complete"]), st.floats(0, 1))
def test_some_are_joined_before_the_others(count, seed, linkage, share):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 1, (count, count)).astype(np.float32)
    distances = np.maximum(distances, distances.T)
    never = np.triu(rng.random((count, count)) < 0.1, 1)
    distances[never | never.T] = np.inf
    first = rng.random(count) < share
    merges = agglomerate_in_turn(distances, 0.6, linkage, first)
    rows = np.flatnonzero(first)
    among = agglomerate(distances[np.ix_(rows, rows)], 0.6, linkage)
    assert [(rows[each.first], rows[each.second], each.distance) for each in among] == [
        (each.first, each.second, each.distance) for each in merges[: len(among)]
    ], "the first as if there were no others"
    groups = {i: [i] for i in range(count)}
    for merge in merges:
        between = distances[np.ix_(groups[merge.first], groups[merge.second])]
        expected = between.mean() if linkage == "average" else between.max()
        assert merge.distance == pytest.approx(float(expected), abs=1e-5)
        assert merge.distance <= 0.6
        groups[merge.first] += groups.pop(merge.second)
    left = list(groups.values())
    for i, one in enumerate(left):
        for other in left[:i]:
            between = distances[np.ix_(one, other)]
            assert (between.mean() if linkage == "average" else between.max()) > 0.6 - 1e-5, "all that can be is joined"
    if first.all() or not first.any():
        assert merges == agglomerate(distances, 0.6, linkage)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.floats(0, 1))
def test_the_longest_have_their_share_of_the_time(seen, share):
    seen = np.array(seen, np.float64)
    first = longest(seen, share)
    assert seen[first].sum() >= share * seen.sum() - 1e-9
    assert first.any()
    least = seen[first].min()
    assert (first == (seen >= least)).all()
    assert seen[seen > least].sum() <= share * seen.sum() + 1e-9, "without the shortest of them it would be less"
