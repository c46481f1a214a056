"""Running code in a process that notes every connection it tries to open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# Runs in a process of its own that believes to be online: every host resolves, to a port of this machine that is shut;
# with SPY_OFFLINE in the environment, none does.
# The audit hook stays in place in forked children, and their lines reach the same file.
SPY = """
import os, socket, sys
log = os.open(os.environ["SPY_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def spy(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}:
        os.write(log, f"{event} {arguments[1:] if event != 'socket.getaddrinfo' else arguments[:2]}\\n".encode())
sys.addaudithook(spy)
resolve = socket.getaddrinfo
def everywhere(host, *rest, **more):
    sys.audit("socket.getaddrinfo", host, None)
    if "SPY_OFFLINE" in os.environ:
        raise socket.gaierror(-2, "Name or service not known")
    return resolve("127.0.0.1", 9, type=socket.SOCK_STREAM)
socket.getaddrinfo = everywhere
"""


def run_spied(script: str, tmp_path: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], str]:
    # Without these, libraries see a test or a CI job and stay silent of their own accord.
    hidden = ("PYTEST", "CI", "GITHUB", "YOLO", "TF_BUILD", "JENKINS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    home = tmp_path / "home"
    home.mkdir()
    environment |= {"SPY_LOG": str(tmp_path / "spy.log"), "HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SPY + script, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, (tmp_path / "spy.log").read_text()
