"""Settings of model, training and data.

`model_config`, `training_config` and `data_config` are mutable module-level objects, as in the
module that ser-rt grew from. They are read at the edges only (factories and command lines);
everything below takes its settings as an argument. A misspelt field or a bad value raises
`ConfigError` at the assignment, not an hour later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any, Self, get_origin, get_type_hints

from ser_rt.checks import whole
from ser_rt.constants import EMOTIONS, SAMPLE_RATE
from ser_rt.errors import ConfigError

_Check = tuple[Callable[[Any], bool], str]
_POSITIVE: _Check = (lambda v: v > 0, "greater than 0")
_NOT_NEGATIVE: _Check = (lambda v: v >= 0, "0 or more")
_SHARE: _Check = (lambda v: 0 <= v < 1, "at least 0 and below 1")


def _one_of(*choices: str) -> _Check:
    return (lambda v: v in choices, "one of " + ", ".join(choices))


def _setting(default: Any, help_: str, check: _Check | None = None) -> Any:
    metadata = {"help": help_, "check": check}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def setting_types(settings: type) -> dict[str, type]:
    """Return the type of every field of a settings class: `tuple` for ``tuple[str, ...]``."""
    return {name: get_origin(hint) or hint for name, hint in get_type_hints(settings).items()}


@dataclass
class _Settings:
    """Base of settings: rejects unknown fields and bad values at assignment."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field after checking its name, type and range."""
        known = {f.name: f for f in fields(self)}
        if name not in known:
            msg = f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}"
            raise ConfigError(msg)
        expected = setting_types(type(self))[name]
        # numpy's numbers are accepted, and 4.0 for a count.
        if expected is int and (number := whole(value)) is not None:
            value = number
        elif expected is float and not isinstance(value, bool) and isinstance(value, Real):
            value = float(value)
        elif expected is tuple and isinstance(value, list):
            value = tuple(value)
        if type(value) is not expected:
            msg = f"{name} must be {known[name].type}, not {value!r}"
            raise ConfigError(msg)
        check: _Check | None = known[name].metadata["check"]
        if check and not check[0](value):
            msg = f"{name} must be {check[1]}, not {value!r}"
            raise ConfigError(msg)
        super().__setattr__(name, value)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make settings from a dict; a key that is no field raises `ConfigError`."""
        settings = cls()
        for name, value in values.items():
            setattr(settings, name, value)
        return settings

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a plain dict."""
        return asdict(self)


@dataclass
class ModelConfig(_Settings):
    """Architecture of the network and the emotions that it classifies."""

    architecture: str = _setting("wav2vec2", "name in ser_rt.model.ARCHITECTURES")
    model_name: str = _setting(
        "kresnik/wav2vec2-large-xlsr-korean",
        "Wav2Vec2, HuBERT, WavLM or Whisper checkpoint: a name on the hub, or a folder",
    )
    emotion_labels: tuple[str, ...] = _setting(
        tuple(EMOTIONS),
        "emotions to classify, in the order of their ids",
        (lambda v: len(v) > 1 and len(set(v)) == len(v), "two or more distinct labels"),
    )
    sample_rate: int = _setting(
        SAMPLE_RATE, "in Hz", (lambda v: v == SAMPLE_RATE, f"{SAMPLE_RATE} Hz")
    )
    max_duration: float = _setting(
        10.0, "longest stretch classified at once, in seconds", _POSITIVE
    )
    head_dropout: float = _setting(0.1, "before the classification head", _SHARE)
    pooling: str = _setting(
        "mean", "of frames: mean, or attentive (mean and deviation)", _one_of("mean", "attentive")
    )
    projection: int = _setting(0, "hidden units between pooling and head; 0 is none", _NOT_NEGATIVE)
    weighted_layers: bool = _setting(False, "pool a learned weighted sum of all layers")
    num_layers: int = _setting(
        0, "number of layers to keep, from the first; 0 keeps all", _NOT_NEGATIVE
    )
    mask_time_prob: float = _setting(0.05, "share of frames that SpecAugment masks", _SHARE)
    input_normalization: str = _setting(
        "auto",
        "of the level: per window, none, or auto (as the checkpoint was trained)",
        _one_of("auto", "window", "none"),
    )
    streaming: bool = _setting(
        False, "train with random chunk-wise masks and positions, without look-ahead (whisper)"
    )
    chunk_frames: int = _setting(
        0, "frames of 20 ms that attend to each other when classifying; 0 is all", _NOT_NEGATIVE
    )
    left_frames: int = _setting(
        100, "frames before a chunk that its frames attend to as well", _NOT_NEGATIVE
    )
    encoder_config: dict[str, Any] = _setting(  # noqa: RUF009 (it is a dataclass field)
        {}, "the encoder's config.json; empty takes that of model_name"
    )

    @property
    def num_labels(self) -> int:
        """Number of emotions."""
        return len(self.emotion_labels)


