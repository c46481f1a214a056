"""The property tests in their long form: 2,000 random cases each.

python -m benchmarks.endure [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main() -> None:
    """Runs them, prints a table, and fails when one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ["-m", "pytest", "--hypothesis-profile=endure", "-m", "hypothesis", "--timeout=3600"]
        run = subprocess.run([sys.executable, *command, f"--junitxml={report}"], check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))
    results = [
        {
            "name": f"{case.get('classname')}.{case.get('name')}",
            "passed": case.find("failure") is None and case.find("error") is None,
            "seconds": round(float(case.get("time", 0)), 1),
        }
        for case in cases
    ]
    table = Table("test", "passed", "seconds")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "endure", "results": results}, indent=1) + "\n")
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
