"""The settings of the web console."""

from __future__ import annotations

from pydantic import Field, model_validator

from app.config_base import Section

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine reaches."""


class ConsoleConfig(Section):
    """The web console."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0: every one of the machine.")
    port: int = Field(default=8080, description="Port to listen on; 0: any that is free.", ge=0, le=65535)
    certificate: str | None = Field(
        default=None,
        description="Certificate chain (PEM) for https, with `key`; null: plain http, on this machine only.",
    )
    key: str | None = Field(default=None, description="Private key (PEM) of the certificate.")
    behind_proxy: bool = Field(
        default=False,
        description="Whether a proxy of yours answers https for it; only then may plain http leave the machine.",
    )
    names: list[str] = Field(
        default=[],
        description="Host names under which browsers reach the console, where it listens on this machine only.",
    )
    idle_minutes: float = Field(
        default=60.0, description="Minutes without a request after which somebody is logged out.", gt=0, le=1440
    )
    session_hours: float = Field(
        default=12.0, description="Hours after which everybody has to log in again.", gt=0, le=168
    )
    lock_after: int = Field(default=5, description="Wrong passwords in a row that lock an account.", ge=3, le=100)
    lock_minutes: float = Field(default=15.0, description="Minutes for which it is locked.", gt=0, le=1440)
    logins_a_minute: int = Field(
        default=10, description="Most attempts to log in from one address in a minute.", ge=1, le=1000
    )
    searches_a_minute: int = Field(default=60, description="Most searches of one user in a minute.", ge=1, le=10000)
    require_reason: bool = Field(
        default=False, description="Whether a search must say what it is for; that enters the audit log."
    )
    upload_megabytes: float = Field(
        default=16.0,
        description="Most megabytes of one request, with the pictures that are searched for.",
        gt=0,
        le=256,
    )
    upload_megapixels: float = Field(
        default=40.0, description="Most megapixels of a picture that is searched for.", gt=0, le=200
    )
    pictures_a_second: float = Field(
        default=10.0, description="Most pictures of a camera that one browser is sent in a second.", gt=0, le=60
    )
    viewers: int = Field(default=100, description="Most browsers that watch at once.", ge=1, le=1000)
    floor_plan: str | None = Field(
        default=None, description="PNG or JPEG of the floor, on which a person's way is drawn; null: none."
    )
    floor_places: dict[str, tuple[float, float]] = Field(
        default={}, description="Where each camera is on the floor plan: name to x and y in its pixels."
    )

    @model_validator(mode="after")
    def _is_safe(self) -> ConsoleConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; give both or neither")
        if self.host not in LOOPBACK and self.certificate is None and not self.behind_proxy:
            raise ValueError(
                f"host {self.host} is reached from other machines, and passwords must not cross a network in clear; "
                "give certificate and key, or set behind_proxy where a proxy answers https"
            )
        return self
