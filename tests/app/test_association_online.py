"""Online association: laws that hold whatever comes, and scripted scenes."""

from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.association import CameraTracklet, OnlineAssociator, associate, replay
from app.association.constraints import simultaneous
from app.association.corrections import ContradictionError, Correction, Corrections
from app.association.events import Appeared, Left, Merged, Moved, Split, Visit
from app.association.register import MEMBERS
from app.config_association import AssociationConfig
from tests.app.test_association import People, keys, seen

CONFIG = AssociationConfig(threshold=0.3)  # of the looks invented there
PEOPLE = People(6, seed=5)


def crops(person, count=3, noise=0.2):
    return PEOPLE.crops(person, count, noise)


def grouped(identities):
    return sorted(sorted(keys(identity)) for identity in identities)


def grown(item, last):
    """A tracklet as it was when it had `last` boxes."""
    names = ("frames", "times", "boxes", "scores")
    part = replace(item.tracklet, **{name: getattr(item.tracklet, name)[:last] for name in names})
    return CameraTracklet(item.camera, part)


def run(associator, until, *items):
    """Observes tracklets as they end and moves the clock on in steps of half a second."""
    events = []
    waiting = sorted(items, key=lambda item: float(item.tracklet.times[-1]))
    for now in np.arange(0, until + 0.5, 0.5).tolist():
        while waiting and waiting[0].tracklet.times[-1] <= now:
            associator.observe(waiting.pop(0))
        events += associator.advance(now)
    return events


def test_a_person_appears_moves_leaves_and_comes_back():
    associator = OnlineAssociator(CONFIG.model_copy(update={"leave_seconds": 10.0, "late_seconds": 2.0}))
    events = run(
        associator,
        60,
        seen("east", 1, range(0, 20), crops(0)),
        seen("west", 1, range(60, 80), crops(0)),
        seen("east", 2, range(300, 320), crops(0)),
        seen("east", 3, range(5, 25), crops(1)),
    )
    mine = [event for event in events if event.number == 1]
    assert mine == [
        Appeared(1, 0.0, ("east", 1)),
        Moved(1, 6.0, ("west", 1), "east"),
        Left(1, 7.9, ("west", 1)),
        Appeared(1, 30.0, ("east", 2), again=True),
        Moved(1, 30.0, ("east", 2), "west"),
        Left(1, 31.9, ("east", 2)),
    ]
    assert associator.route(1) == (
        Visit("east", 0.0, 1.9, (1,)),
        Visit("west", 6.0, 7.9, (1,)),
        Visit("east", 30.0, 31.9, (2,)),
    )
    assert associator.route(99) == ()
    assert associator.identity_of(("east", 3)) == 2
    assert associator.identity_of(("east", 99)) is None


def test_nothing_is_decided_before_its_time_and_everything_at_the_end():
    associator = OnlineAssociator(CONFIG)
    associator.observe(seen("east", 1, range(0, 5), crops(0)))
    assert associator.advance(1.0) == []
    associator.observe(seen("west", 1, range(0, 5), crops(0)))
    assert associator.advance(3.5) == []
    assert associator.identities() == []
    assert [type(event) for event in associator.flush()] == [Appeared, Moved]
    assert grouped(associator.identities()) == [[("east", 1), ("west", 1)]]
    with pytest.raises(ValueError, match="not before"):
        associator.advance(3.0)


def test_two_in_one_camera_at_once_take_the_person_that_suits_both_best():
    # Of the two in the east, both look most like the first of the west; together they take one each.
    people = People(1, seed=1)
    toward = np.random.default_rng(2).normal(size=people.pooled.shape)

    def look(share):
        mixed = People(1)
        mixed.pooled = people.pooled + share * toward
        mixed.local = people.local
        return mixed.crops(0, noise=0.0)

    west = [seen("west", 1, range(0, 20), look(0.0)), seen("west", 2, range(0, 20), look(1.0))]
    east = [seen("east", 1, range(60, 80), look(0.3)), seen("east", 2, range(60, 80), look(0.1))]
    found = replay([*west, *east], CONFIG.model_copy(update={"camera_people": float("inf")}))
    assert grouped(found) == [[("east", 1), ("west", 2)], [("east", 2), ("west", 1)]]


