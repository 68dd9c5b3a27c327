"""``ser-check``: verifies a bundle and compares its results on every provider."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ser_rt.cli.arguments import Parser, positive_int
from ser_rt.cli.process import run_command, tell
from ser_rt.errors import SerError
from ser_rt.files.writing import write_json
from ser_rt.runtime.backends.providers import SINGLE_PROVIDERS

if TYPE_CHECKING:
    from ser_rt.runtime.backends.parity import Report, Row

_EPILOG = """\
example:
  ser-check my-bundle --provider cpu --provider cuda --json

Verifies the sha256 of every file, opens the bundle on each provider, and compares its results with
those of its whole graph on the CPU. The exit code is 0; 1 if anything failed; 2 if the command
makes no sense.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-check``."""
    parser = Parser(
        prog="ser-check",
        description="Check that a bundle is whole and has the same results on every provider.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("bundle", nargs="?", metavar="BUNDLE", help="folder, or name of a built-in one (default)")
    add(
        "--provider",
        action="append",
        choices=SINGLE_PROVIDERS,
        help="must come up; may be given again (default: each that does)",
    )
    add("--threads", type=positive_int, metavar="N", help="threads of one model call")
    add(
        "--windows",
        type=positive_int,
        default=12,
        metavar="N",
        help="windows of the sample to compare (%(default)s)",
    )
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-check``; return 0, 1 (something failed) or 2 (usage)."""
    return run_command("ser-check", lambda: _check(make_parser().parse_args(argv)))


def _check(flags: argparse.Namespace) -> int:
    from ser_rt.bundle import Bundle, find_bundle
    from ser_rt.runtime.backends.parity import check

    try:
        bundle = Bundle.load(find_bundle(flags.bundle))
    except SerError as error:
        if flags.json:
            write_json({"ok": False, "problem": str(error)})
        raise
    report = check(bundle, flags.provider or (), flags.threads, flags.windows)
    if flags.json:
        write_json(report.to_dict())
    else:
        _print(report)
    for row in report.rows:
        if not row.ok:
            tell(f"ser-check: {row.provider}, {row.form}: {row.problem}")
    return 0 if report.ok else 1


def _print(report: Report) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    title = (
        f"{report.bundle} {report.version}, {report.precision}: {report.files} files match the "
        f"manifest; {report.windows} windows"
    )
    print(title)
    if report.notice:
        print(report.notice)
    table = Table(box=SIMPLE, collapse_padding=True, pad_edge=False)
    for name in ("provider", "form", "nodes", "cold ms", "warm ms", "max Δp", "labels", ""):
        is_number = name in {"cold ms", "warm ms", "max Δp", "labels"}
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name != "nodes")
    for row in report.rows:
        table.add_row(*_cells(row))
    Console().print(table)
    for row in report.rows:
        if row.ok and row.problem:
            print(f"{row.provider}: {row.problem}")


def _cells(row: Row) -> list[str]:
    if row.max_difference is None:
        return [row.provider, row.form, "", "", "", "", "", "skipped" if row.ok else "FAILED"]
    nodes = ", ".join(
        f"{count} {name.removesuffix('ExecutionProvider')}" for name, count in row.nodes.items()
    )
    return [
        row.provider,
        row.form,
        nodes,
        f"{row.cold_ms:.0f}",
        "" if row.warm_ms is None else f"{row.warm_ms:.1f}",
        f"{row.max_difference:.1e}",
        f"{row.label_agreement:.0%}",
        "ok" if row.ok else "FAILED",
    ]
