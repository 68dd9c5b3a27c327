"""The checkpoint that fine-tuning starts from: by its name on the hub, or in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder, WhisperPreTrainedModel

from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError
from ser_rt.networks.log_mel import FRAME, HOP
from ser_rt.networks.wav2vec2 import FAMILIES, Wav2Vec2
from ser_rt.networks.whisper import SHAPE, Whisper, check_config


class _WhisperCheckpoint(WhisperPreTrainedModel):
    """The encoder's part of a checkpoint, with or without the decoder's beside it."""

    _keys_to_ignore_on_load_unexpected = ["decoder", "proj_out", "projector", "classifier"]  # type: ignore[assignment]  # noqa: RUF012

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__(config)
        self.encoder = WhisperEncoder(config)
        self.post_init()


_LEVELS = {False: "window", True: "running"}
"""How the level is normalised, without and with `streaming`, where the checkpoint wants it."""
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
    if kind not in {*FAMILIES, "whisper"}:
        if kind is None and Path(name, "adapter_config.json").exists():
            kind = "PEFT, an adapter alone"
        known = ", ".join((*FAMILIES, "whisper"))
        msg = f"{name} is a checkpoint of {kind or 'nothing'}: give one of {known}"
        raise CheckpointError(msg)
    if values.get("quantization_config"):
        raise CheckpointError(_quantised(name))
    if kind == "whisper":
        return _describe_whisper(settings, values)
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
    found = _LEVELS[settings.streaming] if normalizes else "none"
    return replace(
        settings,
        architecture="wav2vec2",
        encoder_config={**own, "model_type": kind},
        input_normalization=found
        if settings.input_normalization == "auto"
        else settings.input_normalization,
    )


def _describe_whisper(settings: ModelConfig, values: dict[str, Any]) -> ModelConfig:
    name = settings.model_name
    if values.get("is_decoder") or "WhisperForCausalLM" in (values.get("architectures") or ()):
        msg = f"{name} has a decoder only: give a checkpoint with an encoder"
        raise CheckpointError(msg)
    try:
        config = WhisperConfig.from_dict(values)
        extractor, _ = PretrainedConfig.get_config_dict(name, _configuration_file=_EXTRACTOR)
    except _UNREADABLE as error:
        if not isinstance(error, OSError) or Path(name, _EXTRACTOR).exists():
            raise CheckpointError(_no_base(name, error)) from error
        extractor = {}
    check_config(config)
    expected = {
        "sampling_rate": settings.sample_rate,
        "feature_size": config.num_mel_bins,
        "n_fft": FRAME,
        "hop_length": HOP,
    }
    for key, value in expected.items():
        if (found := extractor.get(key, value)) != value:
            msg = f"{name} has {key} {found!r} in {_EXTRACTOR}, not {value}: it is no Whisper"
            raise CheckpointError(msg)
    shape = {key: getattr(config, key) for key in SHAPE}
    return replace(
        settings, architecture="whisper", encoder_config={**shape, "model_type": "whisper"}
    )


def load_base(encoder: Wav2Vec2 | Whisper, name: str) -> None:
    """Give an encoder the trained weights of the checkpoint that `describe_base` described.

    Raises:
        CheckpointError: they cannot be read, or some of them are not there.
    """
    if isinstance(encoder, Whisper):
        whole = _read(_WhisperCheckpoint, encoder.network.config, name)
        encoder.network.load_state_dict(whole.encoder.state_dict())
    else:
        encoder.adopt(_read(type(encoder.network), encoder.network.config, name))


def _read(kind: type[PreTrainedModel], config: PretrainedConfig, name: str) -> Any:
    """Read a checkpoint, whose weights must all be there and be numbers."""
    try:
        network, info = kind.from_pretrained(
            name,
            config=config,
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
    return network


def _quantised(name: str) -> str:
    return f"{name} is quantised: training starts from the network that it was made of"


def _no_base(name: str, error: BaseException) -> str:
    lines = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
    reason = (lines or repr(error)).rstrip(".")
    return (
        f"cannot load {name!r}: {reason}. Check model_name and the connection to the hub, "
        "or download the checkpoint and give its folder"
    )
