from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import Wav2Vec2Model, pipeline

from ser_rt.benchmarks.quality.judging import aligned
from ser_rt.errors import CheckpointError, ConfigError
from ser_rt.evaluate import main
from ser_rt.judging.hosted import (
    HostedClassifier,
    MergedClassifier,
    check_meanings,
    parse_meanings,
)
from tests.conftest import make_wave
from tests.support.hosted_models import write_hosted


def test_it_has_the_probabilities_of_transformers_pipeline(tmp_path: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["happy", "sad", "ANGRY"])
    model = HostedClassifier(str(folder), {"happy": "Joy"})
    wave = make_wave(1.0)
    found = {
        entry["label"]: entry["score"]
        for entry in pipeline("audio-classification", model=str(folder), top_k=None)(wave)
    }
    probabilities = model(np.stack([wave, make_wave(1.0, seed=1)]))
    assert model.labels == ("Joy", "Sad", "Angry")
    assert probabilities[0] == pytest.approx([found[name] for name in model.own_labels], abs=1e-5)
    assert probabilities[1] != pytest.approx(probabilities[0], abs=1e-5)


def test_a_model_of_another_rate_gets_audio_of_it(tmp_path: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["happy", "sad"], rate=8_000)
    assert HostedClassifier(str(folder), {})(make_wave(1.0)[None]).shape == (1, 2)


def test_a_head_that_was_never_trained_is_refused(tmp_path: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["happy", "sad"])
    Wav2Vec2Model.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="never trained"):
        HostedClassifier(str(folder), {})


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot load"):
        HostedClassifier(str(tmp_path), {})


def test_labels_without_an_emotion_ask_for_a_map(tmp_path: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["LABEL_0", "LABEL_1"])
    labels = ("Joy", "Sad")
    model = HostedClassifier(str(folder), {})
    with pytest.raises(ConfigError, match="LABEL_0"):
        check_meanings({"x": model}, {}, labels, "--map")
    with pytest.raises(ConfigError, match="LABEL_2"):
        check_meanings({"x": model}, {"LABEL_2": "Joy"}, labels, "--map")
    with pytest.raises(ConfigError, match="Bored"):
        check_meanings({"x": model}, {"LABEL_0": "Bored"}, labels, "--map")


def test_meanings_are_read_as_pairs() -> None:
    assert parse_meanings("a=b=Joy, x = 분노 ,", "--map") == {"a=b": "Joy", "x": "Angry"}
    for wrong in ("a", "=Joy", "a=", "a=Joy,a=Sad"):
        with pytest.raises(ConfigError, match="--map"):
            parse_meanings(wrong, "--map")


@pytest.mark.parametrize("meanings", ["happy", "gone=Joy", "LABEL_0=Bored", None])
def test_errors_name_the_flag_that_there_is(
    meanings: str | None, tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_hosted(tmp_path / "model", ["LABEL_0", "LABEL_1"])
    flags = ["--streams", "--hosted", str(folder), "--manifest", str(corpus / "manifest.csv")]
    assert main([*flags, *(["--hosted-labels", meanings] if meanings else [])]) == 2
    message = capsys.readouterr().err
    assert "--hosted-labels" in message
    assert " --labels" not in message
    assert "--model" not in message


def test_probabilities_of_other_emotions_are_left_out() -> None:
    found = aligned(
        np.array([[0.1, 0.3, 0.5, 0.1], [0.0, 0.0, 1.0, 0.0]]),
        ["Joy", "Sad", "Disgust", "Joy"],
        ["Sad", "Joy", "Fear"],
    )
    assert found == pytest.approx(np.array([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0]]))


def test_labels_of_one_emotion_are_one_in_streams(tmp_path: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["happy", "sad", "amused"])
    hosted = HostedClassifier(str(folder), {"happy": "Joy", "amused": "Joy"})
    merged = MergedClassifier(hosted)
    waves = np.stack([make_wave(1.0)])
    (row,) = hosted(waves)
    assert merged.labels == ("Joy", "Sad")
    assert merged(waves)[0] == pytest.approx([row[0] + row[2], row[1]])


def test_a_model_of_transformers_is_slid_over_streams(tmp_path: Path, corpus: Path) -> None:
    folder = write_hosted(tmp_path / "model", ["happy", "neutral", "angry"])
    flags = ["--streams", "--hosted", str(folder), "--hosted-labels", "happy=Joy", "--no-vad"]
    flags += ["--manifest", str(corpus / "manifest.csv"), "--per-dataset", "1"]
    flags += ["--window", "1", "--hop", "1", "--half-life", "0", "--online-checks", "1"]
    assert main([*flags, "--output-dir", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "streams.json").read_text(encoding="utf-8"))
    assert found["about"]["settings"]["window_s"] == 1
    assert found["online_equals_offline"] == {"streams": 1, "equal": 1}
