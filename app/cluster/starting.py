"""Ray, started on this machine or joined where it runs."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cluster.sharded import ShardedIndex
from app.config import Config
from app.errors import InputError
from app.gallery import Gallery

ROOT = str(Path(__file__).parents[2])

PORT = 10001
"""Where a Ray cluster takes clients, unless the address says otherwise."""

TOKENS = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
"""Where in the environment Ray's token or its file may be named."""


def join_shards(gallery: Gallery, config: Config) -> Callable[[], ShardedIndex] | None:
    """What gives an index, for one search, of a running cluster's shards; None where they are not to be asked.

    Raises:
        InputError: If no such cluster is there.
    """
    place = config.cluster.ask
    if place is None:
        return None
    start(place, option="cluster.ask")
    from app.cluster.asking import Shards

    return Shards(gallery, config).index


def start(address: str, megabytes: int = 200, processors: int | None = None, *, option: str = "--address") -> None:
    """Starts Ray on this machine, or joins one.

    Args:
        address: `local`: one is started here, and ends with the program; `auto`: the one that runs on this machine;
            else the host, or `host:port`, of one that takes clients.
        megabytes: Memory that processes share, of one started here.
        processors: How many it is to give out, of one started here; None for those there are, and enough for all.
        option: What messages call the address.

    Raises:
        InputError: If Ray is not installed, or none is there.
    """
    # Nobody is told that it is used.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    keep_others_out(local=address == "local")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            "a cluster needs Ray; install crowdtrace with its extra: pip install 'crowdtrace[cluster]'"
        ) from None
    if ray.is_initialized():
        # This process has joined one already.
        return
    environment = {"env_vars": {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}}
    common: dict[str, Any] = {
        "namespace": "crowdtrace",
        "runtime_env": environment,
        "logging_level": logging.WARNING,
        "log_to_driver": False,
    }
    try:
        if address == "local":
            ray.init(num_cpus=processors, object_store_memory=megabytes << 20, include_dashboard=False, **common)
        elif address == "auto":
            ray.init(address="auto", **common)
        else:
            place = address if ":" in address else f"{address}:{PORT}"
            ray.init(address=f"ray://{place}", **common)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())[:120]
        raise InputError(f"{option} {address}: no Ray there ({line}); start one with `ray start --head`") from None


def keep_others_out(*, local: bool) -> None:
    """Has Ray talk only to those who know its token, as whoever can reach its ports could run anything.

    The token is the one of the environment, or Ray's own file in the home folder, which is made where `local` and none
    is there; where it cannot be written, only this program and its actors know the token.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    if not TOKENS & os.environ.keys() and not (file := Path.home() / ".ray" / "auth_token").exists():
        if not local:
            return
        token = secrets.token_hex(32)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
                made.write(token)
        except OSError:
            os.environ["RAY_AUTH_TOKEN"] = token
    os.environ["RAY_AUTH_MODE"] = "token"
    if "ray" in sys.modules:
        # It has read its environment already; this is how Ray itself has that read again.
        from ray._raylet import Config as Settings  # type: ignore[attr-defined]

        Settings.initialize("")
