"""Pictures from a decoding process through memory that both share: no copy over a pipe, no torn picture unnoticed.

The memory has no name: it is gone when both have let go of it, however they end.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

HEADER = 4096
SLOTS = 4
"""Pictures that a writer may be ahead before it writes over one that is being read."""

_ADD_SEALS, _SEAL_SHRINK = 1033, 2  # fcntl.h; Python has names for them from 3.13 on


class Place(NamedTuple):
    """Where a picture lies.

    Attributes:
        slot: Number of its slot.
        offset: Bytes from the beginning.
        sequence: What the slot's number is while the picture lies there.
        height: Rows.
        width: Columns, of three bytes.
    """

    slot: int
    offset: int
    sequence: int
    height: int
    width: int


def new_ring() -> int:
    """A file descriptor of new memory, inherited by no child unless passed on; it can grow and never shrinks."""
    descriptor = os.memfd_create("crowdtrace-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    # Reading behind the end of memory that was made smaller would end the reader.
    fcntl.fcntl(descriptor, _ADD_SEALS, _SEAL_SHRINK)
    os.ftruncate(descriptor, HEADER)
    return descriptor


class RingWriter:
    """Writes pictures, each into the slot that was written longest ago.

    Args:
        descriptor: From `new_ring`.
        most_bytes: Most bytes that the memory may grow to.
    """

    def __init__(self, descriptor: int, most_bytes: int) -> None:
        self._descriptor, self._most = descriptor, most_bytes
        self._slot_bytes = 0
        self._count = 0
        self._map(HEADER)

    def _map(self, size: int) -> None:
        self._memory = np.frombuffer(mmap.mmap(self._descriptor, size), np.uint8)
        self._sequences = self._memory[: 8 * SLOTS].view(np.uint64)

    def write(self, image: Image) -> Place:
        """Writes a picture, `(h, w, 3)`, and says where.

        Raises:
            MemoryError: If it is larger than there may be memory for.
        """
        if image.nbytes > self._slot_bytes:
            self._grow(image.nbytes)
        slot, sequence = self._count % SLOTS, 2 * self._count + 2
        offset = HEADER + slot * self._slot_bytes
        self._sequences[slot] = sequence - 1
        self._memory[offset : offset + image.nbytes].reshape(image.shape)[:] = image
        self._sequences[slot] = sequence
        self._count += 1
        return Place(slot, offset, sequence, image.shape[0], image.shape[1])

    def _grow(self, needed: int) -> None:
        slot_bytes = -(-needed // mmap.PAGESIZE) * mmap.PAGESIZE
        size = HEADER + SLOTS * slot_bytes
        if size > self._most:
            raise MemoryError
        self._sequences[:] = 0
        os.ftruncate(self._descriptor, size)
        self._slot_bytes = slot_bytes
        self._map(size)


class RingReader:
    """Copies pictures out. What a writer says is not trusted: no place makes this read outside the memory.

    Args:
        descriptor: From `new_ring`; it is closed with the last reference to this.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = np.zeros(0, np.uint8)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def read(self, place: Place) -> Image | None:
        """The picture at a place, `(h, w, 3)`; None where it has been written over by now."""
        nbytes = place.height * place.width * 3
        within = 0 <= place.slot < SLOTS and place.offset >= HEADER and min(place.height, place.width) > 0
        if not within or not self._reaches(place.offset + nbytes):
            return None
        sequences = self._memory[: 8 * SLOTS].view(np.uint64)
        if sequences[place.slot] != place.sequence:
            return None
        image = self._memory[place.offset : place.offset + nbytes].reshape(place.height, place.width, 3).copy()
        return image if sequences[place.slot] == place.sequence else None

    def _reaches(self, size: int) -> bool:
        if size > len(self._memory):
            whole = os.fstat(self._descriptor).st_size
            if size > whole:
                return False
            self._memory = np.frombuffer(mmap.mmap(self._descriptor, whole, prot=mmap.PROT_READ), np.uint8)
        return True
