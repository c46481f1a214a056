"""The API under random requests made from its own description: whatever is sent, it answers as it says it does."""

from __future__ import annotations

import shutil
from contextlib import nullcontext, suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from app.console import accounts, sessions
from tests.app.console.scene import HERE, served

EXAMPLES = 8
"""Requests to each route, half of them well formed."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"/api/events"}


@pytest.fixture(scope="module")
def described(scene, embedder, tmp_path_factory):
    """The operations of the API over a gallery of its own, and an admin's token."""
    path = shutil.copy(scene, tmp_path_factory.mktemp("schema") / "gallery.db")
    overrides = "console.searches_a_minute=10000", "console.logins_a_minute=1000"
    with served(path, embedder, *overrides) as here:
        _, token = sessions.add_token(
            here.console.gallery, accounts.named_user(here.console.gallery, "admin"), "t", "admin", 1
        )
        schema = schemathesis.openapi.from_dict(here.anybody.app.openapi())
        schema.app = here.anybody.app
        found = [each.ok() for each in schema.get_all_operations()]
        yield [each for each in found if each.path not in ENDLESS], {"authorization": f"Bearer {token}"}


def test_every_route_answers_random_requests_as_described(described):
    operations, headers = described
    assert len(operations) > 40
    asked = 0
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES // 2, deadline=None, database=None, derandomize=True,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def ask(case):
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=HERE, headers=headers, checks=CHECKS)

            # Where nothing is to be sent, nothing can be wrong with it.
            with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
                ask()
    assert asked > 200
