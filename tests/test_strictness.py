"""A skipped test hides a failure where everything is installed: with CI=true it is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SKIPPED = """
import pytest

@pytest.fixture
def data():
    pytest.skip("the data is not there")

def test_in_a_fixture(data): pass
def test_in_itself(): pytest.skip("no package")
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
"""


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize(("ci", "last"), [("true", "1 failed, 1 xfailed, 1 error"), ("", "2 skipped, 1 xfailed")])
def test_a_skip_is_a_failure_where_everything_is_installed(processes: int, ci: str, last: str, tmp_path: Path) -> None:
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    words = ["-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider", "-p", "tests.conftest", "-n", processes]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words), f"--basetemp={tmp_path / 'of'}", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1].startswith(last), done.stdout + done.stderr
    assert done.returncode == (ci == "true")
