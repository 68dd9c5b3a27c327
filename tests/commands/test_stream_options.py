from pathlib import Path

import pytest

from ser_rt.commands.stream import main
from tests.commands.test_stream import fails
from tests.conftest import Run


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["a.wav", "--rate", "16000"], "--rate"),
        (["a.wav", "--channels", "1"], "--channels needs -"),
        (["a.wav", "--encoding", "s16le"], "--encoding needs -"),
        (["a.wav", "b.wav", "--format", "srt"], "timeline"),
        (["a.wav", "b.wav", "-o", "a.SRT"], "timeline"),
        (["a.wav", "-o", "a.json"], "jsonl"),
        (["a.wav", "-o", "a.sub"], "srt"),
        (["a.wav", "b.wav", "-o", "a.vtt"], "timeline"),
        (["a.wav", "--json"], "--json needs --list-devices"),
        (["a.wav", "--realtime", "--fast"], "not both"),
        (["a.wav", "--vad-threshold", "0.5"], "--vad-threshold"),
        (["a.wav", "--vad-pre-roll", "0"], "--vad-pre-roll"),
        (["--mic", "--rate", "0"], "--rate"),
        (["-", "--rate", "0"], "--rate"),
        (["-", "--rate=-16000"], "-16000"),
        (["-", "--realtime"], "--realtime needs a FILE"),
        (["--mic", "--realtime"], "--realtime needs a FILE"),
        (["http://x/y", "--realtime"], "--realtime needs a FILE"),
    ],
)
def test_flags_that_do_not_apply_are_refused(run: Run, flags: list[str], words: str) -> None:
    fails(run(*flags), 2, words)


@pytest.mark.parametrize("flag", ["--list-devices", "--list-providers"])
def test_a_list_takes_no_other_flags(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main([flag, "--format", "csv"]) == 2
    assert f"{flag} only lists: --format does nothing there" in capsys.readouterr().err


def test_one_list_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-devices", "--list-providers"]) == 2
    assert "several" in capsys.readouterr().err


def test_fast_wins_over_realtime_in_a_config_file(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("realtime = true\n")
    assert run(speech, "--config", tmp_path / "ser.toml", "--fast")[0] == 0
    (tmp_path / "ser.toml").write_text("realtime = true\nfast = true\n")
    fails(run(speech, "--config", tmp_path / "ser.toml"), 2, "not both")


def test_two_outputs_are_two_files(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other in ("a", "link", "../" + tmp_path.name + "/a"):
        flags = ("-o", tmp_path / "a", "--save-input", tmp_path / other)
        fails(run(speech, *flags), 2, "name two files")
    assert not (tmp_path / "a").exists()
