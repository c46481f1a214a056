"""The settings of events."""

from __future__ import annotations

from pydantic import Field

from app.config_base import Section


class MqttConfig(Section):
    """An MQTT broker."""

    host: str = Field(description="Its name or address.", min_length=1)
    port: int = Field(default=1883, description="Its port; 8883 is usual with TLS.", ge=1, le=65535)
    topic: str = Field(
        default="crowdtrace", description="What all topics begin with.", min_length=1, pattern=r"^[^#+\s]+$"
    )
    user: str | None = Field(default=None, description="User name; null: none.")
    password: str | None = Field(
        default=None, description="Password, best as ${NAME} from the environment or ${file:PATH}; null: none."
    )
    tls: bool = Field(default=False, description="Whether the connection is encrypted, and the broker's name checked.")
    authority: str | None = Field(
        default=None, description="File of the certificates that sign the broker's; null: those of the system."
    )


class WebhookConfig(Section):
    """An address that events are posted to."""

    url: str = Field(
        description="Where to; parts may be ${NAME} from the environment or ${file:PATH}.", pattern=r"^(https?://|\$\{)"
    )
    kinds: list[str] | None = Field(
        default=None, description="Kinds of events, such as identity.appeared, or identity.* for all of one sort."
    )
    secret: str | None = Field(
        default=None, description="Signs each body (HMAC-SHA256); best as ${NAME} or ${file:PATH}; null: none."
    )
    seconds: float = Field(default=5.0, description="Longest wait for an answer.", gt=0, le=120)
    attempts: int = Field(
        default=10,
        description="Refusals after which an event goes to the dead-letter file; 0: never. An address that does not "
        "answer is no refusal.",
        ge=0,
    )


class EventsConfig(Section):
    """Where what happens is told."""

    file: str | None = Field(
        default="events.jsonl", description="File of JSON lines, in the run's folder unless absolute; null: none."
    )
    file_megabytes: float = Field(
        default=64.0, description="Size from which the file is put aside and begun anew.", gt=0, le=100_000
    )
    file_count: int = Field(default=10, description="Files put aside that are kept.", ge=1, le=10_000)
    mqtt: MqttConfig | None = Field(
        default=None, description="A broker: host, port, topic, user, password, tls, authority; null: none."
    )
    webhooks: list[WebhookConfig] = Field(
        default=[], description="Addresses to post events to: url, kinds, secret, seconds, attempts each."
    )
    kept_events: int = Field(
        default=1_000_000, description="Undelivered events kept for what cannot be reached, at most.", ge=100
    )
    kept_days: float = Field(default=7.0, description="Days for which they are kept, at most.", gt=0, le=365)
    retry_seconds: float = Field(
        default=0.5, description="Seconds before what cannot be reached is tried again; doubled at each.", gt=0, le=60
    )
    most_retry_seconds: float = Field(default=30.0, description="Most seconds between two attempts.", gt=0, le=3600)
    metrics_host: str = Field(
        default="127.0.0.1", description="Address where /metrics, /healthz and /readyz are served."
    )
    metrics_port: int | None = Field(
        default=9464, description="Port of these; 0: any that is free; null: they are not served.", ge=0, le=65535
    )
