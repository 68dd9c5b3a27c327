"""Loading of the network to export, optionally reduced to its first layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ser_rt.errors import CheckpointError, ConfigError
from ser_rt.networks.checkpoint import CONFIG, WEIGHTS, load_model, read_config
from ser_rt.networks.model import EmotionModel

_RUN = "run.json"


def read_network(checkpoint: Path) -> tuple[EmotionModel, dict[str, Any]]:
    """Load a trained network and its config.

    Raises:
        CheckpointError: the folder is no checkpoint, its training has not ended, its head was
            never trained, or its labels or weights do not fit its head.
    """
    if (checkpoint / _RUN).is_file() and not (checkpoint / CONFIG).exists():
        msg = f"the training in {checkpoint} has not ended: go on with ser-train --resume"
        raise CheckpointError(msg)
    config = read_config(checkpoint)
    _check_labels(checkpoint, config)
    return load_model(checkpoint)


def keep_layers(model: EmotionModel, layers: int) -> int:
    """Remove all transformer layers of a network after the first `layers`, in place.

    Returns:
        How many there were.

    Raises:
        ConfigError: it has none, or not so many.
    """
    encoder: Any = model.encoder
    had = getattr(encoder, "num_layers", 0)
    if not 1 <= layers <= had:
        what = f"{had} layers: give 1 to {had}" if had else "no layers to leave out"
        msg = f"cannot keep {layers} layers: {model.settings.architecture} has {what}"
        raise ConfigError(msg)
    encoder.keep_layers(layers)
    return int(had)


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
