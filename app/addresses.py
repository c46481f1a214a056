"""Addresses of cameras: what kind each is, passwords put in from outside, and kept out of every message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote

from app.errors import InputError
from app.secrets import PLACEHOLDER, put_in

HIDDEN = "***"

SCHEMES = ("rtsp", "rtsps", "http", "https")

Kind = Literal["network", "webcam", "file"]

_WEBCAM = re.compile(r"/dev/video\d+|\d{1,3}")
# A password may hold anything, an @ too: all up to the last one is taken for it.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")
_SECRET_NAMES = r"pass|pwd|psw|token|key|secret|auth|user|usr|login|sig|cred|session"
_PARAMETER = re.compile(rf"(\b\w*(?:{_SECRET_NAMES})\w*=)[^&\s\"'<>#]*", re.IGNORECASE)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):?(.*)", re.DOTALL)
_HEADER = re.compile(r"(authorization\s*[:=]\s*)[^\r\n]*", re.IGNORECASE)


def redacted(text: str) -> str:
    """A text without the names and passwords that are in the addresses in it.

    Rather too much is hidden than too little: all before the last @ of an address, and every parameter whose name
    sounds like a secret.
    """
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}@", text))


@dataclass(frozen=True)
class Address:
    """Where a camera is, ready to be opened.

    Attributes:
        kind: network, webcam, or a file or folder.
        text: What to open; it may hold a password, so that it is not shown.
        secrets: Texts that no message may hold, longest first.
    """

    kind: Kind
    text: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def hidden(self, message: str) -> str:
        """A message in one line without this address's secrets and those of any other address in it."""
        for secret in self.secrets:
            message = message.replace(secret, HIDDEN)
        return redacted(" ".join(message.split()))


def resolve(source: str, environment: Mapping[str, str] = os.environ) -> Address:
    """The address that a source stands for; `${NAME}` and `${file:PATH}` are put in.

    What is put in as a name, a password or a parameter is written as it is: characters that mean something in an
    address are escaped here.

    Raises:
        InputError: If a variable is not set, a file cannot be read, or there is no such kind of address.
    """

    def written(value: str, before: str, after: str) -> str:
        within = "://" in before and ("@" in after or "?" in before)
        return quote(value, safe="") if within else value

    text, values = put_in(source, "a camera's source", environment, written)
    if not text.strip():
        raise InputError("a camera's source is empty; give an address, a webcam or a file")
    if "\n" in text or "\r" in text or "\0" in text:
        raise InputError(f"{redacted(source)}: more than one line; an address is one line")
    return Address(_kind(text), _opened(text), _secrets(text, values))


def check_form(source: str) -> None:
    """Sees whether a source can be meant, whatever stands for its placeholders.

    Raises:
        InputError: If there is no such kind of address, or it is not written as one.
    """
    if "://" in source and not source.startswith("${"):
        _kind(PLACEHOLDER.sub("1", source))


def _kind(text: str) -> Kind:
    if "://" not in text:
        return "webcam" if _WEBCAM.fullmatch(text) else "file"
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise InputError(f"{redacted(text)}: no camera is reached by {redacted(scheme)}://; give one of {known}")
    authority = re.split(r"[/?#]", rest)[0]
    host, port = _HOST_PORT.fullmatch(authority.rpartition("@")[2]).groups()  # type: ignore[union-attr]
    number = port.isdecimal() and 0 < int(port) < 65536 if port else True
    if "@" in rest and "@" not in authority and not number:
        # `rtsp://ann:pass/word@host`: what reads it would take `ann` for the host.
        raise InputError(
            f"{redacted(text)}: a /, ? or # in a user's name or password is written %2F, %3F or %23; "
            "or put the password in as ${NAME} from the environment, where it stays as it is"
        )
    if not host:
        raise InputError(f"{redacted(text)}: no host in this address; give {scheme}://host/path")
    if re.search(r"\s", host):
        raise InputError(f"{redacted(text)}: a blank in the host's name; take it out")
    if not number:
        raise InputError(f"{redacted(text)}: {port} is no port; give a number from 1 to 65535, or none")
    return "network"


def _opened(text: str) -> str:
    return f"/dev/video{int(text)}" if text.isdecimal() and len(text) <= 3 else text


def _secrets(text: str, values: list[str]) -> tuple[str, ...]:
    """The password of an address as it is written and as it is meant, and all that was put in."""
    found = set(values)
    userinfo = text.partition("://")[2].rpartition("@")[0] if "://" in text else ""
    if userinfo:
        found |= {userinfo, userinfo.partition(":")[2]}
    found |= {quote(each, safe="") for each in found} | {unquote(each) for each in found}
    # Very short ones would blot out half of every message; where they are in an address they are hidden all the same.
    return tuple(sorted((each for each in found if len(each) >= 4), key=len, reverse=True))
