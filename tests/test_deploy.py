"""What deploys crowdtrace asks for little, runs commands that exist, and installs what is locked."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from app.cli import app
from tests.conftest import ROOT
from tools.commands import check_words

UNIT = ROOT / "deploy" / "crowdtrace.service"
CONTAINER = (ROOT / "deploy" / "Containerfile").read_text()
MOST = 2.0
"""Exposure that systemd-analyze may find at most; 10 is a service that may do everything."""


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_service_has_the_least_rights() -> None:
    unit = settings()
    for name in ("NoNewPrivileges", "DynamicUser", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert unit[name] == ["yes"], name
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["UMask"] == ["0077"]
    assert "PASSWORD" not in UNIT.read_text().upper()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_no_fault_and_little_exposure(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/crowdtrace/bin/crowdtrace", "/bin/true"))
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    rating = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    exposure = re.search(r"exposure level for crowdtrace.service: ([0-9.]+)", rating)
    assert exposure is not None, rating
    assert float(exposure[1]) <= MOST


def test_their_commands_exist() -> None:
    (start,) = settings()["ExecStart"]
    program, *words = shlex.split(start)
    assert program.endswith("/bin/crowdtrace")
    assert check_words(app, words) is None
    command = re.search(r"^CMD \[(.+)\]$", CONTAINER, re.MULTILINE)
    assert command is not None
    assert check_words(app, re.findall(r'"([^"]+)"', command[1])) is None


def test_the_container_installs_what_is_locked_and_runs_as_nobody() -> None:
    assert "--require-hashes" in CONTAINER
    assert re.search(r"^USER crowdtrace$", CONTAINER, re.MULTILINE)
    lock = (ROOT / "deploy" / "requirements.lock").read_text()
    assert not re.search(r"^(pytest|ruff|mypy|playwright)==", lock, re.MULTILINE)
    for source in re.findall(r"^COPY ([^-]\S*(?: \S+)*) \S+$", CONTAINER, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
