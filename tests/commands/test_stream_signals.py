"""Ends of the command by signals, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import Writer, make_wave
from tests.support.source_tree import ROOT

ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
NOHUP = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]


@pytest.fixture
def tone(write_audio: Writer) -> Path:
    """A minute of which every window sounds alike: one episode, and one caption."""
    return write_audio("tone.wav", np.tile(make_wave(0.25), 240))


def command(tiny_bundle: Path, path: Path, *flags: object) -> list[str]:
    always = ("-m", "ser_rt.commands.stream", path, "--model", tiny_bundle, "--no-vad")
    return [sys.executable, *map(str, always), *map(str, flags)]


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_a_signal_ends_with_the_summary_and_a_whole_recording(
    tiny_bundle: Path, tone: Path, tmp_path: Path, number: int, code: int
) -> None:
    audio = tmp_path / "audio.flac"
    flags = ("-q", "--realtime", "--episodes", "--format=jsonl", "--save-input", audio)
    with start(command(tiny_bundle, tone, *flags)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, b"")
    *_, episode, summary = map(json.loads, out.decode().splitlines())
    assert (episode["type"], summary["interrupted"]) == ("episode", True)
    samples, _ = soundfile.read(audio)
    assert len(samples) / 16_000 == pytest.approx(summary["audio_s"])


@pytest.mark.parametrize(("number", "code"), ENDS)
@pytest.mark.parametrize("is_paced", [True, False])
@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("srt", r"1\n00:00:00,000 --> [\d:,]+\n\w+ \d+%\n\n"), ("rttm", r"SPEAKER .*<NA>\n")],
)
def test_a_signal_writes_the_caption_that_is_open(
    tiny_bundle: Path,
    tone: Path,
    tmp_path: Path,
    kind: str,
    pattern: str,
    is_paced: bool,  # noqa: FBT001 (a parameter of the test)
    number: int,
    code: int,
) -> None:
    # The recording shows that audio was processed: a caption does so only at its end.
    captions, reached = tmp_path / "captions", tmp_path / "reached"
    os.mkfifo(reached)
    pace = "--realtime" if is_paced else "--fast"
    flags = (pace, f"--format={kind}", "-o", captions)
    wrapped = f"""
import sys
from ser_rt.commands import stream as cli
written = cli.StreamStatistics.add
def add(statistics, event):
    written(statistics, event)
    if event.end == 3:
        open({str(reached)!r}, "w").close()
cli.StreamStatistics.add = add
sys.exit(cli.main(sys.argv[1:]))
"""
    whole = command(tiny_bundle, tone, *flags)
    with start([sys.executable, "-c", wrapped, *whole[3:]]) as process:
        reached.read_bytes()
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
    assert re.fullmatch(pattern, captions.read_text(encoding="utf-8"))
    assert process.returncode == code or not is_paced  # it may have been quicker


def test_nohup_outlives_a_terminal(tiny_bundle: Path, tone: Path) -> None:
    flags = ("-q", "--realtime", "--format=jsonl")
    with start([*NOHUP, *command(tiny_bundle, tone, *flags)]) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGHUP)
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert second["end"] > first["end"]
    assert process.returncode == 143


def test_a_terminal_that_is_gone_leaves_the_log_and_the_recording(
    tiny_bundle: Path, tone: Path, tmp_path: Path
) -> None:
    log, audio = tmp_path / "log.txt", tmp_path / "audio.flac"
    ours, theirs = os.openpty()
    flags = ("--realtime", "-o", log, "--save-input", audio)
    controlling = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    run = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    process = subprocess.Popen(
        [sys.executable, "-c", controlling + run, *command(tiny_bundle, tone, *flags)[1:]],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    with process:
        while not (log.exists() and log.stat().st_size):
            if select.select([ours], [], [], 0.01)[0]:  # its display
                os.read(ours, 65_536)
        os.close(ours)  # the kernel sends SIGHUP, and writing fails from now on
        assert process.wait(30) == 129
    assert soundfile.info(audio).duration >= 1
    assert "latency" in log.read_text(encoding="utf-8").splitlines()[-1]  # of the summary
