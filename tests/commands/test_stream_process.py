"""What of the command needs a process of its own: pipes, signals, exit codes, memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import ser_rt
from tests.conftest import Run, Writer, make_wave

COMMAND = [sys.executable, "-m", "ser_rt.commands.stream"]


def start(tiny_bundle: Path, *flags: object, stdin: int | None = None) -> "subprocess.Popen[bytes]":
    command = [*COMMAND, "--model", str(tiny_bundle), "--no-vad", *map(str, flags)]
    env = os.environ | {"PYTHONPATH": str(Path(ser_rt.__file__).parents[1])}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, stdin=stdin
    )


def test_pcm_on_standard_input_may_be_cut_anywhere(
    run: Run, tiny_bundle: Path, write_audio: Writer
) -> None:
    pcm = (make_wave(2.3, 48_000) * 32767).astype("<i2")
    flags = ("--format", "jsonl", "--no-timing")
    expected = run(write_audio("a.wav", pcm, 48_000, subtype="PCM_16"), *flags)[1]
    with start(tiny_bundle, "-", "--rate", 48_000, *flags, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        data = pcm.tobytes()
        for at in range(0, len(data), 9_999):
            process.stdin.write(data[at : at + 9_999])
            process.stdin.flush()
        out, _ = process.communicate()
    assert process.returncode == 0
    assert out.decode().splitlines() == expected


def test_a_closed_pipe_ends_in_peace(tiny_bundle: Path, write_audio: Writer) -> None:
    path = write_audio("long.wav", np.tile(make_wave(60), 10))
    with start(tiny_bundle, path, "-q") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def with_closed(stream: str, *flags: object) -> "subprocess.CompletedProcess[bytes]":
    command = ["sh", "-c", f'exec "$@" {stream}', "sh", *COMMAND, *map(str, flags)]
    env = os.environ | {"PYTHONPATH": str(Path(ser_rt.__file__).parents[1])}
    return subprocess.run(command, env=env, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("stream", "file", "words"),
    [
        (">&-", "a.wav", b"ser-stream: standard output is closed"),
        ("<&-", "-", b"ser-stream: standard input is closed"),
    ],
)
def test_a_closed_standard_stream_is_one_line(stream: str, file: str, words: bytes) -> None:
    ended = with_closed(stream, file, "-q")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(words)
    assert ended.stderr.count(b"\n") == 1


def test_a_standard_stream_that_is_not_needed_may_be_closed(
    tiny_bundle: Path, write_audio: Writer, tmp_path: Path
) -> None:
    path, log = write_audio("a.wav", make_wave(1)), tmp_path / "log.jsonl"
    flags = (path, "--model", tiny_bundle, "--format", "jsonl", "--no-vad")
    ended = with_closed(">&-", *flags, "-q", "-o", log)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    ended = with_closed("2>&-", *flags)
    assert ended.returncode == 0
    for lines in (log.read_bytes(), ended.stdout):
        assert [json.loads(line)["type"] for line in lines.splitlines()] == ["emotion", "summary"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(run: Run, speech: Path) -> None:
    assert run(speech, "-q", "-o", "/dev/full")[0] == 1


@pytest.mark.slow
def test_an_hour_in_a_file_takes_little_memory_and_no_hour(
    tiny_bundle: Path, write_audio: Writer
) -> None:
    path = write_audio("hour.flac", np.tile(make_wave(60), 60))
    resident: list[int] = []
    with start(tiny_bundle, path, "-q", "--format", "jsonl") as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number % 1_000 == 500:
                resident.append(psutil.Process(process.pid).memory_info().rss)
            last = line
    summary = json.loads(last)
    assert (summary["windows"], summary["audio_s"]) == (7_199, 3_600)
    assert summary["real_time_factor"] < 0.02
    assert max(resident) < 200_000_000
    assert max(resident) < resident[0] + 5_000_000


def test_a_recording_loads_no_more_than_it_needs(tiny_bundle: Path, write_audio: Writer) -> None:
    path = write_audio("a.wav", make_wave(1))
    code = (
        "import sys; from ser_rt.commands.stream import main\n"
        f"main([{str(path)!r}, '--model', {str(tiny_bundle)!r}])\n"
        "print([m for m in ('rich', 'sounddevice', 'av', 'asyncio', 'http') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