@dataclass
class TrainingConfig(_Settings):
    """Hyperparameters of training. The defaults suit the 317M wav2vec2 model."""

    output_dir: str = _setting("./results", "run folder")
    learning_rate: float = _setting(3e-5, "peak learning rate, after the warm-up", _POSITIVE)
    batch_size: int = _setting(4, "windows per step and device", _POSITIVE)
    gradient_accumulation_steps: int = _setting(4, "batches per update", _POSITIVE)
    warmup_steps: int = _setting(1000, "updates until learning_rate is reached", _NOT_NEGATIVE)
    num_epochs: int = _setting(5, "passes over the clips", _POSITIVE)
    weight_decay: float = _setting(0.01, "of AdamW", _NOT_NEGATIVE)
    loss: str = _setting("cross_entropy", "name in ser_rt.training.losses.LOSSES")
    label_smoothing: float = _setting(0.0, "share of a label spread over all labels", _SHARE)
    focal_gamma: float = _setting(
        2.0, "gamma of the focal loss; larger weighs easy clips less", _NOT_NEGATIVE
    )
    logit_tau: float = _setting(
        1.0, "strength of logit adjustment by class frequency", _NOT_NEGATIVE
    )
    freeze_feature_encoder: bool = _setting(True, "do not train the convolutions")
    encoder_learning_rate: float = _setting(
        0.0, "of the pretrained top layer; 0 is learning_rate times layer_decay", _NOT_NEGATIVE
    )
    layer_decay: float = _setting(
        1.0,
        "learning rate of a layer relative to the layer above",
        (lambda v: 0 < v <= 1, "greater than 0, at most 1"),
    )
    lora_rank: int = _setting(
        0,
        "train LoRA adapters of this rank instead of the layers; 0 trains the layers",
        _NOT_NEGATIVE,
    )
    gradient_checkpointing: bool = _setting(False, "less memory for a third more time")
    ema_decay: float = _setting(0.0, "decay of the weights' moving average; 0 keeps none", _SHARE)
    balance: float = _setting(
        0.0,
        "0 draws clips as they come, 1 draws every emotion of every dataset equally often",
        _NOT_NEGATIVE,
    )
    best_metric: str = _setting(
        "uar", "metric that chooses the best epoch: uar or f1", _one_of("uar", "f1")
    )
    early_stopping_patience: int = _setting(5, "epochs without improvement", _POSITIVE)
    early_stopping_threshold: float = _setting(
        0.001, "smallest improvement that counts", _NOT_NEGATIVE
    )
    save_steps: int = _setting(
        0, "write a checkpoint every so many updates, besides one after every epoch", _NOT_NEGATIVE
    )
    fp16: bool = _setting(False, "mixed precision with float16; needs a GPU")
    bf16: bool = _setting(False, "mixed precision with bfloat16")
    report_to: str = _setting(
        "tensorboard",
        "tensorboard, mlflow, wandb or none",
        _one_of("tensorboard", "mlflow", "wandb", "none"),
    )
    seed: int = _setting(42, "seed of everything random", _NOT_NEGATIVE)


LEAKS = ("speakers", "sentences", "audio")
"""Kinds of data that training and validation must not share."""


@dataclass
class DataConfig(_Settings):
    """Reading, splitting and augmentation of the clips."""

    data_augmentation: bool = _setting(True, "augment voice, colour, room, noise and level")
    channel_share: float = _setting(
        0.0, "share of the windows that pass a telephone line or a codec", _SHARE
    )
    noise_dir: str = _setting("", "folder with recorded noise to mix in")
    rooms_dir: str = _setting("", "folder with impulse responses of rooms")
    apply_noise_reduction: bool = _setting(False, "reduce noise in half of the training windows")
    trim_silence: bool = _setting(
        False, "cut silence from both ends of a clip before a window is drawn"
    )
    min_crop_s: float = _setting(1.0, "shortest training window", _POSITIVE)
    max_crop_s: float = _setting(4.0, "longest training window", _POSITIVE)
    val_share: float = _setting(0.2, "share of the speakers to validate on", _SHARE)
    num_workers: int = _setting(1, "worker processes that load windows", _NOT_NEGATIVE)
    same_labels: tuple[str, ...] = _setting(
        (),
        "labels that stand for an emotion, each as LABEL=EMOTION or DATASET/LABEL=EMOTION",
        (lambda v: all(len(pair.split("=")) == 2 for pair in v), "pairs like Calm=Neutral"),
    )
    skip_bad: bool = _setting(False, "skip unfit clips instead of stopping")
    allow_leaks: tuple[str, ...] = _setting(
        (),
        "train although validation shares these: " + ", ".join(LEAKS),
        (lambda v: set(v) <= set(LEAKS), "some of " + ", ".join(LEAKS)),
    )


model_config = ModelConfig()
training_config = TrainingConfig()
data_config = DataConfig()
