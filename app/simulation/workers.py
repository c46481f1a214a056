"""Independent jobs side by side, a process each."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from app.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")

Report = Callable[[int], bool]
"""Told how much of a job is done; says whether to go on."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What makes libraries use one thread: there is a process for each core already."""
PATIENCE = 0.2
"""Seconds after which an interruption is noticed though no process says anything."""


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result


@dataclass(frozen=True, slots=True)
class _Failed:
    message: str


@dataclass(frozen=True, slots=True)
class _Worker:
    process: BaseProcess
    number: int


def cores() -> int:
    """Processor cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    work: Callable[[Job, Report], Result],
    jobs: Sequence[Job],
    names: Sequence[str],
    most: int,
    progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> list[Result | None]:
    """Does jobs in processes that are started fresh, not forked, so that no thread's lock is copied along.

    Args:
        work: What to do with a job; a function that can be imported.
        jobs: The jobs, which can be pickled.
        names: What to call each of them in a message.
        most: Jobs done at the same time.
        progress: Told the number of a job and how much of it is done.
        stopped: Whether to stop early: jobs in progress are asked to end in their own way, others do not begin.

    Returns:
        What `work` made of each job; None for those that did not begin.

    Raises:
        InputError: If a job failed or its process died. The others are asked to end first.
    """
    pool = _Pool(work, list(zip(jobs, names, strict=True)), most)
    try:
        while pool.busy:
            pool.fill()
            pool.listen(progress)
            if stopped() or pool.failure:
                pool.stop()
    finally:
        pool.kill()
    if pool.failure:
        raise InputError(pool.failure)
    return [pool.results.get(number) for number in range(len(jobs))]


class _Pool(Generic[Job, Result]):
    def __init__(self, work: Callable[[Job, Report], Result], jobs: Sequence[tuple[Job, str]], most: int) -> None:
        self._work, self._jobs, self._most = work, jobs, most
        self._waiting = deque(range(len(jobs)))
        self._running: dict[Connection, _Worker] = {}
        self._told: set[Connection] = set()
        self.results: dict[int, Result] = {}
        self.failure = ""

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._running)

    def fill(self) -> None:
        context = get_context("spawn")
        while self._waiting and len(self._running) < self._most:
            number = self._waiting.popleft()
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(self._work, self._jobs[number][0], theirs), daemon=True)
            with _undisturbed():
                process.start()
            theirs.close()
            self._running[ours] = _Worker(process, number)

    def listen(self, progress: Callable[[int, int], None]) -> None:
        for pipe in wait(list(self._running), PATIENCE):
            assert isinstance(pipe, Connection)
            worker = self._running[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                code = worker.process.exitcode
                message = _Failed(f"its process ended with code {code}; with little memory, use fewer --workers")
            if isinstance(message, int):
                progress(worker.number, message)
                continue
            if isinstance(message, _Failed):
                self.failure = self.failure or f"{self._jobs[worker.number][1]}: {message.message}"
            else:
                self.results[worker.number] = message.result
            del self._running[pipe]
            worker.process.join()
            pipe.close()

    def stop(self) -> None:
        self._waiting.clear()
        for pipe in self._running.keys() - self._told:
            with contextlib.suppress(OSError):
                pipe.send(None)
            self._told.add(pipe)

    def kill(self) -> None:
        for pipe, worker in self._running.items():
            worker.process.kill()
            worker.process.join()
            pipe.close()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started in here inherits that Ctrl-C is not for it, and that it has one core.

    Ctrl-C in a terminal goes to every process. This one hears it, a moment later, and asks the others to end.
    """
    # Python's own helper comes with the first process, and would unblock the signal.
    resource_tracker.ensure_running()
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _serve(work: Callable[[Job, Report], Result], job: Job, pipe: Connection) -> None:
    """A process' whole life: one job."""

    def report(done: int) -> bool:
        try:
            pipe.send(done)
            # Whatever comes is the wish to end; so is that nobody is there any more.
            return not pipe.poll()
        except OSError:
            return False

    try:
        message: object = _Done(work(job, report))
    except InputError as error:
        message = _Failed(str(error))
    except OSError as error:
        place = error.filename or "files"
        message = _Failed(f"{place}: {error.strerror or error}; free or mend the place, then run again")
    except Exception as error:  # a line for the user, whatever went wrong
        message = _Failed(" ".join(f"{type(error).__name__}: {error}".split()))
    with contextlib.suppress(OSError):
        pipe.send(message)
