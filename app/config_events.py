"""The settings of events."""

from __future__ import annotations

from app.config_base import Section


class EventsConfig(Section):
    """Where what happens is told."""
