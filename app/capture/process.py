"""The parent's side of a decoding process: starting it, reading its answers, ending it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.capture.ring import Place, RingReader, new_ring

_ROOT = Path(__file__).resolve().parents[2]
_MOST_UNREAD = 1 << 16


class Process:
    """One decoding process and its memory.

    All but `ring` is for one thread, which lives as long as the process may: that dies with the thread that started it.

    Args:
        order: What to play (see `app.capture.worker`); ring and parent are put in here.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        descriptor = new_ring()
        self.ring = RingReader(descriptor)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            # -P: what lies in the current folder is not ours.
            [sys.executable, "-P", "-m", "app.capture.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            env=environment,
            bufsize=0,
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._unread = b""
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self.tell({**order, "ring": descriptor, "parent": os.getpid()})

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def fileno(self) -> int:
        """Where answers come from."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a line; one to a process that is gone is lost."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
        except OSError:
            return

    def answers(self) -> Iterator[dict[str, Any] | None]:
        """The answers that are there; None at the end, when there will be no more."""
        while True:
            try:
                data = os.read(self.fileno(), _MOST_UNREAD)
            except BlockingIOError:
                return
            if not data:
                yield None
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            if len(self._unread) > _MOST_UNREAD:
                yield None
                return
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    message = None
                yield message if isinstance(message, dict) else None

    def hang_up(self) -> None:
        """Asks it to end; it may still say goodbye to the camera."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        """Ends it."""
        self._process.kill()

    def gone(self) -> bool:
        """Whether it has ended; then what it held is given back."""
        if self._process.poll() is None:
            return False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        return True

    def exit_reason(self) -> str:
        """Why a process ended that said nothing; called after its answers have ended."""
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return "its decoding process stopped answering"
        return f"its decoding process crashed (signal {-code})" if code < 0 else "its decoding process ended"


def place_in(message: dict[str, Any]) -> Place:
    """Where a message says that a picture lies.

    Raises:
        ValueError: If it does not say.
    """
    numbers = message.get("place")
    if not isinstance(numbers, list) or len(numbers) != 5 or not all(type(each) is int for each in numbers):
        raise ValueError("not a place")
    return Place(*numbers)
