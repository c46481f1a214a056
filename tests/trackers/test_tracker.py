import numpy as np
import pytest
import supervision as sv

from tests.trackers.people import Wardrobe, boxes_at, detections
from trackers import Tracker, TrackerConfig

EMPTY = sv.Detections.empty()


class OnePersonTwice(Wardrobe):
    """Number 5 is number 4 again."""

    def __init__(self, **looks):
        super().__init__(6, **looks)

    def crops(self, who, mass=0.5):
        return super().crops(np.minimum(who, 4), mass)


def step(tracker, boxes, time, frame, scores=0.9):
    tracker.observe(detections(boxes, scores), time, frame)
    return tracker.update()


def follow(tracker, paths, fps, seconds, present=lambda person, time: True, wardrobe=None, mass=0.5):
    """Walks people along paths; returns {person: [(time, id), …]} as shown online."""
    shown = {person: [] for person in range(len(paths))}
    for frame in range(round(seconds * fps)):
        time = frame / fps
        there = [person for person in range(len(paths)) if present(person, time)]
        boxes = np.concatenate([np.zeros((0, 4)), *(paths[person](time) for person in there)])
        rows = tracker.observe(detections(boxes), time, frame)
        features = wardrobe.crops(np.array(there, int)[rows], mass) if wardrobe and len(rows) else None
        found = tracker.update(features)
        for box, number in zip(found.xyxy, found.tracker_id, strict=True):
            person = there[int(np.abs(boxes - box).sum(axis=1).argmin())]
            shown[person].append((time, int(number)))
    return shown


def numbers(shown):
    return {person: sorted({number for _, number in seen}) for person, seen in shown.items()}


# ---- identities ----


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


# ---- lifecycle ----


def test_a_single_box_is_never_shown():
    tracker = Tracker()
    shown = [len(step(tracker, boxes_at([100]) if frame == 3 else [], frame / 10, frame)) for frame in range(10)]
    assert sum(shown) == 0
    assert tracker.flush() == []


def test_tracklet_holds_the_boxes_before_confirmation_and_no_guesses():
    tracker, shown = Tracker(TrackerConfig(steadiness=0)), []
    for frame in range(20):
        there = not 8 <= frame < 11
        found = step(tracker, boxes_at([100 + 2 * frame]) if there else [], frame / 10, frame)
        shown += [frame] * len(found)
    (tracklet,) = tracker.flush()
    expected = [frame for frame in range(20) if not 8 <= frame < 11]
    assert tracklet.frames.tolist() == expected
    assert shown == expected[1:]
    np.testing.assert_allclose(tracklet.times, np.array(expected) / 10)
    np.testing.assert_allclose(tracklet.boxes, boxes_at(100 + 2 * np.array(expected)), atol=1e-3)
    assert tracklet.exemplars is None
    assert tracklet.track_id == 1


def test_boxes_that_tremble_are_given_out_steadied():
    """A walker of 40 × 100 pixels whose boxes tremble by 4: what is given out is nearer to the truth."""
    random, truth = np.random.default_rng(0), boxes_at(100 + 3.0 * np.arange(100))
    seen, shown = truth + random.normal(0, 4, truth.shape), {}
    for share in (0.0, 0.5, 1.0):
        tracker = Tracker(TrackerConfig(steadiness=share))
        for frame, box in enumerate(seen):
            step(tracker, box, frame / 10, frame)
        (tracklet,) = tracker.flush()
        shown[share] = np.abs(tracklet.boxes - truth).mean()
    assert shown[0.0] == pytest.approx(np.abs(seen - truth).mean(), rel=1e-4)
    assert shown[0.5] < 0.9 * shown[0.0]


def test_steadied_boxes_end_with_the_picture():
    """Somebody walks out of a picture 400 pixels wide; the detector cuts their boxes off at its edge."""
    tracker = Tracker(TrackerConfig(steadiness=1))
    for frame in range(24):
        box = boxes_at(300 + 5 * frame)
        step(tracker, np.minimum(box, [400, 400, 400, 400]), frame / 10, frame)
    (tracklet,) = tracker.flush()
    assert tracklet.boxes[:, 2].max() == 400


def test_low_scores_continue_a_track_but_start_none():
    tracker = Tracker()
    for frame in range(10):
        scores = np.array([0.9 if frame < 5 else 0.2, 0.2], np.float32)
        found = step(tracker, boxes_at([100, 400]), frame / 10, frame, scores)
    assert found.tracker_id.tolist() == [1]
    np.testing.assert_allclose(found.xyxy, boxes_at([100]))


