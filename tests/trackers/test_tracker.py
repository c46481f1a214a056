"""Who keeps which number, with looks and without."""

import numpy as np
import pytest

from tests.trackers.people import Wardrobe, boxes_at, detections, follow, numbers
from trackers import Tracker, TrackerConfig


class OnePersonTwice(Wardrobe):
    """Number 5 is number 4 again."""

    def __init__(self, **looks):
        super().__init__(6, **looks)

    def crops(self, who, mass=0.5):
        return super().crops(np.minimum(who, 4), mass)


@pytest.mark.parametrize("fps", [2, 5, 12.5, 30, 60])
def test_people_who_pass_each_other_keep_their_numbers(fps):
    """Two people walk towards each other at different depths, a third stands: at any frame rate."""
    paths = [
        lambda t: boxes_at(100 + 60 * t, 200, 40, 100),
        lambda t: boxes_at(700 - 60 * t, 230, 48, 120),
        lambda t: boxes_at(400, 500, 40, 100),
    ]
    shown = numbers(follow(Tracker(), paths, fps, 10))
    assert sorted(number for each in shown.values() for number in each) == [1, 2, 3]


@pytest.mark.parametrize("fps", [5, 30])
def test_a_walker_is_found_again_behind_a_pillar_by_motion(fps):
    path = [lambda t: boxes_at(100 + 60 * t)]
    shown = follow(Tracker(), path, fps, 8, present=lambda _, t: not 3 <= t < 4)
    assert numbers(shown) == {0: [1]}


def test_is_shown_again_in_the_first_frame_after_the_pillar():
    path = [lambda t: boxes_at(100 + 60 * t)]
    shown = follow(Tracker(), path, 30, 8, present=lambda _, t: not 3 <= t < 4)
    assert min(time for time, _ in shown[0] if time > 3) == 4.0


def test_features_find_a_person_again_after_motion_gave_up():
    """Gone for 6 s, back 80 px away, while somebody else appears at the old place."""
    config = TrackerConfig()
    assert config.lost_seconds < 6 < config.refind_seconds
    paths = [
        lambda t: boxes_at(300 if t < 3 else 380),
        lambda t: boxes_at(300, 204),
    ]

    def present(person, time):
        return (time < 3 or time >= 9) if person == 0 else time >= 9

    looks = follow(Tracker(), paths, 10, 12, present, Wardrobe(2))
    assert numbers(looks) == {0: [1], 1: [2]}
    blind = numbers(follow(Tracker(), paths, 10, 12, present))
    assert len(blind[0]) == 2


def test_the_record_of_a_found_person_is_one():
    """The boxes between coming back and being recognised belong to the person, and nothing is left over."""
    tracker, wardrobe = Tracker(TrackerConfig(confirm_seconds=1)), Wardrobe(1)
    frames = [frame for frame in range(90) if not 30 <= frame < 60]
    for frame in range(90):
        boxes = boxes_at([300 if frame < 30 else 380]) if frame in frames else []
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        # Features come late: the returning person is a candidate by then.
        late = 60 <= frame < 63
        tracker.update(wardrobe.crops([0] * len(rows)) if len(rows) and not late else None)
    (tracklet,) = tracker.flush()
    assert tracklet.frames.tolist() == frames


@pytest.mark.parametrize("late", [0.5, 2.0])
def test_who_comes_back_half_hidden_gets_the_number_again_while_the_new_one_is_young(late):
    """Confirmed under a new number before there is a crop worth a look: taken back within a second, not later."""
    tracker, wardrobe, shown = Tracker(), Wardrobe(2), []
    for frame in range(120):
        time = frame / 10
        here = time < 3 or time >= 9
        boxes = boxes_at(([300 if time < 3 else 380] if here else []) + ([800] if time >= 11.5 else []))
        rows = tracker.observe(detections(boxes), time, frame)
        people = [int(row) for row in rows]
        hidden = 9 <= time < 9 + late
        found = tracker.update(wardrobe.crops(people) if people and not hidden else None)
        shown.append(found.tracker_id.tolist())
    again = round(10 * (9 + late)) + 3
    if late < 1:
        assert shown[95 - 1] == [2], "confirmed as somebody new while half hidden"
        assert shown[again] == [1], "taken back"
        assert shown[-1] == [1, 3], "the number that was shown for a moment is nobody else's"
        assert sorted(each.track_id for each in tracker.flush()) == [1, 3]
    else:
        assert shown[again] == [2]


def test_somebody_seen_beside_a_lost_person_is_not_that_person():
    """Twins: the second is a candidate beside the first when the first vanishes."""
    tracker, wardrobe = Tracker(TrackerConfig(confirm_seconds=1)), Wardrobe(1)
    for frame in range(60):
        boxes = boxes_at([300] if frame < 25 else [300, 360] if frame < 30 else [360])
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        tracker.update(wardrobe.crops([0] * len(rows)) if len(rows) else None)
    first, second = sorted(tracker.flush(), key=lambda each: each.track_id)
    assert first.frames.tolist() == list(range(30))
    assert second.frames.tolist() == list(range(25, 60))


def test_features_without_mass_find_nobody():
    paths = [lambda t: boxes_at(300)]
    shown = follow(Tracker(), paths, 10, 12, lambda _, t: not 3 <= t < 9, Wardrobe(1), mass=0.0)
    assert numbers(shown) == {0: [1, 2]}


def test_a_stranger_is_not_taken_for_the_lost_person():
    paths = [lambda t: boxes_at(300), lambda t: boxes_at(320)]
    shown = follow(Tracker(), paths, 10, 12, lambda p, t: t < 3 if p == 0 else t >= 9, Wardrobe(2))
    assert numbers(shown) == {0: [1], 1: [2]}


def test_among_people_in_uniform_likeness_counts_for_less():
    """All look alike at a distance of about 0.1; the tracker measures that and takes no stranger for the lost one."""
    paths = [lambda t, x=x: boxes_at(x) for x in (100, 300, 500, 700, 900, 910)]

    def present(person, time):
        return {4: time < 40, 5: time >= 44}.get(person, True)

    shown = follow(Tracker(), paths, 5, 50, present, Wardrobe(6, noise=0.02, uniform=3.0))
    assert numbers(shown) == {person: [person + 1] for person in range(6)}
    again = [*paths[:5], paths[4]]
    shown = follow(Tracker(), again, 5, 50, present, OnePersonTwice(noise=0.02, uniform=3.0))
    assert numbers(shown)[5] == numbers(shown)[4] == [5]


def test_features_tell_who_is_who_after_an_embrace():
    """Two people meet, stay within one box for a second, and go back the way they came."""

    def swing(t):
        return np.clip(abs(4 - t) - 0.5, 0, None) * 60

    paths = [lambda t: boxes_at(400 - swing(t)), lambda t: boxes_at(402 + swing(t), 203)]
    shown = follow(Tracker(), paths, 15, 8, lambda p, t: p == 0 or not 3.5 <= t < 4.5, Wardrobe(2))
    assert numbers(shown) == {0: [1], 1: [2]}
