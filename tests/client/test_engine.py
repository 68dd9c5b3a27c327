"""``ser-stream --server``: the same command and the same lines, computed by a server."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ser_rt.bundle import write_profile
from ser_rt.commands.stream import main
from ser_rt.profiles import Profile
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.stream import load
from tests.conftest import Run, Writer, make_wave
from tests.server.conftest import Running, serving
from tests.support.source_tree import ROOT

KEY = "a-key-of-more-than-16"


@pytest.fixture(scope="module")
def running(classifier: OnnxClassifier) -> Iterator[Running]:
    with serving(classifier, keys=(KEY,)) as found:
        yield found


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("format_", ["jsonl", "text", "csv"])
def test_the_lines_are_those_of_this_machine(
    run: Run,
    running: Running,
    token: Path,
    speech: Path,
    capsys: pytest.CaptureFixture[str],
    format_: str,
) -> None:
    flags = ["--no-vad", "--no-timing", "--format", format_, "--episodes", "--hop=0.25"]
    wanted = run(speech, *flags)[1]
    server = ["--server", running.ws, "--token-file", str(token)]
    assert main([str(speech), *server, *flags]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == wanted
    assert err.startswith(f"{speech}: tiny 1.0 (6 emotions, fp32, cpu) at ws://127.0.0.1:")


@pytest.mark.parametrize(
    ("format_", "flags"),
    [("srt", []), ("vtt", ["--half-life", "0.1"]), ("rttm", ["--profile", "slow"])],
)
def test_times_of_subtitles_are_those_of_this_machine(
    run: Run,
    speech: Path,
    tmp_path: Path,
    streaming_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    format_: str,
    flags: list[str],
) -> None:
    model = shutil.copytree(streaming_bundle, tmp_path / "model")
    for name, half_life_s in {"default": 1.4, "slow": 3.0}.items():
        write_profile(model, name, Profile(half_life_s=half_life_s, gate_threshold=0.3), {})
    flags = ["--no-vad", "--format", format_, *flags]
    wanted = run(speech, *flags, model=model)[1]
    with serving(load(model)) as there:
        assert main([str(speech), "--server", there.ws, *flags]) == 0
    assert capsys.readouterr().out.splitlines() == wanted
    assert wanted


def test_a_profile_that_the_server_lacks_leaves_the_output_alone(
    running: Running,
    token: Path,
    speech: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = tmp_path / "old.srt"
    old.write_text("old", encoding="utf-8")
    server = ["--server", running.ws, "--token-file", str(token)]
    flags = ["--profile", "quick", "--format", "srt", "-o", str(old)]
    assert main([str(speech), *server, *flags]) == 1
    assert "no profile 'quick'" in (error := capsys.readouterr().err)
    assert len(error.splitlines()) == 1
    assert old.read_text(encoding="utf-8") == "old"


def test_how_late_live_episodes_are_is_stated(
    tmp_path: Path,
    write_audio: Writer,
    streaming_bundle: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    speech = write_audio("short.wav", make_wave(1.1))
    model = shutil.copytree(streaming_bundle, tmp_path / "model")
    write_profile(model, "default", Profile(half_life_s=1.4), {})
    flags = ["--no-vad", "--episodes", "--realtime", "--half-life", "0.9"]
    with serving(load(model)) as there:
        assert main([str(speech), "--server", there.ws, *flags]) == 0
    told = capsys.readouterr().err.splitlines()[0]
    assert "begins about 0.9 s after the emotion does: the smoothing" in told
    assert run(speech, *flags, model=model)[2][0] == told


def test_two_files_are_two_streams(
    running: Running, token: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--server", running.ws, "--token-file", str(token), "--format=jsonl", "-q"]
    assert main([*flags, "--no-vad", str(speech), str(speech)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.get("seq") for event in events].count(0) == 2
    assert events[-1]["audio_s"] == pytest.approx(12.4)
    assert any("network" in event.get("latency_ms", {}) for event in events)


def test_names_of_files_may_be_long_paths(
    running: Running, token: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ("a" * 120) / ("b" * 120)
    folder.mkdir(parents=True)
    files = [str(shutil.copy(speech, folder / name)) for name in ("1.wav", "2.wav")]
    flags = ["--server", running.ws, "--token-file", str(token), "--format=jsonl", "-q"]
    assert main([*flags, "--no-vad", *files]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event.get("source") for event in events[:-1]} == set(files)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--token-file=x"], 2, "--token-file needs --server"),
        (["--server=ws://x", "--provider=cpu"], 2, "--provider"),
        (["--server=ws://x", "--vad-threshold=0.4"], 2, "--vad-threshold"),
        (["--server=nonsense"], 2, "not an address"),
        (["--server=ws://127.0.0.1:9/v1/stream"], 1, "no server at ws://127.0.0.1:9"),
        (["--server=ws://127.0.0.1:9", "--token-file=none"], 2, "--token-file none cannot be"),
    ],
)
def test_a_mistake_is_one_line(
    speech: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, words: str
) -> None:
    assert main([str(speech), *flags]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err


def test_a_wrong_key_is_one_line(
    running: Running, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(speech), "--server", running.ws]) == 1
    assert "unauthorized" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_with_the_last_results(
    running: Running, token: Path, write_audio: Writer, number: signal.Signals, code: int
) -> None:
    minute = write_audio("minute.wav", np.tile(make_wave(0.25), 240))
    flags = ["--server", running.ws, "--token-file", str(token), "--format=jsonl", "--no-vad"]
    command = [sys.executable, "-m", "ser_rt.commands.stream", *flags, "--realtime", str(minute)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines()]
    assert first["end"] == 1.0
    assert events[-1]["type"] == "summary"
    assert events[-1]["interrupted"] is True
    last = [first, *events][-2]
    assert last["end"] == pytest.approx(events[-1]["audio_s"])  # all audio that was sent
    assert process.returncode == code
    assert "Traceback" not in err
