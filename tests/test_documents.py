"""Every command that documentation shows exists, with the options shown; the cheap ones are run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from app.association import CameraTracklet
from app.cli import app
from app.config import Config
from app.gallery import Gallery
from tests.app.conftest import crowdtrace  # noqa: F401
from tests.app.galleries import features, fill, identity, tracklet
from tests.conftest import ROOT
from tools.commands import check_words, documents, fault, shown
from tools.pages import configuration, filled, pages

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_shown_command_exists(page: Path) -> None:
    faults = {command: fault(command, app) for command in shown(page.read_text())}
    assert {command: wrong for command, wrong in faults.items() if wrong} == {}


def test_commands_are_found_at_all() -> None:
    found = {str(page.relative_to(ROOT)): len(list(shown(page.read_text()))) for page in documents()}
    assert found["README.md"] >= 1
    assert sum(found.values()) > 80
    assert "run.py annotate entrance.mp4 hall.mp4 --output out" in {
        command.removeprefix(".venv/bin/python ") for command in shown((ROOT / "README.md").read_text())
    }


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("run.py anotate VIDEO --output out", "no command anotate"),
        ("run.py annotate VIDEO --outptu out", "no option --outptu"),
        ("run.py annotate VIDEO --output out --blur some", "--blur takes no some"),
        ("run.py identity list|shew --gallery DB", "no command shew"),
        ("run.py search --gallery DB (--camera NAME | --face FILE)", "no option --face"),
        ("python -m benchmarks.nothing", "no module benchmarks.nothing"),
        ("python -m benchmarks.blurring SCENE --jsno FILE", "benchmarks.blurring has no option --jsno"),
        ("make instal", "no target instal"),
    ],
)
def test_a_wrong_command_is_found(command: str, wrong: str) -> None:
    assert fault(command, app) == wrong


def test_links_between_pages_lead_somewhere() -> None:
    for page in documents():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page}: {target}"


def every_command() -> list[tuple[str, ...]]:
    def below(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [path]
        return [each for name, one in inner.items() for each in below(one, (*path, name))]

    return below(get_command(app), ())


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...], crowdtrace: Command) -> None:  # noqa: F811
    if words == ("bench",):
        return  # what follows the name goes to the benchmark
    code, out, _ = crowdtrace(*words, "--help")
    assert code == 0
    assert "Usage:" in out


CHEAP = {"check", "identity list", "identity show", "identity corrections", "identity never", "identity erase"}
CHEAP |= {"gallery purge", "gallery follows", "gallery verify", "gallery compact"}


def test_the_cheap_ones_do_what_they_say(tmp_path: Path, crowdtrace: Command) -> None:  # noqa: F811
    path = fill(tmp_path / "gallery.db")
    with Gallery.open(path) as gallery:
        members = [CameraTracklet("east", tracklet(number, exemplars=features(3, number))) for number in (1, 2, 3)]
        gallery.set_identities([identity(place, member) for place, member in zip((3, 8, 5), members, strict=True)])
    standing = {"DB": str(path), "out": str(path), "DIR": str(path), "ID": "5", "FILE": "configs/default.yaml"}
    standing["cameras.yaml"] = "configs/cameras.example.yaml"
    run = set()
    for page in documents():
        for command in shown(page.read_text()):
            words = re.sub(r"\[[^]]*\]", "", re.sub(r"^.*run\.py ", "", command)).split()
            name = " ".join(words[:2] if words[0] in ("identity", "gallery") else words[:1])
            if name not in CHEAP or "|" in command or "…" in command or name in run or "--connect" in command:
                continue
            given = [standing.get(word, word) for word in words]
            more = ["--yes"] if name == "identity erase" else []
            code, _, error = crowdtrace(*given, *more)
            assert code == 0, (command, error)
            run.add(name)
    assert len(run) >= 6, run


def test_generated_pages_are_current() -> None:
    stale = [path.name for path, text in pages().items() if not path.exists() or path.read_text() != text]
    assert stale == [], "write them anew: make docs"


def test_the_reference_has_every_setting() -> None:
    text = configuration()
    for section in ("detector", "tracker", "association", "gallery", "live", "events", "console"):
        assert f"\n## {section}\n" in text
        for key in type(getattr(Config(), section)).__pydantic_fields__:
            assert f"\n| `{key}` |" in text or f"\n### Each of `{key}`" in text, f"{section}.{key}"
    assert "| `retention_days` | `30.0` | number > 0 ≤ 3650 |" in text
    assert "\n### Each of `webhooks`\n" in text


def test_a_table_follows_its_figures() -> None:
    page = "before\n<!-- table: reid -->\nold\n<!-- end -->\nafter\n"
    written = filled(page)
    assert written.startswith("before\n<!-- table: reid -->\n| matching | R1 |")
    assert written.endswith("<!-- end -->\nafter\n")
    assert filled(written) == written
    best = json.loads((ROOT / "benchmarks" / "reid.json").read_text())["results"][0]
    assert f"| {best['name']} | {best['R1']} |" in written
    with pytest.raises(KeyError):
        filled("<!-- table: nothing -->\n<!-- end -->\n")


def test_make_knows_its_targets() -> None:
    done = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert check_words(app, ["--version"]) is None
