"""Arousal, valence and dominance: from the columns of a manifest to the events of a stream."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ser_rt.bundle import Bundle
from ser_rt.config import ModelConfig
from ser_rt.errors import BundleInvalidError, ConfigError, DataError
from ser_rt.evaluate import main as evaluate
from ser_rt.evaluation.dimensions import concordance, rating
from ser_rt.export.bundle import export_bundle
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.networks.checkpoint import load_classifier
from ser_rt.runtime.stream import load, stream
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip, load_manifest
from ser_rt.training.data.dataset import ratings_of
from ser_rt.training.losses import discordance
from tests.support.pulses import RHYTHM_HZ, pulses, write_corpus
from tests.support.small_training import COMPACT, DATA, training

AROUSAL = {"Neutral": 0.1, "Angry": 0.5, "Joy": 0.9}
"""Made up: the faster the pulses, the higher."""
NAMES = ("arousal", "valence")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every other clip has a valence, and every third no arousal."""
    path = write_corpus(tmp_path_factory.mktemp("corpus"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *NAMES, "split"])
        writer.writeheader()
        for n, row in enumerate(rows):
            arousal = "" if n % 3 == 0 else AROUSAL[row["emotion"]]
            valence = 0.25 + 0.5 * (row["emotion"] == "Joy") if n % 2 else ""
            split = "val" if row["speaker"] == "s3" else "train"
            writer.writerow(row | {"arousal": arousal, "valence": valence, "split": split})
    return path


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of the compact network, as `ser-train --dimensions arousal valence`."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    clips = load_manifest(manifest, tuple(RHYTHM_HZ))
    parts = [[clip for clip in clips if clip.split == split] for split in ("train", "val")]
    how = training(folder, num_epochs=6, ema_decay=0.0)
    create_trainer(replace(COMPACT, dimensions=NAMES), how, DATA).train(*parts)
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_bundle(run, tmp_path_factory.mktemp("bundles") / "rated")


def test_a_trained_network_rates_voices_that_it_never_met(run: Path) -> None:
    network = load_classifier(run)
    assert network.dimensions == NAMES
    waves = [pulses(emotion, 3, take) for emotion in AROUSAL for take in range(6)]
    rated = network.rate(np.stack(waves))[:, 0]
    assert concordance(np.repeat([*AROUSAL.values()], 6), rated) > 0.5


def test_events_of_a_stream_carry_them_and_so_do_turns(bundle: Path, run: Path) -> None:
    model = load(bundle)
    assert model.dimensions == NAMES
    wave = pulses("Joy", 3, 0, seconds=4.0)
    how: dict[str, Any] = {"sample_rate": 16_000, "vad": False, "gate_threshold": 0.0}
    events = list(stream(wave, model=model, turns=True, **how))
    network = load_classifier(run)
    found = [event for event in events if event.type == "emotion"]
    assert found
    for event in found:
        window = wave[round(event.start * 16_000) : round(event.end * 16_000)]
        (right,) = network.rate(window[np.newaxis])
        assert [event.dimensions[name] for name in NAMES] == pytest.approx(right, abs=2e-3)
        assert set(event.probabilities) == set(RHYTHM_HZ)
        assert set(json.loads(event.to_json())["dimensions"]) == set(NAMES)


def test_the_gates_compare_them(bundle: Path) -> None:
    gates = Bundle.load(bundle).gates
    assert gates["passed"]
    assert 0 <= gates["dimensions_error"] < gates["limits"]["embedding"]


def test_an_evaluation_reports_their_concordance(
    manifest: Path, run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for model in (run, bundle):
        flags = ["--model-path", model, "--manifest", manifest, "--split", "val", "--no-stress"]
        assert evaluate([*map(str, flags), "--output-dir", str(tmp_path)]) == 0
        found[model] = json.loads((tmp_path / "evaluation.json").read_text())["dimensions"]
        assert "Dimensions" in capsys.readouterr().out
    assert found[run]["arousal"]["clips"] == 12
    assert found[run]["valence"]["clips"] == 9
    assert found[run]["arousal"]["ccc"] > 0.5
    assert found[bundle]["arousal"]["ccc"] == pytest.approx(found[run]["arousal"]["ccc"], abs=0.01)


def test_clips_without_a_value_take_no_part_in_the_loss() -> None:
    true = torch.tensor([[0.1, math.nan], [0.9, 0.2], [0.5, math.nan], [math.nan, 0.4]])
    rated = torch.tensor([[0.1, 9.0], [0.9, 0.2], [0.5, 9.0], [9.0, 0.4]], requires_grad=True)
    loss = discordance(rated, true)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    loss.backward()
    assert rated.grad is not None
    assert rated.grad[true.isnan()].abs().max() == 0
    nothing = discordance(rated, torch.full((4, 2), math.nan))
    assert nothing.item() == 0
    far = discordance(torch.tensor([[0.9], [0.1]]), torch.tensor([[0.1], [0.9]]))
    assert far.item() == pytest.approx(2.0)


def test_concordance_is_that_of_the_literature() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50), rng.normal(size=50)
    right = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert concordance(x, y) == pytest.approx(right)
    assert concordance(x, x) == pytest.approx(1.0)
    assert concordance(x, x + 10) < 0.1  # it is no correlation
    assert math.isnan(concordance([1, 1], [1, 1]))


@pytest.mark.parametrize("text", ["high", "1.5", "-0.1", "nan", "7", "0,5"])
def test_a_value_that_is_none_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(DataError, match=r"a.wav: arousal is .* from 0 to 1; scale it"):
        rating(text, "arousal", "a.wav")
    clips = [Clip(Path("a.wav"), "Joy", arousal=text)]
    with pytest.raises(DataError, match="arousal"):
        ratings_of(clips, ("arousal",))


def test_a_column_without_any_value_is_refused() -> None:
    clips = [Clip(Path("a.wav"), "Joy", arousal="0.5"), Clip(Path("b.wav"), "Joy")]
    assert math.isnan(ratings_of(clips, ("arousal",))[1][0])
    with pytest.raises(DataError, match="none of 2 clips has a value in the column 'valence'"):
        ratings_of(clips, ("arousal", "valence"))
    assert ratings_of(clips, ()) == []


def test_others_are_refused() -> None:
    with pytest.raises(ConfigError, match="arousal, valence, dominance"):
        ModelConfig(dimensions=("mood",))


@pytest.mark.parametrize("value", ["arousal", [3], ["mood"]])
def test_a_manifest_that_claims_others_is_refused(
    value: object, bundle: Path, tmp_path: Path
) -> None:
    entries = json.loads((bundle / MANIFEST_FILE).read_bytes()) | {"dimensions": value}
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(entries))
    with pytest.raises(BundleInvalidError, match="dimensions"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("name", ["base", "compact", "compact-free"])
def test_no_built_in_model_claims_any(name: str) -> None:
    from ser_rt.bundle import find_bundle

    assert Bundle.load(find_bundle(name)).dimensions == ()
