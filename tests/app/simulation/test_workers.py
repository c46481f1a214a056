from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from app.errors import InputError
from app.simulation.workers import ONE_THREAD, Report, run_jobs

# What processes are started for is found by name, so it is defined here and not inside the tests.


def square(job: int, report: Report) -> int:
    for done in range(3):
        assert report(done + 1)
    return job**2


def environment(job: str, report: Report) -> str | None:
    return os.environ.get(job)


def fail(job: str, report: Report) -> None:
    if job == "input":
        raise InputError("the disk is full")
    if job == "bug":
        raise ZeroDivisionError("one\nby zero")
    if job == "disk":
        Path("/absent/file").touch()
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    while report(1):
        time.sleep(0.05)


def until_told(job: int, report: Report) -> int:
    done = 0
    while report(done):
        done += 1
        time.sleep(0.01)
    return done


def test_results_are_in_the_order_of_the_jobs() -> None:
    told: list[tuple[int, int]] = []
    results = run_jobs(square, [3, 1, 2], ["a", "b", "c"], 2, lambda *news: told.append(news), lambda: False)
    assert results == [9, 1, 4]
    assert sorted(told) == [(job, done) for job in range(3) for done in (1, 2, 3)]


def test_each_process_has_one_thread_and_this_one_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ONE_THREAD[0], "7")
    monkeypatch.delenv(ONE_THREAD[1], raising=False)
    results = run_jobs(environment, ONE_THREAD[:2], ["a", "b"], 2, lambda *news: None, lambda: False)
    assert results == ["1", "1"]
    assert os.environ[ONE_THREAD[0]] == "7"
    assert ONE_THREAD[1] not in os.environ


@pytest.mark.parametrize(
    ("job", "problem"),
    [
        ("input", "camera a: the disk is full"),
        ("disk", "camera a: /absent/file: No such file or directory; free or mend the place, then run again"),
        ("bug", "camera a: ZeroDivisionError: one by zero"),
        ("killed", "camera a: its process ended with code -9; with little memory, use fewer --workers"),
    ],
)
def test_a_failure_is_one_line_and_ends_the_others(job: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        run_jobs(fail, [job, "wait"], ["camera a", "camera b"], 2, lambda *news: None, lambda: False)
    assert str(caught.value) == problem


def test_stopped_jobs_end_in_their_own_way_and_others_do_not_begin() -> None:
    told: list[int] = []
    results = run_jobs(until_told, [0, 0], ["a", "b"], 1, lambda _, done: told.append(done), lambda: len(told) > 3)
    assert results[0] is not None
    assert results[0] >= 3
    assert results[1] is None
