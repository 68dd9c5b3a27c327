"""`ser-tune`: a configuration file and a profile that streams take; a wish that nothing fulfils."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ser_rt.bundle import Bundle, write_profile
from ser_rt.commands.stream_options import parse
from ser_rt.commands.tune import main
from ser_rt.judging.tuning import Tuner, settings_of
from ser_rt.profiles import Profile
from ser_rt.testing import tiny_streaming_bundle
from tests.support.tones import PITCH_HZ, write_tone

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("tune")
    lines = ["file_path,emotion,speaker,split"]
    for speaker, split in (("s1", "train"), ("s2", "val")):
        for emotion in PITCH_HZ:
            for take in range(2):
                name = f"{speaker}_{emotion}_{take}.wav"
                write_tone(folder / name, emotion, 2.0)
                lines.append(f"{name},{emotion},{speaker},{split}")
    (folder / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = tiny_streaming_bundle(folder / "model")
    return [
        *("--model", str(model), "--manifest", str(folder / "m.csv"), "--split", "train"),
        *("--per-dataset", "2", "--trials", "4", "--gates", "0"),
    ]


def test_what_is_found_is_written_and_taken_by_streams(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, report = tmp_path / "tuned.toml", tmp_path / "tuned.html"
    more = ["--report-split", "val", "-o", str(config), "--report", str(report)]
    assert main([*flags, *more, "--profile", "calm"]) == 0
    shown = capsys.readouterr().out
    assert "found (val)" in shown
    assert "Trade-off" in shown
    assert "data:image/png" in report.read_text(encoding="utf-8")
    settings = tomllib.loads(config.read_text(encoding="utf-8"))
    parsed = parse(["a.wav", "--config", str(config)])
    assert {key: getattr(parsed, key.replace("-", "_")) for key in settings} == settings
    profile = Bundle.load(flags[1]).profiles["calm"]
    assert profile.half_life_s == settings["half-life"]
    assert profile.gate_threshold == 0


def test_without_a_profile_is_without_the_models_own(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Profile(neutral=0.7, hop_s=0.25, half_life_s=2.0)
    write_profile(tiny_streaming_bundle(tmp_path / "model"), "default", own, {})
    flags = [flags[0], str(tmp_path / "model"), *flags[2:]]
    tuners: list[Tuner] = []
    search = Tuner.search

    def watched(tuner: Tuner, *how: Any) -> Any:
        tuners.append(tuner)
        return search(tuner, *how)

    monkeypatch.setattr(Tuner, "search", watched)
    assert main([*flags, "-o", str(tmp_path / "tuned.toml")]) == 0
    (tuner,) = tuners
    assert tuner.profiles == (own,)
    plain = settings_of(Profile())
    naming = plain.naming_for(tuner.classifier)
    assert (naming.neutral, naming.half_life_s) == (None, 0.7)
    assert plain.windows_for(tuner.classifier).hop_s == 0.5


def test_the_confidence_is_fitted_to_what_was_found_and_stored_with_it(flags: list[str]) -> None:
    folder = Path(flags[1])
    manifest, before = (folder / "manifest.json").read_bytes(), Bundle.load(folder)
    try:
        assert main([*flags, "--profile", "default", "--calibrate", "shape"]) == 0
        bundle = Bundle.load(folder)
        assert not before.temperature_by_speech
        assert bundle.temperature_by_speech
        assert min(bundle.temperature_by_speech.values()) <= 1.0
        assert max(bundle.temperature_by_speech.values()) >= 1.0
    finally:
        (folder / "manifest.json").write_bytes(manifest)


def test_a_wish_that_nothing_fulfils_ends_with_1_and_writes_no_settings(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tuned.toml"
    assert main([*flags, "--max-delay", "0.01", "-o", str(config), "--profile", "never"]) == 1
    assert "max_delay" in capsys.readouterr().err
    assert not config.exists()
    assert "never" not in Bundle.load(flags[1]).profiles


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--max-delay", "-1"], "max_delay must be"),
        (["--calibrate", "all"], "needs --profile"),
        (["--profile", "a b"], "profile must be"),
        (["--hops", "9"], "hop of 9 s"),
    ],
)
def test_flags_that_make_no_sense_end_with_2(
    flags: list[str], more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, *more]) == 2
    assert words in capsys.readouterr().err
