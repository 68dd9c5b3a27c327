"""One file becomes rows, whatever is wrong with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ser_rt
from ser_rt.audio.channels import Channel, Split
from ser_rt.batch.classify_file import ERROR_CODES, BatchConfig, FileClassifier
from ser_rt.batch.tables import files_schema, unpacked, windows_schema
from ser_rt.commands import stream as cli
from ser_rt.errors import BundleInvalidError, ConfigError, MissingDependencyError
from ser_rt.testing import LABELS
from tests.conftest import RATE, make_wave

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def classifier(job: BatchConfig) -> FileClassifier:
    return FileClassifier(job)


def test_numbers_are_those_of_ser_stream(
    classifier: FileClassifier, corpus: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(corpus / "6.wav")
    cli.main([path, "--model", str(tiny_bundle), "--no-vad", "--format", "jsonl", "--no-timing"])
    *events, summary = map(json.loads, capsys.readouterr().out.splitlines())
    result = classifier.classify(path)
    rows = unpacked(result.windows).to_pylist()
    assert {event["type"] for event in events} == {"emotion", "no_speech"}
    for number, (row, event) in enumerate(zip(rows, events, strict=True)):
        assert (row["path"], row["index"]) == (path, number)
        for column, key in (
            ("start_s", "start"),
            ("end_s", "end"),
            ("is_partial", "partial"),
            ("emotion", "emotion"),
        ):
            assert row[column] == event.get(key)
        assert round(row["speech"], 6) == event["speech"]
        for label in LABELS:
            p = row[f"p_{label}"]
            assert (p if p is None else round(p, 6)) == event.get("probabilities", {}).get(label)
    assert result.file["duration_s"] == summary["audio_s"]
    assert result.file["windows"] == len(events)


def test_a_file_has_the_emotion_that_the_library_finds(
    classifier: FileClassifier, corpus: Path, tiny_bundle: Path
) -> None:
    result = classifier.classify(str(corpus / "6.wav"))
    rows = [row for row in unpacked(result.windows).to_pylist() if row["emotion"] is not None]
    shares = {label: result.file[f"p_{label}"] for label in LABELS}
    wanted = ser_rt.classify(corpus / "6.wav", model=tiny_bundle, vad=False)
    assert shares == pytest.approx(wanted.probabilities)
    assert result.file["emotion"] == max(shares, key=lambda label: shares[label])
    assert result.file["confidence"] == pytest.approx(max(shares.values()))
    assert result.file["speech_windows"] == len(rows) < result.file["windows"]
    assert result.file["speech_share"] == len(rows) / result.file["windows"]
    assert result.file["error_code"] is None


def test_silence_is_no_error(classifier: FileClassifier, write_audio: Writer) -> None:
    file = classifier.classify(str(write_audio("silent.wav", np.zeros(2 * RATE, np.float32)))).file
    assert file["error_code"] is None
    assert (file["duration_s"], file["windows"], file["speech_share"]) == (2, 3, 0)
    assert "emotion" not in file


@pytest.fixture
def spoilt(tmp_path: Path, write_audio: Writer) -> Path:
    """A folder of files with something wrong in each of them."""
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "folder.wav").mkdir()
    write_audio("header.wav", np.zeros(0, np.float32))
    write_audio("loud.wav", make_wave(2) * 1e6, subtype="FLOAT")
    whole = write_audio("whole.flac", make_wave(4)).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    return tmp_path


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("missing", "nowhere.wav"),
        ("empty", "empty.wav"),
        ("empty", "header.wav"),
        ("unreadable", "text.wav"),
        ("unreadable", "folder.wav"),
        ("damaged", "cut.flac"),
        ("unreadable", "loud.wav"),
    ],
)
def test_what_is_wrong_is_in_the_row(
    classifier: FileClassifier, spoilt: Path, code: str, name: str
) -> None:
    path = spoilt / name
    result = classifier.classify(str(path))
    assert result.file["error_code"] == code
    assert code in ERROR_CODES
    assert str(path) in result.file["error"]
    assert (result.file["windows"] > 0) == (code == "damaged")
    assert len(unpacked(result.windows)) == result.file["windows"]


@pytest.mark.parametrize(
    ("code", "channel", "track", "count"),
    [
        ("no_channel", 2, None, 1),
        ("no_channel", "split", None, 1),
        ("no_channel", Split(("agent", "customer", "guest")), None, 2),
        ("no_track", None, 3, 1),
    ],
)
def test_what_a_file_does_not_have_is_in_the_row(
    job: BatchConfig, write_audio: Writer, code: str, channel: Channel, track: int, count: int
) -> None:
    path = write_audio("call.wav", np.stack([make_wave(2)] * count, axis=1))
    settings = replace(job.settings, channel=channel)
    if isinstance(channel, Split):
        settings = replace(job.settings, channel="split", channel_names=channel.names)
    file = FileClassifier(replace(job, settings=settings, track=track)).classify(str(path)).file
    assert (file["error_code"], file["windows"]) == (code, 0)
    assert str(path) in file["error"]


def test_a_track_that_needs_a_package_ends_the_run(
    job: BatchConfig, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ser_rt.audio.decoding.file_decoder.has_ffmpeg", lambda: False)
    with pytest.raises(MissingDependencyError, match="media"):
        FileClassifier(replace(job, track=2)).classify(str(corpus / "1.wav"))


def test_a_file_longer_than_allowed_is_classified_up_to_there(
    job: BatchConfig, write_audio: Writer
) -> None:
    path = write_audio("long.wav", make_wave(4))
    file = FileClassifier(replace(job, max_duration_s=2.0)).classify(str(path)).file
    assert file["error_code"] == "too_long"
    assert (file["duration_s"], file["windows"]) == (2.0, 3)


def test_an_error_that_nobody_thought_of_is_in_the_row(
    job: BatchConfig, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        msg = "out of\nsorts"
        raise RuntimeError(msg)

    classifier = FileClassifier(job)
    monkeypatch.setattr("ser_rt.batch.classify_file.make_source", fail)
    file = classifier.classify(str(corpus / "1.wav")).file
    assert (file["error_code"], file["error"]) == ("failed", "RuntimeError: out of sorts")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_a_name_that_is_no_utf8_is_escaped(
    classifier: FileClassifier, tmp_path: Path, corpus: Path
) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    try:
        path.write_bytes((corpus / "1.wav").read_bytes())
    except OSError:
        pytest.skip("this disk takes no such name")
    result = classifier.classify(str(path))
    assert result.path == str(path)
    assert result.file["path"] == f"{tmp_path}/\\udcff.wav"
    assert unpacked(result.windows)["path"][0].as_py() == result.file["path"]


def test_another_bundle_than_agreed_is_refused(job: BatchConfig) -> None:
    with pytest.raises(BundleInvalidError, match="is another than"):
        FileClassifier(replace(job, model_sha256="0" * 64))


def test_bad_settings_are_refused_before_any_file(job: BatchConfig) -> None:
    settings = replace(job.settings, hop_s=9.0, window_s=3.0)
    with pytest.raises(ConfigError, match="hop"):
        FileClassifier(replace(job, settings=settings))


def test_the_columns_are_frozen() -> None:
    windows, files = windows_schema(["Joy"]), files_schema(["Joy"], ["speaker"])
    assert [(f.name, str(f.type), f.nullable) for f in windows] == [
        ("path", "string", False),
        ("index", "int32", False),
        ("start_s", "double", False),
        ("end_s", "double", False),
        ("emotion", "string", True),
        ("confidence", "float", True),
        ("p_Joy", "float", True),
        ("speech", "float", False),
        ("is_partial", "bool", False),
        ("channel", "int16", True),
    ]
    assert [(f.name, str(f.type), f.nullable) for f in files] == [
        ("path", "string", False),
        ("duration_s", "double", False),
        ("windows", "int32", False),
        ("speech_windows", "int32", False),
        ("speech_share", "float", True),
        ("emotion", "string", True),
        ("confidence", "float", True),
        ("p_Joy", "float", True),
        ("error_code", "string", True),
        ("error", "string", True),
        ("elapsed_s", "double", False),
        ("manifest_speaker", "string", True),
    ]


def test_the_documentation_has_every_column_and_error() -> None:
    text = (Path(__file__).parents[2] / "docs/batch.md").read_text(encoding="utf-8")
    for name in (*windows_schema(["Joy"]).names, *files_schema(["Joy"]).names, *ERROR_CODES):
        assert f"| `{name.replace('p_Joy', 'p_<label>')}` |" in text, name
