"""`ser-stream --mic` in a process of its own, and its events as they arrive."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import ser_rt
from tests.support.pulse_server import Pulse
from tests.support.waiting import wait_until

Event = dict[str, Any]


class MicrophoneClient:
    """`ser-stream --mic`, and its events so far."""

    def __init__(self, pulse: Pulse, model: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "ser_rt.commands.stream", "--mic", "--device", "pulse"]
        command += ["--model", str(model), "--format", "jsonl", *flags]
        self.events: list[Event] = []
        self._process = subprocess.Popen(
            command,
            env=pulse.env | {"PYTHONPATH": str(Path(ser_rt.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, what: Callable[[Event], bool], within_s: float = 60.0) -> Event:
        """Return the first event of that kind that is still to come or has come."""

        def found() -> list[Event]:
            return [event for event in list(self.events) if what(event)]

        wait_until(lambda: found() or self._process.poll() is not None, within_s)
        assert found(), f"it ended after {self.events[-3:]}"
        return found()[0]

    def warning(self, code: str, within_s: float = 60.0) -> Event:
        """Return the first warning with a code."""
        return self.wait_for(lambda event: event.get("code") == code, within_s)

    def end(self, number: int, within_s: float = 60.0) -> tuple[int, str]:
        """Send a signal; return exit code and standard error."""
        self._process.send_signal(number)
        return self.ended(within_s)

    def ended(self, within_s: float) -> tuple[int, str]:
        """Wait for the end; return exit code and standard error."""
        code = self._process.wait(within_s)
        self._reader.join()
        assert self._process.stderr is not None
        errors = self._process.stderr.read()
        lines = [line for line in errors.splitlines() if not line.startswith(("ALSA lib", "Expr"))]
        return code, "\n".join(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))
