"""What needs a process of its own: kills and signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import soundfile

from tests.batch.conftest import Run, files_of, windows_of
from tests.conftest import RATE, make_wave
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

DEADLINE_S = 60.0


def start(calls: Path, out: Path, model: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ser_rt.batch.cli", str(calls), "--out", str(out)]
    command += ["--model", str(model), "--no-vad", "--workers", "1", *flags]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        # A shell has its background jobs pass over Ctrl-C, these tests among them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no locks)
    )


def wait_for_parts(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Return when so many files are done, or the process has ended."""

    def is_there() -> bool:
        return len(list(out.glob("files/part-*"))) >= count or process.poll() is not None

    wait_until(is_there, DEADLINE_S)


def test_a_killed_run_goes_on_and_ends_with_the_same_table(
    run: Run, calls: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    with start(calls, out, tiny_bundle, "--commit-every", "0") as process:
        wait_for_parts(process, out, 5)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert psutil.wait_procs(workers, timeout=DEADLINE_S)[1] == []
    assert run(calls, "--out", out)[0] == 0
    assert run(calls, "--out", whole)[0] == 0
    assert windows_of(out).equals(windows_of(whole))
    assert files_of(out) == files_of(whole)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_run_in_order(
    run: Run, calls: Path, tmp_path: Path, tiny_bundle: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    with start(calls, out, tiny_bundle, "--commit-every", "0") as process:
        wait_for_parts(process, out, 2)
        process.send_signal(signal.SIGSTOP)
        refused, status = run(calls, "--out", out)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert refused == 1
    assert "another run" in status[-1]
    assert process.returncode == code
    assert err.decode().splitlines()[-1].endswith("files are left; run again to go on")
    assert b"Traceback" not in err
    assert run(calls, "--out", out)[0] == 0
    assert len(files_of(out)) == 30


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_minutes(tmp_path: Path, tiny_bundle: Path) -> None:
    minute, most = make_wave(60), {}
    for minutes in (3, 60):
        folder = tmp_path / str(minutes)
        folder.mkdir()
        with soundfile.SoundFile(folder / "long.flac", "w", RATE, 1) as file:
            for _ in range(minutes):
                file.write(minute)
        resident = [0]
        with start(folder, tmp_path / f"out{minutes}", tiny_bundle) as process:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
                with suppress(psutil.NoSuchProcess):
                    children = psutil.Process(process.pid).children()
                    resident += [child.memory_info().rss for child in children]
        assert files_of(tmp_path / f"out{minutes}")["long.flac"]["windows"] == 120 * minutes - 1
        most[minutes] = max(resident)
    decoded = 60 * 60 * RATE * 4
    assert most[60] - most[3] < decoded / 5
