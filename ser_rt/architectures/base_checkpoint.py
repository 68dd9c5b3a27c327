"""The checkpoint that fine-tuning starts from: by its name on the hub, or in a folder."""

from __future__ import annotations

from dataclasses import replace

import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, Wav2Vec2FeatureExtractor

from ser_rt.architectures.wav2vec2 import FAMILIES, Wav2Vec2
from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError

_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


def describe_base(settings: ModelConfig) -> ModelConfig:
    """Take over what the checkpoint `model_name` says: its config, and its normalisation.

    Raises:
        CheckpointError: there is no such checkpoint, or it is of another kind.
    """
    name = settings.model_name
    try:
        values, _ = PretrainedConfig.get_config_dict(name)
    except _UNREADABLE as error:
        raise CheckpointError(_no_base(name, error)) from error
    # Not AutoConfig: without a model_type it guesses one from the folder's name.
    kind = values.get("model_type")
    if kind not in FAMILIES:
        msg = f"{name} is a checkpoint of {kind or 'nothing'}: give one of {', '.join(FAMILIES)}"
        raise CheckpointError(msg)
    config = FAMILIES[kind].config.from_dict(values)
    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(name)
        rate, normalizes = extractor.sampling_rate, extractor.do_normalize
    except OSError:
        rate, normalizes = settings.sample_rate, config.feat_extract_norm == "layer"
    if rate != settings.sample_rate:
        msg = f"{name} hears {rate} Hz: give one that hears {settings.sample_rate} Hz"
        raise CheckpointError(msg)
    general = PretrainedConfig().to_dict()
    own = {key: value for key, value in config.to_dict().items() if key not in general}
    found = "window" if normalizes else "none"
    return replace(
        settings,
        encoder_config={**own, "model_type": kind},
        input_normalization=found
        if settings.input_normalization == "auto"
        else settings.input_normalization,
    )


def load_base(encoder: Wav2Vec2, name: str) -> None:
    """Give an encoder the trained weights of the checkpoint that `describe_base` described.

    Raises:
        CheckpointError: they cannot be read, or some of them are not there.
    """
    try:
        network, info = type(encoder.network).from_pretrained(
            name,
            config=encoder.network.config,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except _UNREADABLE as error:
        raise CheckpointError(_no_base(name, error)) from error
    if missing := sorted(set(info["missing_keys"]) - {"masked_spec_embed"}):
        msg = f"{name} lacks {len(missing)} weights, such as {missing[0]}: take another checkpoint"
        raise CheckpointError(msg)
    encoder.network = network


def _no_base(name: str, error: BaseException) -> str:
    reason = (str(error).strip().splitlines() or [repr(error)])[0]
    return (
        f"cannot load {name!r}: {reason} Check model_name and the connection to the hub, "
        "or download the checkpoint and give its folder"
    )