def test_growing_into_a_contradiction_parts_an_identity():
    # A track that seemed to follow on another is found to have lived beside it.
    first, second = seen("east", 1, range(0, 60), crops(0)), seen("east", 2, range(10, 60), crops(0))
    associator = OnlineAssociator(CONFIG.model_copy(update={"wait_seconds": 0.0}))
    associator.observe(grown(first, 10), finished=False)
    associator.advance(1.0)
    associator.observe(grown(second, 10), finished=False)
    associator.advance(2.0)
    assert grouped(associator.identities()) == [[("east", 1), ("east", 2)]]
    associator.observe(first)
    events = associator.advance(6.0)
    assert events == [Split(1, 6.0, 2, (("east", 2),), "seen at once with east track 1")]
    associator.observe(second)
    associator.flush()
    assert grouped(associator.identities()) == [[("east", 1)], [("east", 2)]]


def test_views_that_come_after_the_decision_still_count():
    late = seen("west", 1, range(0, 60), crops(0))
    associator = OnlineAssociator(CONFIG.model_copy(update={"wait_seconds": 0.0, "revise_seconds": 2.0}))
    associator.observe(seen("east", 1, range(0, 10), crops(0)))
    blind = grown(late, 10)
    associator.observe(replace(blind, tracklet=replace(blind.tracklet, exemplars=None)), finished=False)
    associator.advance(1.0)
    assert len(associator.identities()) == 2
    associator.observe(late)
    events = associator.advance(6.0)
    # The number of the tracklet with more boxes goes on.
    assert [(type(event), event.number, event.taken) for event in events] == [(Merged, 2, 1)]


def test_of_somebody_seen_often_some_looks_are_kept():
    # A camera that sees one person only must not take them for its own look.
    associator = OnlineAssociator(CONFIG.model_copy(update={"camera_people": float("inf")}))
    tracklets = [seen("east", i + 1, range(40 * i, 40 * i + 20), crops(0)) for i in range(30)]
    run(associator, 130, *tracklets)
    associator.flush()
    assert grouped(associator.identities()) == [sorted(item.key for item in tracklets)]
    memory = associator._memory
    kept = [row for row in memory.rows() if memory.slot[row] >= 0]
    assert len(kept) == MEMBERS
    assert memory.first[kept].min() > 80, "the latest"


def test_declared_cameras_never_show_one_person_at_once():
    at_once = [seen("east", 1, range(0, 50), crops(0)), seen("west", 1, range(10, 60), crops(0))]
    for overlaps, together in ((None, True), ([("west", "east")], True), ([], False), ([("east", "hall")], False)):
        config = CONFIG.model_copy(update={"overlaps": overlaps, "clock_seconds": 1.0})
        for found in (replay(at_once, config), associate(at_once, config)):
            assert (len(found) == 1) == together, overlaps
    # Clocks may be off by as much as the configuration says.
    passing = [seen("east", 1, range(0, 50), crops(0)), seen("west", 1, range(40, 80), crops(0))]
    for clocks, together in ((1.5, True), (0.5, False)):
        config = CONFIG.model_copy(update={"overlaps": [], "clock_seconds": clocks})
        assert (len(replay(passing, config)) == 1) == together


def test_the_operator_is_obeyed():
    same = [seen("east", 1, range(0, 20), crops(0)), seen("west", 1, range(30, 50), crops(0))]
    other = [seen("east", 2, range(60, 80), crops(1)), seen("west", 2, range(90, 99), crops(2))]
    said = Corrections(
        [
            Correction(1, "never", (("east", 1),), (("west", 1),)),
            Correction(2, "merge", (("east", 2),), (("west", 2),)),
        ]
    )
    expected = [[("east", 1)], [("east", 2), ("west", 2)], [("west", 1)]]
    assert grouped(replay([*same, *other], CONFIG)) == [[("east", 1), ("west", 1)], [("east", 2)], [("west", 2)]]
    assert grouped(replay([*same, *other], CONFIG, corrections=said)) == expected
    # Said later, it changes what was decided, with an event, also where nothing else is looked back on.
    associator = OnlineAssociator(CONFIG.model_copy(update={"revise_seconds": 0.0}))
    run(associator, 15, *same, *other)
    associator.correct(said)
    events = associator.advance(15.5)
    assert {type(event) for event in events} == {Split, Merged}
    assert grouped(associator.identities()) == expected
    associator.correct(Corrections())
    associator.advance(16.0)
    assert [("east", 1), ("west", 1)] in grouped(associator.identities()), "taken back"


def test_late_tracklets_and_clocks_that_are_off_change_nothing():
    rng = np.random.default_rng(0)
    tracklets = [
        seen(camera, person + 1, range(start, start + 30), crops(person))
        for person in range(6)
        for camera, start in (("east", int(rng.integers(0, 100))), ("west", int(rng.integers(150, 300))))
    ]
    plain = grouped(replay(tracklets, CONFIG))
    assert [len(group) for group in plain] == [2] * 6
    assert grouped(replay(tracklets, CONFIG, delays={"west": 10.0})) == plain
    off = [
        replace(item, tracklet=replace(item.tracklet, times=item.tracklet.times + 2.0 * (item.camera == "west")))
        for item in tracklets
    ]
    assert grouped(replay(off, CONFIG)) == plain
    assert grouped(replay(off, CONFIG.model_copy(update={"overlaps": []}))) == plain


