import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.association.events import Appeared, Left, Merged, Moved, Split
from app.capture import CameraNotice
from app.events import from_association, from_notice, new_event
from app.events.event import KINDS, from_reappearance
from app.gallery.following import Reappearance


def test_ids_are_unique_and_in_the_order_made():
    ids = [new_event("system.started", 1.0).id for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {32}


@given(st.text(max_size=20), st.floats(0, 4e9), st.integers(1, 10**9))
def test_an_event_is_one_line_of_json(text, time, track):
    event = new_event("track.started", time, camera="east", track=track, details={"note": text})
    line = event.to_json()
    assert "\n" not in line
    values = json.loads(line)
    assert values["details"]["note"] == text
    assert values == {**values, "id": event.id, "kind": "track.started", "camera": "east", "track": track}
    assert values["time"] == pytest.approx(time, abs=1e-3)
    assert "identity" not in values


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind"):
        new_event("track.vanished", 0.0)


@pytest.mark.parametrize(
    ("decision", "kind", "identity", "details"),
    [
        (Appeared(3, 5.0, ("east", 7), True), "identity.appeared", 3, {"again": True}),
        (Moved(3, 5.0, ("east", 7), "west"), "identity.moved", 3, {"from": "west"}),
        (Left(3, 5.0, ("east", 7)), "identity.left", 3, {}),
        (
            Merged(3, 5.0, 4, (("east", 7),), "alike"),
            "identity.merged",
            3,
            {"taken": 4, "tracklets": [{"camera": "east", "track": 7}], "reason": "alike"},
        ),
        (
            Split(3, 5.0, 9, (("east", 7),), "seen at once"),
            "identity.split",
            3,
            {"into": 9, "tracklets": [{"camera": "east", "track": 7}], "reason": "seen at once"},
        ),
    ],
)
def test_decisions_become_events(decision, kind, identity, details):
    event = from_association(decision)
    assert (event.kind, event.identity, event.details, event.time) == (kind, identity, details, 5.0)
    assert (event.camera, event.track) == (
        ("east", 7) if kind not in ("identity.merged", "identity.split") else (None,) * 2
    )
    json.loads(event.to_json())


def test_alerts_and_notices_become_events():
    seen = Reappearance(1, 2, "red coat", 9.0, "east", 7, (4.0, 8.0), 55, 0.31234, 0.9)
    event = from_reappearance(seen)
    assert (event.kind, event.camera, event.track, event.time) == ("follow.reappeared", "east", 7, 4.0)
    assert event.details["name"] == "red coat"
    notice = from_notice(CameraNotice("east", "offline", 3.0, "no answer"))
    assert (notice.kind, notice.camera, notice.details) == ("camera.offline", "east", {"reason": "no answer"})
    assert {f"camera.{kind}" for kind in ("online", "offline", "changed")} <= set(KINDS)
