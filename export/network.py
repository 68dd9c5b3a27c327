"""The network to export, optionally reduced to its first layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ser_rt.errors import ConfigError
from ser_rt.networks.model import EmotionModel


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
    model.settings = replace(model.settings, num_layers=layers)
    return int(had)