@pytest.mark.parametrize(("share", "held"), [(0.7, False), (1.0, True)])
def test_a_second_box_of_the_person_in_front_does_not_go_to_the_one_behind(share, held):
    """Somebody walks behind somebody else, whom the detector then boxes whole and once more without the legs."""
    tracker = Tracker(TrackerConfig(part_share=share, low_seconds=0.5))
    front, part = boxes_at([200], 200, 44, 130), boxes_at([204], 180, 40, 88)
    hidden = []
    for frame in range(40):
        x = 120 + 4.0 * frame
        if abs(x - 200) < 20:
            hidden.append(frame)
        other = part if hidden and hidden[-1] == frame else boxes_at([x], 185, 40, 100)
        scores = np.array([0.9, 0.3 if other is part else 0.9], np.float32)
        step(tracker, np.concatenate([front, other]), frame / 10, frame, scores)
    one, two = sorted(tracker.flush(), key=len)
    assert len(two) == 40
    assert bool(set(one.frames.tolist()) & set(hidden)) == held
    assert one.frames[-1] == 39, "found again on the other side"


@pytest.mark.parametrize("fps", [5, 30])
def test_somebody_faint_is_shown_once_seen_for_long_enough(fps):
    """A small or distant person never gets a high score; the record goes back to the first box all the same."""
    tracker = Tracker(TrackerConfig(faint_score=0.25, faint_seconds=0.4))
    shown = []
    for frame in range(2 * fps):
        tracker.observe(detections(boxes_at(100 + 20 * frame / fps), 0.3), frame / fps, frame)
        shown += [(frame / fps, int(number)) for number in tracker.update().tracker_id]
    assert {number for _, number in shown} == {1}
    assert 0.4 - 1e-9 <= shown[0][0] <= 0.4 + 1 / fps
    (tracklet,) = tracker.flush()
    assert len(tracklet) == 2 * fps


@pytest.mark.parametrize("scores", [[0.3] * 6 + [0.0] + [0.3] * 6, [0.2] * 30], ids=["with a gap", "too faint"])
def test_a_flicker_is_nobody(scores):
    tracker = Tracker(TrackerConfig(faint_score=0.25, faint_seconds=0.4))
    for frame, score in enumerate(scores):
        tracker.observe(detections(boxes_at(100), score), frame / 15, frame)
        assert len(tracker.update()) == 0
    assert tracker.flush() == []


def test_one_sure_box_makes_a_faint_candidate_firm():
    tracker = Tracker(TrackerConfig(faint_seconds=5))
    for frame, score in enumerate([0.4, 0.4, 0.4, 0.9]):
        tracker.observe(detections(boxes_at(100), score), frame / 10, frame)
        assert len(tracker.update()) == (1 if score > 0.5 else 0)


def test_twins_on_one_person_do_not_become_two_tracks():
    tracker = Tracker()
    for frame in range(20):
        found = step(tracker, boxes_at([100, 104]), frame / 10, frame, np.array([0.9, 0.6], np.float32))
    assert found.tracker_id.tolist() == [1]


def test_ended_tracks_come_out_once_and_live_ones_at_the_flush():
    config = TrackerConfig(lost_seconds=1, refind_seconds=1)
    tracker = Tracker(config)
    for frame in range(40):
        boxes = boxes_at([100, 500]) if frame < 10 else boxes_at([100])
        step(tracker, boxes, frame / 10, frame)
        ended = tracker.finished()
        assert [each.track_id for each in ended] == ([2] if frame == 20 else [])
    assert [each.track_id for each in tracker.flush()] == [1]
    assert tracker.flush() == []


def test_numbers_go_on_after_a_flush():
    tracker = Tracker()
    for frame in range(5):
        step(tracker, boxes_at([100]), frame / 10, frame)
    tracker.flush()
    for frame in range(5, 10):
        found = step(tracker, boxes_at([100]), frame / 10, frame)
    assert found.tracker_id.tolist() == [2]


# ---- features and crops ----


def test_exemplars_carry_their_crops_and_frames():
    tracker, wardrobe = Tracker(), Wardrobe(1)
    for frame in range(30):
        rows = tracker.observe(detections(boxes_at([100 + frame])), frame / 10, frame)
        assert len(rows) <= 1
        crops = [np.full((8, 4, 3), frame, np.uint8) for _ in rows]
        tracker.update(wardrobe.crops([0] * len(rows)) if len(rows) else None, crops)
    (tracklet,) = tracker.flush()
    assert len(tracklet.exemplars) == len(tracklet.exemplar_crops) >= 2
    for crop, frame, time, box in zip(
        tracklet.exemplar_crops,
        tracklet.exemplar_frames,
        tracklet.exemplar_times,
        tracklet.exemplar_boxes,
        strict=True,
    ):
        assert crop[0, 0, 0] == frame
        assert time == frame / 10
        np.testing.assert_allclose(box, boxes_at([100 + frame])[0])


