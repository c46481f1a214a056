"""What live cameras ask of online association: tracklets that grow, a restart, and a crowd."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.association import CameraTracklet, OnlineAssociator, replay
from app.association.cells import even
from app.association.events import Left
from app.association.looks import Looks
from tests.app.test_association import People, keys, seen
from tests.app.test_association_online import CONFIG, crops, grouped, grown, run


def test_a_track_that_is_taken_apart_when_it_ends():
    # It went over to somebody else after a second, and grew for six; the first part alone keeps its number.
    whole = seen("east", 1, range(0, 60), crops(1, 2))
    first = replace(seen("east", 1, range(0, 12), crops(0)).tracklet, boxes=whole.tracklet.boxes[:12])
    second = seen("east", 9, range(12, 60), crops(1))
    known = [seen("west", person + 1, range(0, 20), crops(person)) for person in range(2)]
    for wait in (0.0, 30.0):  # decided while it grew, or after it ended
        associator = OnlineAssociator(CONFIG.model_copy(update={"wait_seconds": wait, "revise_seconds": 0.0}))
        for item in known:
            associator.observe(item)
        for last in range(10, 60, 10):
            associator.observe(grown(whole, last), finished=False)
            associator.advance(last / 10)
        if not wait:
            assert [("east", 1), ("west", 2)] in grouped(associator.identities())
        associator.observe(whole, finished=False)
        associator.observe(CameraTracklet("east", first))
        associator.observe(second)
        associator.observe(whole, finished=False)  # late, and not the last word
        associator.advance(6.0)
        associator.observe(whole, finished=False)
        associator.advance(40.0)
        assert grouped(associator.identities()) == [[("east", 1), ("west", 1)], [("east", 9), ("west", 2)]], wait
        (found,) = [each for each in associator.identities() if ("east", 1) in keys(each)]
        assert len(found.members[0].tracklet) == 12


def test_growing_tracklets_are_linked_like_finished_ones():
    rng = np.random.default_rng(3)
    tracklets = [
        seen(camera, person + 1, range(start, start + 60), crops(person, 6))
        for person in range(6)
        for camera, start in (("east", int(rng.integers(0, 100))), ("west", int(rng.integers(80, 200))))
    ]
    whole = grouped(replay(tracklets, CONFIG))
    assert [len(group) for group in whole] == [2] * 6
    assert grouped(replay(tracklets, CONFIG, growing_seconds=1.0)) == whole


def test_what_a_growing_tracklet_said_of_its_camera_counts_no_more():
    people = People(8, seed=7)
    config = CONFIG.model_copy(update={"camera_people": 0.5})
    final = [people.crops(i % 8, 4) for i in range(16)]
    whole, grew = Looks(config), Looks(config)
    slots = np.array([whole.put(views, i // 8) for i, views in enumerate(final)])
    early = np.array([grew.put(people.crops((i + 3) % 8, 1), i // 8) for i in range(16)])
    none = np.zeros((16, 16), bool)
    grew.compare(early, early, none)
    for i, views in enumerate(final):
        assert grew.put(views, i // 8, int(early[i])) == early[i]
    found, expected = (looks.compare(slots, slots, none) for looks in (grew, whole))
    near = expected <= CONFIG.threshold
    assert near.sum() >= 16
    assert found[near] == pytest.approx(expected[near], abs=0.01)


def test_among_many_what_could_not_be_linked_is_not_compared_in_full():
    people = People(40, seed=11)
    config = CONFIG.model_copy(update={"threshold": 0.8, "candidates": 200})
    looks = Looks(config)
    slots = np.array([looks.put(people.crops(i % 40, 3, noise=0.3), i // 40) for i in range(80)])
    none = np.zeros((80, 80), bool)
    full, pruned = looks.compare(slots, slots, none), looks.compare(slots, slots, none, 0.3)
    near = full <= 0.3
    assert near.sum() >= 80
    assert (pruned[near] == full[near]).all()
    assert (pruned[full > 0.3] > 0.3).all()
    assert (pruned != full).any()


@pytest.mark.parametrize("many", [False, True])
def test_what_is_remembered_of_pairs_is_what_would_be_measured(monkeypatch, many):
    if many:
        monkeypatch.setattr("app.association.looks.FEW", 0)
        monkeypatch.setattr("app.association.looks.MOST_STATES", 100)
    people, rng = People(12, seed=5), np.random.default_rng(5)
    config = CONFIG.model_copy(update={"threshold": 0.9, "camera_people": 2.0 if many else 200.0, "candidates": 9})
    remembering, plain = Looks(config), Looks(config)
    views = [people.crops(i % 12, 3) for i in range(36)]
    slots, same = (np.array([each.put(views[i], i // 12) for i in range(36)]) for each in (remembering, plain))
    assert (slots == same).all()
    measured = []
    measure = remembering._measured
    monkeypatch.setattr(remembering, "_measured", lambda *sides: [measure(*sides), measured.append(len(sides[0]))][0])
    none = np.zeros((36, 36), bool)
    for _ in range(8):
        found = remembering.compare(slots, slots, none, again=True)
        assert found == pytest.approx(plain.compare(slots, slots, none), abs=2e-6)
        for i in rng.choice(36, 4, replace=False):
            changed = people.crops(int(rng.integers(12)), int(rng.integers(1, 6)))
            for each in (remembering, plain):
                each.put(changed, int(i) // 12, int(slots[i]))
    # Pairs have no direction; unless cameras themselves turn out to look otherwise, most were measured before.
    assert measured[0] < 36 * 9
    assert sum(measured[1:]) < 7 * measured[0] * (1.0 if many else 0.5)


def test_pairs_are_compared_in_few_sizes(monkeypatch):
    found = [even(count) for count in range(1, 5000)]
    assert all(count <= size <= count * 1.25 for count, size in zip(range(1, 5000), found, strict=True))
    assert len(set(found)) < 50
    people, sizes, product = People(9, seed=2), set(), torch.bmm
    looks = Looks(CONFIG.model_copy(update={"threshold": 1.5}))
    slots = np.array([looks.put(people.crops(i, 3), i // 5) for i in range(9)])
    monkeypatch.setattr(torch, "bmm", lambda *sides: sizes.add(len(sides[0])) or product(*sides))
    whole = looks.compare(slots, slots, np.zeros((9, 9), bool))
    for i in range(2, 9):
        assert looks.compare(slots[:i], slots, np.zeros((i, 9), bool)) == pytest.approx(whole[:i], abs=1e-6)
    assert len(sizes) > 1
    assert {even(size) for size in sizes} == sizes


def test_that_cameras_see_a_common_place_is_learned_when_views_come():
    associator = OnlineAssociator(CONFIG.model_copy(update={"wait_seconds": 0.0, "revise_seconds": 2.0}))
    tracklets = [seen(camera, i + 1, range(60), crops(i)) for i in range(4) for camera in ("east", "west")]
    for item in tracklets:
        blind = grown(item, 10)
        associator.observe(replace(blind, tracklet=replace(blind.tracklet, exemplars=None)), finished=False)
    associator.advance(1.0)
    assert not associator._evidence._overlaps.common_place()[0, 1]
    for item in tracklets:
        associator.observe(item)
    associator.advance(6.0)
    assert associator._evidence._overlaps.common_place()[0, 1]


def test_after_a_restart_people_are_who_they_were():
    before = [
        seen(camera, i + 1, range(30 * i, 30 * i + 25), crops(i)) for i in range(6) for camera in ("east", "west")
    ]
    after = [seen("hall", i + 1, range(300 + 20 * i, 320 + 20 * i), crops(i)) for i in range(6)]
    config = CONFIG.model_copy(update={"leave_seconds": 5.0, "late_seconds": 0.0})
    through = OnlineAssociator(config)
    run(through, 25, *before)
    again = OnlineAssociator(config)
    again.recall([(item, number) for item in before if (number := through.identity_of(item.key))])
    assert grouped(again.identities()) == grouped(through.identities())
    common = [each._evidence._overlaps.common_place()[0, 1] for each in (through, again)]
    assert common == [True, True], "that both see a common place is known at once"
    both = []
    for associator in (through, again):
        events = []
        for now in np.arange(25, 60, 0.5).tolist():
            for item in after:
                if now - 0.5 < item.tracklet.times[-1] <= now:
                    associator.observe(item)
            events += associator.advance(now)
        both.append(events)
    assert [event for event in both[0] if not isinstance(event, Left)] == [
        event for event in both[1] if not isinstance(event, Left)
    ]
    assert len(both[1]) >= 12
    numbers = [[each.identity_of(item.key) for item in after] for each in (through, again)]
    assert numbers[0] == numbers[1] == [through.identity_of(("east", i + 1)) for i in range(6)]
    # Somebody new has a number that nobody had, and a track that went on growing over the restart is one.
    fresh = OnlineAssociator(config)
    fresh.recall([(grown(before[0], 10), 7)])
    fresh.observe(before[0])
    fresh.observe(seen("hall", 9, range(0, 20), crops(3)))
    fresh.advance(4.0)
    fresh.flush()
    assert [(identity.number, keys(identity)) for identity in fresh.identities()] == [
        (7, [("east", 1)]),
        (8, [("hall", 9)]),
    ]
    for bad in ([(before[0], 0)], [(before[0], 1), (before[0], 2)]):
        with pytest.raises(ValueError, match="recall"):
            OnlineAssociator(config).recall(bad)
    with pytest.raises(ValueError, match="recall"):
        fresh.recall([])


def test_among_many_people_two_must_look_more_alike():
    # Of two views of a person, as far apart as links are among few people, and a crowd of others.
    config = CONFIG.model_copy(update={"camera_people": float("inf"), "crowd_people": 4.0, "crowd_step": 0.08})
    pair = [seen("east", 1, range(0, 20), crops(0, noise=0.45)), seen("west", 1, range(50, 70), crops(0, noise=0.45))]
    others = [seen("hall", i + 1, [0], People(60, seed=8).crops(i)) for i in range(60)]
    assert [("east", 1), ("west", 1)] in grouped(replay(pair, config))
    assert [("east", 1), ("west", 1)] not in grouped(replay([*pair, *others], config))
    few = config.model_copy(update={"crowd_people": 200.0})
    assert [("east", 1), ("west", 1)] in grouped(replay([*pair, *others], few))


def test_a_growing_tracklet_can_be_taken_back_and_a_finished_one_cannot():
    for wait in (0.0, 30.0):  # decided already, or not yet
        associator = OnlineAssociator(CONFIG.model_copy(update={"wait_seconds": wait, "revise_seconds": 0.0}))
        associator.observe(seen("west", 1, range(0, 20), crops(0)))
        associator.advance(2.0)
        associator.observe(seen("east", 7, range(10, 20), crops(0)), finished=False)
        associator.observe(seen("east", 8, range(10, 20), crops(1)), finished=False)
        associator.advance(2.1)
        associator.observe(seen("east", 9, range(10, 20), crops(2)), finished=False)
        for track in (7, 8, 9):
            associator.withdraw(("east", track))
        associator.withdraw(("west", 1))
        associator.withdraw(("north", 1))
        associator.advance(3.0)
        associator.flush()
        assert grouped(associator.identities()) == [[("west", 1)]], wait
        # The same number again, and it is somebody new.
        associator.observe(seen("east", 8, range(40, 60), crops(1)))
        associator.flush()
        assert grouped(associator.identities()) == [[("east", 8)], [("west", 1)]], wait


def test_a_growing_tracklet_whose_boxes_are_thinned_out_still_grows():
    associator = OnlineAssociator(CONFIG)
    whole = seen("east", 1, range(0, 200), crops(0))
    associator.observe(grown(whole, 100), finished=False)
    associator.advance(10.0)
    rows = np.r_[0:100:2, 100:120]
    thin = replace(
        whole.tracklet,
        **{name: getattr(whole.tracklet, name)[rows] for name in ("frames", "times", "boxes", "scores")},
    )
    associator.observe(CameraTracklet("east", thin), finished=False)
    associator.advance(14.0)
    (visit,) = associator.route(associator.identity_of(("east", 1)))
    assert visit.last == pytest.approx(11.9)
