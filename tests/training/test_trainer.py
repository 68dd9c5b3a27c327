import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from ser_rt.errors import DataError, TrainingError
from ser_rt.networks.checkpoint import load_classifier
from ser_rt.train import main
from ser_rt.trainer import create_trainer
from ser_rt.training.arguments import fit_batch_size
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.sampler import draw_window
from ser_rt.training.ema import WeightAverage
from tests.support.killing import killed, same_weights
from tests.support.pulses import RHYTHM_HZ, pulses, write_corpus
from tests.support.small_training import COMPACT, DATA, TRAINING, corpus, trainer, training

pytestmark = pytest.mark.usefixtures("small_and_alone")


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return corpus(tmp_path / "corpus")


def test_it_learns_and_classifies_an_unseen_speaker(tmp_path: Path, clips: list[Clip]) -> None:
    held = [clip for clip in clips if clip.speaker == "s3"]
    kept = [clip for clip in clips if clip.speaker != "s3"]
    history = trainer(tmp_path / "run", num_epochs=8, ema_decay=0.0).train(kept, held)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]
    assert len(history["val_uar"]) == len(history["val_loss"])
    classifier = load_classifier(tmp_path / "run")
    waves = np.stack([pulses(emotion, 9, take) for emotion in RHYTHM_HZ for take in range(5)])
    right = classifier(waves).argmax(axis=1) == np.repeat(range(3), 5)
    assert right.mean() > 0.6  # chance is 0.33
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["head"] == "trained"
    assert config["training"]["validation"]["speakers"] == ["pulses/s3"]
    assert config["temperature"] > 0


def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path, clips: list[Clip]) -> None:
    held = [clip for clip in clips if clip.speaker == "s3"][:6]
    kept = [clip for clip in clips if clip.speaker != "s3"]
    trainer(tmp_path / "whole").train(kept, held)
    with killed(lambda state: state.global_step == 9):
        trainer(tmp_path / "killed").train(kept, held)
    assert not (tmp_path / "killed/model.safetensors").exists()
    trainer(tmp_path / "killed").train(kept, held, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_everything_is_trained_on_when_no_share_is_held_out(
    tmp_path: Path, clips: list[Clip]
) -> None:
    data = replace(DATA, val_share=0.0)
    run = create_trainer(COMPACT, training(tmp_path / "run", num_epochs=1), data)
    assert "val_loss" not in run.train(clips)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["training"]["train"]["clips"] == len(clips)
    assert config["temperature"] == 1.0


def test_paths_and_labels_are_enough(tmp_path: Path, clips: list[Clip]) -> None:
    data = ([str(clip.path) for clip in clips], [clip.emotion for clip in clips])
    history = trainer(tmp_path / "run", num_epochs=1).train(train_data=data)
    assert len(history["val_accuracy"]) == 1


def test_a_corpus_smaller_than_a_batch_lowers_the_batch(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    few = [clip for clip in clips if clip.path.stem.endswith("_0") and clip.speaker in {"s0", "s3"}]
    trainer(tmp_path / "run", num_epochs=1).train(few[:3], few[3:])
    assert (
        "3 clips to train on are less than a batch of 8: batch_size is lowered to 3" in caplog.text
    )
    settings = json.loads((tmp_path / "run/run.json").read_text())["settings"]
    assert settings["batch_size"] == 3
    trainer(tmp_path / "run", num_epochs=1).train(few[:3], few[3:], resume=True)
    with pytest.raises(DataError, match="too few"):
        fit_batch_size(TRAINING, clips=3, processes=2)
    assert fit_batch_size(TRAINING, clips=16, processes=2) == TRAINING


def test_a_speaker_on_both_sides_is_refused(tmp_path: Path, clips: list[Clip]) -> None:
    with pytest.raises(DataError, match="1 speakers are in training and validation: pulses/s0"):
        trainer(tmp_path / "run").train(clips[1:], clips[:1])


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, clips: list[Clip]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="not empty"):
        trainer(tmp_path / "run").train(clips)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_a_loss_that_is_no_number_stops_the_run_at_once(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = 0

    def broken(*args: Any, **how: Any) -> Any:
        nonlocal windows
        windows += 1
        window = draw_window(*args, **how)
        factor = np.float32(1 if windows <= 8 * 8 else "nan")
        return window._replace(samples=window.samples * factor)

    monkeypatch.setattr("ser_rt.training.data.dataset.draw_window", broken)
    with pytest.raises(TrainingError, match="became nan at step 8: lower learning_rate"):
        trainer(tmp_path / "run", save_steps=1).train(clips)
    left = sorted((tmp_path / "run").glob("checkpoint-*/model.safetensors"))
    assert {path.parent.name for path in left} >= {"checkpoint-7", "checkpoint-8"}
    for path in left:
        assert all(np.isfinite(values).all() for values in load_file(path).values())


def test_weights_that_are_no_numbers_are_not_kept(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(_self: object, _args: Any, state: Any, *_: object, **how: Any) -> None:
        if state.global_step == 3:
            how["model"].head.bias.data.fill_(float("inf"))

    monkeypatch.setattr(WeightAverage, "on_step_end", burst)
    with pytest.raises(TrainingError, match="step 3"):
        trainer(tmp_path / "run", save_steps=1).train(clips)
    kept = {path.name for path in (tmp_path / "run").glob("checkpoint-*")}
    assert kept == {"checkpoint-1", "checkpoint-2"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = write_corpus(tmp_path / "corpus")
    path.write_text(path.read_text().replace("Joy,s", "Sad,s"))
    return path


def test_the_command_trains_and_says_what_is_wrong(
    tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["--preset", "compact", "--manifest", str(manifest), "--num_workers", "0"]
    run += ["--output_dir", str(tmp_path / "run"), "--num_epochs", "1", "--batch_size", "8"]
    assert main([*run, "--hold_out", "s3"]) == 1
    assert "--emotion-labels" in capsys.readouterr().err
    run += ["--emotion_labels", "Neutral", "Angry", "Sad", "--no-data_augmentation"]
    assert main([*run, "--hold_out", "s3"]) == 0
    assert "train_loss" in json.loads((tmp_path / "run/history.json").read_text())
    assert main([*run, "--hold_out", "nobody"]) == 2
    assert main([*run, "--hold_out", "other/s3"]) == 2
    assert "not in the data: ['nobody']" in capsys.readouterr().err
    assert main(run) == 1
    assert "not empty" in capsys.readouterr().err
    assert main([*run[:3], str(tmp_path / "none.csv"), *run[4:]]) == 1
    assert "cannot read manifest" in capsys.readouterr().err
    assert main([*run, "--learning_rate", "-1"]) == 2
    assert "learning_rate must be above 0" in capsys.readouterr().err