def test_a_quiet_scene_costs_few_crops():
    tracker, wardrobe, asked = Tracker(), Wardrobe(4), 0
    for frame in range(300):
        rows = tracker.observe(detections(boxes_at([100, 300, 500, 700])), frame / 30, frame)
        tracker.update(wardrobe.crops(rows) if len(rows) else None)
        asked += len(rows)
    # Ten seconds: a first look at each person and one a second after that, of 1,200 boxes.
    assert 4 <= asked <= 50


def test_nothing_is_learned_from_a_covered_person():
    tracker, wardrobe = Tracker(), Wardrobe(2)
    boxes = np.concatenate([boxes_at([100], 200), boxes_at([104], 215)])
    for frame in range(30):
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        tracker.update(wardrobe.crops(rows) if len(rows) else None)
    by_number = {each.boxes[0, 0]: each for each in tracker.flush()}
    assert by_number[80.0].exemplars is None
    assert len(by_number[84.0].exemplars) >= 1


@pytest.mark.parametrize(("beside", "learned"), [(14, False), (60, True)])
def test_a_stranger_s_look_is_learned_only_where_nobody_else_can_be_meant(beside, learned):
    """From the second second on the box shows somebody else: beside another box a slip, alone a person who turned."""
    tracker, wardrobe = Tracker(TrackerConfig(learn_covered=1, change_share=10)), Wardrobe(3)
    boxes = np.concatenate([boxes_at([100], 200), boxes_at([100 + beside], 205)])
    for frame in range(60):
        rows = tracker.observe(detections(boxes), frame / 10, frame)
        who = np.where(rows == 0, 2 if frame >= 20 else 0, 1)
        tracker.update(wardrobe.crops(who) if len(rows) else None)
    (first,) = [each for each in tracker.flush() if each.boxes[0, 0] == 80 and 0 in each.frames]
    assert (first.exemplar_times.max() >= 2) == learned


def test_a_track_that_went_over_to_somebody_else_ends_as_two_tracklets():
    tracker, wardrobe = Tracker(TrackerConfig(learn_overlap=1)), Wardrobe(2)
    for frame in range(60):
        rows = tracker.observe(detections(boxes_at([100])), frame / 10, frame)
        tracker.update(wardrobe.crops(np.full(len(rows), frame >= 30)) if len(rows) else None)
    first, second = tracker.flush()
    assert (first.track_id, second.track_id) == (1, 2)
    assert first.frames.tolist() + second.frames.tolist() == list(range(60))
    assert abs(second.frames[0] - 30) <= 10, "between the last view of one and the first of the other"


def test_rows_to_embed_are_bounded_and_refer_to_the_detections_given():
    tracker = Tracker(TrackerConfig(crops_per_frame=3))
    boxes = boxes_at(np.arange(10) * 100)
    boxes[::2, 2] = np.nan
    step(tracker, boxes, 0.0, 0)
    rows = tracker.observe(detections(boxes), 0.1, 1)
    assert len(rows) == 3
    assert set(rows.tolist()) <= {1, 3, 5, 7, 9}


# ---- hard input ----


def test_broken_boxes_are_dropped_and_the_good_one_stays():
    nan, inf = np.nan, np.inf
    broken = [[nan, 0, 1, 1], [0, 0, inf, 9], [50, 50, 40, 90], [5, 5, 5, 50], [0, 0, 10, 0], [-1e30, 0, 1e30, 9]]
    boxes = np.concatenate([np.array(broken), boxes_at([100, 300])])
    scores = np.array([0.9] * 7 + [nan], np.float32)
    tracker = Tracker()
    for frame in range(5):
        found = step(tracker, boxes, frame / 10, frame, scores)
    np.testing.assert_allclose(found.xyxy, boxes_at([100]))


def test_detections_without_confidence_are_trusted():
    tracker = Tracker()
    for frame in range(3):
        tracker.observe(sv.Detections(xyxy=boxes_at([100]).astype(np.float32)), frame / 10, frame)
        found = tracker.update()
    assert found.tracker_id.tolist() == [1]


def test_what_else_a_detection_carries_is_kept():
    tracker = Tracker()
    for frame in range(3):
        given = detections(boxes_at([100, 300]))
        given.data["name"] = np.array(["a", "b"])
        given.class_id = np.array([4, 5])
        tracker.observe(given, frame / 10, frame)
        found = tracker.update()
    assert found.data["name"].tolist() == ["a", "b"]
    assert found.class_id.tolist() == [4, 5]
    assert found.tracker_id.tolist() == [1, 2]


