"""What all routes of the console share."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field

from app.config import Config
from app.console.feed import Feed
from app.console.finder import Finder
from app.console.limits import Limit
from app.console.wall import Wall
from app.gallery import Gallery


@dataclass(eq=False)
class Console:
    """What all routes share.

    Attributes:
        gallery: Open for writing.
        config: All settings.
        wall: The cameras.
        finder: Searches.
        feed: What happens.
        logins: Attempts to log in, by address.
        searches: Searches, by user.
        cutting: Held while a clip is cut: one at a time.
    """

    gallery: Gallery
    config: Config
    wall: Wall
    finder: Finder
    feed: Feed = field(default_factory=Feed)
    cutting: threading.Lock = field(default_factory=threading.Lock)
    logins: Limit = field(init=False)
    searches: Limit = field(init=False)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        self.logins = Limit(self.config.console.logins_a_minute)
        self.searches = Limit(self.config.console.searches_a_minute)

    def seal(self, user: int, sighting: int) -> str:
        """What the address of a sighting's picture has to end with, for one user: only a page they were shown has it.

        So nobody can look through pictures by their numbers, past the audit log.
        """
        return hmac.new(self._secret, f"{user} {sighting}".encode(), hashlib.sha256).hexdigest()[:32]

    def is_sealed(self, user: int, sighting: int, seal: str) -> bool:
        """Whether a seal is the right one."""
        return hmac.compare_digest(self.seal(user, sighting).encode(), seal.encode())
