"""Nothing about what is seen leaves the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.app.spy import run_spied

WORK = """
from app.cli import main
video, weights = sys.argv[1:]
settings = ["--set", f"detector.weights={weights}"]
annotate, search = ["annotate", f"a={video}", "--output", "out"], ["search", "--gallery", "out", "--identity", "1"]
for command in (annotate + settings, search):
    sys.argv = ["crowdtrace", *command]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
"""


EMBED = """
import numpy as np
from reid_model.embedder import Embedder
for engine in ("onnxruntime", "openvino"):
    for _ in range(3):
        Embedder(engine=engine).embed([np.full((80, 40, 3), 114, np.uint8)])
"""


def test_no_engine_reports_or_leaves_anything_at_home(tmp_path: Path) -> None:
    done, connections = run_spied(EMBED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert connections == ""
    assert list((tmp_path / "home").rglob("*")) == []


def test_annotating_and_searching_open_no_connection_and_leave_the_home_alone(
    clip: Callable[[str, int], Path], detector_weights: Path, tmp_path: Path
) -> None:
    done, connections = run_spied(WORK, tmp_path, str(clip("town-centre.mp4", 12)), str(detector_weights))
    assert done.returncode == 0, done.stderr
    assert "rank" in done.stdout
    assert connections == ""
    assert list((tmp_path / "home").rglob("*")) == []
    assert {path.name for path in tmp_path.iterdir()} == {"home", "spy.log", "out"}
