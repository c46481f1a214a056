"""What fuzzing targets are made of: decisions taken from bytes, a folder to work in, and what counts as a refusal."""

from __future__ import annotations

import functools
import math
import random
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from trackers.evaluation import SequenceError

REFUSALS = (InputError, SequenceError)


@dataclass(frozen=True, slots=True)
class Target:
    """An input that is fuzzed.

    Attributes:
        name: What it is.
        seeds: Inputs to begin from; fuzzed ones are changes of them.
        run: Accepts or refuses one.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], bool]


PLAIN: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        2,
        5,
        30,
        -1,
        0.5,
        0.05,
        2.5,
        1e308,
        -1e308,
        math.inf,
        -math.inf,
        math.nan,
        2**31,
        2**63,
    ),
    *("", "auto", "cpu", "f32", "bundled", "x", "../../x", "/dev/null", "rtsp://u:p@h/x", "cuda:99", "\0"),
)
"""What settings often are, and what they should not be."""


class Draw:
    """Decisions taken from bytes, one after the other; zeros where they have run out."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def bytes(self, count: int) -> bytes:
        """The next bytes."""
        taken = self._data[self._place : self._place + count]
        self._place += count
        return taken + bytes(count - len(taken))

    def below(self, limit: int) -> int:
        """A number from 0 to below a limit."""
        return int.from_bytes(self.bytes(4), "little") % max(limit, 1)

    def value(self, depth: int = 3) -> object:
        """Something that YAML or JSON can hold, ordinary or not."""
        kind = self.below(16)
        if kind < 2 and depth:
            return [self.value(depth - 1) for _ in range(self.below(5))]
        if kind < 4 and depth:
            return {self.text(): self.value(depth - 1) for _ in range(self.below(4))}
        if kind < 6:
            return self.text()
        if kind < 8:
            return self.number()
        return PLAIN[self.below(len(PLAIN))]

    def number(self) -> float:
        """A whole number of up to 160 bits, or any other."""
        if self.below(2):
            return int.from_bytes(self.bytes(1 + self.below(20)), "little", signed=True)
        return float(struct.unpack("<d", self.bytes(8))[0])

    def text(self) -> str:
        """Some letters of any alphabet, halves of surrogate pairs among them."""
        return self.bytes(self.below(24)).decode("utf-8", "surrogateescape")


@functools.cache
def folder() -> Path:
    """Where this process writes."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="crowdtrace-fuzz-", dir=memory if memory.is_dir() else None))


def refused(work: Callable[[], object]) -> bool:
    """Runs what an input is for; True where it is refused as bad input is."""
    try:
        work()
    except REFUSALS as error:
        if not str(error).strip():
            raise AssertionError("refused without a word") from error
        return True
    return False


def chance(count: int, longest: int = 200) -> list[bytes]:
    """Bytes at random, to begin from where every byte is a decision."""
    rng = random.Random(0)
    return [rng.randbytes(rng.randrange(longest)) for _ in range(count)]
