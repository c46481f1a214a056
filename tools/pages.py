"""Writes what documentation takes from elsewhere: the configuration reference, and tables of benchmarks/*.json.

python -m tools.pages [--check]

A page says where a table goes: between `<!-- table: NAME -->` and `<!-- end -->`. With `--check` nothing is written,
and the exit code is 1 where a page is not as it would be.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.config import Config

ROOT = Path(__file__).parents[1]
REGION = re.compile(r"(<!-- table: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """A table of a benchmark.

    Attributes:
        file: In benchmarks/.
        columns: Key of each column, and its heading.
        command: That wrote the file.
        wanted: Which results are shown.
    """

    file: str
    columns: dict[str, str]
    command: str
    wanted: Callable[[Row], bool] = lambda row: True


TRACKING = {key: key for key in ("sequence", "tracker", "HOTA", "IDF1", "MOTA", "IDSW")}
REID = {"name": "matching", "R1": "R1", "R10": "R10", "mAP": "mAP", "mINP": "mINP", "TAR@1e-3": "TAR@1e-3"}
TRACK = "python -m benchmarks.tracking"
EVALUATE = "run.py evaluate reid --data market1501:DIR"

TABLES = {
    "reid": Figures("reid.json", REID, f"{EVALUATE} --json benchmarks/reid.json"),
    "reid-covered": Figures("reid_covered.json", REID, f"{EVALUATE} --occlude 1 --json benchmarks/reid_covered.json"),
    "tracking": Figures(
        "tracking.json",
        TRACKING,
        f"{TRACK} --sequence DIR --json benchmarks/tracking.json",
        lambda row: str(row["sequence"]).startswith("mean"),
    ),
    "tracking-video": Figures(
        "tracking_video.json",
        TRACKING,
        f"{TRACK} --video DIR --json benchmarks/tracking_video.json",
    ),
    "tracking-gaps": Figures(
        "tracking_gaps.json",
        {
            **{key: key for key in ("tracker", "HOTA", "IDF1", "IDSW")},
            **{f"same_{seconds}s": f"same after {seconds} s, %" for seconds in (1, 3, 5)},
        },
        f"{TRACK} --video DIR --json benchmarks/tracking_gaps.json",
        lambda row: row["sequence"] == "mean",
    ),
    "association": Figures(
        "association.json",
        {key: key for key in ("name", "IDF1", "precision", "recall", "F1", "B3", "unknown")},
        "python -m benchmarks.association --tracklets market1501:DIR --occlude 1 --scene DIR --json FILE",
    ),
    "detector": Figures(
        "detector.json",
        {"name": "frames: weights", "AP50": "AP50", "precision": "precision", "recall": "recall", "ms": "ms a frame"},
        "python -m benchmarks.detector --data DATA/test --weights bundled --json benchmarks/detector.json",
    ),
    "blurring": Figures(
        "blurring.json",
        {"name": "scene, height of the people", "boxes": "people × frames", "heads": "heads %", "whole": "whole %"},
        "python -m benchmarks.blurring demo_videos/three-cameras --json benchmarks/blurring.json",
        lambda row: row["boxes"] >= 100,
    ),
    "search": Figures(
        "search.json",
        {"name": "", "p50_ms": "p50 ms", "p95_ms": "p95 ms", "recall@10": "recall@10"},
        "run.py bench search --json benchmarks/search.json",
        lambda row: "p50_ms" in row,
    ),
    "matching": Figures(
        "matching.json",
        {"name": "", "us_per_pair": "µs a pair"},
        "run.py bench match --json benchmarks/matching.json",
        lambda row: "us_per_pair" in row,
    ),
    "tracking-speed": Figures(
        "tracking_speed.json",
        {
            "name": "",
            "processor_fps_156": "156 people: frames a second of processor time",
            "processor_fps_600": "600 people",
        },
        "python -m benchmarks.tracking --speed --json benchmarks/tracking_speed.json",
    ),
    "pipeline": Figures(
        "pipeline.json",
        {
            "name": "",
            "fps": "frames a second",
            "ratio": "of the detector's in the same round",
            "people": "people a frame",
        },
        "run.py bench pipeline --video FILE --cameras 1 --frames 250 --rounds 5 --detector WEIGHTS --reid OSNET.pth "
        "--json benchmarks/pipeline.json",
    ),
    "live-endure": Figures(
        "live_endure.json",
        {
            "name": "camera",
            "fps_in": "frames that come a second",
            "fps": "analysed",
            "event_p50_s": "capture to event, p50 s",
            "event_p95_s": "p95 s",
            "age_max_s": "oldest frame, s",
            "slope_mb_min": "memory, MB a minute in the last half",
            "events": "events",
            "events_missed": "missed",
        },
        "python -m benchmarks.live_endure --json benchmarks/live_endure.json",
    ),
    "live-faults": Figures(
        "live_faults.json",
        {
            "name": "fault",
            "times": "times",
            "noticed_s": "noticed after, longest s",
            "back_p50_s": "back after, p50 s",
            "back_s": "longest, s",
            "others_gap_s": "longest gap of other cameras, s",
            "decoders_left": "processes left over",
            "files_left": "files",
            "maps_left": "shared memory",
            "memory_mb_per_100": "memory, MB in 100 reconnects",
        },
        "python -m benchmarks.live_faults --json benchmarks/live_faults.json",
    ),
    "console-speed": Figures(
        "console_speed.json",
        {"name": "", "clicks": "clicks", "p50_ms": "p50 ms", "p95_ms": "p95 ms"},
        "python -m benchmarks.console_speed --clicks 200 --json benchmarks/console_speed.json",
    ),
    "console-viewers-live": Figures(
        "console_viewers_live.json",
        {
            "name": "",
            "analysed_fps": "frames analysed a second",
            "event_p50_s": "frame to event, p50 s",
            "event_p95_s": "p95 s",
            "search_p50_ms": "search, p50 ms",
            "search_p95_ms": "p95 ms",
            "pictures_a_second": "pictures a second of a camera and viewer",
        },
        "python -m benchmarks.console_viewers --live --json benchmarks/console_viewers_live.json",
    ),
    "wheels": Figures(
        "wheels.json",
        {"name": "package", "version": "version", "3.11": "3.11", "3.12": "3.12", "3.13": "3.13"},
        "python -m tools.wheels --json benchmarks/wheels.json",
    ),
    "soak": Figures(
        "soak.json",
        {
            "name": "fault, or what must hold",
            "times": "times",
            "back_p50_s": "well again after, p50 s",
            "back_s": "longest, s",
            "told": "looked at",
            "lost": "lost",
            "twice": "twice",
            "unsound": "unsound",
            "slope_mb_min": "grows, MB a minute",
            "more_files": "more open files",
            "unforeseen": "unforeseen",
            "passed": "holds",
        },
        "python -m benchmarks.soak --json benchmarks/soak.json",
    ),
    "fuzz": Figures(
        "fuzz.json",
        {
            "name": "input",
            "cases": "cases",
            "refused": "refused in a line",
            "crashes": "crashes",
            "seconds": "seconds",
            "engine": "changes by",
        },
        "python -m benchmarks.fuzz --json benchmarks/fuzz.json",
    ),
}


def table(figures: Figures) -> str:
    """A table in Markdown, and the command it comes from."""
    results = json.loads((ROOT / "benchmarks" / figures.file).read_text(encoding="utf-8"))["results"]
    rows = [row for row in results if figures.wanted(row)]
    if not rows:
        raise ValueError(f"benchmarks/{figures.file}: no result is wanted in its table")
    lines = ["| " + " | ".join(figures.columns.values()) + " |", "|" + "---|" * len(figures.columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in figures.columns) + " |" for row in rows]
    return "\n".join([*lines, "", f"`{figures.command}`", ""])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).replace("|", "\\|")


def filled(text: str) -> str:
    """A page with its tables as they are now.

    Raises:
        KeyError: If it asks for a table that there is none of.
    """
    return REGION.sub(lambda found: found[1] + table(TABLES[found[2]]) + found[3], text)


# ---- the configuration ----


def configuration() -> str:
    """The reference of all settings, out of the schema."""
    schema = Config.model_json_schema()
    lines = [
        "# Configuration",
        "",
        "Written by `make docs` out of the schema. A file is YAML (`--config FILE`); what it leaves out keeps its",
        "default; `--set section.key=value` changes one setting. `run.py check FILE` validates; an unknown key is an",
        "error. `configs/default.yaml` is the same as a file.",
        "",
    ]
    for name, section in schema["properties"].items():
        inner = _inner(section, schema)
        lines += [f"## {name}", "", Config.model_fields[name].description or "", ""]
        lines += list(_settings(inner, schema)) if inner else [f"Default: `{json.dumps(section.get('default'))}`"]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _inner(part: Row, schema: Row) -> Row | None:
    """The section that a property is, or that the entries of its list are."""
    for each in (part, part.get("items", {}), *part.get("anyOf", []), *part.get("allOf", [])):
        if "$ref" in each:
            found = schema["$defs"][each["$ref"].rpartition("/")[2]]
            return found if "properties" in found else None
        if each is not part and "items" in each and "$ref" in each["items"]:
            return _inner(each, schema)
    return None


def _settings(section: Row, schema: Row) -> Iterator[str]:
    yield "| key | default | allowed | meaning |"
    yield "|---|---|---|---|"
    nested: list[tuple[str, Row]] = []
    required = set(section.get("required", []))
    for key, part in section["properties"].items():
        inner = _inner(part, schema)
        if inner:
            nested.append((key, inner))
        default = "*required*" if key in required else f"`{json.dumps(part.get('default'), ensure_ascii=False)}`"
        meaning = str(part.get("description", "")).replace("|", "\\|")
        yield f"| `{key}` | {default} | {_allowed(part)} | {meaning} |"
    for key, inner in nested:
        yield from ("", f"### Each of `{key}`", "", *_settings(inner, schema))


BOUNDS = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}
LENGTHS = {"minLength": "at least {} letters", "maxLength": "at most {} letters", "multipleOf": "a multiple of {}"}


def _allowed(part: Row) -> str:
    kinds = part.get("anyOf", [part])
    words = []
    for kind in kinds:
        if "enum" in kind:
            words.append(", ".join(f"`{value}`" for value in kind["enum"]))
            continue
        bounds = [f"{sign}{kind[name]:g}" for name, sign in BOUNDS.items() if name in kind]
        bounds += [text.format(kind[name]) for name, text in LENGTHS.items() if name in kind and kind[name] != 1]
        name = {"array": "list", "object": "section", "number": "number", "integer": "whole number"}.get(
            str(kind.get("type")), str(kind.get("type", "section"))
        )
        words.append(" ".join([name.replace("boolean", "true, false").replace("string", "text"), *bounds]))
    return " or ".join(words)


def pages() -> dict[Path, str]:
    """Every page that something is written into, as it should be."""
    found = {ROOT / "docs" / "configuration.md": configuration()}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if path not in found:
            text = path.read_text(encoding="utf-8")
            if "<!-- table: " in text:
                found[path] = filled(text)
    return found


def main() -> None:
    """Writes the pages, or says which are not as they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'not as it should be; run make docs' if check else 'written'}")
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
    sys.exit(bool(stale) if check else 0)


if __name__ == "__main__":
    main()
