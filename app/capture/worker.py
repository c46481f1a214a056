"""The decoding process of one camera: `python -m app.capture.worker`, started by `app.capture.process`.

The first line of its input says what to play; the address comes that way because arguments can be seen by others.
Later lines change the rate, or have it try again after it has failed: a camera that is away for long costs no new
process for each attempt. It ends when its input does, and dies with its parent. It answers in lines of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import av.logging

from app.capture.playing import Order, Progress, play
from app.capture.reasons import CameraError, failure_of
from app.capture.recording import Recorder
from app.capture.ring import Image, RingWriter
from app.capture.timeline import Pacer
from app.errors import InputError

GRACE = 0.5
"""Seconds for saying goodbye to the camera after the input has ended."""

TELL_SECONDS = 0.2
"""Seconds between two words that frames come, where none is shown."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Plays what the first line of the input says."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # What libraries print goes nowhere: it may hold the address.
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    av.logging.set_level(av.logging.PANIC)
    given = json.loads(sys.stdin.readline())
    _die_with(given["parent"])
    most = given["megabytes"] * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order = Order(
        given["address"],
        given["kind"],
        given["transport"],
        given["open_seconds"],
        given["read_seconds"],
        given["stale_seconds"],
        Pacer(given["rate"]),
        None if given["record"] is None else Recorder(Path(given["record"]["folder"]), given["record"]["seconds"]),
    )
    again = threading.Semaphore(1)
    threading.Thread(target=_listen, args=(order, again), daemon=True).start()
    ring = RingWriter(given["ring"], most)
    with contextlib.suppress(BrokenPipeError):
        while again.acquire() and not order.stopped.is_set():
            _answer(answers, k="ready")
            _answer(answers, **_play(order, ring, answers))
    # Threads of libraries are not waited for.
    os._exit(0)


def _play(order: Order, ring: RingWriter, answers: IO[str]) -> dict[str, Any]:
    progress = Progress()
    told = [0.0]

    def counts() -> dict[str, Any]:
        told[0] = time.monotonic()
        found = {"n": progress.count, "late": progress.late, "seen": progress.seen}
        return found if order.recorder is None else {**found, "unrecorded": order.recorder.problem}

    def opened() -> None:
        _answer(answers, k="opened", codec=progress.codec)

    def seen() -> None:
        if time.monotonic() - told[0] >= TELL_SECONDS:
            _answer(answers, k="seen", **counts())

    def show(image: Image, taken: float) -> None:
        place = ring.write(image)
        _answer(answers, k="frame", t=taken, place=place, codec=progress.codec, **counts())

    try:
        play(order, progress, opened, seen, show)
    except BrokenPipeError:
        raise
    except Exception as error:
        return {"k": "failed", **_why(error)}
    return {"k": "ended"}


def _why(error: Exception) -> dict[str, str]:
    if isinstance(error, MemoryError):
        error = failure_of(error, "", False)
    if isinstance(error, CameraError):
        return {"cause": error.cause, "reason": error.reason}
    if isinstance(error, InputError):
        return {"cause": "garbage", "reason": str(error)}
    return {"cause": "crashed", "reason": f"its decoding failed ({type(error).__name__})"}


def _answer(answers: IO[str], **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")


def _listen(order: Order, again: threading.Semaphore) -> None:
    """Takes new rates and the word to try again until the input ends; then the process does, whatever it waits for."""
    for line in sys.stdin:
        message = json.loads(line)
        order.pacer.rate = message["rate"]
        if message.get("again"):
            again.release()
    order.stopped.set()
    again.release()
    time.sleep(GRACE)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Ends this process when its parent ends without a word; the end of the input is the other sign."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main()
