from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from app.runtime import Interruption, read_ahead


def test_reading_ahead_keeps_order_and_every_item() -> None:
    assert list(read_ahead(iter(range(100)), depth=3)) == list(range(100))
    assert list(read_ahead([])) == []


def test_an_error_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    reader = read_ahead(broken())
    seen = [next(reader), next(reader)]
    with pytest.raises(OSError, match="the disk is gone"):
        next(reader)
    assert seen == [1, 2]


def test_reads_no_further_than_its_depth_and_stops_when_left() -> None:
    produced = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            produced.append(number)
            yield number
            number += 1

    before = threading.active_count()
    for item in read_ahead(endless(), depth=4):
        if item == 10:
            break
    assert threading.active_count() == before
    assert len(produced) <= 10 + 4 + 3


def test_first_signal_is_a_request_and_the_second_ends() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 5
        while not interruption.requested and time.monotonic() < deadline:
            time.sleep(0.01)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  (the signal arrives between two statements)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
    assert signal.getsignal(signal.SIGINT) is handler


def test_outside_the_main_thread_nothing_is_caught() -> None:
    states = []

    def work() -> None:
        with Interruption() as interruption:
            states.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert states == [False]
