"""Every command with outputs that are closed, full, deserted or know few letters: real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import make_wave
from tests.support.source_tree import ROOT
from tests.test_packaging import PROJECT

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")

SCRIPTS = {name: [str(Path(sys.executable).with_name(name))] for name in PROJECT["scripts"]}
MODULES = {
    name: [sys.executable, "-m", name]
    for name in (
        "ser_rt.training.data.aihub",
        "ser_rt.server",
        "ser_rt.cluster",
        "benchmarks.measure.compare",
    )
}
COMMANDS = SCRIPTS | MODULES


@dataclass(frozen=True)
class Streams:
    """How the streams of a command are."""

    shell: str = ""
    env: tuple[tuple[str, str], ...] = ()
    is_full: bool = False
    is_deserted: bool = False


STREAMS = {
    "stdout closed": Streams(">&-"),
    "stderr closed": Streams("2>&-"),
    "stdin closed": Streams("<&-"),
    "all closed": Streams("<&- >&- 2>&-"),
    "stdout full": Streams(">/dev/full", is_full=True),
    "stderr full": Streams("2>/dev/full"),
    "deserted": Streams(is_deserted=True),
    "cp1252": Streams(env=(("PYTHONIOENCODING", "cp1252"),)),
    "cp949": Streams(env=(("PYTHONIOENCODING", "cp949"),)),
    "ascii": Streams(env=(("PYTHONIOENCODING", "ascii:strict"),)),
    "C": Streams(env=(("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0"))),
}


def run(
    command: list[str], streams: Streams, cwd: Path = ROOT
) -> subprocess.CompletedProcess[bytes]:
    """Run a command; what it wrote to a stream that is not open is empty."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {streams.shell}', "sh", *command],
            check=False,
            stdout=writer if streams.is_deserted else subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(streams.env),
        )
    finally:
        os.close(writer)


def check(
    done: subprocess.CompletedProcess[bytes], code: int, name: str, *, lines: int | None = None
) -> None:
    errors = (done.stderr or b"").decode()
    assert done.returncode == code, f"{name}: {errors}"
    assert "Traceback" not in errors, name
    assert "Exception ignored" not in errors, name
    if lines is not None:
        assert len(errors.splitlines()) == lines, f"{name}: {errors}"


@pytest.mark.parametrize("name", STREAMS)
def test_help_whatever_the_streams_are(name: str) -> None:
    streams = STREAMS[name]
    done = run([*COMMANDS["ser-stream"], "--help"], streams)
    check(done, 1 if streams.is_full else 0, name, lines=int(streams.is_full))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_begins_with_the_streams_it_is_given(command: str) -> None:
    """The commands share one beginning: two states show that each has it."""
    done = run([*COMMANDS[command], "--help"], STREAMS["stdout full"])
    check(done, 1, "stdout full", lines=1)
    done = run([*COMMANDS[command], "--no-such-flag"], STREAMS["all closed"])
    check(done, 2, "all closed")
    assert done.stdout == b"", "usage is no answer"


@dataclass(frozen=True)
class Work:
    """A command that does something, and how it ends."""

    flags: tuple[str, ...]
    answers: bool = True
    code: int = 0
    closed: int = 0


