"""The lock holds what pyproject.toml asks for, within its bounds, each with its hashes."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tools.wheels import PYTHONS, direct, locked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]


@pytest.mark.parametrize("line", ASKED)
def test_every_dependency_has_an_upper_bound_and_is_locked_within_it(line: str) -> None:
    requirement = Requirement(line)
    assert {each.operator for each in requirement.specifier} >= {">=", "<"}, f"{line}: give it an upper bound"
    for python in PYTHONS:
        version = locked(python).get(canonicalize_name(requirement.name))
        assert version is not None, f"{line} is not locked; run make lock"
        assert requirement.specifier.contains(version), f"{line} is locked at {version}; run make lock"


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text().strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry
    assert "://" not in "".join(entries), "no index of one machine"


def test_the_direct_dependencies_are_those_that_run_the_product() -> None:
    assert {"torch", "openvino", "pyyaml"} <= set(direct())
    assert "pytest" not in direct()