@pytest.mark.parametrize("times", [[0.0] * 20, [5 - 0.1 * k for k in range(20)], [1e9 + k / 30 for k in range(20)]])
def test_time_that_stands_or_runs_back_loses_nobody(times):
    tracker = Tracker(TrackerConfig(confirm_seconds=0))
    found = [step(tracker, boxes_at([100, 300]), time, frame).tracker_id.tolist() for frame, time in enumerate(times)]
    assert found[1:] == [[1, 2]] * 19
    assert tracker.flush()[0].times.tolist() == times


def test_time_goes_on_after_a_jump_back():
    tracker = Tracker(TrackerConfig(lost_seconds=1, refind_seconds=1))
    for frame, time in enumerate([100.0, 100.1, 100.2, 3.0, 3.1]):
        found = step(tracker, boxes_at([100]), time, frame)
    assert found.tracker_id.tolist() == [1]
    for frame, time in enumerate([3.2, 4.0, 4.3], 5):
        step(tracker, [], time, frame)
    assert [each.track_id for each in tracker.finished()] == [1]


def test_after_a_long_gap_people_are_new():
    tracker = Tracker()
    for frame, time in enumerate([0, 0.1, 0.2, 3600, 3600.1, 3600.2]):
        found = step(tracker, boxes_at([100]), time, frame)
    assert found.tracker_id.tolist() == [2]


@pytest.mark.parametrize("time", [np.nan, np.inf])
def test_a_time_that_is_no_time_is_refused_and_changes_nothing(time):
    tracker = Tracker()
    with pytest.raises(ValueError, match="time: expected seconds"):
        tracker.observe(EMPTY, time, 0)
    tracker.observe(EMPTY, 0.0, 0)
    assert len(tracker.update()) == 0


def test_calls_out_of_order_are_refused():
    tracker = Tracker()
    with pytest.raises(RuntimeError, match="expected observe"):
        tracker.update()
    tracker.observe(EMPTY, 0.0, 0)
    with pytest.raises(RuntimeError, match="expected update"):
        tracker.observe(EMPTY, 0.1, 1)
    with pytest.raises(RuntimeError, match="expected update"):
        tracker.flush()
    tracker.update()


def test_features_that_do_not_fit_the_rows_are_refused():
    tracker, wardrobe = Tracker(), Wardrobe(1)
    step(tracker, boxes_at([100]), 0.0, 0)
    rows = tracker.observe(detections(boxes_at([100])), 0.1, 1)
    assert rows.tolist() == [0]
    with pytest.raises(ValueError, match="features: expected 1 as observe returned, given 2"):
        tracker.update(wardrobe.crops([0, 0]))
    with pytest.raises(ValueError, match="crops: expected 1"):
        tracker.update(wardrobe.crops([0]), [])
    assert tracker.update(wardrobe.crops([0])).tracker_id.tolist() == [1]


def test_two_thousand_boxes():
    tracker = Tracker()
    grid = np.stack(np.meshgrid(np.arange(50), np.arange(40)), axis=-1).reshape(-1, 2)
    for frame in range(3):
        boxes = boxes_at(grid[:, 0] * 30.0 + 2 * frame, grid[:, 1] * 30.0)
        found = step(tracker, boxes, frame / 10, frame)
    assert sorted(found.tracker_id.tolist()) == list(range(1, 2001))
    assert len(tracker.flush()) == 2000


def test_same_input_same_output_bit_for_bit():
    def play():
        rng, wardrobe, tracker, log = np.random.default_rng(3), Wardrobe(12, seed=1), Tracker(), []
        place, speed = rng.uniform(0, 600, (12, 2)), rng.normal(0, 40, (12, 2))
        for frame in range(120):
            seen = np.flatnonzero(rng.random(12) < 0.8)
            at = place[seen] + speed[seen] * frame / 15 + rng.normal(0, 2, (len(seen), 2))
            scores = rng.uniform(0.05, 1, len(seen)).astype(np.float32)
            rows = tracker.observe(detections(boxes_at(at[:, 0], at[:, 1]), scores), frame / 15, frame)
            found = tracker.update(wardrobe.crops(seen[rows]) if len(rows) else None)
            log += [rows.tobytes(), found.xyxy.tobytes(), found.tracker_id.tobytes()]
        for each in tracker.flush():
            log += [each.boxes.tobytes(), each.exemplars.local.tobytes() if each.exemplars else b""]
        return log

    assert play() == play()