WORKS = {
    "ser-stream": Work(("가.wav", "--model=tiny", "--no-vad"), closed=1),
    "ser-predict": Work(("--audio_path=가.wav", "--model_path=tiny", "--gate-threshold=0")),
    "ser-report": Work(
        ("가.wav", "--model=tiny", "--no-vad", "--output=report.html"), answers=False
    ),
    "ser-check": Work(("tiny", "--provider=cpu", "--windows=1")),
    "ser-evaluate": Work(("--manifest=clips.csv", "--model_path=tiny", "--no_stress")),
    "ser-bench": Work(("fleet", "--per-core=1", "--process-mb=1", "--stream-mb=1")),
    "ser-batch": Work(
        ("가.wav", "--out=out", "--overwrite", "--model=tiny", "--no-vad", "--workers=1"),
        answers=False,
    ),
    "ser_rt.training.data.aihub": Work(("corpus", "--out=manifest.csv"), answers=False),
    "ser-serve": Work(("--model=없음",), answers=False, code=1),
    "ser-export": Work(("없음", "--out=bundle"), answers=False, code=1),
    "ser-tune": Work(("--manifest=없음",), answers=False, code=1),
    "ser-train": Work(("--data_dir=없음",), answers=False, code=1),
    "ser-cluster": Work(("없음",), answers=False, code=2),
    "ser-mcp": Work(("--root=없음",), answers=False, code=2),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """Return a folder with all that the works name, in Korean where that is possible."""
    import soundfile

    folder = tmp_path_factory.mktemp("걸")
    soundfile.write(folder / "가.wav", make_wave(1.5), 16_000)
    (folder / "tiny").symlink_to(tiny_bundle)
    row = "가.wav,Joy,김철수\n"
    (folder / "clips.csv").write_text(f"file_path,emotion,speaker\n{row}", encoding="utf-8")
    (corpus := folder / "corpus").mkdir()
    (corpus / "script.txt").write_text("F0001_000001 JOY\n기쁘다\n", encoding="utf-8")
    soundfile.write(corpus / "F0001_000001.wav", make_wave(1), 16_000)
    return folder


def test_every_command_has_its_work() -> None:
    assert set(SCRIPTS) <= set(WORKS)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "ser-export" else ())  # loads torch
        for name in WORKS
    ],
)
def test_work_is_done_and_what_can_be_written_is(command: str, place: Path) -> None:
    work = WORKS[command]
    whole = run([*COMMANDS[command], *work.flags], Streams(), place)
    check(whole, work.code, "open")
    assert bool(whole.stdout) == work.answers
    states = ["all closed", *(["stdout full", "cp1252"] if work.answers else [])]
    for name in states:
        streams = STREAMS[name]
        code = work.code
        if work.answers and streams.is_full:
            code = 1
        elif ">&-" in streams.shell:
            code = work.closed or code
        done = run([*COMMANDS[command], *work.flags], streams, place)
        check(done, code, name)
        if name == "cp1252":
            assert "가.wav" in done.stdout.decode() or command != "ser-predict"
            assert "김철수" in done.stdout.decode() or command != "ser-evaluate"


def test_streams_that_python_lacks(place: Path) -> None:
    code = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None\n"  # pythonw.exe
        "from ser_rt.inference import main\n"
        "flags = ['--audio_path=가.wav', '--model_path=tiny', '--gate-threshold=0']\n"
        "code = main([*flags, '--output_path=answer.json'])\n"
        "sys.exit(code or (sys.stdout, sys.stderr) != (None, None))"
    )
    check(run([sys.executable, "-c", code], Streams(), place), 0, "None")
    answer = json.loads((place / "answer.json").read_text(encoding="utf-8"))
    assert answer["status"] == "success"


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_dash_is_standard_output(name: str, place: Path) -> None:
    for command, flag in (
        ("ser-stream", "--output"),
        ("ser-predict", "--output_path"),
        ("ser_rt.training.data.aihub", "--out"),
    ):
        flags = [*WORKS[command].flags, f"{flag}={name}"]
        done = run([*COMMANDS[command], *flags], Streams(), place)
        check(done, 0, command)
        assert done.stdout
    assert not (place / "-").exists()


def test_a_device_is_no_place_for_a_file(place: Path) -> None:
    for command, flag in (("ser-stream", "-o"), ("ser-predict", "--output_path")):
        flags = [*WORKS[command].flags, flag, "/dev/null"]
        check(run([*COMMANDS[command], *flags], Streams(), place), 0, command)
        assert Path("/dev/null").is_char_device()
    refused = [*WORKS["ser-stream"].flags, "--rotate=1", "-o", "/dev/null"]
    check(run([*COMMANDS["ser-stream"], *refused], Streams(), place), 2, "rotate", lines=1)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["-", "/dev/null", "/dev/stdout"])
def test_a_recording_needs_a_file(name: str, place: Path) -> None:
    flags = [*WORKS["ser-stream"].flags, "--save-input", name]
    done = run([*COMMANDS["ser-stream"], *flags], Streams(), place)
    check(done, 2, name, lines=1)
    assert f"--save-input {name} is no file".encode() in done.stderr
