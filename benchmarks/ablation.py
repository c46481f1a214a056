"""The ablation: table 4 of the paper, and the choices it leaves open, each row trained and scored by its commands.

python -m benchmarks.ablation --data KIND:DIR --targets FILE.npz --features FILE.safetensors --output DIR
    [--row NAME …] [--every N] [--json FILE]

Every row is one `train` and two `evaluate reid`, clean and covered; rows already scored in DIR are not run again, and a
row that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
RECIPE = "configs/train/ablation.yaml"
GUIDED = ("network.fusion=mean", "losses.mask=0.05", "losses.pose=0.1")
UNCOVERED = ("augment.person=0", "augment.patch=0")


@dataclass(frozen=True, slots=True)
class Row:
    """One network of the table.

    Attributes:
        name: As it stands in the table.
        settings: What it changes in the recipe.
        matching: How it is meant to be matched.
    """

    name: str
    settings: tuple[str, ...]
    matching: str = "gasm"


TABLE_4 = (
    Row("baseline", (), "global"),
    Row("+mask", ("network.fusion=mask", "losses.mask=0.05")),
    Row("+pose", ("network.fusion=pose", "losses.pose=0.1")),
    Row("+mask+pose", GUIDED),
)
TRAINED = (
    Row("+mask+pose, matching trained", (*GUIDED, "losses.spatial=1")),
    Row(
        "+mask+pose, matching trained, teacher's cells",
        (*GUIDED, "losses.spatial=1", "losses.relation=1", "losses.cells=4"),
    ),
)
CHOICES = (
    Row("product of mask and pose", (*GUIDED, "network.fusion=product")),
    Row("identity losses shape the saliency", (*GUIDED, "losses.saliency_gradient=true")),
    Row("guided losses do not shape the backbone", (*GUIDED, "losses.guided_gradient=false")),
    Row("triplet before the neck", (*GUIDED, "losses.after_neck=false")),
    Row("no neck", (*GUIDED, "network.neck=false")),
    Row("soft margin", (*GUIDED, "losses.margin=0")),
)
ROWS = (
    *TABLE_4,
    *TRAINED,
    *(Row(f"{row.name}; no covers in training", (*row.settings, *UNCOVERED), row.matching) for row in TABLE_4),
    *CHOICES,
)
"""Choices differ from `+mask+pose` in one thing each."""


def commands(row: Row, arguments: argparse.Namespace, folder: Path) -> list[list[str]]:
    """`train`, then `evaluate reid` without and with covers."""
    settings = [
        f"teachers.targets={arguments.targets}",
        f"teachers.features={arguments.features}",
        *row.settings,
    ]
    train = ["train", "--config", RECIPE, "--data", arguments.data, "--output", str(folder)]
    train += [part for setting in settings for part in ("--set", setting)]
    if (folder / "checkpoint.safetensors").is_file():
        train.append("--resume")
    weights = str(folder / "last.safetensors")
    score = ["evaluate", "reid", "--weights", weights, "--data", arguments.data, "--every", str(arguments.every)]
    score += ["--matching", "global", "--matching", "gasm", "--json"]
    return [train, [*score, str(folder / "clean.json")], [*score, str(folder / "covered.json"), "--occlude", "1"]]


def run(row: Row, arguments: argparse.Namespace) -> dict[str, object]:
    """Trains and scores a row, unless that is done."""
    folder = arguments.output / "".join(c if c.isalnum() else "-" for c in row.name)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "covered.json").is_file():
        for command in commands(row, arguments, folder):
            subprocess.run([sys.executable, "run.py", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    result: dict[str, object] = {"name": row.name, "settings": list(row.settings), "matching": row.matching}
    for kind in ("clean", "covered"):
        for scores in json.loads((folder / f"{kind}.json").read_text())["results"]:
            for metric in ("R1", "mAP"):
                result[f"{kind} {scores['name']} {metric}"] = scores[metric]
    return result


def main() -> None:
    """Prints the table and writes the JSON after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--row", action="append", help="only these rows, by name; repeatable")
    parser.add_argument("--every", type=int, default=1, help="use every N-th query")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    for name in ("targets", "features", "output"):
        setattr(arguments, name, getattr(arguments, name).resolve())
    wanted = [row for row in ROWS if arguments.row is None or row.name in arguments.row]
    results = []
    for row in wanted:
        results.append(run(row, arguments))
        if arguments.json is not None:
            arguments.json.write_text(
                json.dumps({"command": "benchmarks.ablation", "results": results}, indent=1) + "\n"
            )
    columns = [name for name in results[0] if name not in ("settings", "matching")]
    table = Table(*columns)
    for result in results:
        table.add_row(*(str(result[column]) for column in columns))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