def test_a_camera_that_is_gone_for_five_minutes():
    config = CONFIG.model_copy(update={"remember_seconds": 400.0})
    tracklets = [seen("east", 1, range(0, 30), crops(0)), seen("east", 2, range(3100, 3130), crops(0))]
    tracklets += [seen("west", i + 1, range(100 * i, 100 * i + 20), crops(1)) for i in range(30)]
    assert [("east", 1), ("east", 2)] in grouped(replay(tracklets, config))
    short = config.model_copy(update={"remember_seconds": 100.0, "late_seconds": 0.0})
    found = replay(tracklets, short)
    assert [("east", 1)] in grouped(found), "forgotten, and met anew"
    assert len({identity.number for identity in found}) == len(found)


def test_memory_is_bounded():
    config = CONFIG.model_copy(update={"remember_seconds": 5.0, "late_seconds": 1.0})
    associator = OnlineAssociator(config)
    sizes = []
    for i in range(200):
        associator.observe(seen("east", i + 1, range(10 * i, 10 * i + 5), crops(i % 6)))
        associator.advance(i + 1.0)
        sizes.append(len(associator._memory.rows()))
    assert max(sizes) < 60
    assert len(associator._memory.known) <= 64
    assert associator._evidence._looks._used < 64


def test_somebody_who_stays_is_not_remembered_whole():
    config = CONFIG.model_copy(update={"remember_seconds": 20.0, "late_seconds": 1.0, "camera_people": float("inf")})
    tracklets = [seen("east", i + 1, range(40 * i, 40 * i + 20), crops(0)) for i in range(40)]
    associator = OnlineAssociator(config)
    run(associator, 165, *tracklets)
    (person,) = associator.identities()
    assert person.number == 1
    assert 3 < len(person.members) < 10
    (whole,) = replay(tracklets, config)
    assert (whole.number, keys(whole)) == (1, [item.key for item in tracklets])
    assert associator.route(1)[0].first > 100


def test_views_of_another_model_are_refused():
    associator = OnlineAssociator(CONFIG)
    associator.observe(seen("east", 1, range(0, 5), crops(0)))
    other = People(1)
    other.pooled = np.ones((1, 7))
    associator.observe(seen("east", 2, range(0, 5), other.crops(0)))
    with pytest.raises(ValueError, match="of one model"):
        associator.advance(1.0)
    with pytest.raises(ValueError, match="east track 3 twice"):
        replay([seen("east", 3, [0], None), seen("east", 3, [9], None)], CONFIG)
    assert replay([], CONFIG) == []


@st.composite
def scenes(draw):
    tracklets = []
    for camera in ("east", "west"):
        for track in range(1, draw(st.integers(0, 7)) + 1):
            start = draw(st.integers(0, 120))
            frames = [f for f in range(start, start + draw(st.integers(1, 40))) if f == start or f % 5]
            look = crops(draw(st.integers(0, 3)), draw(st.integers(1, 5)), noise=0.4) if draw(st.booleans()) else None
            tracklets.append(seen(camera, track, frames, look))
    return tracklets


def check(identities, tracklets, config):
    everyone = sorted(key for identity in identities for key in keys(identity))
    assert everyone == sorted(item.key for item in tracklets), "each in exactly one identity"
    assert len({identity.number for identity in identities}) == len(identities)
    for identity in identities:
        assert (identity.status == "linked") == (len(identity.members) > 1)
        assert not simultaneous(identity.members, config.shared_overlap, config.shared_frames).any()
        for one, other in combinations(identity.members, 2):
            if config.overlaps == [] and one.camera != other.camera:
                spans = [(each.tracklet.times[0], each.tracklet.times[-1]) for each in (one, other)]
                common = min(last for _, last in spans) - max(first for first, _ in spans)
                shorter = min(last - first for first, last in spans)
                assert common <= max(config.clock_seconds, config.shared_frames * shorter)


@settings(max_examples=40, deadline=None)
@given(scenes(), st.randoms(use_true_random=False), st.floats(0, 0.8), st.sampled_from([None, []]))
def test_laws_of_a_replay(tracklets, random, threshold, overlaps):
    config = AssociationConfig(threshold=threshold, overlaps=overlaps, clock_seconds=1.0)
    found = replay(tracklets, config)
    check(found, tracklets, config)
    for identity in found:
        if len(identity.members) > 1:
            assert all(member.tracklet.exemplars is not None for member in identity.members)
    shuffled = list(tracklets)
    random.shuffle(shuffled)
    again = replay(shuffled, config)
    assert [(i.number, keys(i), i.links, i.reason) for i in again] == [
        (i.number, keys(i), i.links, i.reason) for i in found
    ]


