"""What deploys many processes can be read by what it is for, and runs commands that exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from app.cli import app
from app.gallery.places import is_address
from app.settings import load_config
from tests.conftest import ROOT
from tools.commands import check_words

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
RAY = (ROOT / "deploy" / "ray.yaml").read_text()


def test_compose_runs_a_command_that_exists_with_settings_that_exist(tmp_path: Path) -> None:
    words = COMPOSE["services"]["crowdtrace"]["command"]
    assert check_words(app, words) is None
    override = words[words.index("--set") + 1].replace("$$", "$")
    url = load_config(None, [override]).gallery.url
    assert url is not None
    assert is_address(url)
    assert "${file:/run/secrets/password}" in url


def test_compose_names_only_what_it_has() -> None:
    services = COMPOSE["services"]
    assert (ROOT / "deploy" / services["crowdtrace"]["build"]["context"] / "deploy" / "Containerfile").exists()
    for service in services.values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        assert set(service.get("depends_on", {})) <= services.keys()
        named = {volume.partition(":")[0] for volume in service["volumes"] if not volume.startswith(".")}
        assert named <= COMPOSE["volumes"].keys()
    assert services["crowdtrace"]["cap_drop"] == ["ALL"]


def test_ray_takes_its_file() -> None:
    ray = pytest.importorskip("ray")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load(RAY), schema)
    command = re.search(r"run\.py (cluster .*)$", RAY, re.MULTILINE)
    assert command is not None
    assert check_words(app, shlex.split(command[1])) is None
