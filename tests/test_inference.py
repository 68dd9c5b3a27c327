"""Predictions of files: the documented results, the same alone and in a batch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

import ser_rt
from ser_rt import inference, testing
from ser_rt.batch.classify_file import BatchConfig, FileClassifier
from ser_rt.client import Client
from ser_rt.commands import stream
from ser_rt.errors import BundleNotFoundError, ConfigError, DataError
from ser_rt.inference import EmotionInference, create_inference_engine
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import LABELS
from tests.server.conftest import serving
from tests.support.source_tree import ROOT
from tests.support.tones import PitchClassifier, write_tone

if TYPE_CHECKING:
    from pathlib import Path
from typing import Any


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return testing.tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five tones, one of them in a subfolder, and a text."""
    write_tone(tmp_path / "audio" / "a.wav", "Joy", 1.0)
    write_tone(tmp_path / "audio" / "b.FLAC", "Angry", 2.5)
    write_tone(tmp_path / "audio" / "c.mp3", "Neutral", 1.0)
    write_tone(tmp_path / "audio" / "d.ogg", "Joy", 1.0)
    write_tone(tmp_path / "audio" / "more" / "e.wav", "Joy", 1.0)
    (tmp_path / "audio" / "notes.txt").write_text("no audio")
    return tmp_path / "audio"


ALL = StreamSettings(gate_threshold=0)
"""A tone is no speech."""
UNGATED = ["--gate-threshold", "0"]


def engine(**settings: int) -> EmotionInference:
    return EmotionInference(PitchClassifier(), settings=ALL, **settings)


def opened(bundle: Path, **settings: int) -> EmotionInference:
    return create_inference_engine(bundle, settings=ALL, **settings)


def test_readme_single_block(bundle: Path, folder: Path) -> None:
    result = opened(bundle).predict_single(str(folder / "a.wav"))
    assert list(result) == [
        "audio_path",
        "predicted_emotion",
        "confidence",
        "probabilities",
        "status",
    ]
    assert result["audio_path"] == str(folder / "a.wav")
    assert result["predicted_emotion"] in LABELS
    assert result["status"] == "success"
    assert tuple(result["probabilities"]) == LABELS
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert result["confidence"] == max(result["probabilities"].values())


def test_readme_batch_block(folder: Path) -> None:
    predictor = engine()
    results = predictor.predict_batch([str(folder / name) for name in ("a.wav", "b.FLAC", "c.mp3")])
    assert [r["predicted_emotion"] for r in results] == ["Joy", "Angry", "Neutral"]

    results = predictor.predict_directory(str(folder))
    assert [r["audio_path"].removeprefix(str(folder)) for r in results] == [
        "/a.wav",
        "/b.FLAC",
        "/c.mp3",
        "/d.ogg",
        "/more/e.wav",
    ]
    distribution = predictor.analyze_emotions_distribution(results)
    assert list(distribution) == [
        "total_samples",
        "emotion_counts",
        "emotion_percentages",
        "average_confidence",
        "std_confidence",
        "min_confidence",
        "max_confidence",
    ]
    counts = distribution["emotion_counts"]
    assert max(counts, key=counts.__getitem__) == "Joy"
    assert counts == {"Joy": 3, "Angry": 1, "Neutral": 1}
    assert distribution["emotion_percentages"]["Joy"] == pytest.approx(60)
    confidences = [r["confidence"] for r in results]
    assert distribution["average_confidence"] == pytest.approx(np.mean(confidences))
    assert distribution["std_confidence"] == pytest.approx(np.std(confidences))
    assert distribution["min_confidence"] == min(confidences)
    assert distribution["max_confidence"] == max(confidences)


def test_a_batch_gives_what_one_by_one_gives_in_fewer_calls(bundle: Path, tmp_path: Path) -> None:
    seconds = [1.0, 2.0, 1.0, 0.7, 1.0, 12.0]
    names = ["Joy", "Angry", "Neutral", "Joy", "Angry", "Neutral"]
    paths = [
        write_tone(tmp_path / f"{i}.wav", name, length, peak=0.1 + 0.1 * i)
        for i, (name, length) in enumerate(zip(names, seconds, strict=True))
    ]
    for predictor in (opened(bundle, batch_size=2), engine()):
        together = predictor.predict_batch(paths)
        for path, result in zip(paths, together, strict=True):
            alone = predictor.predict_single(path)
            assert alone["predicted_emotion"] == result["predicted_emotion"]
            assert alone["probabilities"] == pytest.approx(result["probabilities"], abs=1e-6)


