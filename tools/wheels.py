"""Sees that every dependency has a wheel for each Python that is supported: nobody needs a compiler.

python -m tools.wheels [--json FILE]

The versions are those of requirements.lock, on Linux and x86-64. pip resolves them with wheels alone and downloads
nothing but what describes them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")


def locked(python: str, lock: Path = ROOT / "requirements.lock") -> dict[str, str]:
    """Names and versions that the lock names for a Python on Linux, without its hashes."""
    environment: dict[str, str] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    }
    found: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line or line[0] in " #-":
            continue
        requirement = Requirement(line.rstrip(" \\"))
        if requirement.marker is None or requirement.marker.evaluate({**environment}):
            (only,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = only.version
    return found


def direct() -> list[str]:
    """What pyproject.toml asks for by name, without what is needed for development alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["cpu"]]
    return sorted(canonicalize_name(Requirement(line).name) for line in lines)


def wheels(python: str) -> dict[str, str]:
    """The wheel pip would take for each locked package.

    Raises:
        RuntimeError: If there is none for one of them.
    """
    pins = [f"{name}=={version}" for name, version in locked(python).items()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pins.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
        command += ["--only-binary=:all:", "--python-version", python, "--target", str(folder / "nowhere")]
        command += ["--report", str(folder / "report.json"), "--requirement", str(folder / "pins.txt")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Python {python}: {done.stderr.strip().splitlines()[-1]}")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    files = [Path(each["download_info"]["url"]).name for each in report["install"]]
    return {str(parse_wheel_filename(file)[0]): file for file in files if file.endswith(".whl")}


def main() -> None:
    """Prints a row for each direct dependency and writes it; exit code 1 where a wheel is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {python: wheels(python) for python in PYTHONS}
    missing = [f"{name} ({python})" for python in PYTHONS for name in sorted(locked(python).keys() - found[python])]
    results: list[dict[str, object]] = [
        {
            "name": name,
            "version": locked(PYTHONS[0])[name],
            **{python: _tag(found[python].get(name)) for python in PYTHONS},
        }
        for name in direct()
    ]
    results.append({"name": "all locked", "version": "", **{python: len(found[python]) for python in PYTHONS}})
    table = Table("package", "version", *PYTHONS)
    for row in results:
        table.add_row(*map(str, row.values()))
    Console(width=150).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "wheels", "results": results}, indent=1) + "\n")
    if missing:
        sys.exit("no wheel: " + ", ".join(missing))


def _tag(file: str | None) -> str:
    """What a wheel runs on, without the list of platforms: `cp311`, `abi3`, `py3`."""
    if file is None:
        return "none"
    _, python, binary, _ = file.removesuffix(".whl").rsplit("-", 3)
    return binary if binary == "abi3" else python.split(".")[-1]


if __name__ == "__main__":
    main()
