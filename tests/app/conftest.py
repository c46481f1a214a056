"""What tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from app.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crowdtrace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process: its words in, exit code, standard output and standard error out."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crowdtrace", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