class Live(RuleBasedStateMachine):
    """Tracklets grow and end, the clock runs, the operator speaks; two associators see it in another order."""

    @initialize(overlaps=st.sampled_from([None, []]), wait=st.sampled_from([0.0, 2.0]))
    def begin(self, overlaps, wait):
        self.config = AssociationConfig(
            threshold=0.35, overlaps=overlaps, clock_seconds=1.0, wait_seconds=wait, revise_seconds=3.0
        )
        self.both = [OnlineAssociator(self.config), OnlineAssociator(self.config)]
        self.now, self.tracks = 0.0, {}
        self.said, self.numbers, self.ended = Corrections(), set(), set()

    @rule(
        camera=st.sampled_from(["east", "west"]),
        person=st.integers(0, 1),
        start=st.integers(0, 20),
        length=st.integers(1, 60),
        looks=st.sampled_from([True, True, False]),
    )
    def comes(self, camera, person, start, length, looks):
        track = len(self.tracks) + 1
        first = max(0, int(self.now * 10) - start)
        item = seen(camera, track, range(first, first + length), crops(person, noise=0.3) if looks else None)
        self.tracks[item.key] = [item, 0]

    @rule(data=st.data(), kind=st.sampled_from(["merge", "never"]))
    def speaks(self, data, kind):
        # Of people in different cameras only: a merge of two at once in one is the operator's to answer for.
        decided = [key for key in sorted(self.tracks) if self.both[0].identity_of(key)]
        pairs = [(a, b) for a in decided for b in decided if a[0] < b[0]]
        if pairs and self.config.overlaps is None:
            one, other = data.draw(st.sampled_from(pairs))
            try:
                self.said.add(Correction(len(self.said.said) + 1, kind, (one,), (other,)))
            except ContradictionError:
                return
            for associator in self.both:
                associator.correct(Corrections(self.said.said))

    def observe(self, random, *, everything=False):
        """All that has grown since, in two orders."""
        states = []
        for entry in self.tracks.values():
            item, before = entry
            last = len(item.tracklet) if everything else int((item.tracklet.times <= self.now).sum())
            if last > before:
                states.append((grown(item, last), last == len(item.tracklet)))
                entry[1] = last
        for associator in self.both:
            for item, finished in states:
                associator.observe(item, finished=finished)
            random.shuffle(states)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0]), random=st.randoms(use_true_random=False))
    def time_passes(self, seconds, random):
        self.now += seconds
        self.observe(random)
        events = self.both[0].advance(self.now)
        assert events == self.both[1].advance(self.now), "the order in a moment makes no difference"
        for event in events:
            if isinstance(event, Appeared) and not event.again:
                assert event.number not in self.numbers, "a number is never given twice"
            if isinstance(event, Merged):
                self.ended.add(event.taken)
                assert self.ended.isdisjoint({identity.number for identity in self.both[0].identities()})
            self.numbers.add(event.number)
            self.numbers |= {event.into} if isinstance(event, Split) else set()

    @invariant()
    def lawful(self):
        if not hasattr(self, "both"):
            return
        found = self.both[0].identities()
        members = [member for identity in found for member in identity.members]
        number = {key: identity.number for identity in found for key in keys(identity)}
        assert len(number) == len(members)
        for member in members:
            assert self.both[0].identity_of(member.key) == number[member.key]
        # The operator's word is carried out when the clock next moves.
        fixed = not self.both[0]._changed
        for identity in found:
            told = {key for key in keys(identity) if key in self.said.named}
            if not told:
                assert not simultaneous(identity.members, 0.3, 0.2).any()
            if fixed:
                assert not any(self.said.never(a, b) for a, b in combinations(sorted(told), 2))
        if fixed:
            for a, b in combinations(sorted(self.said.named & number.keys()), 2):
                if self.said.group(a) == self.said.group(b):
                    assert number[a] == number[b]

    def teardown(self):
        if hasattr(self, "both"):
            self.observe(Random(0), everything=True)
            for associator in self.both:
                associator.flush()
            first, second = (
                [(i.number, keys(i), i.links, i.reason) for i in associator.identities()] for associator in self.both
            )
            assert first == second
            assert sorted(key for _, members, *_ in first for key in members) == sorted(self.tracks)


Live.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLive = Live.TestCase
