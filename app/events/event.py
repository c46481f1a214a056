"""Events: what they are called, what they hold, and what they are made of."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.association import events as association

if TYPE_CHECKING:
    from app.capture import CameraNotice
    from app.gallery.following import Reappearance

KINDS = (
    *("track.started", "track.ended"),
    *("identity.appeared", "identity.moved", "identity.merged", "identity.split", "identity.left"),
    "follow.reappeared",
    *("camera.online", "camera.offline", "camera.changed", "camera.failed"),
    *("system.started", "system.stopped", "system.slowed", "system.recovered"),
)

_lock = threading.Lock()
_latest = 0


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        id: Unique; in the order in which a live run publishes them. Told again, an event has the same.
        time: When it happened, seconds since the epoch.
        kind: One of `KINDS`.
        camera: Name of the camera, or None where it is about no single one.
        track: Number of the track in that camera, or None.
        identity: Number of the identity, or None.
        details: What else there is to know: plain values that JSON can hold.
    """

    id: str
    time: float
    kind: str
    camera: str | None = None
    track: int | None = None
    identity: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON; what is None is left out."""
        values: dict[str, object] = {"id": self.id, "time": round(self.time, 3), "kind": self.kind}
        for name in ("camera", "track", "identity"):
            if getattr(self, name) is not None:
                values[name] = getattr(self, name)
        if self.details:
            values["details"] = dict(self.details)
        return _strict(values)


def _strict(values: object) -> str:
    """One line of JSON that any reader takes: no numbers that JSON has not, no halves of letters."""
    try:
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except (ValueError, TypeError):  # UnicodeEncodeError is a ValueError
        return json.dumps(_plain(values), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text


def _plain(value: object) -> object:
    """The same with null for numbers that are not finite, and text for what JSON has no form for."""
    if isinstance(value, Mapping):
        return {str(_plain(str(key))): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).encode("utf-8", "replace").decode()


def new_event(
    kind: str,
    time: float,
    *,
    camera: str | None = None,
    track: int | None = None,
    identity: int | None = None,
    details: Mapping[str, object] | None = None,
) -> Event:
    """An event with an id of its own.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, given {kind!r}")
    return Event(new_id(), time, kind, camera, track, identity, details or {})


def new_id() -> str:
    """An id greater than all that this program made before.

    48 bits of milliseconds and 16 that count up within one, then 64 of chance: 32 hexadecimal digits.
    """
    global _latest
    with _lock:
        _latest = max(_latest + 1, time.time_ns() // 1_000_000 << 16)
        return f"{_latest:016x}{os.urandom(8).hex()}"


def from_association(decision: association.Event) -> Event:
    """What the associator has decided, as an event."""
    if isinstance(decision, association.Merged):
        details = {"taken": decision.taken, "tracklets": _keys(decision.tracklets), "reason": decision.reason}
        return new_event("identity.merged", decision.time, identity=decision.number, details=details)
    if isinstance(decision, association.Split):
        details = {"into": decision.into, "tracklets": _keys(decision.tracklets), "reason": decision.reason}
        return new_event("identity.split", decision.time, identity=decision.number, details=details)
    camera, track = decision.tracklet
    about: dict[str, object] = {}
    if isinstance(decision, association.Appeared):
        kind, about = "identity.appeared", {"again": decision.again}
    elif isinstance(decision, association.Moved):
        kind, about = "identity.moved", {"from": decision.origin}
    else:
        kind = "identity.left"
    return new_event(kind, decision.time, camera=camera, track=track, identity=decision.number, details=about)


def from_reappearance(seen: Reappearance) -> Event:
    """Somebody who is followed was seen again."""
    details = {name: value for name, value in seen.as_row().items() if name not in ("event", "camera", "track")}
    return new_event("follow.reappeared", seen.span[0], camera=seen.camera, track=seen.track, details=details)


def from_notice(notice: CameraNotice) -> Event:
    """A camera came, went, or changed."""
    details = {"reason": notice.reason} if notice.reason else {}
    return new_event(f"camera.{notice.kind}", notice.time, camera=notice.camera, details=details)


def _keys(tracklets: tuple[association.Key, ...]) -> list[dict[str, object]]:
    return [{"camera": camera, "track": track} for camera, track in tracklets]
