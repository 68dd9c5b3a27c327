"""Training that goes on from a trained network: settings, lineage, leaks, resuming, licence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ser_rt.errors import DataError, TrainingError
from ser_rt.export.licence import licence_of
from ser_rt.networks.checkpoint import load_classifier, load_model
from ser_rt.networks.start import find_start
from ser_rt.train import configure, main, parse_args
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip
from ser_rt.training.presets import LEARN_ON
from tests.support.pulses import RHYTHM_HZ, pulses
from tests.support.small_training import COMPACT, DATA, corpus, training

pytestmark = pytest.mark.usefixtures("small_and_alone")

WHOLE = replace(DATA, val_share=0.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return corpus(tmp_path_factory.mktemp("corpus"), speakers=4, takes=4)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip]) -> Path:
    """A run folder of a network that knows three speakers, of clips that are not free."""
    run = tmp_path_factory.mktemp("runs") / "first"
    torch.set_num_threads(1)
    kept = [replace(clip, licence_class="nc") for clip in clips if clip.speaker != "s3"]
    create_trainer(COMPACT, training(run, num_epochs=8), WHOLE).train(kept)
    return run


def go_on(run: Path, start: object, data: Any = WHOLE, **changes: Any) -> Any:
    model = replace(COMPACT, model_name=str(start))
    return create_trainer(model, training(run, num_epochs=1, **changes), data)


def right_share(run: Path) -> float:
    classifier = load_classifier(run)
    waves = np.stack([pulses(emotion, 9, take) for emotion in RHYTHM_HZ for take in range(5)])
    return float((classifier(waves).argmax(axis=1) == np.repeat(range(3), 5)).mean())


def test_it_goes_on_and_says_from_what(tmp_path: Path, clips: list[Clip], first: Path) -> None:
    new = [clip for clip in clips if clip.speaker == "s3"]
    go_on(tmp_path / "second", first, learning_rate=1e-5).train(new)
    old, now = load_model(first)[0].state_dict(), load_model(tmp_path / "second")[0].state_dict()
    moved = max(float((now[name] - old[name]).abs().max()) for name in old if "weight" in name)
    assert 0 < moved < 1e-3  # three steps of 1e-5, not other random weights
    assert right_share(tmp_path / "second") > 0.6  # chance is 0.33
    training_run = json.loads((tmp_path / "second/config.json").read_text())["training"]
    config = json.loads((first / "config.json").read_text())
    assert training_run["start"]["name"] == "first"
    assert training_run["start"]["sha256"] == config["sha256"]["model.safetensors"]
    assert training_run["start"]["train"] == config["training"]["train"]
    assert training_run["train"]["licence_classes"] == ["permissive"]
    assert licence_of(training_run)["weights"] == "CC-BY-NC-SA-4.0"
    assert licence_of({"train": training_run["train"]})["weights"] == "MIT"
    third = tmp_path / "third"
    go_on(third, tmp_path / "second").train(new)
    start = json.loads((third / "config.json").read_text())["training"]["start"]
    assert start["start"]["name"] == "first"
    assert licence_of({"train": training_run["train"], "start": start})["weights"][:5] == "CC-BY"


def test_a_resumed_run_has_the_same_start(tmp_path: Path, clips: list[Clip], first: Path) -> None:
    run = tmp_path / "run"
    go_on(run, first).train(clips)
    moved = shutil.copytree(first, tmp_path / "moved")
    go_on(run, moved).train(clips, resume=True)
    with pytest.raises(TrainingError, match="start_sha256 was"):
        go_on(run, run).train(clips, resume=True)
    with pytest.raises(TrainingError, match=r"model_name was .*start_sha256 was .*, is ''"):
        create_trainer(COMPACT, training(run, num_epochs=1), WHOLE).train(clips, resume=True)


def test_speakers_that_the_start_knows_are_a_leak(
    tmp_path: Path, clips: list[Clip], first: Path
) -> None:
    known = [clip for clip in clips if clip.speaker == "s0"]
    new = [clip for clip in clips if clip.speaker == "s3"]
    with pytest.raises(
        DataError, match=r"1 speakers to validate on are known to .*: pulses/s0"
    ) as caught:
        go_on(tmp_path / "run", first).train(new, known)
    assert "--allow-leaks start" in str(caught.value)
    allowed = replace(WHOLE, allow_leaks=("start",))
    go_on(tmp_path / "run", first, allowed).train(new, known)


def test_what_a_teacher_knew_counts(tmp_path: Path, first: Path) -> None:
    student = Path(shutil.copytree(first, tmp_path / "student"))
    config = json.loads((student / "config.json").read_text())
    teacher = {"train": {"speakers": ["t1"], "licence_classes": ["unknown"]}}
    config["training"] = {"teacher": teacher, "train": config["training"]["train"]}
    (student / "config.json").write_text(json.dumps(config))
    start = find_start(str(student))
    assert start is not None
    assert start.speakers == {"pulses/s0", "pulses/s1", "pulses/s2", "t1"}
    assert start.licence_classes == {"nc", "unknown"}


def test_a_built_in_network_learns_on(
    tmp_path: Path, clips: list[Clip], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = clips[0].path.with_name("manifest.csv")
    line = ["--manifest", str(manifest), "--model-name", "compact-free", "--hold-out", "s3"]
    line += ["--emotion-labels", *RHYTHM_HZ, "--output-dir", str(tmp_path / "run")]
    line += ["--num-epochs", "1", "--num-workers", "0", "--report-to", "none"]
    line += ["--no-data-augmentation", "--max-crop-s", "1.2"]
    assert main(line) == 0, capsys.readouterr().err
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["model"]["encoder_config"] == {"channels": [224], "blocks": [7]}
    assert config["training"]["start"]["name"] == "compact-free"
    settings = config["training"]["settings"]
    assert settings["learning_rate"] == LEARN_ON["compact"].training.learning_rate
    history = json.loads((tmp_path / "run/history.json").read_text())
    assert history["val_loss"][-1] < 3  # by the right statistics; 10 and more without


def test_settings_of_the_start_and_of_flags() -> None:
    line = ["--data-dir", "x", "--model-name", "base", "--left-frames", "50", "--num-epochs", "2"]
    model, how, data = configure(parse_args(line), find_start("base"))
    assert (model.architecture, model.projection, model.left_frames) == ("whisper", 256, 50)
    assert how == replace(LEARN_ON["whisper"].training, num_epochs=2)
    assert data == LEARN_ON["whisper"].data
    assert LEARN_ON["whisper"].training.num_epochs != 2
    rates = configure(parse_args([*line, "--preset", "base"]), find_start("base")).training
    assert (rates.learning_rate, rates.num_epochs) == (1e-3, 2)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--model-name", "base", "--preset", "compact"], "--preset compact is for the network"),
        (["--model-name", "base", "--preset", "wav2vec2"], "base is of the network whisper"),
        (["--model-name", "base", "--pooling", "mean"], "leave --pooling out"),
        (["--model-name", "compact", "--pooling", "attentive"], "leave --pooling out"),
        (["--model-name", "compact", "--lora-rank", "4"], "lora_rank is for"),
        (["--preset", "compact", "--model-name", "some/name"], "--model-name is for"),
        (["--model-name", "base", "--licence-class", "permissive"], "--licence-class permissive"),
        (["--model-name", "compact", "--licence-class", "permissive"], "compact-free"),
    ],
)
def test_contradictions_are_told(
    tmp_path: Path,
    clips: list[Clip],
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    word: str,
) -> None:
    manifest = clips[0].path.with_name("manifest.csv")
    labels = [] if "permissive" in flags else ["--emotion-labels", *RHYTHM_HZ]
    line = ["--manifest", str(manifest), "--output-dir", str(tmp_path / "run"), *labels, *flags]
    assert main(line) == 2
    told = capsys.readouterr().err
    assert word in told
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


def test_what_is_not_free_teaches_nothing_free(
    tmp_path: Path, first: Path, clips: list[Clip], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = clips[0].path.with_name("manifest.csv")
    line = ["--manifest", str(manifest), "--output-dir", str(tmp_path / "run")]
    line += ["--preset", "compact", "--teacher", str(first), "--licence-class", "permissive"]
    assert main(line) == 2
    assert f"{first} was trained on clips of the class nc" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_free_start_stays_free() -> None:
    start = find_start("compact-free")
    assert start is not None
    assert start.licence_classes == {"permissive"}
