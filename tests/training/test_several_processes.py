"""Training shared by two processes is the training of one: same windows, same curve, one folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from ser_rt.train import main
from tests.support.pulses import RHYTHM_HZ, write_corpus
from tests.support.small_speech import write_base
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
# `--cpu --num_processes 2` starts one process, or MPI; without a GPU, this starts two on the CPU.
ACCELERATE = [
    *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
]
STILL: dict[str, Any] = {
    f"{name}_dropout": 0.0 for name in ("hidden", "attention", "feat_proj", "activation", "final")
}


pytestmark = pytest.mark.usefixtures("small_and_alone")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """24 clips to train on, which two processes share evenly, and 11 to validate on."""
    path = write_corpus(tmp_path / "corpus", speakers=3, takes=4)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    return path


def settings(manifest: Path, run: Path, *more: str) -> list[str]:
    return [
        *("--manifest", str(manifest), "--hold_out", "s2", "--output_dir", str(run)),
        *("--emotion_labels", *RHYTHM_HZ, "--batch_size", "2", "--num_epochs", "3"),
        *("--min_crop_s", "0.4", "--max_crop_s", "0.8", "--warmup_steps", "0"),
        *("--num_workers", "0", "--report_to", "none", *more),
    ]


def still(manifest: Path) -> list[str]:
    """Settings of a network in which nothing is random, so that any two runs can be compared."""
    base = write_base(manifest.parent / "base", num_hidden_layers=1, **STILL)
    return [
        *("--model_name", str(base), "--head_dropout", "0", "--mask_time_prob", "0"),
        *("--learning_rate", "1e-3", "--ema_decay", "0.9", "--no-data_augmentation"),
    ]


def start(launcher: list[str], arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "-m", "ser_rt.train", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stderr=subprocess.PIPE,
        text=True,
    )


def share(launcher: list[str], arguments: list[str]) -> str:
    """Train with two processes; return what they wrote to standard error."""
    with start(launcher, arguments) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return errors


def same_training(one: Path, two: Path) -> None:
    """Gradients are summed in another order, so float32 may differ in its last digits."""
    curves = [json.loads((run / "history.json").read_text()) for run in (one, two)]
    assert curves[0].keys() == curves[1].keys()
    for name, curve in curves[0].items():
        assert curve == pytest.approx(curves[1][name], rel=1e-4), name
    weights, shared = (load_file(run / "model.safetensors") for run in (one, two))
    apart = [np.abs(values - shared[name]).ravel() for name, values in weights.items()]
    assert np.concatenate(apart).mean() < 1e-6  # updates are of up to 1e-3


def test_two_processes_draw_the_curve_of_one(tmp_path: Path, manifest: Path) -> None:
    how = still(manifest)
    alone = settings(manifest, tmp_path / "one", *how, "--gradient_accumulation_steps", "2")
    assert main(alone) == 0
    errors = share(
        TORCHRUN,
        settings(manifest, tmp_path / "two", *how, "--gradient_accumulation_steps", "1"),
    )
    same_training(tmp_path / "one", tmp_path / "two")
    assert errors.count("trained: ") == 1
    assert errors.count("epoch 1  loss") == 1
    assert len(list((tmp_path / "two").glob("checkpoint-18/rng_state_*.pth"))) == 2
    # Half as many processes would make half as large batches.
    assert main([*alone[:-1], "1", "--resume", "--output_dir", str(tmp_path / "two")]) == 1


@pytest.mark.slow
def test_accelerate_starts_the_same_training(tmp_path: Path, manifest: Path) -> None:
    how = still(manifest)
    accumulate = "--gradient_accumulation_steps"
    assert main(settings(manifest, tmp_path / "one", *how, accumulate, "2")) == 0
    share(ACCELERATE, settings(manifest, tmp_path / "two", *how, accumulate, "1"))
    same_training(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_killed_within_an_epoch_both_go_on_as_if_nothing_had_been(
    tmp_path: Path, manifest: Path
) -> None:
    """With all that is random, and statistics of batches that only one process has seen."""
    how = ["--preset", "compact", "--save_steps", "2", "--val_share", "0.2", "--num_workers", "1"]
    share(TORCHRUN, settings(manifest, tmp_path / "whole", *how))
    run = tmp_path / "killed"
    process = start(TORCHRUN, settings(manifest, run, *how))
    wait_until(lambda: (run / "checkpoint-8/seal.json").exists() or process.poll() is not None)
    assert process.poll() is None
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.communicate()
    share(TORCHRUN, settings(manifest, run, *how, "--resume"))
    whole: dict[str, Any] = load_file(tmp_path / "whole/model.safetensors")
    resumed = load_file(run / "model.safetensors")
    assert all(np.array_equal(values, resumed[name]) for name, values in whole.items())
    assert (run / "history.json").read_text() == (tmp_path / "whole/history.json").read_text()
