"""Commands that documentation shows, and whether they exist with the options shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

ROOT = Path(__file__).parents[1]

PROGRAMS = re.compile(r"^(?:\.venv/bin/)?(?:python )?run\.py |^crowdtrace ")
"""How the command line is begun."""
BENCHMARK = re.compile(r"^(?:OMP_NUM_THREADS=\d )?(?:\.venv/bin/)?python -m ((?:benchmarks|tools|app)\.[a-z_]+)")
SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
EXPLAINED = re.compile(r"\s{2,}\S|\s+# ")
"""Where a line of code goes on with what it is for."""


def documents() -> list[Path]:
    """Every page that shows commands."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
    return pages + sorted(ROOT.glob("*/weights/*.md"))


def shown(text: str) -> Iterator[str]:
    """The commands of a page: in lines of code, and between backquotes."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    for line in lines:
        code = line.startswith("    ")
        pieces = [line.strip()] if code else []
        if code:
            end = EXPLAINED.search(pieces[0])
            pieces = [pieces[0][: end.start()] if end else pieces[0]]
        yield from (piece for piece in pieces if _is_command(piece))
    prose = "\n".join(line for line in lines if not line.startswith("    "))
    yield from (" ".join(span.split()) for span in SPAN.findall(prose) if _is_command(" ".join(span.split())))


def _is_command(text: str) -> bool:
    return bool(PROGRAMS.match(text) or BENCHMARK.match(text) or re.match(r"make [a-z-]+$", text.partition(" #")[0]))


def fault(command: str, app: typer.Typer) -> str | None:
    """What is wrong with a shown command; None where nothing is."""
    module = BENCHMARK.match(command)
    if module:
        return _module_fault(module[1], command[module.end() :])
    if command.startswith("make "):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        missing = [word for word in command.split()[1:] if word not in targets]
        return f"no target {missing[0]}" if missing else None
    words = shlex.split(PROGRAMS.sub("", command))
    # A word such as `list|show` or `merge|split` names several commands.
    choices = [word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word) else [word] for word in words[:2]]
    for first in product(*choices):
        found = check_words(app, [*first, *words[2:]])
        if found:
            return found
    return None


def check_words(app: typer.Typer, words: list[str]) -> str | None:
    """What is wrong with the words of a command line, whose values may be placeholders; None where nothing is."""
    command, rest = _root(app), list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0) if rest else ""
        if name.startswith("-"):
            break
        if name not in command.commands:
            return f"no command {name or '(none)'}"
        command = command.commands[name]
    options = {name: parameter for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    free = command.context_settings.get("ignore_unknown_options", False)
    plain = [word.strip("[]()…,") for word in rest]
    for place, word in enumerate(plain):
        if not word.startswith("--"):
            continue
        name = word.partition("=")[0]
        if name == "--help" or free:
            continue
        if name not in options:
            return f"no option {name}"
        values, given = _choices(options[name]), plain[place + 1] if place + 1 < len(plain) else ""
        wrong = sorted(set(given.split("|")) - values) if values and given.strip("|") and not given.isupper() else []
        if wrong:
            return f"{name} takes no {wrong[0]}"
    return None


@cache
def _root(app: typer.Typer) -> Any:
    return get_command(app)


def _choices(option: object) -> set[str]:
    """All that an option may be given, where that is a list: typer has it as an enumeration."""
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {str(each.value) for each in annotation}
    return set()


def _module_fault(module: str, rest: str) -> str | None:
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        return f"no module {module}"
    source = path.read_text(encoding="utf-8")
    for used in re.findall(r"^from (benchmarks\.[a-z_]+) import", source, re.MULTILINE):
        source += (ROOT / Path(*used.split(".")).with_suffix(".py")).read_text(encoding="utf-8")
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
        if f'"{option}"' not in source:
            return f"{module} has no option {option}"
    return None
