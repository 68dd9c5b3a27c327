"""Progress of a batch: a bar on a terminal, a line every half a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ser_rt.cli.process import tell

LINE_EVERY_S = 30.0


class Meter:
    """Counts of finished files, and from them speed and remaining time."""

    def __init__(
        self, files: int, size: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Expect so many files of so many bytes in all."""
        self._clock = clock
        self._began: float | None = None
        self.files, self.size = files, size
        self.done = self.errors = 0
        self.done_size = self.audio_s = 0.0

    def add(self, audio_s: float, size: float, spent_s: float, *, is_error: bool) -> None:
        """Count a finished file; timing starts with the first, so that loading is left out."""
        if self._began is None:
            self._began = self._clock() - spent_s
        self.done += 1
        self.errors += is_error
        self.audio_s += audio_s
        self.done_size += size

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first file was begun."""
        return 0.0 if self._began is None else self._clock() - self._began

    @property
    def speed(self) -> float:
        """Seconds of audio processed in a second."""
        return self.audio_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """Estimated remaining seconds, by bytes; None as long as unknown."""
        if not self.done_size or not self.elapsed_s:
            return None
        return self.elapsed_s * (self.size - self.done_size) / self.done_size

    def __str__(self) -> str:
        left = "?" if self.left_s is None else _duration(self.left_s)
        errors = f", {self.errors} with errors" if self.errors else ""
        speed = f"{self.speed:.0f} × real time, {left} left"
        return f"{self.done} of {self.files} files{errors}, {speed}"


class ProgressDisplay:
    """A meter on standard error."""

    def __init__(self, meter: Meter, *, quiet: bool) -> None:
        """Use a bar on a terminal, lines elsewhere, nothing if ``quiet``."""
        self.meter, self._quiet = meter, quiet
        self._bar: Progress | None = None
        self._reported_at = time.monotonic()
        if not quiet and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("ser-batch"),
                BarColumn(),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self.meter.files, speed="")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, audio_s: float, size: float, spent_s: float, *, is_error: bool) -> None:
        """Count a file; see `Meter.add`."""
        meter = self.meter
        meter.add(audio_s, size, spent_s, is_error=is_error)
        if self._bar is not None:
            errors = f" {meter.errors} errors" if meter.errors else ""
            speed = f"{meter.speed:.0f} × real time{errors}"
            self._bar.update(self._task, completed=meter.done, speed=speed)
        elif not self._quiet and time.monotonic() - self._reported_at >= LINE_EVERY_S:
            self._reported_at = time.monotonic()
            report(str(meter))


def report(text: str) -> None:
    """Write a line to standard error."""
    tell(f"ser-batch: {text}")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
