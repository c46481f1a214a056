"""What all tests share: the real data beside the checkout, the shipped weights, and how strict a skip is."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import Postgres

# Tests run in a process for each core: threads of one would wait for those of the other. Commands inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("CROWDTRACE_SHARED", ROOT.parent / "shared"))
IN_CI = os.environ.get("CI") == "true"

settings.register_profile(
    "default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=IN_CI
)
settings.register_profile("endure", parent=settings.get_profile("default"), max_examples=2000, derandomize=False)
settings.load_profile("default")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is installed, a skipped test hides a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure when CI=true: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and models."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real data is not at {SHARED}; set CROWDTRACE_SHARED to its folder")
    return SHARED


@pytest.fixture(scope="session")
def detector_weights(shared: Path) -> Path:
    """yolo11n for people among the shared models, as an OpenVINO folder."""
    return shared / "models" / "detector" / "yolo11n_int8_openvino_model"


@pytest.fixture(scope="session")
def clip(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Makes `(name, frames)` into a video of the first frames of a shared one, packets copied, not encoded again."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, frames: int) -> Path:
        target = folder / f"{Path(name).stem}-{frames}.mp4"
        if not target.exists():
            with av.open(str(shared / "data" / "videos" / name)) as source, av.open(str(target), "w") as output:
                stream = output.add_stream_from_template(source.streams.video[0])
                packets = [packet for packet in source.demux(video=0) if packet.pts is not None]
                for packet in packets[:frames]:
                    packet.stream = stream
                    output.mux(packet)
        return target

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for tests, one for each process that runs them."""
    from tests.postgres import programs, server

    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as made:
        yield made


@pytest.fixture(params=["file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a gallery can be made: a file, then a server."""
    if request.param == "file":
        return tmp_path / "gallery.db"
    made: Postgres = request.getfixturevalue("postgres")
    return made.empty()
