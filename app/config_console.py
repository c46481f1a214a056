"""The settings of the web console."""

from __future__ import annotations

from pydantic import Field

from app.config_base import Section


class ConsoleConfig(Section):
    """The web console."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0: every one of the machine.")
    port: int = Field(default=8080, description="Port to listen on; 0: any that is free.", ge=0, le=65535)
