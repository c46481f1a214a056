"""How benchmarks begin and end of which each row holds or not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from app.errors import InputError
from benchmarks import verdicts
from benchmarks.verdicts import command_line, conclude, parsed


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_every_row_is_told_and_one_that_does_not_hold_fails_all(
    passed: bool, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"name": "a", "lost": 0, "passed": True}, {"name": "b", "each": [1, 2], "passed": passed}]
    with pytest.raises(SystemExit) as ended:
        conclude("soak", rows, tmp_path / "soak.json", hidden=["each"], minutes=3.0)
    assert ended.value.code == code
    written = json.loads((tmp_path / "soak.json").read_text())
    assert (written["command"], written["minutes"], written["results"]) == ("soak", 3.0, rows)
    shown = capsys.readouterr().out
    assert "lost" in shown
    assert "each" not in shown


def test_what_is_missing_here_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = command_line("What it does.")
    assert "What it does." in parser.format_help()
    monkeypatch.setattr(sys, "argv", ["soak", "--json", str(tmp_path / "no folder" / "soak.json")])
    monkeypatch.setattr(verdicts, "missing", lambda: "")
    with pytest.raises(InputError, match="no folder"):
        parsed(parser, broker=False)
    monkeypatch.setattr(sys, "argv", ["soak", "--json", str(tmp_path / "soak.json")])
    assert parsed(parser, broker=False).json == tmp_path / "soak.json"
    monkeypatch.setattr(verdicts.Broker, "missing", staticmethod(lambda: True))
    with pytest.raises(SystemExit, match="mosquitto"):
        parsed(parser, broker=True)
    monkeypatch.setattr(verdicts, "missing", lambda: "no GStreamer")
    with pytest.raises(SystemExit, match="no GStreamer"):
        parsed(parser, broker=False)
