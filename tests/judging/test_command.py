"""`ser-evaluate --streams`: report, JSON and page; flags that make no sense; bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ser_rt.evaluate import main
from ser_rt.judging.command import settings_of
from ser_rt.judging.measures import measure
from ser_rt.judging.report import to_text
from ser_rt.judging.truth import Omissions
from ser_rt.judging.verdict import verdict_of
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.stream import load
from ser_rt.testing import tiny_streaming_bundle
from tests.judging.conftest import Make
from tests.support.tones import PITCH_HZ


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_streaming_bundle(tmp_path_factory.mktemp("model") / "tiny"))


def test_a_report_of_streams(
    corpus: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        *(
            "--streams",
            "--model-path",
            model,
            "--per-dataset",
            "4",
            "--online-checks",
            "2",
            "--no-vad",
        )
    ]
    flags += ["--manifest", str(corpus / "manifest.csv"), "--split", "val", "--half-life", "0.3"]
    assert main([*flags, "--output-dir", str(tmp_path / "one")]) == 0
    text = capsys.readouterr().out
    assert (tmp_path / "one" / "streams.txt").read_text(encoding="utf-8") == text
    for word in ("EDER", "flicker", "false changes", "same events in odd chunks", "Left out"):
        assert word in text
    found = json.loads((tmp_path / "one" / "streams.json").read_text(encoding="utf-8"))
    assert found["overall"]["streams"] == len(found["streams"]) == 8
    assert found["online_equals_offline"] == {"streams": 2, "equal": 2}
    assert found["about"]["protocol"] == {"version": 1, "per_dataset": 4, "seed": 0}
    assert found["about"]["settings"]["half_life_s"] == 0.3
    assert set(found["groups"]) == {"dataset", "language", "kind", "speaker"}
    assert "eder" in found["overall"]["intervals"]
    page = (tmp_path / "one" / "streams.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert "http:" not in page
    assert "https:" not in page
    # Again: all but the computing time is the same.
    assert main([*flags, "--output-dir", str(tmp_path / "two")]) == 0
    again = json.loads((tmp_path / "two" / "streams.json").read_text(encoding="utf-8"))
    assert again["streams"] == found["streams"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (StreamSettings(), (True, "silero")),
        (StreamSettings(window_s=1.5), (False, "silero")),
        (StreamSettings(gate_threshold=0.0), (True, "level")),
        (StreamSettings(gate_threshold=0.0, speaker_change=True), (True, "silero")),
        (StreamSettings(vad=False), (True, "level")),
    ],
)
def test_a_report_says_what_the_stream_did(
    settings: StreamSettings, wanted: tuple[bool, str], model: str
) -> None:
    found = settings_of(settings, load(model))
    assert (found["streaming"], found["vad"]) == wanted


def test_what_no_stream_has_is_a_hyphen_in_the_text(make: Make) -> None:
    stream = make(per_dataset=1)[0]
    labels = tuple(PITCH_HZ)
    verdict = verdict_of(labels, [measure(stream, [], labels)], Omissions(), online={}, about={})
    assert math.isnan(verdict.overall.figures["computed_median_ms"])
    assert "nan" not in to_text(verdict)


def test_recordings_with_times(
    corpus: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next(corpus.glob("a1_Joy_2.wav"))
    entry = {"wav": str(clip), "duration": 2.6, "emotion": [{"emo": "happy", "start": 1, "end": 2}]}
    bad = entry | {"wav": "gone.wav"}
    (tmp_path / "ZED.json").write_text(json.dumps({"x": entry, "y": bad}), encoding="utf-8")
    flags = ["--streams", "--no-vad", "--model-path", model, "--zed", str(tmp_path / "ZED.json")]
    assert main([*flags, "--output-dir", str(tmp_path / "out")]) == 0
    assert "recordings that cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--manifest", "m.csv", "--snr", "3"], "--snr needs --streams"),
        (["--manifest", "m.csv", "--half-life", "3"], "--half-life needs --streams"),
        (["--zed", "z.json"], "--zed needs --streams"),
        (["--streams", "--data-dir", "d"], "--data-dir does nothing"),
        (["--streams", "--zed", "z.json", "--seed", "3"], "--seed makes streams"),
        (["--streams", "--manifest", "m.csv", "--per-dataset", "0"], "per_dataset must be"),
        (["--streams", "--manifest", "m.csv", "--enter", "2"], "enter must be"),
        (["--streams", "--manifest", "m.csv", "--loudness", "x"], "loudness must be"),
    ],
)
def test_flags_that_make_no_sense_end_with_2(
    flags: list[str], words: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*flags, "--model-path", model])
    except SystemExit as exit_:
        code = exit_.code  # type: ignore[assignment]  # a number
    assert code == 2
    assert words in capsys.readouterr().err


def test_a_manifest_without_speakers_ends_with_1(
    corpus: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"file,emotion\n{corpus / 'a1_Joy_0.wav'},Joy\n", encoding="utf-8")
    assert main(["--streams", "--model-path", model, "--manifest", str(manifest)]) == 1
    assert "column speaker" in capsys.readouterr().err
    assert not (Path.cwd() / "evaluation_results").exists()
