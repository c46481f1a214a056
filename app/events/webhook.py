"""Events posted to an address of the web."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import math
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from app.addresses import redacted
from app.config_events import WebhookConfig
from app.errors import InputError
from app.events.lines import drop_older
from app.events.outbox import Stored
from app.events.sinks import NotDeliveredError
from app.secrets import put_in

TRIED_AGAIN = {408, 425, 429}
"""Refusals that a later attempt may not meet; all others of 400 to 499 are for good."""

_DEAD_LETTERS = threading.Lock()
"""Held by whoever changes a file of dead letters: several receivers have the same."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the events were to go."""

    def redirect_request(self, *arguments: object) -> None:
        return None


class Webhook:
    """Posts each event as JSON, in order, one at a time.

    `X-Crowdtrace-Event` holds the event's id, the same at each attempt; with a secret, `X-Crowdtrace-Signature` is
    `sha256=` and the HMAC of the body in hexadecimal digits. What is refused for good, or too often, goes to a file of
    dead letters, a line each.

    Args:
        config: Address, kinds, secret and limits.
        dead_letters: The file for what is given up.
        name: Of this receiver.
        kept_seconds: How long dead letters are kept.

    Raises:
        InputError: If a variable or a file that the address or the secret names is not there.
    """

    def __init__(self, config: WebhookConfig, dead_letters: Path, name: str, kept_seconds: float = math.inf) -> None:
        self.name, self.dead, self._kept = name, 0, kept_seconds
        self._url, values = put_in(config.url, "a webhook's url")
        self._hidden = values
        if not self._url.startswith(("http://", "https://")) or not self._url.partition("://")[2].strip("/"):
            raise InputError("events.webhooks: a url begins with http:// or https:// and names a host; correct it")
        secret = None if config.secret is None else put_in(config.secret, "a webhook's secret")[0]
        self._secret = None if secret is None else secret.encode()
        self._config, self._dead_letters = config, dead_letters
        self._attempts = 0
        self._opener = urllib.request.build_opener(_NoRedirect)

    def deliver(self, events: Sequence[Stored], stopped: Callable[[], bool]) -> None:
        """Posts the events that are wanted."""
        for done, event in enumerate(events):
            if stopped() and done:
                raise NotDeliveredError("the run ends", done)
            if self._wanted(event):
                self._post(event, done)

    def availability(self, camera: str, online: bool) -> None:
        """Addresses keep no state: they have the events."""

    def expire(self, now: float) -> None:
        """Removes dead letters that are too old."""
        with _DEAD_LETTERS:
            drop_older(self._dead_letters, now, self._kept)

    def close(self) -> None:
        """Nothing is kept open."""

    def _wanted(self, event: Stored) -> bool:
        kinds = self._config.kinds
        return kinds is None or any(fnmatchcase(event.kind, kind) for kind in kinds)

    def _post(self, event: Stored, done: int) -> None:
        body = event.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "crowdtrace",
            "X-Crowdtrace-Event": str(json.loads(event.body)["id"]),
        }
        if self._secret is not None:
            headers["X-Crowdtrace-Signature"] = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._config.seconds):
                self._attempts = 0
                return
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"answered {error.code}"
            self._attempts += 1
            for_good = 300 <= error.code < 500 and error.code not in TRIED_AGAIN
            for_good |= 0 < self._config.attempts <= self._attempts
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", error)
            reason, for_good = str(getattr(cause, "strerror", None) or cause), False
        if for_good:
            self._give_up(event, reason)
            return
        raise NotDeliveredError(self._plain(f"{self._url}: {reason}"), done)

    def _give_up(self, event: Stored, reason: str) -> None:
        line = json.dumps({"receiver": self.name, "reason": self._plain(reason), "event": json.loads(event.body)})
        try:
            with _DEAD_LETTERS, self._dead_letters.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotDeliveredError(f"{self._dead_letters}: {error.strerror}") from None
        self.dead, self._attempts = self.dead + 1, 0

    def _plain(self, text: str) -> str:
        """A text in one line without what was put in from outside."""
        for value in self._hidden:
            text = text.replace(value, "***") if value else text
        return redacted(" ".join(text.split()))
