"""`track` where the machine's clock is set forward for a while, as a user runs it: a process of its own."""

import signal
import time

import pytest

from benchmarks.soak_world import HOOK
from tests.app.track_run import Run, until

pytestmark = pytest.mark.timeout(200)


def test_people_go_on_having_identities_when_the_clock_was_an_hour_ahead_for_a_while(tmp_path):
    hook, shift = tmp_path / "hook", tmp_path / "shift"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    run = Run(tmp_path, environment={"PYTHONPATH": str(hook), "CROWDTRACE_SOAK_CLOCK": str(shift)})
    run.begin()
    try:
        until(lambda: any(run.numbers().values()))
        shift.write_text("3600")
        until(lambda: any(row.times[-1] > time.time() + 3000 for row in run.rows()))
        shift.write_text("0")
        # Times of frames go on from there, and so must whoever compares anything with them.
        after = time.time() + 3600 + 1
        until(lambda: any(row.identity and row.times[0] > after for row in run.rows()))
        assert run.end(signal.SIGTERM) == 0
    finally:
        run.process.kill()
        run.process.wait()
    assert None not in run.numbers().values()
    assert "Traceback" not in run.log.read_text()
