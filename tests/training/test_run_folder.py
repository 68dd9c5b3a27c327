"""A run that is killed, broken or crowded out is taken up again, or says why not."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ser_rt.errors import TrainingError
from ser_rt.networks.model import EmotionModel
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip, load_manifest
from ser_rt.training.metrics import History
from ser_rt.utils import plot_training_history
from tests.support.killing import killed, same_weights
from tests.support.pulses import RHYTHM_HZ, write_corpus
from tests.support.small_training import COMPACT, DATA, corpus, trainer, training
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("small_and_alone")


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return corpus(tmp_path / "corpus", speakers=3, takes=3)


def test_the_folder_tells_how_the_run_came_about(tmp_path: Path, clips: list[Clip]) -> None:
    run = tmp_path / "run"
    history = trainer(run, num_epochs=2).train(clips)
    assert json.loads((run / "labels.json").read_text()) == {"Neutral": 0, "Angry": 1, "Joy": 2}
    about = json.loads((run / "run.json").read_text())
    assert about["settings"]["learning_rate"] == 1e-3
    assert {"torch", "transformers", "python"} <= about["versions"].keys()
    assert "source" in about
    train, val = (load_manifest(run / "split.csv", tuple(RHYTHM_HZ), s) for s in ("train", "val"))
    assert len(train) + len(val) == len(clips)
    assert not {clip.speaker for clip in train} & {clip.speaker for clip in val}
    assert json.loads((run / "history.json").read_text()) == history
    assert set(history) == {"train_loss", "val_loss", "val_accuracy", "val_f1", "val_uar"}
    assert all(len(values) == 2 for values in history.values())
    plot_training_history(history, save_path=tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 1000
    assert not list(tmp_path.rglob("*.partial"))


def damage(checkpoint: Path, what: str) -> None:
    if what == "half a network":
        path = checkpoint / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1000])
        (checkpoint / "seal.json").unlink()  # it is written last
    elif what.startswith("flipped "):
        path = checkpoint / what.removeprefix("flipped ")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        (checkpoint / what.removeprefix("no ")).unlink()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Clip]]:
    """A run whose best epoch was its first, and its clips."""
    folder = tmp_path_factory.mktemp("finished")
    clips = corpus(folder / "corpus", speakers=3, takes=3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SER_RT_CACHE", str(folder / "cache"))
        torch.set_num_threads(1)
        trainer(folder / "run", num_epochs=4, learning_rate=1e-12).train(clips)
    return folder / "run", clips


def unfinished(finished: Path, run: Path) -> list[Path]:
    """Copy a run as if it had been killed before its end; return its checkpoints in order."""
    shutil.copytree(finished, run)
    (run / "config.json").unlink()
    return sorted(run.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))


@pytest.mark.parametrize(
    "what",
    [
        "half a network",
        "flipped model.safetensors",
        "flipped optimizer.pt",
        "flipped average.safetensors",
        "no trainer_state.json",
        "no average.safetensors",
    ],
)
def test_a_broken_checkpoint_is_put_aside_for_the_one_before(
    tmp_path: Path,
    finished: tuple[Path, list[Clip]],
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole, clips = finished
    newest = unfinished(whole, tmp_path / "run")[-1]
    damage(newest, what)
    history = json.loads((whole / "history.json").read_text())
    assert resume(tmp_path / "run", clips) == history
    assert (tmp_path / f"run/broken-{newest.name}").is_dir()
    assert f"{newest.name} is broken" in caplog.text
    assert same_weights(whole, tmp_path / "run")


def resume(run: Path, clips: list[Clip]) -> History:
    return trainer(run, num_epochs=4, learning_rate=1e-12).train(clips, resume=True)


def test_a_run_that_was_moved_ends_with_its_best_weights(
    tmp_path: Path, finished: tuple[Path, list[Clip]]
) -> None:
    whole, clips = finished
    unfinished(whole, tmp_path / "elsewhere")
    (tmp_path / "elsewhere/model.safetensors").unlink()
    resume(tmp_path / "elsewhere", clips)
    assert same_weights(whole, tmp_path / "elsewhere")


def test_without_its_best_checkpoint_a_run_begins_before_it(
    tmp_path: Path, finished: tuple[Path, list[Clip]], caplog: pytest.LogCaptureFixture
) -> None:
    """Its last weights would be taken for the best."""
    whole, clips = finished
    best, *_ = unfinished(whole, tmp_path / "run")
    shutil.rmtree(best)
    resume(tmp_path / "run", clips)
    assert f"the best before it, {best.name}, has no model.safetensors" in caplog.text
    assert same_weights(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("killed_after", "workers"), [(7, 1), pytest.param(2, 0, marks=pytest.mark.slow)]
)
def test_a_run_killed_within_an_epoch_goes_on_there(
    tmp_path: Path,
    clips: list[Clip],
    caplog: pytest.LogCaptureFixture,
    killed_after: int,
    workers: int,
) -> None:
    data = replace(DATA, num_workers=workers, data_augmentation=True)

    def train(run: str, *, resume: bool = False) -> History:
        how = training(tmp_path / run, batch_size=4, num_epochs=3, save_steps=1, ema_decay=0.5)
        return create_trainer(COMPACT, how, data).train(clips, resume=resume)

    history = train("whole")
    with killed(lambda state: state.global_step == killed_after):
        train("killed")
    caplog.set_level(logging.INFO)
    assert train("killed", resume=True) == history
    assert f"resuming from {tmp_path / 'killed'}/checkpoint-{killed_after}" in caplog.text
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_finished_run_may_be_resumed_and_stays_as_it_is(
    tmp_path: Path, clips: list[Clip]
) -> None:
    run = tmp_path / "run"
    history = trainer(run).train(clips)
    before = (run / "model.safetensors").read_bytes()
    assert trainer(run).train(clips, resume=True) == history
    assert (run / "model.safetensors").read_bytes() == before


def test_other_settings_or_clips_are_another_run(tmp_path: Path, clips: list[Clip]) -> None:
    run = tmp_path / "run"
    trainer(run, num_epochs=2).train(clips)
    with pytest.raises(TrainingError, match="num_epochs was 2, is 1"):
        trainer(run, num_epochs=1).train(clips, resume=True)
    rated = [replace(clips[0], arousal="0.9"), *clips[1:]]
    for others in (clips[1:], rated):
        with pytest.raises(TrainingError, match="clips was"):
            trainer(run, num_epochs=2).train(others, resume=True)
    assert len(trainer(run, num_epochs=3).train(clips, resume=True)["train_loss"]) == 3
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="no run that could be resumed"):
        trainer(tmp_path / "other").train(clips, resume=True)


def test_patience_outlives_a_kill(tmp_path: Path, clips: list[Clip]) -> None:
    """No gain is large enough here, so training stops after the second epoch without one."""
    how: dict[str, Any] = {"early_stopping_patience": 2, "num_epochs": 9}
    how["early_stopping_threshold"] = 0.9
    whole = trainer(tmp_path / "whole", **how).train(clips)
    assert len(whole["val_uar"]) == 3
    with killed(lambda state: state.epoch > 2):
        trainer(tmp_path / "killed", **how).train(clips)
    assert trainer(tmp_path / "killed", **how).train(clips, resume=True) == whole


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "halve batch_size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't"), "gradient_checkpointing on"),
        (OSError(28, "No space left on device"), "free space"),
        (RuntimeError("PytorchStreamWriter failed writing file"), "free space"),
        (RuntimeError("[enforce fail at inline_container.cc:672] unexpected pos"), "free space"),
    ],
)
def test_full_memory_and_a_full_disk_say_what_to_do(
    tmp_path: Path,
    clips: list[Clip],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    says: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(EmotionModel, "forward", fail)
    with pytest.raises(TrainingError, match=says):
        trainer(tmp_path / "run").train(clips)


def command(manifest: Path, run: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ser_rt.train", "--preset", "compact"),
        *("--manifest", str(manifest), "--hold_out", "s2", "--output_dir", str(run)),
        *("--emotion_labels", *RHYTHM_HZ, "--num_epochs", "8", "--batch_size", "4"),
        *("--max_crop_s", "1.5", "--num_workers", "1", "--report_to", "none", *more),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoints_seen", "save_steps"), [(0, 0), (1, 0), (3, 0), (5, 2)])
def test_sigkill_at_any_moment_changes_nothing(
    tmp_path: Path, checkpoints_seen: int, save_steps: int
) -> None:
    manifest = write_corpus(tmp_path / "corpus", speakers=3, takes=6)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    how: dict[str, Any] = {"env": environment, "cwd": ROOT, "stderr": subprocess.DEVNULL}
    subprocess.run(command(manifest, tmp_path / "whole"), check=True, **how)
    run = tmp_path / "killed"
    often = ["--save_steps", str(save_steps)]
    process = subprocess.Popen(command(manifest, run, *often), start_new_session=True, **how)

    def is_there() -> bool:
        assert process.poll() is None
        return (run / "run.json").exists() and len(seen(run)) >= checkpoints_seen

    wait_until(is_there)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "config.json").exists()
    subprocess.run(command(manifest, run, "--resume", *often), check=True, **how)
    assert same_weights(tmp_path / "whole", run)
    assert (run / "history.json").read_text() == (tmp_path / "whole/history.json").read_text()


_EVER: dict[Path, set[str]] = {}


def seen(run: Path) -> set[str]:
    """Every checkpoint that was ever there; old ones are removed."""
    found = _EVER.setdefault(run, set())
    found |= {path.name for path in run.glob("checkpoint-*")}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    manifest, run = write_corpus(tmp_path / "corpus", speakers=3, takes=6), tmp_path / "run"
    training = command(manifest, run, "--num_epochs", "500")
    with subprocess.Popen(training, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: process.poll() is not None or (run / "run.json").exists())
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "ser-train: --resume" in err
    assert "Traceback" not in err
