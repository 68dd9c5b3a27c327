"""`ser-bench quality`, end to end, on two small corpora."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt import testing
from ser_rt.benchmarks.__main__ import main
from ser_rt.benchmarks.quality import peers, table
from ser_rt.evaluate import ModelEvaluator
from ser_rt.training.data.corpus import load_manifest
from tests.support.hosted_models import write_hosted
from tests.support.pulses import RHYTHM_HZ
from tests.support.two_corpora import write_two_corpora

EMOTIONS = ["--emotion-labels", *RHYTHM_HZ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_corpora(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SER_RT_CACHE", str(tmp_path / "cache"))


def compare(tmp_path: Path, *argv: object) -> dict[str, Any]:
    path = tmp_path / "x.json"
    assert main(["quality", *map(str, argv), *EMOTIONS, "--json", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_all_are_judged_on_the_same_clips(
    corpus: Path, tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosted = write_hosted(tmp_path / "hosted", ["calm", "happy", "angry"])
    flags = ["--bundle", tiny_bundle, "--peer", "mfcc", "--model", hosted]
    found = compare(tmp_path, corpus, *flags, "--labels", "calm=Neutral,happy=joy")
    assert [row["status"] for row in found["rows"]] == ["ok"] * 3
    for row in found["rows"]:
        judged = row["new_speakers"]
        assert (judged["all"]["clips"], judged["all"]["speakers"]) == (24, 2)
        assert {name: one["clips"] for name, one in judged["datasets"].items()} == {
            "first": 12,
            "second": 12,
        }
        assert judged["speakers"].keys() == {"s2", "s5"}
        assert judged["worst_speaker"] in judged["speakers"]
        assert 0 <= judged["all"]["ece"] <= 1
    ours, mfcc, other = found["rows"]
    assert ours["new_corpora"] is other["new_corpora"] is None
    assert mfcc["new_speakers"]["all"]["uar"] > 0.6
    assert mfcc["new_corpora"]["all"]["clips"] == 72
    assert mfcc["chosen"].keys() == {"new speakers", "new corpus first", "new corpus second"}
    assert other["labels"] == {"calm": "Neutral", "happy": "Joy", "angry": "Angry"}
    assert found["chance"]["new_corpora"] == pytest.approx({"first": 1 / 3, "second": 1 / 3})
    shown = capsys.readouterr().out
    assert "new speakers: mean" in shown
    assert "corpus left out: ECE" in shown
    assert str(tmp_path) not in json.dumps(found)


def test_a_bundle_has_the_figures_that_ser_evaluate_finds(corpus: Path, tmp_path: Path) -> None:
    bundle = testing.tiny_bundle(tmp_path / "mine")
    found = compare(tmp_path, corpus, "--bundle", bundle, "--peer", "mfcc", "--no-new-corpora")
    clips = load_manifest(corpus / "manifest.csv", list(RHYTHM_HZ), "val")
    evaluator = ModelEvaluator(bundle)
    rows = evaluator.evaluate_dataset(
        [clip.path for clip in clips],
        [clip.emotion for clip in clips],
        {"speaker": [clip.speaker for clip in clips], "dataset": [c.dataset for c in clips]},
    ).predictions
    named = [max(RHYTHM_HZ, key=row.probabilities.__getitem__) for row in rows]
    true = np.array([clip.emotion for clip in clips])
    recalls = [np.mean(np.array(named)[true == emotion] == emotion) for emotion in RHYTHM_HZ]
    assert found["rows"][0]["new_speakers"]["all"]["uar"] == pytest.approx(np.mean(recalls))


def test_a_bundle_is_judged_on_a_new_corpus_only_if_its_training_had_none_of_it(
    corpus: Path, tmp_path: Path
) -> None:
    seen = {"train": {"datasets": {"first": 24}, "speakers": ["s0", "s1"]}}
    bundle = testing.tiny_bundle(tmp_path / "mine", training=seen)
    flags = ["--bundle", bundle, "--peer", "mfcc"]
    ours, _ = compare(tmp_path, corpus, *flags)["rows"]
    assert list(ours["new_corpora"]["datasets"]) == ["second"]
    assert ours["new_corpora"]["all"]["clips"] == 36


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_bundle_whose_training_saw_a_judged_speaker_has_no_figure(
    corpus: Path, tmp_path: Path, part: str
) -> None:
    seen = {part: {"datasets": {"first": 36}, "speakers": ["s0", "s2"]}}
    bundle = testing.tiny_bundle(tmp_path / "mine", training=seen)
    flags = ["--bundle", bundle, "--peer", "mfcc", "--no-new-corpora"]
    ours, _ = compare(tmp_path, corpus, *flags)["rows"]
    assert ours["status"] == "failed"
    assert "s2" in ours["problem"]
    assert "new_speakers" not in ours


def test_a_second_run_computes_nothing_again(
    corpus: Path, tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [corpus, "--bundle", tiny_bundle, "--peer", "mfcc", "--no-new-corpora"]
    first = compare(tmp_path, *flags)

    def refuse(*_: object) -> None:
        pytest.fail("computed again")

    monkeypatch.setattr(peers, "train_and_classify", refuse)
    monkeypatch.setattr("librosa.feature.mfcc", refuse)
    second = compare(tmp_path, *flags)
    assert second["rows"] == first["rows"]


def test_without_opensmile_its_rows_say_so(
    corpus: Path, tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    found = compare(tmp_path, corpus, "--bundle", tiny_bundle, "--no-new-corpora")
    status = {row["variant"]["model"]: row for row in found["rows"]}
    assert status["mfcc"]["status"] == "ok"
    for name in ("opensmile-compare", "opensmile-egemaps"):
        assert "ser-rt[opensmile]" in status[name]["problem"]
        assert "research" in status[name]["problem"]
    assert "Could not be judged" in table.region(found)


def test_labels_of_a_corpus_may_stand_for_an_emotion(
    corpus: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    manifest = corpus / "renamed.csv"
    text = (corpus / "manifest.csv").read_text().replace(",Neutral,s5", ",Calm,s5")
    manifest.write_text(text)
    flags = ["--bundle", tiny_bundle, "--peer", "mfcc", "--no-new-corpora"]
    for pairs, clips in ([], 20), (["--same_labels", "second/Calm=Neutral"], 24):
        found = compare(tmp_path, manifest, *flags, *pairs)
        assert found["rows"][0]["new_speakers"]["all"]["clips"] == clips


def test_a_corpus_without_datasets_has_no_new_ones(
    corpus: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    manifest = corpus / "plain.csv"
    text = (corpus / "manifest.csv").read_text()
    manifest.write_text(text.replace(",first,", ",,").replace(",second,", ",,"))
    found = compare(tmp_path, manifest, "--bundle", tiny_bundle, "--peer", "mfcc")
    assert found["rows"][1]["new_corpora"] is None
    assert list(found["chance"]) == ["new_speakers"]
    assert found["rows"][1]["new_speakers"]["all"]["clips"] == 24


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (["none"], 1, "none"),
        (["{corpus}", "--peer", "x"], 2, "--peer 'x'"),
        (["{corpus}", "--bundle", "none"], 1, "'none'"),
        (["{corpus}", "--val-split", "test"], 1, "'test'"),
        (["{corpus}", "--val-split", "train"], 1, "speakers"),
        (["{corpus}", "--same-labels", "Calm"], 2, "same_labels"),
        (["{corpus}", "--model", "x", "--labels", "happy"], 2, "'happy'"),
        (["{corpus}", "--labels", "happy=Joy"], 2, "--model"),
        (["{corpus}", "--model", "{corpus}"], 1, "audio-classification"),
        (["{corpus}", "--emotion-labels", "Joy", "Angry", "Serious"], 1, "Serious"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    corpus: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, word: str
) -> None:
    emotions = [] if "--emotion-labels" in argv else EMOTIONS
    assert main(["quality", *(part.format(corpus=corpus) for part in argv), *emotions]) == code
    error = capsys.readouterr().err
    assert word in error
    assert "Traceback" not in error


def test_without_names_the_emotions_are_those_of_the_default_bundle(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quality", str(corpus)]) == 1
    assert "no clip of Sad, Surprise, Fear to train on" in capsys.readouterr().err


def test_the_same_speaker_in_both_splits_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_two_corpora(tmp_path / "leaks", shared_speaker=True)
    assert main(["quality", str(folder), *EMOTIONS]) == 1
    assert "s0" in capsys.readouterr().err