def test_a_file_has_the_emotion_that_every_tool_gives_it(
    tiny_bundle: Path, speech: Path, tmp_path: Path
) -> None:
    model = ser_rt.load(tiny_bundle)
    wanted = ser_rt.classify(speech, model=model, vad=False)
    assert wanted.emotion is not None
    settings = StreamSettings(vad=False)
    predicted = create_inference_engine(tiny_bundle, settings=settings).predict_single(speech)
    assert predicted["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-6)
    job = BatchConfig(str(tiny_bundle), model.bundle.sha256, "cpu", 1, settings)
    row = FileClassifier(job).classify(str(speech)).file
    assert row["emotion"] == wanted.emotion
    assert row[f"p_{wanted.emotion}"] == pytest.approx(wanted.confidence)
    output = tmp_path / "events.jsonl"
    flags = ["--model", str(tiny_bundle), "--no-vad", "-q", "-o", str(output), str(speech)]
    assert stream.main(flags) == 0
    assert json.loads(output.read_text().splitlines()[-1])["overall"] == wanted.to_dict()
    with serving(model) as server, speech.open("rb") as file:
        answer = httpx.post(server.http("/v1/classify?vad=false"), content=file.read()).json()
        client = Client(server.ws, vad=False)
        assert client.classify(speech).probabilities == answer["overall"]["probabilities"]
    assert answer["overall"] == wanted.to_dict()


def test_without_speech_there_is_no_emotion(bundle: Path, folder: Path) -> None:
    result = create_inference_engine(bundle).predict_single(folder / "a.wav")
    assert result["predicted_emotion"] is None
    assert "no speech" in result["status"]
    assert "--gate-threshold 0" in result["status"]


def test_bad_files_become_results(folder: Path) -> None:
    (folder / "bad.wav").write_bytes(b"RIFF no more")
    paths = [folder / name for name in ("bad.wav", "a.wav", "none.wav")]
    predictor = engine()
    results = predictor.predict_batch(paths)
    assert [r["status"].split(":")[0] for r in results] == ["error", "success", "error"]
    for result, path in zip(results, paths, strict=True):
        assert result["audio_path"] == str(path)
        assert result["status"] == "success" or path.name in result["status"]
    assert results[0]["predicted_emotion"] is None
    assert results[0]["confidence"] == 0.0
    assert results[0]["probabilities"] == {}
    assert predictor.analyze_emotions_distribution(results)["total_samples"] == 1


def test_no_predictions_are_a_distribution_too(tmp_path: Path) -> None:
    predictor = engine()
    assert predictor.predict_batch([]) == []
    assert predictor.predict_directory(tmp_path) == []
    distribution = predictor.analyze_emotions_distribution([])
    assert distribution["total_samples"] == 0
    assert distribution["average_confidence"] is None
    with pytest.raises(DataError, match="nowhere"):
        predictor.predict_directory(tmp_path / "nowhere")


def test_what_failed_is_in_no_distribution(folder: Path) -> None:
    predictor = engine()
    (found,) = predictor.predict_batch([folder / "a.wav"])
    failed: Any = {**found, "status": "error: it is truncated"}
    assert predictor.analyze_emotions_distribution([found, failed])["total_samples"] == 1
    with pytest.raises(DataError, match="a list of files"):
        predictor.predict_batch(str(folder / "a.wav"))


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        engine(batch_size=0)


def test_a_missing_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="nowhere"):
        create_inference_engine(tmp_path / "nowhere")


def test_command_on_a_file(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--model_path", str(bundle), "--audio_path", str(folder / "a.wav"), *UNGATED]
    assert inference.main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == opened(bundle).predict_single(folder / "a.wav")
    assert inference.main([*line, "--no_probabilities"]) == 0
    assert "probabilities" not in json.loads(capsys.readouterr().out)


def test_command_on_a_folder(
    bundle: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.wav").write_text("not audio")
    output = tmp_path / "new" / "answer.json"
    line = ["--model_path", str(bundle), "--directory", str(folder), "--batch_size", "2", *UNGATED]
    assert inference.main([*line, "--output_path", str(output)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "bad.wav" in err
    answer = json.loads(output.read_text(encoding="utf-8"))
    assert len(answer["predictions"]) == 6
    assert answer["distribution"]["total_samples"] == 5


def test_command_on_named_files(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = opened(bundle).predict_single(folder / "a.wav")
    line = ["--model-path", str(bundle), str(folder / "a.wav"), *UNGATED]
    assert inference.main([*line, str(folder / "none.wav")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{folder / 'a.wav'}: {found['predicted_emotion']} {found['confidence']:.0%}\n"
    assert "none.wav" in err
    assert inference.main([*line, "--output-path", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"] == [found]


def test_command_fails_in_one_line(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    good = str(write_tone(tmp_path / "a" / "a.wav", "Joy"))
    (tmp_path / "empty").mkdir()
    for model, line in (
        (bundle, ["--audio_path", str(tmp_path / "none.wav")]),
        (tmp_path / "none", ["--audio_path", good]),
        (bundle, ["--directory", str(tmp_path / "none")]),
        (bundle, ["--directory", str(tmp_path / "empty")]),
        (bundle, ["--audio_path", good, "--output_path", str(tmp_path / "file" / "x.json")]),
    ):
        assert inference.main(["--model_path", str(model), *line, *UNGATED]) == 1
        error = capsys.readouterr().err
        assert error.startswith("ser-predict: ")
        assert error.count("\n") == 1
    for usage in (
        [],
        ["--audio_path", good, "--directory", "."],
        ["--audio_path", good, "--x"],
        [good, "--directory", "."],
        [good, "--no-probabilities"],
    ):
        with pytest.raises(SystemExit) as stop:
            inference.main(usage)
        assert stop.value.code == 2


def test_a_bundle_needs_no_torch(bundle: Path, folder: Path) -> None:
    code = (
        "import sys; from ser_rt.inference import main; code = main(sys.argv[1:]);"
        "print(code, *({'torch', 'transformers', 'librosa', 'matplotlib'} & set(sys.modules)),"
        "file=sys.stderr)"
    )
    line = ["--model_path", str(bundle), "--directory", str(folder), *UNGATED]
    done = subprocess.run(
        [sys.executable, "-c", code, *line], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr.split() == ["0"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ")
def test_a_closed_pipe_is_no_traceback(bundle: Path, folder: Path) -> None:
    line = f"-m ser_rt.inference --model_path {bundle} --directory {folder} | true"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} {line}"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
