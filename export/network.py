"""The network to export, optionally reduced to its first layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ser_rt.bundle import Bundle, built_in_bundles
from ser_rt.errors import ConfigError
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.networks.checkpoint import read_network
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.start import find_start

QUANTIZED = "its weights are those of an int8 bundle, rounded to 8 bits"


class Source(NamedTuple):
    """A trained network, and what is known of it; `bundle` is the one that it was read from."""

    model: EmotionModel
    temperature: float
    training: dict[str, Any]
    bundle: Bundle | None

    @property
    def is_quantized(self) -> bool:
        """Whether its weights were read from an int8 bundle."""
        return self.bundle is not None and self.bundle.precision == "int8"


def read_source(checkpoint: Path) -> Source:
    """Load the network of a run folder, of a bundle's folder, or of a built-in bundle by its name.

    Raises:
        BundleError: the bundle is invalid.
        CheckpointError: the folder is neither, its training has not ended, its head was never
            trained, or its weights do not fit.
    """
    name = str(checkpoint)
    is_bundle = (checkpoint / MANIFEST_FILE).is_file()
    if is_bundle or (not checkpoint.exists() and name in built_in_bundles()):
        start = find_start(name)
        if start is not None and start.bundle is not None:
            model = start.network(start.settings_with({})).eval()
            return Source(model, start.bundle.temperature, dict(start.training), start.bundle)
    model, config = read_network(checkpoint)
    return Source(model, float(config["temperature"]), config["training"], None)


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
