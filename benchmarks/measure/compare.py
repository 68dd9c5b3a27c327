"""`make compare`: compares hot paths with their baseline, and fails where one is slower.

A time is divided by that of a calibration, which runs before each round of it, so that a busy or a
slower machine changes little. A run is split into blocks; the spread of their ratios is the noise.
A hot path is slower only if its faster blocks are slower than the baseline's slower ones, by more
than a margin, and in a second run too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.benchmarks.measure.machine import stamp
from ser_rt.cli.arguments import Parser, positive_int
from ser_rt.cli.process import run_command
from ser_rt.errors import DataError
from ser_rt.files.writing import write_json
from ser_rt.tables import Table, text_table

HERE = Path(__file__).resolve().parent.parent
SUITE = HERE / "suites" / "test_hot_paths_bench.py"
BASELINE = HERE / "baselines" / "hot-paths.json"
BLOCKS = 10
MARGIN, OTHER_MACHINE_MARGIN = 0.15, 0.60
"""Least slowdown beyond noise that counts: on the baseline's processor, and on any other."""

Ratios = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Comparison:
    """One hot path compared with its baseline.

    Attributes:
        name: Of the benchmark.
        change: Median ratio now over the baseline's; None without a baseline.
        is_slower: Whether that is beyond noise and margin.
        noise: Spread of the blocks now: 90th percentile over 10th.
    """

    name: str
    change: float | None
    is_slower: bool
    noise: float


def compare_ratios(now: Ratios, before: Ratios, margin: float) -> list[Comparison]:
    """Compare the blocks' ratios of each benchmark."""
    found = []
    for name, ratios in now.items():
        low, middle, high = np.percentile(ratios, (10, 50, 90)).tolist()
        if name not in before:
            found.append(Comparison(name, None, is_slower=False, noise=high / low))
            continue
        usual, worst = np.percentile(before[name], (50, 90)).tolist()
        is_slower = low > worst * (1 + margin)
        found.append(Comparison(name, middle / usual, is_slower=is_slower, noise=high / low))
    return found


def measure(suite: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Run a suite, or some benchmarks of it; return what pytest-benchmark writes.

    Raises:
        DataError: the suite failed, or has no hot path.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        command = [sys.executable, "-m", "pytest", "-q", "--benchmark-enable", "--benchmark-only"]
        command += ["-p", "no:cacheprovider", "--benchmark-columns=median,iqr,rounds"]
        command += ["--timeout=600", f"--benchmark-json={path}", f"--rootdir={HERE.parent}"]
        which = [f"{suite}::{name}" for name in names] or [str(suite)]
        done = subprocess.run([*command, *which], cwd=HERE.parent, stdout=sys.stderr, check=False)
        if done.returncode:
            msg = f"the benchmarks in {suite.name} failed (exit code {done.returncode})"
            raise DataError(msg)
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found["machine_info"]["ser_rt"] = stamp()
    if not ratios_of(found):
        msg = f"{suite.name} has no hot path: use the fixture `hot`"
        raise DataError(msg)
    return found


def ratios_of(results: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the blocks' ratios to the calibration, by benchmark."""
    return {
        entry["name"]: entry["extra_info"]["hot_path"]["ratios"]
        for entry in results["benchmarks"]
        if "hot_path" in entry["extra_info"]
    }


def save(results: Mapping[str, Any], path: Path) -> None:
    """Write a baseline."""
    write_json({"measured": results["machine_info"]["ser_rt"], "ratios": ratios_of(results)}, path)


def load(path: Path) -> dict[str, Any]:
    """Read a baseline.

    Raises:
        DataError: it is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["ratios"], found["measured"]["machine"]["cpu"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is no baseline ({error}); make one with --save"
        raise DataError(msg) from error
    return found


def compare(suite: Path, baseline: Path, tries: int) -> int:
    """Measure, compare, measure again what seems slower; return 1 if it stays so."""
    before = load(baseline)
    results = measure(suite)
    same = _processor(results["machine_info"]["ser_rt"]) == _processor(before["measured"])
    margin = MARGIN if same else OTHER_MACHINE_MARGIN
    found = {v.name: v for v in compare_ratios(ratios_of(results), before["ratios"], margin)}
    for _ in range(tries - 1):
        slower = [name for name, comparison in found.items() if comparison.is_slower]
        if not slower:
            break
        again = compare_ratios(ratios_of(measure(suite, slower)), before["ratios"], margin)
        found |= {comparison.name: comparison for comparison in again}
    where = "the baseline's processor" if same else "another processor than the baseline's"
    print(text_table(_table(list(found.values()), margin, where)))
    gone = sorted(before["ratios"].keys() - found.keys())
    if gone:
        print(f"no longer measured: {', '.join(gone)}")
    return int(any(comparison.is_slower for comparison in found.values()))


def _processor(measured: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return name and instruction sets: several generations may have one name."""
    machine = measured["machine"]
    return machine["cpu"], machine.get("instructions", [])


def _table(found: Sequence[Comparison], margin: float, where: str) -> Table:
    rows = [
        (
            comparison.name,
            "new" if comparison.change is None else f"{comparison.change:.2f}",
            f"{comparison.noise:.2f}",
            "slower" if comparison.is_slower else "",
        )
        for comparison in found
    ]
    note = f"Measured on {where}: {margin:.0%} beyond the noise of both runs counts as slower."
    return Table("Hot paths", ("", "times the baseline", "noise", ""), rows, note)


def run(flags: argparse.Namespace) -> int:
    """Compare, or save."""
    if flags.save:
        save(measure(flags.suite), flags.baseline)
        return 0
    return compare(flags.suite, flags.baseline, flags.tries)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="python -m benchmarks.measure.compare", description=__doc__)
    parser.add_argument("--save", action="store_true", help="write the baseline instead")
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="default: %(default)s")
    parser.add_argument("--suite", type=Path, default=SUITE, help="default: %(default)s")
    parser.add_argument(
        "--tries", type=positive_int, default=3, help="runs in which it must be slower (default: 3)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing is slower, 1 where something is, 2 on a wrong command."""
    return run_command("benchmarks.measure.compare", lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
