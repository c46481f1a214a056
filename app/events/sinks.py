"""What every receiver of events has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from app.events.outbox import Stored


class NotDeliveredError(Exception):
    """Events could not be delivered now; the message, one line without secrets, says why.

    Attributes:
        done: How many of those given were delivered before.
    """

    def __init__(self, message: str, done: int = 0) -> None:
        super().__init__(message)
        self.done = done


class Sink(Protocol):
    """A receiver of events. All but `close` is called by one thread.

    Attributes:
        name: Unique among the receivers of a run, and the same in the next.
        dead: Events that were given up, as nobody will ever take them.
    """

    name: str
    dead: int

    def deliver(self, events: Sequence[Stored], stopped: Callable[[], bool]) -> None:
        """Delivers events in order; what was delivered need not be kept any longer.

        Args:
            events: One or more.
            stopped: Whether the run is ending, so that nothing long should be waited for.

        Raises:
            NotDeliveredError: If some could not be delivered and are to be tried again.
        """

    def availability(self, camera: str, online: bool) -> None:
        """Notes whether a camera gives pictures; for receivers that keep such a state."""

    def expire(self, now: float) -> None:
        """Removes what is too old from files of its own.

        Args:
            now: Seconds since the epoch.

        Raises:
            OSError: If one cannot be changed.
        """

    def close(self) -> None:
        """Lets go of files and connections."""
