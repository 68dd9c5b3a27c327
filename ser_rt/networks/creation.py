"""`create_model`: the network that training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.pretrained import describe_base, load_base
from ser_rt.networks.start import find_start

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2 import Wav2Vec2
    from ser_rt.networks.whisper import Whisper


def create_model(config: ModelConfig) -> EmotionModel:
    """Build the network that training starts from: a trained encoder if named, and a new head.

    From a bundle or a run folder it also has the head, as far as the labels are the same.

    Raises:
        BundleError: `config.model_name` is a bundle, and invalid.
        CheckpointError: `config.model_name` is no checkpoint that can be read.
        ConfigError: no such architecture.
    """
    if start := find_start(config.model_name):
        return start.network(config)
    if config.encoder_config and config.model_name:
        msg = (
            f"encoder_config describes an encoder of random weights, and model_name names "
            f"{config.model_name!r}: give one of them, the other empty"
        )
        raise ConfigError(msg)
    if config.architecture == "compact" or config.encoder_config:
        return EmotionModel(config)
    try:
        model = EmotionModel(describe_base(config))
    except ConfigError as error:
        msg = f"{config.model_name}: {error}"
        raise ConfigError(msg) from error
    load_base(cast("Wav2Vec2 | Whisper", model.encoder), config.model_name)
    return model
