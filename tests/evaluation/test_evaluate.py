"""Evaluations: documented calls, figures that are right where the answer is known, the report."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from ser_rt import evaluate, testing
from ser_rt.errors import DataError
from ser_rt.evaluate import ModelEvaluator
from ser_rt.evaluation.robustness import CONDITIONS
from tests.support.tones import PITCH_HZ, RATE, PitchClassifier, tone, write_tone

if TYPE_CHECKING:
    from pathlib import Path

    from ser_rt.evaluation.scores import Evaluation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets of two speakers; speaker b2 sounds Joy when labelled Angry."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = ["file_path,emotion,speaker,dataset,language,gender,split"]
    for speaker, dataset in {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}.items():
        for emotion in PITCH_HZ:
            sounds = "Joy" if (speaker, emotion) == ("b2", "Angry") else emotion
            for take, seconds in enumerate((1.2, 3.4)):
                name = f"{emotion}/{speaker}_{take}.wav"
                write_tone(folder / name, sounds, seconds)
                gender = "f" if speaker.endswith("1") else "m"
                lines.append(f"{name},{emotion},{speaker},{dataset},ko,{gender},val")
    write_tone(folder / "Shy" / "a1.wav", "Joy")
    lines += ["Shy/a1.wav,Shy,a1,a,ko,f,val", "Joy/a1_9.wav,Joy,a1,a,ko,f,train"]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def clips(corpus: Path) -> tuple[list[Path], list[str], dict[str, list[str]]]:
    """Paths, emotions and groups of the clips that the classifier can know."""
    paths = [p for emotion in PITCH_HZ for p in sorted((corpus / emotion).glob("*.wav"))]
    speakers = [p.stem[:2] for p in paths]
    groups = {"speaker": speakers, "dataset": [s[0] for s in speakers]}
    return paths, [p.parent.name for p in paths], groups


@pytest.fixture(scope="module")
def evaluator(corpus: Path) -> ModelEvaluator:
    found = ModelEvaluator(PitchClassifier())
    paths, emotions, groups = clips(corpus)
    found.evaluate_dataset(paths, emotions, groups, stress=True, left_out={"Shy": 1})
    return found


@pytest.fixture
def found(evaluator: ModelEvaluator) -> Evaluation:
    return evaluator.evaluation


def test_readme_block(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths, emotions, _ = clips(corpus)
    evaluator = ModelEvaluator(str(testing.tiny_bundle(tmp_path / "results")))
    results = evaluator.evaluate_dataset([str(p) for p in paths], emotions)
    assert results.overall.clips == len(paths)
    assert len(evaluator.plot_confusion_matrix().axes) == 1
    assert len(evaluator.plot_class_metrics(tmp_path / "classes.png").axes) == 1
    assert (tmp_path / "classes.png").read_bytes().startswith(b"\x89PNG")
    report = evaluator.generate_evaluation_report(tmp_path / "report.txt")
    assert "UAR" in report
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == report


def test_scores_are_what_was_built_in(found: Evaluation) -> None:
    # Of 24 clips, the two Angry ones of b2 sound like Joy.
    overall = found.overall
    assert overall.clips == 24
    assert overall.speakers == 4
    assert overall.uar == pytest.approx((1 + 6 / 8 + 1) / 3)
    assert overall.weighted_accuracy == pytest.approx(22 / 24)
    assert overall.confusion == [[8, 0, 0], [0, 6, 2], [0, 0, 8]]
    assert overall.classes["Joy"].precision == pytest.approx(8 / 10)
    assert overall.classes["Angry"].support == 8
    assert {name: s.uar for name, s in found.groups["dataset"].items()} == {
        "a": 1.0,
        "b": pytest.approx(2.5 / 3),
    }
    assert found.groups["speaker"]["b2"].uar == pytest.approx(2 / 3)


def test_intervals_name_what_was_drawn(found: Evaluation) -> None:
    assert found.overall.interval_speakers is not None
    low, high = found.overall.interval_speakers
    assert low == pytest.approx(5 / 6)
    assert high == 1.0
    assert found.groups["dataset"]["a"].interval_speakers == (1.0, 1.0)
    assert found.groups["dataset"]["b"].interval_clips is not None
    assert found.groups["speaker"]["a1"].interval_speakers is None


def test_windows_and_robustness(found: Evaluation) -> None:
    assert list(found.windows) == ["whole", "3 s", "2 s", "1 s"]
    assert found.windows["whole"]["all"] == pytest.approx(found.overall.uar)
    # Per speaker and emotion: 3.4 s gives three windows of 1 s, 1.2 s gives one.
    assert found.windows["1 s"] == pytest.approx({"all": 2.75 / 3, "a": 1.0, "b": 2.5 / 3})
    assert list(found.robustness) == ["whole", *CONDITIONS]
    for harmless in ("gain +12 dB", "gain -12 dB", "clipping 5 %"):
        assert found.robustness[harmless]["a"] == 1.0
    assert found.robustness["noise 10 dB"]["a"] < 1.0


def test_calibration_is_cross_fitted_by_speaker(found: Evaluation) -> None:
    calibration = found.calibration
    assert calibration.folds_by == "speaker"
    assert 0 <= calibration.ece <= 1
    assert calibration.ece_after is not None
    assert sum(b.count for b in calibration.curve) == 24
    assert calibration.by_dataset["a"] < calibration.by_dataset["b"]
    assert calibration.temperature > 1  # wrong with confidence, so it has to be damped


def test_predictions_can_be_followed_up(found: Evaluation) -> None:
    wrong = [p for p in found.predictions if p.predicted != p.true]
    assert sorted(p.path.rpartition("/")[2] for p in wrong) == ["b2_0.wav", "b2_1.wav"]


def test_silence_around_a_clip_can_be_left_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.pad(tone("Joy", 1.0), 2 * RATE), RATE)
    for trim, seconds in ((False, 5), (True, 1)):
        classifier = PitchClassifier()
        evaluator = ModelEvaluator(classifier, trim_silence=trim)
        evaluator.evaluate_dataset([tmp_path / "a.wav"], ["Joy"])
        assert classifier.calls[0][1] == pytest.approx(seconds * RATE, rel=0.05)


def test_bad_clips_are_listed_and_in_no_figure(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    good = write_tone(tmp_path / "good.wav", "Joy")
    evaluator = ModelEvaluator(PitchClassifier())
    paths = [tmp_path / "silent.wav", good, tmp_path / "none.wav"]
    found = evaluator.evaluate_dataset(paths, ["Angry", "Joy", "Joy"], stress=True)
    assert set(found.failed) == {str(paths[0]), str(paths[2])}
    assert found.overall.clips == 1
    assert found.overall.uar == 1.0
    assert found.calibration.ece_after is None
    assert found.windows["1 s"]["all"] == 1.0
    with pytest.raises(DataError, match=r"none\.wav"):
        evaluator.evaluate_dataset([tmp_path / "none.wav"], ["Joy"])


def test_labels_are_names_or_ids_of_the_model(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", "Joy")
    evaluator = ModelEvaluator(PitchClassifier())
    assert evaluator.evaluate_dataset([path], [2]).overall.uar == 1.0
    for labels, groups in (
        (["Shy"], None),
        ([3], None),
        (["Joy", "Joy"], None),
        (["Joy"], {"speaker": ["a", "b"]}),
    ):
        with pytest.raises(DataError):
            evaluator.evaluate_dataset([path], labels, groups)


def test_a_report_needs_an_evaluation() -> None:
    with pytest.raises(DataError, match="evaluate_dataset"):
        ModelEvaluator(PitchClassifier()).generate_evaluation_report()


def test_command_writes_a_report(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(evaluate, "open_model", lambda *_: PitchClassifier())
    line = ["--manifest", str(corpus / "manifest.csv"), "--split", "val"]
    assert evaluate.main([*line, "--output_dir", str(tmp_path / "out")]) == 0
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == {
        "evaluation.json",
        "report.html",
        "report.txt",
        "confusion.png",
        "classes.png",
        "reliability.png",
        "windows.png",
        "robustness.png",
    }
    data = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert data["overall"]["uar"] == pytest.approx(2.75 / 3)
    assert data["left_out"] == {"Shy": 1}
    assert set(data["groups"]) == {"dataset", "speaker", "language", "gender"}
    assert len(data["predictions"]) == 24


@pytest.mark.parametrize("split", [None, "val"])
def test_every_row_is_in_a_figure_or_in_a_list(
    split: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(evaluate, "open_model", lambda *_: PitchClassifier())
    labels = ("Joy", " joy", "JOY", "기쁨", "Happy", "Shy", "Happy", "Angry", "Neutral", "Angry")
    rows = ["file_path,emotion,split"]
    for i, label in enumerate(labels):
        if i != 8:
            write_tone(tmp_path / f"{i}.wav", "Joy")
        rows.append(f"{i}.wav,{label},{('val', 'train', '')[i % 3]}")
    soundfile.write(tmp_path / "9.wav", np.zeros(RATE), RATE)
    (tmp_path / "m.csv").write_text("\n".join([*rows, ",,", ""]), encoding="utf-8")
    line = ["--manifest", str(tmp_path / "m.csv"), "--no_stress", "--output_dir", str(tmp_path)]
    assert evaluate.main([*line, *(["--split", split] if split else [])]) == 0
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    left_out = found["left_out"] | {f"split {k}": v for k, v in found["other_splits"].items()}
    listed = [p["path"] for p in (*found["predictions"], *found["left_out_clips"])]
    assert found["overall"]["clips"] + len(found["failed"]) + sum(left_out.values()) == len(labels)
    assert {*listed, *found["failed"]} == {str(tmp_path / f"{i}.wav") for i in range(len(labels))}
    assert found["overall"]["classes"]["Joy"]["support"] == (2 if split else 4)
    expected = {"Happy": 1, "split train": 3, "split ": 3} if split else {"Happy": 2, "Shy": 1}
    assert left_out == expected
    shown = capsys.readouterr().out
    assert "unknown" in shown
    assert ("not selected" in shown) == bool(split)
    assert ("not of the model" in shown) == (split is None)
    assert shown == (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "unknown" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_table_of_emotions_that_nobody_knows_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "open_model", lambda *_: PitchClassifier())
    (tmp_path / "m.csv").write_text("file_path,emotion\na.wav,Happy\nb.wav,Glad\n", "utf-8")
    assert evaluate.main(["--manifest", str(tmp_path / "m.csv")]) == 1
    error = capsys.readouterr().err
    assert "it has ['Glad', 'Happy'], the model Neutral, Angry, Joy" in error
    assert error.count("\n") == 1


def test_the_page_needs_nothing_beside_it(evaluator: ModelEvaluator, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from ser_rt.evaluation.report import write_report

    write_report(evaluator.evaluation, tmp_path, "<model> & 감정")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;model&gt; &amp; 감정" in page
    assert page.count("data:image/png;base64,") == 7
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    for title in ("Overall", "Confusion", "Calibration", "Window length", "Robustness", "Left out"):
        assert f"<h2>{title}" in page
        assert title in (tmp_path / "report.txt").read_text(encoding="utf-8")


def test_command_on_a_folder(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    bundle = testing.tiny_bundle(tmp_path / "tiny")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "Joy").symlink_to(corpus / "Joy")
    (folder / "Shy").symlink_to(corpus / "Shy")
    line = ["--model_path", str(bundle), "--data_dir", str(folder), "--no_stress"]
    assert evaluate.main([*line, "--output_dir", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "Left out" in out
    assert "report.html" in err
    assert not (tmp_path / "out" / "windows.png").exists()


def test_command_fails_in_one_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(testing.tiny_bundle(tmp_path / "tiny"))
    (tmp_path / "shy").mkdir()
    (tmp_path / "shy" / "Shy").symlink_to(corpus / "Shy")
    for line in (
        ["--model_path", str(tmp_path / "none"), "--data_dir", str(corpus)],
        ["--model_path", bundle, "--data_dir", str(tmp_path / "none")],
        ["--model_path", bundle, "--manifest", str(tmp_path / "none.csv")],
        ["--model_path", bundle, "--data_dir", str(tmp_path / "shy")],
    ):
        assert evaluate.main(line) == 1
        error = capsys.readouterr().err
        assert error.startswith("ser-evaluate: ")
        assert error.count("\n") == 1
    for usage in ([], ["--data_dir", "x", "--split", "val"], ["--data_dir", "x", "--nope"]):
        with pytest.raises(SystemExit) as stop:
            evaluate.main(usage)
        assert stop.value.code == 2
