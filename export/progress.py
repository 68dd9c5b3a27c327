"""Progress of an export: one line a stage, and a bar on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ser_rt.cli.process import tell

Report = Callable[[str], None]
"""Gets one line for each stage."""


class Stages:
    """Times the stages of an export, one after another."""

    def __init__(self, report: Report, began: Report = lambda _: None) -> None:
        self._report, self._began = report, began
        self._since = time.perf_counter()

    def begin(self, what: str) -> None:
        """Announce the stage that starts now."""
        self._began(what)
        self._since = time.perf_counter()

    def warn(self, what: str) -> None:
        """Report a warning; the stage goes on."""
        self._report(f"warning: {what}")

    def done(self, what: str) -> None:
        """Report what was done, its duration and the peak memory so far."""
        seconds = time.perf_counter() - self._since
        self._report(f"{seconds:7.1f} s {peak_memory_mb():7,.0f} MB  {what}")


def peak_memory_mb() -> float:
    """Return the peak memory of this process in MB; 0 where the system has no figure."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@contextmanager
def shown(total: int) -> Iterator[Stages]:
    """Report to standard error: lines, and on a terminal a bar of `total` stages below them."""
    if not sys.stderr.isatty():
        yield Stages(tell)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (SpinnerColumn(), BarColumn(24), TextColumn("{task.description}"), Elapsed())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total)

        def done(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)
            progress.advance(bar)

        yield Stages(done, lambda what: progress.update(bar, description=what))
