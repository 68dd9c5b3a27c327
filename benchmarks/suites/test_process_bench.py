"""Start-up time and memory of the process, measured from outside."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import ser_rt
from ser_rt.benchmarks.report.targets import Figure, note

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

COMMAND = shutil.which("ser-stream", path=Path(sys.executable).parent) or "ser-stream"
STREAM = [COMMAND, str(ser_rt.sample_path()), "--format", "jsonl"]


def test_cold_start(benchmark: BenchmarkFixture) -> None:
    def first_event() -> None:
        with subprocess.Popen(STREAM, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            assert process.stdout.readline().startswith(b"{")
            process.kill()

    benchmark.pedantic(first_event, rounds=7, warmup_rounds=1)
    note(benchmark, Figure("`ser-stream FILE`, start to first event", "s", 1.0, per_s=1.0))


def test_import(benchmark: BenchmarkFixture) -> None:
    """The interpreter's own start is taken off: the child times the import."""
    code = "import time; t = time.perf_counter(); import ser_rt; print(time.perf_counter() - t)"
    took_s: list[float] = []

    def import_it() -> None:
        took_s.append(float(subprocess.check_output([sys.executable, "-c", code])))

    benchmark.pedantic(import_it, rounds=11, warmup_rounds=1)
    median_ms = 1e3 * sorted(took_s)[len(took_s) // 2]
    note(benchmark, Figure("`import ser_rt`", "ms", 150, value=median_ms))


def test_help(benchmark: BenchmarkFixture) -> None:
    """The slowest of the commands, the interpreter's own start included."""
    folder = Path(sys.executable).parent
    commands = [entry.name for entry in distribution("ser-rt").entry_points]
    took_s: dict[str, list[float]] = {name: [] for name in commands}

    def request_all() -> None:
        for name in commands:
            began = time.perf_counter()
            subprocess.run([folder / name, "--help"], check=True, stdout=subprocess.DEVNULL)
            took_s[name].append(time.perf_counter() - began)

    benchmark.pedantic(request_all, rounds=7, warmup_rounds=1)
    slowest_ms, name = max((1e3 * statistics.median(times), name) for name, times in took_s.items())
    note(benchmark, Figure(f"the slowest `--help`, `{name}`", "ms", 300, value=slowest_ms))


def test_resident_memory(benchmark: BenchmarkFixture) -> None:
    peak_bytes = 0

    def stream_all() -> None:
        nonlocal peak_bytes
        with subprocess.Popen(STREAM, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            watched = psutil.Process(run.pid)
            while run.poll() is None:
                peak_bytes = max(peak_bytes, watched.memory_info().rss)
                time.sleep(0.002)
            assert run.returncode == 0

    benchmark.pedantic(stream_all, rounds=3)
    note(
        benchmark, Figure("resident memory of `ser-stream FILE`", "MB", 200, value=peak_bytes / 1e6)
    )
