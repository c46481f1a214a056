"""What happens, told to files, brokers and addresses: kept until each has it."""

from app.events.event import Event, from_association, from_notice, from_reappearance, new_event, new_id
from app.events.hub import EventHub, SinkState

__all__ = [
    "Event",
    "EventHub",
    "SinkState",
    "from_association",
    "from_notice",
    "from_reappearance",
    "new_event",
    "new_id",
]
