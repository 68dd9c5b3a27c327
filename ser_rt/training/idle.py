"""`setting_rules`: what settings of a training need to have an effect; light, for command lines."""

from __future__ import annotations

from collections.abc import Iterator

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig

_OF_ENCODER = (
    "pooling",
    "projection",
    "weighted_layers",
    "num_layers",
    "mask_time_prob",
    "input_normalization",
    "left_frames",
    "freeze_feature_encoder",
)
"""Settings that the compact network does not read."""
_OF_TEACHER = ("teacher_share", "teacher_temperature", "embedding_weight", "frame_weight")
_OF_VALIDATION = (
    "best_metric",
    "early_stopping_patience",
    "early_stopping_threshold",
    "allow_leaks",
)
_OF_AUGMENTATION = ("noise_dir", "rooms_dir", "channel_share")


def setting_rules(
    model: ModelConfig,
    training: TrainingConfig,
    data: DataConfig,
    *,
    validates: bool,
    learns_on: bool = False,
) -> Iterator[tuple[object, str, str]]:
    """Yield what each setting needs, as `ser_rt.cli.idle.refuse_idle` takes it.

    Training learns on where it starts from a network of ours, of any architecture.
    """
    has_encoder = model.architecture != "compact"
    other = "is for the architectures wav2vec2 and whisper"
    for name in _OF_ENCODER:
        yield has_encoder, name, other
    yield has_encoder or learns_on, "model_name", f"{other}, or names a compact one to learn on"
    yield model.chunk_frames, "left_frames", "needs --chunk-frames: without, all frames attend"
    yield model.dimensions, "dimension_weight", "needs --dimensions"
    for name in _OF_TEACHER:
        yield training.teacher, name, "needs --teacher"
    yield training.loss == "focal", "focal_gamma", "needs --loss focal"
    yield training.loss == "logit_adjusted", "logit_tau", "needs --loss logit_adjusted"
    for name in _OF_VALIDATION:
        yield (
            validates,
            name,
            ("needs clips to validate on: --val-split, --hold-out or a --val-share above 0"),
        )
    for name in _OF_AUGMENTATION:
        yield data.data_augmentation, name, "does nothing with --no-data-augmentation"
