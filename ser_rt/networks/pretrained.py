"""The checkpoint that fine-tuning starts from: by its name on the hub, or in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, Wav2Vec2FeatureExtractor

from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError
from ser_rt.networks.wav2vec2 import FAMILIES, Wav2Vec2

_EXTRACTOR = "preprocessor_config.json"
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


def describe_base(settings: ModelConfig) -> ModelConfig:
    """Return the settings with the config and the normalisation of the checkpoint `model_name`.

    Raises:
        CheckpointError: there is no such checkpoint, or it is of another kind.
    """
    name = settings.model_name
    try:
        values, _ = PretrainedConfig.get_config_dict(name)
    except (*_UNREADABLE, TypeError) as error:  # TypeError: JSON, and no object
        raise CheckpointError(_no_base(name, error)) from error
    # Not AutoConfig: without a model_type it guesses one from the folder's name.
    kind = values.get("model_type")
    if kind not in FAMILIES:
        if kind is None and Path(name, "adapter_config.json").exists():
            kind = "PEFT, an adapter alone"
        msg = f"{name} is a checkpoint of {kind or 'nothing'}: give one of {', '.join(FAMILIES)}"
        raise CheckpointError(msg)
    if values.get("quantization_config"):
        raise CheckpointError(_quantised(name))
    try:
        config = FAMILIES[kind].config.from_dict(values)
    except _UNREADABLE as error:
        raise CheckpointError(_no_base(name, error)) from error
    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(name)
        rate, normalizes = extractor.sampling_rate, extractor.do_normalize
    except OSError as error:
        if Path(name, _EXTRACTOR).exists():
            raise CheckpointError(_no_base(name, error)) from error
        rate, normalizes = settings.sample_rate, config.feat_extract_norm == "layer"
    if rate != settings.sample_rate:
        msg = f"{name} takes {rate!r} Hz: give one that takes {settings.sample_rate} Hz"
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
    weights = list(network.parameters())
    if any(tensor.dtype != torch.float32 for tensor in weights):
        raise CheckpointError(_quantised(name))
    if not all(torch.isfinite(tensor).all() for tensor in weights):
        msg = f"{name} has weights that are no finite numbers: take another checkpoint"
        raise CheckpointError(msg)
    encoder.network = network


def _quantised(name: str) -> str:
    return f"{name} is quantised: training starts from the network that it was made of"


def _no_base(name: str, error: BaseException) -> str:
    lines = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
    reason = (lines or repr(error)).rstrip(".")
    return (
        f"cannot load {name!r}: {reason}. Check model_name and the connection to the hub, "
        "or download the checkpoint and give its folder"
    )
