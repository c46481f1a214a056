"""Any history whatsoever, as random sequences of frames."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.trackers.people import Wardrobe, boxes_at, detections
from trackers import Tracker, TrackerConfig


class AnyHistory(RuleBasedStateMachine):
    """Whatever is seen: an id is never twice in a frame, never back after its end, and every record agrees."""

    @initialize(crops=st.integers(0, 4), views=st.integers(1, 3), steadiness=st.sampled_from([0, 0.5, 1]))
    def begin(self, crops, views, steadiness):
        config = TrackerConfig(
            lost_seconds=1, refind_seconds=3, crops_per_frame=crops, exemplars=views, steadiness=steadiness
        )
        self.tracker, self.wardrobe = Tracker(config), Wardrobe(8)
        self.time, self.frame, self.ended, self.shown = 0.0, 0, set(), {}

    @rule(
        people=st.lists(st.tuples(st.integers(0, 7), st.integers(-3, 3), st.floats(0, 1)), max_size=8),
        dt=st.sampled_from([0.0, -0.5, 1 / 60, 0.1, 0.5, 2.0, 5.0]),
        embed=st.booleans(),
        junk=st.booleans(),
    )
    def see(self, people, dt, embed, junk):
        self.time, self.frame = self.time + dt, self.frame + 1
        boxes = np.concatenate([np.zeros((0, 4)), *(boxes_at(40 + 30 * who + 10 * off) for who, off, _ in people)])
        scores = np.array([score for *_, score in people])
        who = np.array([who for who, *_ in people], int)
        if junk:
            boxes = np.concatenate([boxes, [[np.nan] * 4, [9, 9, 3, 3]]])
            scores, who = np.append(scores, [0.9, 0.9]), np.append(who, [0, 0])
        rows = self.tracker.observe(detections(boxes, scores), self.time, self.frame)
        assert len(set(rows.tolist())) == len(rows) <= self.tracker.config.crops_per_frame
        found = self.tracker.update(self.wardrobe.crops(who[rows]) if embed and len(rows) else None)
        ids = found.tracker_id.tolist()
        assert len(set(ids)) == len(ids)
        assert not set(ids) & self.ended
        given = {tuple(box) for box in boxes.astype(np.float32).tolist()}
        if not self.tracker.config.steadiness:
            assert {tuple(box) for box in found.xyxy.tolist()} <= given
        assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
        for number, box in zip(ids, found.xyxy, strict=True):
            self.shown.setdefault(number, []).append((self.frame, box))

    @rule()
    def collect(self):
        self.check(self.tracker.finished())

    @rule()
    def ask(self):
        growing = self.tracker.growing()
        assert [each.track_id for each in growing] == self.tracker.numbers.tolist()
        for each in growing:
            assert each.track_id not in self.ended
            assert each.track_id < self.tracker.next_number
            self.agrees(each)

    @rule()
    def flush(self):
        self.check(self.tracker.flush())
        assert set(self.shown) <= self.ended

    def check(self, tracklets):
        for each in tracklets:
            assert each.track_id not in self.ended
            self.ended.add(each.track_id)
            self.agrees(each)

    def agrees(self, tracklet):
        """What the record says is what was shown."""
        assert (np.diff(tracklet.frames) > 0).all()
        assert tracklet.sure.shape == (len(tracklet),)
        assert tracklet.sure[0] == 1
        assert ((tracklet.sure >= 0) & (tracklet.sure <= 1)).all()
        assert {refind.frame for refind in tracklet.refinds} <= set(tracklet.frames[1:].tolist())
        assert all(refind.away > 0 for refind in tracklet.refinds)
        row = dict(zip(tracklet.frames.tolist(), tracklet.boxes, strict=True))
        for frame, box in self.shown.get(tracklet.track_id, []):
            np.testing.assert_array_equal(row[frame], box)
        for frame, box in zip(tracklet.exemplar_frames.tolist(), tracklet.exemplar_boxes, strict=True):
            if not self.tracker.config.steadiness:
                np.testing.assert_array_equal(row[frame], box)
            assert frame in row

    @invariant()
    def numbers_are_consecutive_from_one(self):
        if hasattr(self, "shown") and self.shown:
            assert min(self.shown) >= 1


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(stateful_step_count=30)
