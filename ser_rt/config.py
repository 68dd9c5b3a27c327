"""Emotions, and the settings of model, training and data.

`model_config`, `training_config` and `data_config` are mutable module-level objects, as in the
module that ser-rt grew from. They are read at the edges only (factories and command lines);
everything below takes its settings as an argument. A misspelt field or a bad value raises
`ConfigError` at the assignment, not an hour later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from ser_rt.errors import ConfigError

EMOTIONS: dict[str, str] = {
    "Neutral": "중립",
    "Angry": "분노",
    "Joy": "기쁨",
    "Sad": "슬픔",
    "Serious": "진지함",
    "Anxious": "불안",
    "Kind": "친절",
    "Dry": "건조함",
    "Tease": "놀림",
    "Doubt": "의심",
    "Surprise": "놀람",
    "Shy": "수줍음",
    "Hurry": "서두름",
    "Fear": "두려움",
    "Hesitate": "주저함",
}
"""The fifteen emotions, English to Korean, in the order of the label ids."""

SAMPLE_RATE = 16_000
"""Sample rate in Hz of every model here."""

_Check = tuple[Callable[[Any], bool], str]
_POSITIVE: _Check = (lambda v: v > 0, "greater than 0")
_NOT_NEGATIVE: _Check = (lambda v: v >= 0, "0 or more")
_SHARE: _Check = (lambda v: 0 <= v < 1, "at least 0 and below 1")


def _one_of(*choices: str) -> _Check:
    return (lambda v: v in choices, "one of " + ", ".join(choices))


def _setting(default: Any, check: _Check | None = None) -> Any:  # noqa: ANN401 (as dataclasses.field)
    return field(default=default, metadata={"check": check} if check else {})


class _Settings:
    """Rejects unknown fields and bad values at assignment."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field after checking its name, type and range."""
        known = {f.name: f for f in fields(self)}  # type: ignore[arg-type]
        if name not in known:
            msg = f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}"
            raise ConfigError(msg)
        setting = known[name]
        expected = str(setting.type)
        if expected == "float" and type(value) is int:
            value = float(value)
        if type(value).__name__ not in expected.replace("None", "NoneType").split(" | ") and not (
            expected.startswith("tuple") and isinstance(value, tuple | list)
        ):
            msg = f"{name} must be {expected}, not {value!r}"
            raise ConfigError(msg)
        if expected.startswith("tuple"):
            value = tuple(value)  # type: ignore[arg-type]
        check: _Check | None = setting.metadata.get("check")
        if check and value is not None and not check[0](value):
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
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass
class ModelConfig(_Settings):
    """What network to build, and what it tells apart."""

    architecture: str = _setting("wav2vec2")
    model_name: str = _setting("kresnik/wav2vec2-large-xlsr-korean")
    emotion_labels: tuple[str, ...] = _setting(
        tuple(EMOTIONS),
        (lambda v: len(v) > 1 and len(set(v)) == len(v), "two or more distinct labels"),
    )
    sample_rate: int = _setting(SAMPLE_RATE, (lambda v: v == SAMPLE_RATE, f"{SAMPLE_RATE} Hz"))
    max_duration: float = _setting(10.0, _POSITIVE)
    head_dropout: float = _setting(0.1, _SHARE)

    @property
    def num_labels(self) -> int:
        """Number of emotions."""
        return len(self.emotion_labels)


@dataclass
class TrainingConfig(_Settings):
    """How to train. The defaults suit the 317M wav2vec2 model."""

    output_dir: str = _setting("./results")
    learning_rate: float = _setting(3e-5, _POSITIVE)
    batch_size: int = _setting(4, _POSITIVE)
    gradient_accumulation_steps: int = _setting(4, _POSITIVE)
    warmup_steps: int = _setting(1000, _NOT_NEGATIVE)
    num_epochs: int = _setting(5, _POSITIVE)
    weight_decay: float = _setting(0.01, _NOT_NEGATIVE)
    label_smoothing: float = _setting(0.0, _SHARE)
    ema_decay: float = _setting(0.0, _SHARE)
    balance: float = _setting(0.0, _NOT_NEGATIVE)
    early_stopping_patience: int = _setting(5, _POSITIVE)
    early_stopping_threshold: float = _setting(0.001, _NOT_NEGATIVE)
    fp16: bool = _setting(False)
    bf16: bool = _setting(False)
    seed: int = _setting(42, _NOT_NEGATIVE)


@dataclass
class DataConfig(_Settings):
    """How to read and vary the clips."""

    data_augmentation: bool = _setting(True)
    apply_noise_reduction: bool = _setting(False)
    normalize: bool = _setting(True)
    min_crop_s: float = _setting(1.0, _POSITIVE)
    max_crop_s: float = _setting(4.0, _POSITIVE)
    val_share: float = _setting(0.2, _SHARE)
    num_workers: int = _setting(1, _NOT_NEGATIVE)


model_config = ModelConfig()
training_config = TrainingConfig()
data_config = DataConfig()
