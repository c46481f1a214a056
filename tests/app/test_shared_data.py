from __future__ import annotations

from pathlib import Path

import pytest

from app.shared_data import VARIABLE, shared_data


def test_the_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert shared_data("data") == tmp_path / "data"
    assert shared_data("models") is None


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_folder_is_beside_the_project(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, value)
    project = Path(__file__).resolve().parents[2]
    # Going through `shared` and back finds a folder only where `shared` is.
    expected = project.parent / "shared"
    assert shared_data(".") == (expected if expected.exists() else None)
    assert shared_data("no such thing") is None
