"""Checkpoints: folders with `model.safetensors` and `config.json`, the result of a training.

`config.json` records that the head was trained; a folder without that is never loaded, so that no
random head is ever mistaken for a classifier.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, CheckpointError, ConfigError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.writing import sync, write_text
from ser_rt.networks.model import EmotionModel

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

WEIGHTS, CONFIG, RUN = "model.safetensors", "config.json", "run.json"
_KIND = "ser-rt checkpoint"


def save_checkpoint(
    model: EmotionModel, folder: Path, *, temperature: float, training: dict[str, Any]
) -> None:
    """Write a trained network: its weights, its settings and how it was trained.

    The config is written last: a folder with a config has complete weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    sync(folder / WEIGHTS)
    config = {
        "kind": _KIND,
        "head": "trained",
        "sha256": {WEIGHTS: sha256_of(folder / WEIGHTS)},
        "model": model.settings.to_dict(),
        "temperature": temperature,
        "training": training,
    }
    text = json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True)
    write_text(folder / CONFIG, text + "\n")
    # safetensors lets nobody else read what it writes; the rest of the folder is as umask has it.
    (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode & 0o777)


def read_config(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's `config.json` after checking it.

    Raises:
        CheckpointError: it is missing, not one of ours, or its head was never trained.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"cannot read {path} ({error}); give the folder that ser-train wrote"
        raise CheckpointError(msg) from error
    if not isinstance(config, dict) or config.get("kind") != _KIND:
        msg = f"{path} was not written by ser-train: give the folder that ser-train wrote"
        raise CheckpointError(msg)
    if config.get("head") != "trained":
        msg = f"the classification head in {folder} was never trained: run ser-train first"
        raise CheckpointError(msg)
    return config


def is_ours(path: Path) -> bool:
    """Return whether a config is that of a checkpoint of ser-train."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("kind") == _KIND


def check_finished(folder: Path) -> None:
    """Refuse a run folder whose training goes on, or was stopped.

    Raises:
        CheckpointError: it has no trained network yet.
    """
    if (folder / RUN).is_file() and not (folder / CONFIG).exists():
        msg = f"the training in {folder} has not ended: go on with ser-train --resume"
        raise CheckpointError(msg)


def read_network(checkpoint: Path) -> tuple[EmotionModel, dict[str, Any]]:
    """Load the network of a run folder, and its config, after checking that it is finished.

    Raises:
        CheckpointError: the folder is no checkpoint, its training has not ended, its head was
            never trained, or its labels or weights do not fit its head.
    """
    check_finished(checkpoint)
    config = read_config(checkpoint)
    _check_labels(checkpoint, config)
    return load_model(checkpoint)


def load_model(folder: str | Path) -> tuple[EmotionModel, dict[str, Any]]:
    """Load a trained network in evaluation mode, and its config.

    Raises:
        CheckpointError: the folder is no checkpoint, its head was never trained, or its weights do
            not fit its config or were changed since.
    """
    folder = Path(folder)
    config = read_config(folder)
    try:
        expected = config.get("sha256", {}).get(WEIGHTS)  # older versions wrote none
        if expected and expected != sha256_of(folder / WEIGHTS):
            msg = (
                f"cannot load the weights in {folder}: {WEIGHTS} has changed since ser-train wrote "
                "it (sha256 differs); copy it again, or write it again with --resume"
            )
            raise CheckpointError(msg)
        model = EmotionModel(ModelConfig.from_dict(config["model"]))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (ConfigError, KeyError, OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        msg = f"cannot load the weights in {folder}: {reason}; export or train it again"
        raise CheckpointError(msg) from error
    return model.eval(), config


def _check_labels(checkpoint: Path, config: dict[str, Any]) -> None:
    try:
        labels = config["model"]["emotion_labels"]
        with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
            rows = weights.get_slice("head.weight").get_shape()[0]
    except (KeyError, TypeError, OSError, SafetensorError) as error:
        msg = f"{checkpoint} lacks its labels or its head ({error}): train again, or copy it again"
        raise CheckpointError(msg) from error
    if len(labels) != rows:
        msg = (
            f"{checkpoint / CONFIG} names {len(labels)} emotions ({', '.join(labels)}), but the "
            f"head has {rows} outputs: restore the label map that it was trained with"
        )
        raise CheckpointError(msg)


class TorchClassifier:
    """An `EmotionClassifier` that runs a trained network in PyTorch."""

    def __init__(self, model: EmotionModel, temperature: float = 1.0) -> None:
        self._model, self.temperature = model.eval(), temperature

    @property
    def labels(self) -> tuple[str, ...]:
        """English label of each column."""
        return self._model.settings.emotion_labels

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self._model.settings.sample_rate

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What it rates besides."""
        return self._model.settings.dimensions

    def rate(self, waveforms: FloatArray) -> FloatArray:
        """Rate float32 ``[batch, samples]``: ``[batch, dimensions]``."""
        with torch.inference_mode():
            rated: FloatArray = self._model(_tensor(waveforms))["dimensions"].numpy()
        return rated

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        samples = _tensor(waveforms)
        with torch.inference_mode():
            logits = self._model(samples)["logits"]
            probabilities: FloatArray = (logits / self.temperature).softmax(1).numpy()
        return probabilities


def _tensor(waveforms: FloatArray) -> torch.Tensor:
    if waveforms.ndim != 2:
        msg = f"waveforms must be [batch, samples], not {waveforms.shape}"
        raise AudioInputError(msg)
    return torch.from_numpy(np.ascontiguousarray(waveforms, np.float32))


def load_classifier(folder: str | Path) -> TorchClassifier:
    """Load a trained network as a classifier; it raises as `load_model` does."""
    model, config = load_model(folder)
    return TorchClassifier(model, config["temperature"])
