"""Builds the package, installs it into an environment of its own, and runs it outside the checkout.

python -m tools.package [--borrow] [--keep FOLDER]

Everything is downloaded again, as on a fresh machine; `--borrow` takes what crowdtrace needs, but not crowdtrace, from
the environment that runs this.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_wheel(target: Path, source: Path = ROOT) -> Path:
    """Builds the wheel of a checkout into a folder, with the setuptools that is installed."""
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--quiet", "--wheel-dir", str(target)]
    subprocess.run([*command, "--no-build-isolation"], check=True)
    (wheel,) = target.glob("crowdtrace-*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, borrow: bool) -> Path:
    """An environment in which the wheel is installed; gives the folder of its commands."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    words = [f"{wheel}[cpu]"]
    if borrow:
        # A path in a .pth file is looked in, but its own .pth files, an editable crowdtrace among them, are not read.
        site = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        words = ["--no-deps", "--ignore-installed", str(wheel)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *words], check=True)
    return python.parent


def try_out(commands: Path, folder: Path) -> None:
    """Runs the installed command in an empty folder: from where it is, its configurations, its demonstration."""
    where = [str(commands / "python"), "-c", "import app, reid_model, trackers; print(app.__file__)"]
    place = subprocess.run(where, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    print(f"app is {place}")
    if Path(place).is_relative_to(ROOT):
        sys.exit("the checkout was imported, not the package")
    for words in (["--version"], ["check", "configs/default.yaml"], ["demo", "--output", "demo"]):
        print("$ crowdtrace", *words, flush=True)
        subprocess.run([commands / "crowdtrace", *words], cwd=folder, check=True)


def main() -> None:
    """Builds, installs and runs; exit code 0 where all of it worked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--borrow", action="store_true", help="do not download what crowdtrace needs")
    parser.add_argument("--keep", type=Path, help="folder for the wheel")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crowdtrace-package-") as name:
        folder = Path(name)
        wheels = arguments.keep or folder / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        for old in wheels.glob("crowdtrace-*.whl"):
            old.unlink()
        wheel = build_wheel(wheels)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
        commands = install(wheel, folder / "environment", borrow=arguments.borrow)
        (folder / "elsewhere").mkdir()
        try:
            try_out(commands, folder / "elsewhere")
        except subprocess.CalledProcessError as error:
            sys.exit(f"failed: {' '.join(map(str, error.cmd))}: exit code {error.returncode}")


if __name__ == "__main__":
    main()
