"""Runs the benchmarks and writes the README's speed table: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import noted

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
REGION = re.compile(r"(<!-- speed:begin -->\n).*(<!-- speed:end -->)", re.DOTALL)


def run_benchmarks() -> dict[str, Any]:
    """Run every benchmark; return what pytest-benchmark writes."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "--benchmark-enable"]
        command += ["--benchmark-only", f"--benchmark-json={results}"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
        found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


def table(results: dict[str, Any]) -> str:
    """Return the Markdown table, and below it where, when and with what it was measured."""
    rows = [row for entry in results["benchmarks"] if (row := noted(entry))]
    cpu = results["machine_info"]["cpu"]
    commit = results["commit_info"]
    versions = [f"{name} {version(name)}" for name in ("onnxruntime", "numpy")]
    facts = [
        f"{cpu.get('brand_raw', results['machine_info']['machine'])}, {os.cpu_count()} cores",
        results["machine_info"]["system"],
        f"Python {results['machine_info']['python_version']}",
        *versions,
        f"commit {commit['id'][:7]}{' with changes' if commit['dirty'] else ''}",
        results["datetime"][:10],
    ]
    lines = [
        "| what | measured | target |",
        "| --- | --- | --- |",
        *rows,
        "",
        "; ".join(facts) + ".",
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and put it in the README unless told not to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--print", action="store_true", help="leave the README as it is")
    arguments = parser.parse_args(argv)
    try:
        text = table(run_benchmarks())
    except subprocess.CalledProcessError as error:
        print(f"the benchmarks failed (exit code {error.returncode})", file=sys.stderr)
        return 1
    print(text, end="")
    if not arguments.print:
        readme = README.read_text(encoding="utf-8")
        README.write_text(
            REGION.sub(lambda found: found[1] + text + found[2], readme), encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
