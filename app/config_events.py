"""The settings of events."""

from __future__ import annotations

from pydantic import Field

from app.config_base import Section


class EventsConfig(Section):
    """Where what happens is told."""

    file: str | None = Field(
        default="events.jsonl", description="File of JSON lines, in the run's folder unless absolute; null: none."
    )
