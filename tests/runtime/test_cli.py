import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

import ser_rt
from ser_rt.config import EMOTIONS
from ser_rt.runtime.cli import main
from ser_rt.runtime.sources import microphone
from tests.conftest import RATE, make_wave
from tests.runtime.sources.test_microphone import BUILT_IN, HEADSET
from tests.tiny_bundle import LABELS

Writer = Callable[..., Path]
COMMAND = [sys.executable, "-m", "ser_rt.runtime.cli"]


@pytest.fixture
def speech(write_audio: Writer) -> Path:
    wave = make_wave(6.2)
    wave[2 * RATE : 5 * RATE + RATE // 2] = 0
    return write_audio("speech.wav", wave)


@pytest.fixture
def run(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str], list[str]]]:
    """Run the command in this process; return exit code, lines of events, lines of status."""

    def run_main(*flags: object, model: Path = tiny_bundle) -> tuple[int, list[str], list[str]]:
        code = main([str(flag) for flag in ("--model", model, *flags)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run_main


Run = Callable[..., tuple[int, list[str], list[str]]]


def fails(result: tuple[int, list[str], list[str]], code: int, words: str) -> None:
    """One line of error, nothing on standard output, and this exit code."""
    assert result[0] == code
    assert result[1] == []
    assert len(result[2]) == 1
    assert result[2][0].startswith("ser-stream: ")
    assert words in result[2][0]


def test_a_file_becomes_events_and_a_summary(run: Run, speech: Path) -> None:
    code, out, err = run(speech, "--format", "jsonl")
    events = [json.loads(line) for line in out]
    assert code == 0
    assert {event["type"] for event in events} == {"emotion", "no_speech", "summary"}
    assert events[-1]["type"] == "summary"
    assert events[-2]["end"] == pytest.approx(6.2)
    assert len(err) == 1
    assert run(speech, "-q")[2] == []


def test_the_same_audio_gives_the_same_bytes(run: Run, speech: Path) -> None:
    flags = (speech, "--format", "jsonl", "--no-timing")
    assert run(*flags)[1] == run(*flags)[1]


def test_text_shows_both_languages(run: Run, speech: Path) -> None:
    out = run(speech, "--stats", "--lang", "ko")[1]
    assert any(label in out[0] and EMOTIONS[label] in out[0] for label in LABELS)
    assert any(line.startswith("지연") for line in out)


def test_flags_reach_the_engine(run: Run, speech: Path) -> None:
    flags = [
        "--window=2",
        "--hop=1",
        "--min-window=2",
        "--half-life=0",
        "--no-gate",
        "--format=jsonl",
    ]
    events = [json.loads(line) for line in run(speech, *flags)[1][:-1]]
    assert [event["end"] for event in events] == [2, 3, 4, 5, 6, pytest.approx(6.2)]
    assert {event["type"] for event in events} == {"emotion"}


def test_a_config_file_gives_flags_and_flags_win(run: Run, speech: Path, tmp_path: Path) -> None:
    config = tmp_path / "ser.toml"
    config.write_text('format = "jsonl"\nno_gate = true\nhop = 1.5\n"min-window" = 3\n')
    events = [json.loads(line) for line in run(speech, "--config", config, "--hop", "1")[1][:-1]]
    assert [event["end"] for event in events][:3] == [3, 4, 5]
    assert {event["type"] for event in events} == {"emotion"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hopp = 1", "unknown key 'hopp'"),
        ("config = 'x'", "unknown key 'config'"),
        ("hop = true", "hop must be a value, not True"),
        ("quiet = 1", "quiet must be true or false, not 1"),
        ("hop = [1]", "hop must be a value, not [1]"),
        ("hop 1", "cannot be read"),
    ],
)
def test_a_bad_config_file_is_refused(run: Run, tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "ser.toml"
    config.write_text(text)
    fails(run("x.wav", "--config", config), 2, words)
    fails(run("x.wav", "--config", tmp_path / "nowhere.toml"), 2, "cannot be read")


def test_several_files_name_their_source_and_a_bad_one_is_passed_over(
    run: Run, speech: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    code, out, err = run(bad, speech, "--format", "jsonl", "-q")
    assert code == 1
    assert {json.loads(line)["source"] for line in out[:-1]} == {str(speech)}
    assert err == [f"ser-stream: {bad} is not audio, or in no format that can be read"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--hop", "0"], "hop must be above 0"),
        (["--window", "1", "--hop", "2"], "hop of 2 s is longer than the window of 1 s"),
        (["--half-life", "-1"], "half_life must be 0 s or more"),
        (["--threads", "0"], "threads must be 1 or more"),
        (["--mic"], "not several of them"),
        (["--device", "x"], "--device needs --mic"),
        (["-"], "cannot be mixed"),
        (["--output", "{speech}"], "would be overwritten"),
    ],
)
def test_flags_that_make_no_sense(run: Run, speech: Path, flags: list[str], words: str) -> None:
    before = speech.read_bytes()
    fails(run(speech, *(flag.format(speech=speech) for flag in flags)), 2, words)
    assert speech.read_bytes() == before


@pytest.mark.parametrize("flags", [["--hop", "x"], ["--format", "xml"], ["--fromat", "csv"]])
def test_flags_that_do_not_exist(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["x.wav", *flags])
    assert caught.value.code == 2


def test_no_arguments_show_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    err = capsys.readouterr().err
    assert "usage: ser-stream" in err
    assert "name a FILE" in err


def test_an_output_file_is_opened_only_when_there_is_something_to_hear(
    run: Run, speech: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    for name in ("nowhere.wav", "."):
        assert run(tmp_path / name, "-o", log)[0] == 1
    assert run(speech, "-o", log, "--hop", "9")[0] == 2
    assert run(speech, "-o", log, model=tmp_path)[0] == 1
    assert not log.exists()
    assert run(speech, "-o", log, "--format", "jsonl")[:2] == (0, [])
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["type"] == "summary"
    fails(run(speech, "-q", "-o", tmp_path / "no" / "log"), 1, "cannot be written")


def test_models_that_cannot_be_used(
    run: Run, speech: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    fails(run(speech, model=tmp_path / "nowhere"), 1, "no model bundle")
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    (copy / "model.onnx").write_bytes(b"x" * (copy / "model.onnx").stat().st_size)
    fails(run(speech, model=copy), 1, "sha256 differs")
    fails(run(speech, "--provider", "cuda"), 1, "did not come up")


def test_devices_are_listed_without_a_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "list_devices", lambda: [HEADSET, BUILT_IN])
    assert main(["--list-devices"]) == 0
    assert "*   3  Built-in Audio 0  (2 channels, 44100 Hz)" in capsys.readouterr().out
    assert main(["--list-devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {
        "number": 0, "name": "USB Headset", "channels": 1, "sample_rate": 48000,
        "is_default": False,
    }  # fmt: skip


def test_no_microphone_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "list_devices", list)
    monkeypatch.setattr(microphone, "_sounddevice", lambda: None)
    fails(run("--mic"), 1, "no microphone")


# What needs a process of its own: pipes, signals, exit codes.


def start(tiny_bundle: Path, *flags: object, stdin: int | None = None) -> "subprocess.Popen[bytes]":
    command = [*COMMAND, "--model", str(tiny_bundle), *map(str, flags)]
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


def test_empty_standard_input_is_an_error(tiny_bundle: Path) -> None:
    with start(tiny_bundle, "-", "-q", stdin=subprocess.PIPE) as process:
        out, err = process.communicate(b"")
    assert (process.returncode, err) == (1, b"ser-stream: the input holds no audio\n")
    assert b"emotion" not in out


def test_a_closed_pipe_ends_in_peace(tiny_bundle: Path, write_audio: Writer) -> None:
    path = write_audio("long.wav", np.tile(make_wave(60), 10))
    with start(tiny_bundle, path, "-q") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_ctrl_c_ends_with_the_summary(tiny_bundle: Path, write_audio: Writer) -> None:
    path = write_audio("long.wav", make_wave(60))
    with start(tiny_bundle, path, "-q", "--realtime", "--format", "jsonl") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    summary = json.loads(out.decode().splitlines()[-1])
    assert (process.returncode, err) == (130, b"")
    assert (summary["type"], summary["interrupted"]) == ("summary", True)
    assert first["latency_ms"]["total"] < 500


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


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ser_rt.runtime.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'onnxruntime', 'soundfile', 'av') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
