"""Why a camera cannot be had, in a few words for people."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

import av


class CameraError(Exception):
    """A camera cannot be had.

    Attributes:
        cause: One word: password, path, name, refused, unreachable, silent, closed, garbage, empty, memory, missing,
            busy or other.
        reason: A short line for people, without the address.
    """

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause, self.reason = cause, reason


_BY_TYPE: list[tuple[type[BaseException], str, str]] = [
    (av.error.HTTPUnauthorizedError, "password", "the camera refuses this user name or password"),
    (av.error.HTTPForbiddenError, "password", "the camera does not let this user see the stream"),
    (av.error.HTTPNotFoundError, "path", "the camera has no stream at this path"),
    (av.error.HTTPServerError, "other", "the camera answers with an error of its own"),
    (av.error.HTTPError, "other", "the camera refuses the request"),
    (av.error.HTTPClientError, "other", "the camera refuses the request"),
    (av.error.ConnectionRefusedError, "refused", "connection refused: nothing listens at this address and port"),
    (av.error.TimeoutError, "silent", "no answer from this address"),
    (av.error.ExitError, "silent", "no answer from this address"),
    (av.error.ConnectionResetError, "closed", "the connection was cut off"),
    (av.error.BrokenPipeError, "closed", "the connection was cut off"),
    (av.error.EOFError, "closed", "the connection was closed"),
    (av.error.DecoderNotFoundError, "garbage", "its video is of a kind that cannot be decoded"),
    (av.error.InvalidDataError, "garbage", "what it answers, if anything, is not video"),
    (av.error.ProtocolNotFoundError, "garbage", "what it sends points to something else than video"),
    (av.error.PermissionError, "busy", "not permitted; check who may read it"),
    (av.error.FileNotFoundError, "missing", "there is no such device"),
    (MemoryError, "memory", "its pictures need more memory than live.decoder_megabytes allows"),
]

_BY_NUMBER = {
    errno.EHOSTUNREACH: ("unreachable", "no way to this address"),
    errno.ENETUNREACH: ("unreachable", "no way to this address"),
    errno.EBUSY: ("busy", "another program uses it"),
    errno.ENODEV: ("missing", "there is no such device"),
    errno.EINVAL: ("garbage", "what it answers, if anything, is not video"),
    errno.ENOTTY: ("missing", "there is no such device"),
}


def failure_of(error: BaseException, address: str, is_network: bool) -> CameraError:
    """What an error of opening or reading means."""
    for kind, cause, reason in _BY_TYPE:
        # Of a network "not permitted" is FFmpeg's word for an error without a number.
        if isinstance(error, kind) and not (is_network and cause == "busy"):
            return CameraError(cause, reason)
    number = getattr(error, "errno", None)
    if number in _BY_NUMBER:
        return CameraError(*_BY_NUMBER[number])
    # FFmpeg has one number for a name that does not resolve and for much else: whether it does is asked again.
    if is_network and not _resolves(address):
        return CameraError("name", "the name of its host is not known: it does not resolve")
    if number in (errno.EIO, errno.EPERM):
        return CameraError("closed", "the connection failed")
    return CameraError("other", f"it cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})")


def _resolves(address: str) -> bool:
    try:
        parts = urlsplit(address)
        socket.getaddrinfo(parts.hostname, parts.port or 554)
    except OSError:
        return False
    except ValueError:  # not an address that Python reads: FFmpeg's word stands
        return True
    return True
