"""Re-identification on Market-1501, ours beside its peers, in one run: `run.py evaluate reid` with fewer options.

python -m benchmarks.reid --data DIR [--weights W] [--peer NETWORK …] [--every N] [--occlude SEED] [--json FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.reid_evaluation import ReidRequest, evaluate_reid


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="Market-1501 folder, or KIND:DIR")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--peer", type=Path, action="append", default=[])
    parser.add_argument("--every", type=int, default=1, help="use every N-th query")
    parser.add_argument("--occlude", type=int, help="cover the queries by this seed")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    data = given.data if ":" in given.data else f"market1501:{given.data}"
    request = ReidRequest(data, given.weights, peers=tuple(given.peer), occlude=given.occlude, every=given.every)
    evaluate_reid(request, given.json)


if __name__ == "__main__":
    main()
