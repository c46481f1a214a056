"""What tests of the command line share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from app.cli import main

if TYPE_CHECKING:
    import onnx

    from reid_model.network import Gasm

Command = Callable[..., tuple[int, str, str]]

WRITTEN: dict[bytes, onnx.ModelProto] = {}
"""Networks as ONNX, by what is in them."""


@pytest.fixture
def crowdtrace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process: its words in, exit code, standard output and standard error out."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crowdtrace", *map(str, words)])
        capsys.readouterr()
        try:
            with log_as_it_was():
                main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@contextmanager
def log_as_it_was() -> Iterator[None]:
    """Undoes what a command does to the log, which would go on to a standard error that is closed by then."""
    root, ours = logging.getLogger(), logging.getLogger("app")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


@pytest.fixture(scope="module", autouse=True)
def written_once() -> Iterator[None]:
    """The network that every command loads is written for its engine once: half of the time it takes to load.

    The same values in the same network make the same model. Processes of their own and the tests of the network itself
    write it every time.
    """
    from reid_model import engines

    write = engines.to_onnx

    def to_onnx(network: Gasm) -> onnx.ModelProto:
        state = network.state_dict()
        digest = sha256(repr((network.config, network.training, list(state))).encode())
        for values in state.values():
            digest.update(values.cpu().contiguous().numpy().tobytes())
        if digest.digest() not in WRITTEN:
            WRITTEN[digest.digest()] = write(network)
        return WRITTEN[digest.digest()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "to_onnx", to_onnx)
        yield
