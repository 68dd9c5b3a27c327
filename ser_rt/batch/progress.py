"""How far a batch is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
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
    """Counts what was heard, how fast, and how much is left."""

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
        """Count a file; the clock starts with the first, for loading a model is no hearing."""
        if self._began is None:
            self._began = self._clock() - spent_s
        self.done += 1
        self.errors += is_error
        self.audio_s += audio_s
        self.done_size += size

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first file was heard."""
        return 0.0 if self._began is None else self._clock() - self._began

    @property
    def speed(self) -> float:
        """Seconds of audio for each second."""
        return self.audio_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take, by its bytes; None before that is known."""
        if not self.done_size or not self.elapsed_s:
            return None
        return self.elapsed_s * (self.size - self.done_size) / self.done_size

    def __str__(self) -> str:
        """Return a line for a log."""
        left = "?" if self.left_s is None else _duration(self.left_s)
        errors = f", {self.errors} with errors" if self.errors else ""
        speed = f"{self.speed:.0f} × real time, {left} left"
        return f"{self.done} of {self.files} files{errors}, {speed}"


class Shown:
    """A meter that is shown on standard error."""

    def __init__(self, meter: Meter, *, quiet: bool) -> None:
        """Choose how: a bar on a terminal, lines elsewhere, nothing if ``quiet``."""
        self.meter, self._quiet = meter, quiet
        self._bar: Progress | None = None
        self._said_at = time.monotonic()
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
        """Show it."""
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self.meter.files, speed="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
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
        elif not self._quiet and time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            say(str(meter))


def say(text: str) -> None:
    """Write a line to standard error."""
    tell(f"ser-batch: {text}")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
