"""Bad input at scale: every input that comes from outside is changed at random, and must be accepted or refused.

python -m benchmarks.fuzz [--cases N] [--target NAME …] [--seconds N] [--json FILE]

atheris looks for changes that reach code not reached before; where it is not installed, changes are at random. Each
target runs in a process of its own, so that one that dies is seen too. A crash is an exception that is no refusal, a
process that dies, or an input that takes over five seconds; each is told once, with an input in `--keep FOLDER`.
Rows of targets that were not run stay as they are in the file.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SLOW = 5.0
"""Seconds for one input from which it counts as a crash."""
LONGEST = 8192
"""Bytes of an input at most."""

Row = dict[str, Any]


class Recorder:
    """Runs inputs of a target and counts what comes of them."""

    def __init__(self, run: Callable[[bytes], bool]) -> None:
        self._run = run
        self.cases = self.refused = 0
        self.crashes: dict[str, bytes] = {}

    def __call__(self, data: bytes) -> None:
        """Runs one input."""
        begun = time.monotonic()
        self.cases += 1
        try:
            with warnings.catch_warnings():
                # A number that does not fit is made another one, with no more than a warning.
                warnings.simplefilter("error", RuntimeWarning)
                self.refused += not self._run(data)
        except Exception as error:
            ours = [
                frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename
            ]
            where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
            if not any(known.startswith(f"{type(error).__name__} in {where}: ") for known in self.crashes):
                self.crashes[f"{type(error).__name__} in {where}: {str(error)[:120]!r}"] = data
        if time.monotonic() - begun > SLOW:
            self.crashes.setdefault("slow", data)


def changed(seed: bytes, seeds: list[bytes], rng: random.Random) -> bytes:
    """A seed with a few changes: bytes replaced, removed, repeated, put in, or taken from another seed."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 16, 64))
        kind = rng.randrange(6)
        if kind == 0:
            data[place : place + length] = rng.randbytes(length)
        elif kind == 1:
            del data[place : place + length]
        elif kind == 2:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 20))
        elif kind == 3:
            data[place:place] = rng.choice(
                (b"-", b"0", b"9" * 30, b"1e999", b"nan", b"\0", b"\xff", b": ", b"[", b"{", b"\n", b"&a *a")
            )
        elif kind == 4:
            other = rng.choice(seeds)
            at = rng.randrange(len(other) + 1)
            data[place : place + length] = other[at : at + length]
        elif place < len(data):
            data[place] ^= 1 << rng.randrange(8)
    return bytes(data[:LONGEST])


def work(name: str, cases: int, seconds: float, seed: int) -> None:
    """Runs one target in this process; prints a line of JSON with what came of it."""
    guided = importlib.util.find_spec("atheris") is not None
    if guided:
        import atheris

        # Imported for the first time here: what is imported earlier is not instrumented.
        with atheris.instrument_imports(include=["app", "trackers", "reid_model"]):
            from benchmarks.fuzz_draw import folder
            from benchmarks.fuzz_targets import TARGETS
    else:
        from benchmarks.fuzz_draw import folder
        from benchmarks.fuzz_targets import TARGETS
    target = TARGETS[name]
    recorder, begun = Recorder(target.run), time.monotonic()

    def tell() -> None:
        crashes = {what: base64.b64encode(data).decode() for what, data in recorder.crashes.items()}
        found = {"cases": recorder.cases, "refused": recorder.refused, "crashes": crashes, "guided": guided}
        shutil.rmtree(folder(), ignore_errors=True)
        print("\n" + json.dumps(found | {"seconds": round(time.monotonic() - begun, 1)}), flush=True)

    seeds = target.seeds()
    if guided:
        corpus = folder() / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds):
            (corpus / str(number)).write_bytes(data)

        def once(data: bytes) -> None:
            recorder(data)
            if recorder.cases >= cases or time.monotonic() - begun >= seconds:
                tell()
                os._exit(0)  # as libFuzzer itself ends, past all that Python would still do

        options = [f"-seed={seed}", f"-max_len={LONGEST}", "-verbosity=0", f"-artifact_prefix={folder()}/"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], once)
        atheris.Fuzz()
        return
    rng = random.Random(seed)
    while recorder.cases < cases and time.monotonic() - begun < seconds:
        recorder(changed(rng.choice(seeds), seeds, rng))
    tell()


def fuzz(name: str, cases: int, seconds: float, seed: int, keep: Path | None) -> Row:
    """Runs one target in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--work", name, "--cases", str(cases)]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=False)
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"cases"')]
    if not lines:
        told = f"the process died with {done.returncode}: {said[-1] if said else ''}"
        return {"name": name, "cases": 0, "refused": 0, "crashes": 1, "seconds": 0.0, "told": [told]}
    found: Row = json.loads(lines[-1])
    crashes: dict[str, str] = found["crashes"]
    for number, data in enumerate(crashes.values()):
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name.replace(' ', '-')}-{number}").write_bytes(base64.b64decode(data))
    return {
        "name": name,
        "cases": found["cases"],
        "refused": found["refused"],
        "crashes": len(crashes),
        "seconds": found["seconds"],
        "engine": "atheris" if found["guided"] else "at random",
        **({"told": list(crashes)} if crashes else {}),
    }


def main() -> None:
    """Runs the targets, prints a table, and fails when one crashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3600.0, help="most for each target")
    parser.add_argument("--target", action="append", help="repeatable; all where none is named")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for inputs that crash")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work, arguments.cases, arguments.seconds, arguments.seed)
    from benchmarks.fuzz_targets import TARGETS

    unknown = set(arguments.target or []) - TARGETS.keys()
    if unknown:
        parser.error(f"--target {sorted(unknown)[0]}: known are {', '.join(TARGETS)}")
    rows: dict[str, Row] = {}
    if arguments.json and arguments.json.exists():
        rows = {row["name"]: row for row in json.loads(arguments.json.read_text(encoding="utf-8"))["results"]}
    table = Table("input", "cases", "refused", "crashes", "seconds", "engine")
    failed = False
    for name in arguments.target or TARGETS:
        row = fuzz(name, arguments.cases, arguments.seconds, arguments.seed, arguments.keep)
        rows[name] = row
        table.add_row(*(str(row.get(key, "")) for key in ("name", "cases", "refused", "crashes", "seconds", "engine")))
        failed |= row["crashes"] > 0
        for told in row.get("told", []):
            print(f"{name}: {told}", file=sys.stderr)
        if arguments.json:
            results = [rows[each] for each in TARGETS if each in rows]
            arguments.json.write_text(json.dumps({"command": "fuzz", "results": results}, indent=1) + "\n")
    Console(width=110).print(table)
    sys.exit(failed)


if __name__ == "__main__":
    main()
