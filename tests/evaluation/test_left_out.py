"""Figures on corpora left out of training, and the temperature that fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ser_rt import evaluate
from ser_rt.errors import DataError
from ser_rt.evaluation.left_out import judge
from ser_rt.evaluation.scores import temper
from tests.support.tones import PITCH_HZ, PitchClassifier, write_tone

LABELS = ["Neutral", "Angry", "Joy"]


def predictions(
    clips: int, overconfident: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Labels and logits of a model whose logits are this much too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (clips, 3))
    true = (temper(logits, 1.0).cumsum(axis=1) > rng.random((clips, 1))).argmax(axis=1)
    return true, logits * overconfident


def write(
    folder: Path,
    name: str,
    clips: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
    *,
    temperature: float = 1.0,
    dataset: str = "",
    **changes: Any,
) -> Path:
    """Write what ser-evaluate would about a model with this temperature in it."""
    true, logits = clips
    rows = [
        {
            "path": f"{i}.wav",
            "true": LABELS[label],
            "probabilities": dict(zip(LABELS, row.tolist(), strict=True)),
            "dataset": dataset,
        }
        for i, (label, row) in enumerate(zip(true, temper(logits, temperature), strict=True))
    ]
    report = {"labels": LABELS, "temperature": temperature, "predictions": rows} | changes
    path = folder / name / "evaluation.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report), encoding="utf-8")
    return path


def test_one_temperature_fits_corpora_that_count_alike(tmp_path: Path) -> None:
    large, small = predictions(3000, 1.5, seed=0), predictions(1000, 6.0, seed=1)
    write(tmp_path, "once/large", large)
    write(tmp_path, "once/small", small)
    found = judge([tmp_path / "once"])
    assert set(found.corpora) == {"large", "small"}
    assert found.corpora["large"].clips == 3000
    assert found.corpora["large"].temperature == pytest.approx(1.5, rel=0.1)
    assert found.corpora["small"].temperature == pytest.approx(6, rel=0.15)
    assert 1.6 < found.temperature < 6
    assert found.uar == pytest.approx(np.mean([c.uar for c in found.corpora.values()]))
    # The same corpus five times as large weighs no more.
    write(tmp_path, "again/large", tuple(np.repeat(part, 5, axis=0) for part in large))  # type: ignore[arg-type]
    again = judge([tmp_path / "again", tmp_path / "once" / "small" / "evaluation.json"])
    assert again.temperature == pytest.approx(found.temperature, rel=1e-3)


def test_a_corpus_is_judged_with_the_temperature_of_the_others(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, f"{seed}", predictions(2000, 3.0, seed), dataset=f"corpus {seed}")
    found = judge([tmp_path])
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.ece_after is not None
    assert found.ece > 0.15
    assert found.ece_after < 0.04
    alone = judge([tmp_path / "0"])
    assert alone.corpora["corpus 0"].ece_after is None
    assert alone.ece_after is None


def test_what_the_model_has_divided_by_already_counts(tmp_path: Path) -> None:
    clips = predictions(500, 4.0, seed=3)
    write(tmp_path, "plain/x", clips)
    write(tmp_path, "tempered/x", clips, temperature=2.5)
    plain, tempered = judge([tmp_path / "plain"]), judge([tmp_path / "tempered"])
    assert tempered.temperature == pytest.approx(plain.temperature, rel=1e-3)
    assert tempered.ece == pytest.approx(plain.ece, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"labels": LABELS[:2]}, "Joy"),
        ({"predictions": [{"path": "a.wav"}]}, "true"),
        ({"predictions": None}, "NoneType"),
        ({"labels": ["Joy", "Angry", "Neutral"]}, "other labels"),
    ],
)
def test_reports_that_do_not_fit_are_named(
    changes: dict[str, Any], word: str, tmp_path: Path
) -> None:
    clips = (np.array([0, 2]), np.eye(3)[[0, 1]])
    good = write(tmp_path, "a", clips)
    write(tmp_path, "b", clips, **changes)
    with pytest.raises(DataError, match=word) as error:
        judge([good, tmp_path / "b"])
    assert "b/evaluation.json" in str(error.value)


def test_there_must_be_clips(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "none", (np.zeros(0, np.int64), np.zeros((0, 3))))
    (tmp_path / "text.json").write_text("text")
    for name in ("empty", "none", "text.json", "absent.json"):
        with pytest.raises(DataError, match=name):
            judge([tmp_path / name])


def test_the_command_compares_candidates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true, logits = predictions(300, 1.0, seed=5)
    worse = logits + np.random.default_rng(0).normal(size=logits.shape)
    for name, one in (("worse", worse), ("better", logits)):
        write(tmp_path, f"{name}/a", (true, one))
        write(tmp_path, f"{name}/b", (true[:200], one[:200]))
    runs = [str(tmp_path / name) for name in ("worse", "better")]
    assert evaluate.main(["--compare", *runs, "--output_dir", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    better, worse_at = out.index(runs[1]), out.index(runs[0])
    assert better < worse_at
    assert "left_out.json" in err
    written = json.loads((tmp_path / "left_out.json").read_text(encoding="utf-8"))
    assert written[runs[1]]["mean"]["uar"] == judge(runs[1:]).uar
    write(tmp_path, "worse/easy", (np.array([0, 1, 2]), 9 * np.eye(3)))
    assert evaluate.main(["--compare", *runs, "--output_dir", str(tmp_path)]) == 0
    again = capsys.readouterr().out
    assert again.index(runs[1]) < again.index(runs[0])  # what only one has decides nothing
    assert evaluate.main(["--compare", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_way_from_clips_to_a_temperature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(evaluate, "open_model", lambda *_: PitchClassifier())
    rows = ["file_path,emotion,dataset"]
    for dataset in ("a", "b"):
        for emotion in PITCH_HZ:
            label = "Calm" if emotion == "Neutral" else emotion
            rows.append(f"{dataset}{emotion}.wav,{label},{dataset}")
            write_tone(tmp_path / f"{dataset}{emotion}.wav", emotion)
    (tmp_path / "m.csv").write_text("\n".join(rows), encoding="utf-8")
    line = ["--manifest", str(tmp_path / "m.csv"), "--no_stress", "--same_labels", "Calm=Neutral"]
    for dataset in ("a", "b"):
        out = tmp_path / "folds" / dataset
        assert evaluate.main([*line, "--dataset", dataset, "--output_dir", str(out)]) == 0
    report = json.loads((tmp_path / "folds/a/evaluation.json").read_text(encoding="utf-8"))
    assert report["other_datasets"] == {"b": 3}
    assert report["calibration"]["by_dataset"].keys() == {"a"}
    found = judge([tmp_path / "folds"])
    assert {name: c.clips for name, c in found.corpora.items()} == {"a": 3, "b": 3}
    assert found.uar == 1.0
    assert evaluate.main([*line, "--dataset", "c"]) == 1
