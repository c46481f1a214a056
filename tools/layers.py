"""Sees that imports run one way: `reid_model` ← `trackers` ← `app`, and inside them in no circle.

python -m tools.layers [ROOT]

Imports inside functions and for type checking count as well: what may not be known may not be known late either.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

LAYERS = ("reid_model", "trackers", "app")
"""From below: each may import itself and those before it."""

NARROW = {("trackers", "reid_model"): {"reid_model", "reid_model.features", "reid_model.matching"}}
"""All that one layer may know of another, where that is less than everything."""

OUTSIDE = {"benchmarks", "tests", "tools"}
"""They know the product; the product does not know them."""

Graph = dict[str, set[str]]


def read_imports(root: Path) -> Graph:
    """For each module of the layers, what it imports of this project."""
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for layer in LAYERS
        for path in sorted((root / layer).rglob("*.py"))
    }
    ours = {*LAYERS, *OUTSIDE}
    graph: Graph = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = set(_imported(ast.parse(path.read_text(encoding="utf-8")), package, modules))
        graph[name] = {each for each in found if each.partition(".")[0] in ours and each != name}
    return graph


def _imported(tree: ast.Module, package: str, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in modules else base


def violations(graph: Graph) -> list[str]:
    """A line for each import that runs the wrong way, and one for the first circle of modules and of packages."""
    lines = []
    for name, imports in sorted(graph.items()):
        layer = name.partition(".")[0]
        for other in sorted(imports):
            below = other.partition(".")[0]
            known = NARROW.get((layer, below))
            if below in OUTSIDE or LAYERS.index(below) > LAYERS.index(layer) or (known and other not in known):
                lines.append(f"{name} imports {other}: {' ← '.join(LAYERS)} is the only way")
    packages: Graph = {}
    for name, imports in graph.items():
        packages.setdefault(_package(name), set()).update(
            {_package(other) for other in imports if other in graph} - {_package(name)}
        )
    for each in (graph, packages):
        try:
            TopologicalSorter(each).prepare()
        except CycleError as error:
            lines.append("a circle: " + " ← ".join(error.args[1]))
            break
    return lines


def _package(module: str) -> str:
    """The file or folder of a layer that a module is in."""
    return ".".join(module.split(".")[:2])


def main() -> None:
    """Prints what is wrong; exit code 1 where something is."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    graph = read_imports(root)
    if not graph:
        sys.exit(f"{root}: none of {', '.join(LAYERS)} is there")
    lines = violations(graph)
    print("\n".join(lines) or f"{len(graph)} modules import one way")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
