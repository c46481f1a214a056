"""`track` with its gallery on a PostgreSQL server that goes away, as a user runs it: a process of its own, signals."""

import signal

import pytest

from app.gallery import Gallery
from tests.app.track_run import Run, until
from tests.postgres import PASSWORD, programs, server

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def postgres():
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as made:
        yield made


def test_nothing_that_was_seen_while_the_server_was_away_is_lost(tmp_path, postgres):
    address = postgres.address()
    written = address.replace(PASSWORD, "${GALLERY_PASSWORD}")
    run = Run(tmp_path, address, written, {"GALLERY_PASSWORD": PASSWORD})
    run.begin()
    try:
        until(run.stored)
        postgres.stop(kill=True)
        waited = until(run.waiting)
        run.end(signal.SIGKILL)
        assert waited <= run.waiting()
        waited = run.waiting()
        postgres.start()
        run.begin()
        until(lambda: waited <= run.stored())
        until(lambda: not run.waiting() & waited)  # written there first, dropped here next
        known = run.stored()
        until(lambda: run.stored() - known)
        assert run.end(signal.SIGTERM) == 0
    finally:
        run.process.kill()
        run.process.wait()
    assert run.log.read_text().count("the gallery cannot be written") == 1
    assert PASSWORD not in run.log.read_text()
    assert "Traceback" not in run.log.read_text()
    with Gallery.open(run.place, read_only=True) as gallery:
        assert None not in {row.identity for row in gallery.tracklets() if (row.camera, row.track) in waited}
