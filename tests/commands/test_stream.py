import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from ser_rt.audio.sources import portaudio
from ser_rt.commands.stream import main
from ser_rt.constants import EMOTIONS
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.testing import LABELS
from tests.conftest import Run, make_wave
from tests.support.fake_driver import BUILT_IN, HEADSET

Writer = Callable[..., Path]
COMMAND = [sys.executable, "-m", "ser_rt.commands.stream"]


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
        "--gate-threshold=0",
        "--format=jsonl",
    ]
    events = [json.loads(line) for line in run(speech, *flags)[1][:-1]]
    assert [event["end"] for event in events] == [2, 3, 4, 5, 6, pytest.approx(6.2)]
    assert {event["type"] for event in events} == {"emotion"}


def test_a_config_file_gives_flags_and_flags_win(run: Run, speech: Path, tmp_path: Path) -> None:
    config = tmp_path / "ser.toml"
    config.write_text('format = "jsonl"\ngate_threshold = 0\nhop = 1.5\n"min-window" = 3\n')
    events = [json.loads(line) for line in run(speech, "--config", config, "--hop", "1")[1][:-1]]
    assert [event["end"] for event in events][:3] == [3, 4, 5]
    assert {event["type"] for event in events} == {"emotion"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hopp = 1", "unknown key 'hopp'"),
        ("config = 'x'", "unknown key 'config'"),
        ("hop = true", "hop must be a value, not True"),
        ("quiet = 1", "quiet"),
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


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_damaged_audio_is_classified_to_its_end(run: Run, write_audio: Writer, rate: int) -> None:
    path = write_audio("cut.wav", make_wave(4, rate), rate, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + round(2.7 * rate) * 2])
    code, out, err = run(path, "-q", "--episodes", "--format", "jsonl")
    events = [json.loads(line) for line in out]
    assert code == 1
    assert "is truncated at 2.70 s: its header promises 4.00 s" in err[0]
    assert [event["type"] for event in events[-3:]] == ["emotion", "episode", "summary"]
    assert [event["end"] for event in events[-3:-1]] == [pytest.approx(2.7, abs=1e-4)] * 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--hop", "0"], "hop"),
        (["--window", "1", "--hop", "2"], "longer"),
        (["--half-life", "-1"], "half_life"),
        (["--threads", "0"], "threads"),
        (["--mic"], "several"),
        (["--device", "x"], "--device needs --mic"),
        (["--rotate", "1"], "--rotate needs --output"),
        (["-o", "log", "--rotate", "0"], "rotate"),
        (["--top-k", "-2"], "top-k"),
        (["--enter", "2"], "enter"),
        (["--save-input", "{speech}"], "would be overwritten"),
        (["--save-input", "talk.WAV"], "it writes FLAC; name a file .flac"),
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


def test_an_output_file_is_opened_only_when_there_is_something_to_write(
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


def test_the_name_of_an_output_is_its_format_and_one_that_is_there_is_named(
    run: Run, speech: Path, tmp_path: Path
) -> None:
    subtitles = tmp_path / "a.srt"
    assert "replaced" not in " ".join(run(speech, "-o", subtitles)[2])
    assert " --> " in subtitles.read_text(encoding="utf-8")
    assert f"{subtitles} is replaced" in run(speech, "-o", subtitles)[2]
    assert run(speech, "-q", "-o", subtitles)[2] == []
    run(speech, "-o", subtitles, "--format=text")
    assert " --> " not in subtitles.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["zero.wav", "text.wav"])
def test_a_run_without_audio_overwrites_nothing(
    run: Run, write_audio: Writer, tmp_path: Path, name: str
) -> None:
    write_audio("zero.wav", make_wave(0))
    (tmp_path / "text.wav").write_text("no audio")
    kept, audio = tmp_path / "keep.jsonl", tmp_path / "audio.flac"
    kept.write_text("precious")
    audio.write_text("precious")
    assert run(tmp_path / name, "-q", "-o", kept, "--save-input", audio)[:2] == (1, [])
    assert (kept.read_text(), audio.read_text()) == ("precious", "precious")


