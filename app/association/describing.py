"""What is remembered of a person, as identities and routes."""

from __future__ import annotations

from collections.abc import Sequence

from app.association.events import Visit
from app.association.memory import Memory, order
from app.association.types import Identity


def described(memory: Memory, number: int, members: Sequence[int], threshold: float) -> Identity:
    """An identity from its rows.

    Args:
        memory: Where they are.
        number: The identity.
        members: Its rows, one or more.
        threshold: Largest distance at which tracklets are linked.
    """
    rows = memory.sorted(members)
    items = tuple(memory.at(row).item for row in rows)
    keys = {item.key for item in items}
    # A link to somebody who was taken out again is no reason any more.
    links = [link for row in rows if (link := memory.at(row).link) is not None and {link.first, link.second} <= keys]
    nearest = min((value for row in rows if (value := memory.at(row).nearest) is not None), default=None)
    if links:
        furthest = max(link.linkage for link in links)
        reason = f"{len(items)} tracklets linked, the furthest join at {furthest:.3f} of {threshold:.3f}"
    elif len(items) > 1:
        reason = f"{len(items)} tracklets linked by the operator"
    elif memory.slot[rows[0]] < 0:
        reason = "no exemplar to compare"
    elif nearest is None:
        reason = "no other tracklet that could be the same person"
    else:
        reason = f"nearest was at {nearest:.3f} of {threshold:.3f}"
    return Identity(number, "linked" if len(items) > 1 else "unknown", items, tuple(links), nearest, reason)


def joined(parts: Sequence[Identity]) -> list[Identity]:
    """Identities by number, from parts that were forgotten one after the other."""
    found: dict[int, Identity] = {}
    for part in parts:
        before = found.get(part.number)
        if before is None:
            found[part.number] = part
            continue
        members = tuple(sorted((*before.members, *part.members), key=order))
        nearest = min((each.nearest for each in (before, part) if each.nearest is not None), default=None)
        reason = f"{len(members)} tracklets linked over a time longer than is remembered"
        found[part.number] = Identity(part.number, "linked", members, (*before.links, *part.links), nearest, reason)
    return [found[number] for number in sorted(found)]


def route_of(memory: Memory, members: Sequence[int]) -> tuple[Visit, ...]:
    """Where and when a person was seen, in order of time."""
    visits: list[Visit] = []
    for row in memory.sorted(members):
        item = memory.at(row).item
        first, last = float(item.tracklet.times[0]), float(item.tracklet.times[-1])
        if visits and visits[-1].camera == item.camera:
            before = visits.pop()
            tracks = (*before.tracklets, item.tracklet.track_id)
            visits.append(Visit(item.camera, before.first, max(before.last, last), tracks))
        else:
            visits.append(Visit(item.camera, first, last, (item.tracklet.track_id,)))
    return tuple(visits)
