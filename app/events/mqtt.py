"""Events to an MQTT broker, with retained states of cameras and a last will."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from app.config_events import MqttConfig
from app.errors import InputError
from app.events.outbox import Stored
from app.events.sinks import NotDeliveredError
from app.secrets import put_in

ANSWER_SECONDS = 5.0
"""Longest wait for a broker's word that it has what was published."""

KEEPALIVE = 10
"""Seconds after which a broker and a client that hear nothing ask whether the other is there."""


class Mqtt:
    """Publishes with quality of service 1: the broker has each event at least once.

    Topics below the configured one: `<camera>/<kind>` for events of a camera, `identity/<number>/<kind>` for those of
    identities, `system/<kind>` for the others; retained are `status` (`online`, or `offline` by the last will) and
    `<camera>/availability` (`online`, `offline`).

    Args:
        config: The broker.
        seconds: Longest wait for the broker.

    Raises:
        InputError: If a password or a file of certificates cannot be had.
    """

    name = "mqtt"

    def __init__(self, config: MqttConfig, seconds: float = ANSWER_SECONDS) -> None:
        self.dead = 0
        self._config, self._seconds = config, seconds
        self._lock = threading.Lock()
        self._sent: dict[int, paho.MQTTMessageInfo] = {}
        self._available: dict[str, bool] = {}
        self._connected = threading.Event()
        self._refusal = ""
        self._begun = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        # What waits in the client would be lost with the program; all waits in the outbox instead.
        self._client.max_queued_messages_set(1000)
        self._client.reconnect_delay_set(1, 5)
        if config.user is not None:
            password = None if config.password is None else put_in(config.password, "the broker's password")[0]
            self._client.username_pw_set(config.user, password)
        if config.tls:
            self._client.tls_set_context(_context(config))
        self._client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect

    def deliver(self, events: Sequence[Stored], stopped: Callable[[], bool]) -> None:
        """Publishes events and waits until the broker has them."""
        self._connect()
        # What was published before the connection broke is sent again by the client; publishing it anew would be twice.
        self._sent = {event.number: self._sent[event.number] for event in events if event.number in self._sent}
        for event in events:
            if event.number not in self._sent:
                message = self._client.publish(self._topic_of(event), event.body, qos=1)
                if message.rc == paho.MQTT_ERR_NO_CONN:
                    message.rc = paho.MQTT_ERR_SUCCESS  # it is queued, and sent at the next connection
                self._sent[event.number] = message
        end = time.monotonic() + self._seconds
        for done, event in enumerate(events):
            message = self._sent[event.number]
            try:
                while not message.is_published():
                    if time.monotonic() > end or not self._connected.is_set():
                        raise NotDeliveredError(f"{self._place()}: no word that it has the events", done)
                    message.wait_for_publish(0.05)
            except (ValueError, RuntimeError) as error:
                del self._sent[event.number]
                raise NotDeliveredError(f"{self._place()}: {error}", done) from None
        self._sent.clear()

    def availability(self, camera: str, online: bool) -> None:
        """Tells whether a camera gives pictures; told again at each connection."""
        with self._lock:
            self._available[camera] = online
        if self._connected.is_set():
            self._tell(camera, online)

    def expire(self, now: float) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """Says goodbye: the last will is not needed then."""
        if not self._begun:
            return
        if self._connected.is_set():
            for camera in list(self._available):
                self._tell(camera, False)
            last = self._client.publish(self._topic("status"), "offline", qos=1, retain=True)
            with suppress(RuntimeError, ValueError):
                last.wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> None:
        if not self._begun:
            self._begun = True
            try:
                self._client.connect_async(self._config.host, self._config.port, KEEPALIVE)
                self._client.loop_start()
            except (OSError, ValueError) as error:
                self._begun = False
                raise NotDeliveredError(f"{self._place()}: {error}") from None
        if not self._connected.wait(self._seconds):
            raise NotDeliveredError(f"{self._place()}: {self._refusal or 'no connection'}")

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"refused ({reason})".lower()
            return
        self._refusal = ""
        client.publish(self._topic("status"), "online", qos=1, retain=True)
        with self._lock:
            known = dict(self._available)
        for camera, online in known.items():
            self._tell(camera, online)
        self._connected.set()

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected.clear()

    def _tell(self, camera: str, online: bool) -> None:
        self._client.publish(self._topic(camera, "availability"), "online" if online else "offline", qos=1, retain=True)

    def _topic_of(self, event: Stored) -> str:
        group, _, kind = event.kind.partition(".")
        if group == "identity":
            return self._topic("identity", str(json.loads(event.body).get("identity", 0)), kind)
        return self._topic(event.camera, event.kind) if event.camera else self._topic("system", event.kind)

    def _topic(self, *parts: str) -> str:
        return "/".join((self._config.topic.strip("/"), *parts))

    def _place(self) -> str:
        return f"mqtt://{self._config.host}:{self._config.port}"


def _context(config: MqttConfig) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.authority)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"{config.authority}: the broker's certificates cannot be read ({why}); correct events.mqtt.authority"
        ) from None