def test_models_that_cannot_be_used(
    run: Run, speech: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    fails(run(speech, model=tmp_path / "nowhere"), 1, "no model bundle")
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    (copy / "model.onnx").write_bytes(b"x" * (copy / "model.onnx").stat().st_size)
    fails(run(speech, model=copy), 1, "sha256 differs")
    fails(run(speech, "--provider", "cuda"), 1, "CUDAExecutionProvider")


def test_devices_are_listed_without_a_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio.PORTAUDIO, "devices", lambda: [HEADSET, BUILT_IN])
    assert main(["--list-devices"]) == 0
    assert "*   3  Built-in Audio 0  (2 channels, 44100 Hz)" in capsys.readouterr().out
    assert main(["--list-devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {
        "number": 0, "name": "USB Headset", "channels": 1, "sample_rate": 48000,
        "is_default": False,
    }  # fmt: skip


def test_providers_are_listed_with_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-providers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines]
    assert names == [name for name in PROVIDERS if name != "auto"]
    assert lines[0].split(maxsplit=2) == ["*", "cpu", "on the processor"]
    assert main(["--list-providers", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {"provider": "cpu", "ok": True, "device": "the processor", "problem": ""}
    assert all(one["ok"] == (not one["problem"]) == bool(one["device"]) for one in found)
    # The model is one that each of them takes: what is wrong is the machine.
    assert not [one for one in found if "int8" in one["problem"] or "bundle" in one["problem"]]


def test_no_microphone_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio.PORTAUDIO, "devices", list)
    fails(run("--mic"), 1, "no microphone")


def test_episodes_steadiness_and_full_windows_only(run: Run, speech: Path) -> None:
    out = run(speech, "--format=jsonl", "--episodes", "--no-partial", "--unsure=1", "--top-k=2")[1]
    events = [json.loads(line) for line in out]
    assert {event["emotion"] for event in events if event["type"] == "emotion"} == {"unsure"}
    assert {len(event["probabilities"]) for event in events if event["type"] == "emotion"} == {2}
    assert not any(event.get("partial") for event in events)
    episodes = [event for event in events if event["type"] == "episode"]
    assert episodes[0]["start"] <= episodes[0]["peak"] <= episodes[0]["end"]


def test_a_summary_counts_windows_and_audio(run: Run, write_audio: Writer) -> None:
    short = write_audio("short.wav", make_wave(0.7))
    out = run(short, "--no-partial", "--format=jsonl")[1]
    event, summary = map(json.loads, out)
    assert (event["end"], event["partial"], summary["audio_s"]) == (0.7, True, 0.7)
    long = write_audio("long.wav", make_wave(3.2))
    summary = json.loads(run(short, long, "--no-partial", "--format=jsonl")[1][-1])
    assert summary["audio_s"] == pytest.approx(3.9)


def test_no_partial_may_stand_in_a_config_file(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("partial = false\n")
    out = run(speech, "--format=jsonl", "--config", tmp_path / "ser.toml")[1]
    assert json.loads(out[0])["end"] == 3


def test_the_input_is_recorded_and_a_log_rotates(run: Run, speech: Path, tmp_path: Path) -> None:
    audio, log = tmp_path / "audio.flac", tmp_path / "log.csv"
    flags = ["--format=csv", "--rotate=0.001", "-o", log, "--save-input", audio]
    assert run(speech, *flags)[0] == 0
    assert soundfile.info(audio).duration == pytest.approx(6.2)
    assert len(list(tmp_path.glob("log.csv*"))) > 1
    assert {p.read_text().split(",")[0] for p in tmp_path.glob("log.csv*")} == {"source"}


def test_speech_is_told_from_noise_unless_told_otherwise(
    tiny_bundle: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(speech), "--model", str(tiny_bundle), "--format", "jsonl", "-q"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["type"] for event in events} == {"no_speech", "summary"}
    assert events[-1]["compute_saved"] == 1
