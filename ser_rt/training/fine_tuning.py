"""Fine-tuning of a pretrained encoder: frozen parts, slower lower layers, adapters."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ser_rt.config import TrainingConfig
from ser_rt.errors import ConfigError, requires
from ser_rt.networks.model import EmotionModel

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2 import Wav2Vec2
    from ser_rt.networks.whisper import Whisper


def prepare_network(model: EmotionModel, settings: TrainingConfig) -> None:
    """Freeze parts, add adapters and switch checkpointing on, as configured.

    Raises:
        ConfigError: a setting has no meaning for this network.
        MissingDependencyError: LoRA is configured and peft is not installed.
    """
    if settings.every_hop and not model.settings.streaming:
        msg = "every_hop is for networks that stream: add streaming, or leave it out"
        raise ConfigError(msg)
    model.every_hop = settings.every_hop
    if model.settings.architecture == "compact":
        asked = {
            "lora_rank": settings.lora_rank > 0,
            "encoder_learning_rate": settings.encoder_learning_rate > 0,
            "layer_decay": settings.layer_decay < 1,
            "gradient_checkpointing": settings.gradient_checkpointing,
        }
        if given := [name for name, value in asked.items() if value]:
            names = ", ".join(given)
            msg = f"{names} is for the architectures wav2vec2 and whisper only: leave it out"
            raise ConfigError(msg)
        return
    encoder = _encoder(model)
    if settings.lora_rank:
        _adapt(encoder, settings.lora_rank)
    if settings.freeze_feature_encoder:
        encoder.freeze_features()
    if settings.gradient_checkpointing:
        encoder.network.gradient_checkpointing_enable({"use_reentrant": False})


def has_own_rates(settings: TrainingConfig) -> bool:
    """Return whether some layers learn at another rate than the head."""
    return settings.layer_decay < 1 or settings.encoder_learning_rate > 0


def parameter_groups(
    model: EmotionModel, settings: TrainingConfig, decayed: Collection[str]
) -> list[dict[str, Any]]:
    """Return the trained parameters grouped by depth, each group with its learning rate.

    A layer learns at `layer_decay` times the rate of the layer above it; the head, and what else
    is new, at the full one. The top layer may have a rate of its own.
    Howard, Ruder: Universal language model fine-tuning, ACL 2018.

    Args:
        model: the network to train.
        settings: learning rates and weight decay.
        decayed: names of the parameters with weight decay.
    """
    encoder = _encoder(model)
    top = encoder.num_layers + 1
    below = settings.encoder_learning_rate or settings.learning_rate * settings.layer_decay
    groups: dict[tuple[int, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            inner = name.removeprefix("encoder.")
            depth = encoder.depth_of(inner) if inner != name else top
            groups.setdefault((depth, name in decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": below * settings.layer_decay ** (top - 1 - depth)
            if depth < top
            else settings.learning_rate,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def merge_adapters(model: EmotionModel) -> None:
    """Merge adapters into the weights that they adapt, so that no module of peft is left."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if hasattr(child, "get_base_layer"):
                layer: Any = child
                layer.merge()
                setattr(module, name, layer.get_base_layer())


def _adapt(encoder: Wav2Vec2 | Whisper, rank: int) -> None:
    """Hu et al.: LoRA, low-rank adaptation of large language models, ICLR 2022."""
    with requires("peft", "train"):
        from peft import LoraConfig, inject_adapter_in_model
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(encoder.adapted))
    inject_adapter_in_model(lora, encoder.network)


def _encoder(model: EmotionModel) -> Wav2Vec2 | Whisper:
    return model.encoder  # type: ignore[return-value]  # an encoder is a module too
