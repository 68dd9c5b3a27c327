"""Interleaves workers: one at a time, in a new random order each round.

A disturbance of the machine then affects all variants alike, and hardly a ratio of two within a
round.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.bundle import built_in_bundles

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ROOM = 3.0
"""Free memory that a variant needs to start, in sizes of its model."""


class WorkerFailedError(Exception):
    """A worker died, or reported that its variant cannot run."""


@dataclass
class Measurement:
    """Measurements of one variant.

    Attributes:
        variant: What was run.
        rounds: Timed steps of a worker, by round.
        cold_starts_s: Seconds from the start of a process to its first result.
        peak_bytes: Peak resident memory.
        problem: Reason that it did not run, or stopped.
    """

    variant: Variant
    rounds: list[list[dict[str, Any]]] = field(default_factory=list)
    cold_starts_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    """Settings of a measurement.

    Attributes:
        rounds: Turns that each variant gets.
        steps: Timed steps in a turn; one that is not timed comes before them.
        warmup: Rounds before those that count.
        cold_starts: Processes to start for the cold start; the last stays.
        cores: Cores that workers are kept on; 0 for all.
        timeout_s: Longest wait for a response.
        seed: Of the order of turns.
        order: Given to each step, where a runner takes settings.
    """

    rounds: int = 10
    steps: int = 3
    warmup: int = 1
    cold_starts: int = 1
    cores: int = 0
    timeout_s: float = 900.0
    seed: int = 0
    order: dict[str, Any] = field(default_factory=dict)


class VariantProcess:
    """A variant in a process of its own."""

    def __init__(self, variant: Variant, audio: Path, plan: Plan) -> None:
        """Start the process and wait until it has its first result; see `WorkerFailedError`."""
        self._timeout_s = plan.timeout_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        order = {"variant": variant.to_dict(), "audio": str(audio), "cores": plan.cores}
        order |= {"first": plan.order, "spawned_at": time.monotonic()}
        command = [sys.executable, "-m", f"{__package__}.worker", json.dumps(order)]
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(variant.threads))
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._responses: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ready = self._response()
        except BaseException:
            self.close()
            raise

    def turn(self, steps: int, order: dict[str, Any]) -> dict[str, Any]:
        """Run some steps; nothing else runs meanwhile."""
        if self._process.stdin is None:
            raise WorkerFailedError
        with suppress(OSError):  # it has died; the response has the reason
            self._process.stdin.write(json.dumps({"steps": steps, "order": order}) + "\n")
            self._process.stdin.flush()
        return self._response()

    def _response(self) -> dict[str, Any]:
        try:
            line = self._responses.get(timeout=self._timeout_s)
        except queue.Empty:
            msg = f"no response within {self._timeout_s:g} s"
            raise WorkerFailedError(msg) from None
        if not line:
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
            msg = f"its process ended with {self._process.wait()}: {' '.join(last) or 'no word'}"
            raise WorkerFailedError(msg)
        response: dict[str, Any] = json.loads(line)
        if "failed" in response:
            raise WorkerFailedError(response["failed"])
        return response

    def _read(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as pipe:
                for line in pipe:
                    self._responses.put(line)
        self._responses.put("")

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with suppress(OSError):  # it died with words unread
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def interleave(
    variants: Sequence[Variant],
    audio: Path,
    plan: Plan,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[list[Measurement], float]:
    """Measure all variants interleaved; return the measurements and the load of other processes.

    The second value is the number of cores that other processes kept busy meanwhile.
    """
    found = [Measurement(variant, problem=variant.unfit) for variant in variants]
    workers: dict[int, VariantProcess] = {}
    try:
        for place, measured in enumerate(found):
            if not measured.problem:
                report(f"starting {measured.variant.label}")
                worker = _start(measured, audio, plan)
                if worker is not None:
                    workers[place] = worker
            if measured.problem:
                report(f"left out {measured.variant.label}: {measured.problem}")
        rng = np.random.default_rng(plan.seed)
        watch = Watchdog()
        for number in range(plan.warmup + plan.rounds):
            report(f"round {number + 1} of {plan.warmup + plan.rounds}")
            for place in rng.permutation(list(workers)).tolist():
                taken = _turn(found[place], workers[place], plan, is_timed=number >= plan.warmup)
                if taken is None:
                    workers.pop(place).close()
                    report(f"lost {found[place].variant.label}: {found[place].problem}")
                else:
                    watch.ours_s += taken
        return found, watch.others()
    finally:
        for worker in workers.values():
            worker.close()


class Watchdog:
    """Measures the processor time of other processes."""

    def __init__(self) -> None:
        self.ours_s = 0.0
        self._busy_s, self._since = self._busy(), time.perf_counter()

    @staticmethod
    def _busy() -> float:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return float(sum(times) - idle - guests)

    def others(self) -> float:
        """Return the number of cores that other processes kept busy on average."""
        wall_s = max(time.perf_counter() - self._since, 1e-9)
        return max(0.0, (self._busy() - self._busy_s - self.ours_s) / wall_s)


def _start(measured: Measurement, audio: Path, plan: Plan) -> VariantProcess | None:
    measured.problem = _no_room(measured.variant.model)
    worker = None
    for _ in range(0 if measured.problem else plan.cold_starts):
        if worker is not None:
            worker.close()
        try:
            worker = VariantProcess(measured.variant, audio, plan)
        except WorkerFailedError as error:
            measured.problem = str(error)
            return None
        measured.cold_starts_s.append(worker.ready["cold_start_s"])
        measured.peak_bytes = max(measured.peak_bytes, worker.ready["peak_bytes"])
    return worker


def _turn(
    measured: Measurement, worker: VariantProcess, plan: Plan, *, is_timed: bool
) -> float | None:
    """Give a turn; return the processor time it took, or None when the worker failed."""
    try:
        response = worker.turn(1 + plan.steps, plan.order)
    except WorkerFailedError as error:
        measured.problem = str(error)
        return None
    measured.peak_bytes = max(measured.peak_bytes, response["peak_bytes"])
    if is_timed:
        measured.rounds.append(response["steps"][1:])
    return float(sum(step["cpu_s"] for step in response["steps"]))


def _no_room(model: str) -> str:
    folder = built_in_bundles().get(model, Path(model or "none"))
    files = folder.glob("*") if folder.is_dir() else []
    needed = ROOM * sum(path.stat().st_size for path in files if path.is_file())
    free = psutil.virtual_memory().available
    if needed <= free:
        return ""
    return f"it may need {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
