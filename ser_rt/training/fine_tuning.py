"""How a trained encoder is changed gently: frozen parts, slow lower layers, adapters."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ser_rt.config import TrainingConfig
from ser_rt.errors import ConfigError, MissingDependencyError
from ser_rt.networks.model import EmotionModel

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2 import Wav2Vec2
    from ser_rt.networks.whisper import Whisper


def prepare(model: EmotionModel, settings: TrainingConfig) -> None:
    """Freeze, adapt and save memory as the settings say.

    Raises:
        ConfigError: a setting has no meaning for this network.
        MissingDependencyError: LoRA is asked for and peft is not installed.
    """
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
    """Group the trained parameters by their depth, each with its learning rate.

    A layer learns at `layer_decay` times the rate of the layer above it; the head, and what else
    is new, at the full one. The top layer may have a rate of its own.
    Howard, Ruder: Universal language model fine-tuning, ACL 2018.

    Args:
        model: what is trained.
        settings: gives learning rates and the decay of the weights.
        decayed: names of the parameters whose weights decay.
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
    """Work adapters into the weights that they adapt, so that nothing of peft is left."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if hasattr(child, "get_base_layer"):
                layer: Any = child
                layer.merge()
                setattr(module, name, layer.get_base_layer())


def _adapt(encoder: Wav2Vec2 | Whisper, rank: int) -> None:
    """Hu et al.: LoRA, low-rank adaptation of large language models, ICLR 2022."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        msg = "lora_rank needs peft: pip install 'ser-rt[train]'"
        raise MissingDependencyError(msg) from error
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(encoder.adapted))
    inject_adapter_in_model(lora, encoder.network)


def _encoder(model: EmotionModel) -> Wav2Vec2 | Whisper:
    return model.encoder  # type: ignore[return-value]  # an encoder is a module too
