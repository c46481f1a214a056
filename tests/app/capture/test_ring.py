"""Pictures through shared memory: what is read is what was written, or nothing."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture.ring import HEADER, SLOTS, Place, RingReader, RingWriter, new_ring

MOST = 64 * 2**20


def picture(number: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=20))
def test_the_latest_pictures_are_read_as_written_whatever_their_sizes_and_older_ones_not_at_all(sizes):
    descriptor = new_ring()
    writer, reader = RingWriter(descriptor, MOST), RingReader(descriptor)
    pictures = [picture(number, *size) for number, size in enumerate(sizes)]
    places = [writer.write(each) for each in pictures]
    kept = 0
    for number, (each, place) in enumerate(zip(pictures, places, strict=True)):
        found = reader.read(place)
        if found is not None:
            np.testing.assert_array_equal(found, each)
            kept += 1
        assert (found is not None) or number < len(pictures) - 1
        assert (found is None) or number >= len(pictures) - SLOTS
    largest = int(np.argmax([each.nbytes for each in pictures]))
    # Since memory was grown last, as many are kept as there are slots.
    assert kept == min(SLOTS, len(pictures) - largest) or kept >= 1


def test_reading_while_another_writes_gives_whole_pictures_or_none():
    descriptor = new_ring()
    writer, reader = RingWriter(descriptor, MOST), RingReader(descriptor)
    latest: list[Place] = [writer.write(np.zeros((200, 300, 3), np.uint8))]
    done = threading.Event()

    def write() -> None:
        for number in range(1500):
            size = (200, 300, 3) if number % 500 < 400 else (300, 300, 3)
            latest[0] = writer.write(np.full(size, number % 256, np.uint8))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    whole = 0
    while not done.is_set():
        image = reader.read(latest[0])
        if image is not None:
            assert image.min() == image.max()
            whole += 1
    thread.join()
    assert whole > 10


def test_a_picture_that_is_being_written_over_is_not_read():
    descriptor = new_ring()
    writer, reader = RingWriter(descriptor, MOST), RingReader(descriptor)
    first = writer.write(picture(0, 10, 10))
    assert reader.read(first) is not None
    for number in range(SLOTS):
        writer.write(picture(number, 10, 10))
    assert reader.read(first) is None


@given(
    st.integers(-5, 10),
    st.integers(-(2**40), 2**40),
    st.integers(0, 2**62),
    st.integers(-10, 2**30),
    st.integers(-10, 2**30),
)
def test_a_place_that_is_not_there_is_never_read(slot, offset, sequence, height, width):
    descriptor = new_ring()
    writer, reader = RingWriter(descriptor, MOST), RingReader(descriptor)
    place = writer.write(picture(0, 10, 10))
    for other in (Place(slot, offset, sequence, height, width), place._replace(offset=offset, height=height)):
        image = reader.read(other)
        assert image is None or (other.sequence == place.sequence and image.nbytes < HEADER + SLOTS * 4096)


def test_memory_is_bounded_never_shrinks_and_is_given_back():
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    descriptor = new_ring()
    writer, reader = RingWriter(descriptor, 2**20), RingReader(descriptor)
    place = writer.write(picture(0, 100, 100))
    with pytest.raises(MemoryError):
        writer.write(np.zeros((1000, 1000, 3), np.uint8))
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(descriptor, 10)
    assert reader.read(place) is not None
    del writer, reader
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
