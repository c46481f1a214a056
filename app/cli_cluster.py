"""The command that watches cameras with many processes, on one machine or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_live import Log
from app.cli_options import Overrides


def cluster(
    config_file: Annotated[Path, typer.Option("--config", help="Configuration file (YAML) with the cameras.")],
    address: Annotated[
        str, typer.Option(help="local: starts Ray here; auto: the Ray of this machine; or the host of a Ray cluster.")
    ] = "local",
    overrides: Overrides = [],  # noqa: B006
    log: Annotated[Log, typer.Option(help="How the log on standard error is written.")] = Log.plain,
) -> None:
    """Watch live cameras with many processes, on one machine or many, until stopped."""
    import signal
    import threading

    from app.errors import InputError
    from app.live.session import check_cameras
    from app.logs import log_to_stderr
    from app.settings import load_config

    config = load_config(config_file, overrides)
    log_to_stderr(log.value)
    check_cameras(config)
    if config.gallery.url is None:
        raise InputError("gallery.url: a cluster needs a server for its gallery; give postgresql://user@host/database")

    from app.cluster.starting import start
    from app.embedding import load_embedder

    model_id = load_embedder(config.embedder).model_id
    given = config.cluster
    room = given.workers * given.worker_cpus + (given.shards + 1) * given.shard_cpus
    start(address, given.object_store_megabytes, processors=int(room) + 1)

    from app.cluster.cluster import Cluster

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    running = Cluster(config, model_id)
    try:
        print(f"{len(running.workers)} workers, {len(running.shards)} shards; Ctrl-C ends it", flush=True)
        print(f"gallery: {running.gallery.path}", flush=True)
        away: list[str] = []
        while not stopped.wait(1.0):
            if running.away != away:
                away = running.away
                print(f"away: {', '.join(away) or 'nobody'}", flush=True)
    finally:
        running.close()
    print("ended in order", flush=True)
