"""Settings of model, training and data.

`model_config`, `training_config` and `data_config` are mutable module-level objects, as in the
module that ser-rt grew from. They are read at the edges only (factories and command lines);
everything below takes its settings as an argument. A misspelt field or a bad value raises
`ConfigError` at the assignment, not an hour later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self, get_type_hints

from ser_rt.checks import Check, above, at_least, one_of, require, setting, typed, within
from ser_rt.constants import DIMENSIONS, EMOTIONS, SAMPLE_RATE
from ser_rt.errors import ConfigError

_POSITIVE = above(0)
_NOT_NEGATIVE = at_least(0)
_ALL = within(0, 1)
_SHARE: Check = (lambda v: 0 <= v < 1, "at least 0 and below 1")


@dataclass
class _Settings:
    """Base of settings: rejects unknown fields and bad values at assignment."""

    def __setattr__(self, name: str, value: object) -> None:
        known = {f.name: f for f in fields(self)}
        if name not in known:
            msg = f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}"
            raise ConfigError(msg)
        value = typed(name, get_type_hints(type(self))[name], value)
        if check := known[name].metadata["check"]:
            require(name, value, check)
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

    architecture: str = setting(
        "wav2vec2", "compact, wav2vec2 (of HuBERT and WavLM, too) or whisper"
    )
    model_name: str = setting(
        "kresnik/wav2vec2-large-xlsr-korean",
        "what to start from: a checkpoint of Wav2Vec2, HuBERT, WavLM or Whisper, by its name on "
        "the hub or its folder; a built-in model, or the folder of a bundle or of a run, to learn "
        "on with its head",
    )
    emotion_labels: tuple[str, ...] = setting(
        tuple(EMOTIONS),
        "emotions to classify, in the order of their ids",
        (lambda v: len(v) > 1 and len(set(v)) == len(v), "two or more distinct labels"),
    )
    dimensions: tuple[str, ...] = setting(
        (),
        f"columns to rate as well, each from 0 to 1: some of {', '.join(DIMENSIONS)}",
        (
            lambda v: len(set(v)) == len(v) and set(v) <= set(DIMENSIONS),
            f"some of {', '.join(DIMENSIONS)}, each once",
        ),
    )
    sample_rate: int = setting(
        SAMPLE_RATE, "in Hz", (lambda v: v == SAMPLE_RATE, f"{SAMPLE_RATE} Hz")
    )
    max_duration: float = setting(10.0, "longest stretch classified at once, in seconds", _POSITIVE)
    head_dropout: float = setting(0.1, "before the classification head", _SHARE)
    pooling: str = setting(
        "mean", "of frames: mean, or attentive (mean and deviation)", one_of(("mean", "attentive"))
    )
    projection: int = setting(0, "hidden units between pooling and head; 0 is none", _NOT_NEGATIVE)
    weighted_layers: bool = setting(False, "pool a learned weighted sum of all layers")
    num_layers: int = setting(
        0, "number of layers to keep, from the first; 0 keeps all", _NOT_NEGATIVE
    )
    mask_time_prob: float = setting(0.05, "share of frames that SpecAugment masks", _SHARE)
    input_normalization: str = setting(
        "auto",
        "of the level: per window, running (by the samples so far, for streams), none, or auto "
        "(as the checkpoint was trained)",
        one_of(("auto", "window", "running", "none")),
    )
    streaming: bool = setting(
        False, "train with random chunk-wise masks, without look-ahead: for windows and streams"
    )
    chunk_frames: int = setting(
        0, "frames of 20 ms that attend to each other when classifying; 0 is all", _NOT_NEGATIVE
    )
    left_frames: int = setting(
        100, "frames before a chunk that its frames attend to as well", _NOT_NEGATIVE
    )
    future_frames: int = setting(
        0,
        "frames of 20 ms that positions of wav2vec2 read ahead when streaming, which is its delay",
        within(0, 8),  # the shortest clip has 10
    )
    encoder_config: dict[str, Any] = setting(  # noqa: RUF009 (it is a dataclass field)
        {}, "the encoder's config.json; empty takes that of model_name"
    )

    @property
    def num_labels(self) -> int:
        """Number of emotions."""
        return len(self.emotion_labels)


@dataclass
class TrainingConfig(_Settings):
    """Hyperparameters of training. The defaults suit the 317M wav2vec2 model."""

    output_dir: str = setting("./results", "run folder")
    learning_rate: float = setting(3e-5, "peak learning rate, after the warm-up", _POSITIVE)
    batch_size: int = setting(4, "windows per step and device", _POSITIVE)
    gradient_accumulation_steps: int = setting(4, "batches per update", _POSITIVE)
    warmup_steps: int = setting(1000, "updates until learning_rate is reached", _NOT_NEGATIVE)
    num_epochs: int = setting(5, "passes over the clips", _POSITIVE)
    weight_decay: float = setting(0.01, "of AdamW", _NOT_NEGATIVE)
    loss: str = setting("cross_entropy", "cross_entropy, weighted, focal or logit_adjusted")
    label_smoothing: float = setting(0.0, "share of a label spread over all labels", _SHARE)
    dimension_weight: float = setting(
        1.0, "of the loss of dimensions, beside that of emotions", _NOT_NEGATIVE
    )
    focal_gamma: float = setting(
        2.0, "gamma of the focal loss; larger weighs easy clips less", _NOT_NEGATIVE
    )
    logit_tau: float = setting(
        1.0, "strength of logit adjustment by class frequency", _NOT_NEGATIVE
    )
    teacher: str = setting("", "run folder of a trained network whose answers are learned, too")
    teacher_share: float = setting(
        0.5, "share of the teacher's probabilities in the loss; the rest is the labels'", _ALL
    )
    teacher_temperature: float = setting(
        2.0, "softens the teacher's probabilities, and those compared with them", _POSITIVE
    )
    embedding_weight: float = setting(
        1.0, "of the regression of the teacher's embedding in the loss", _NOT_NEGATIVE
    )
    frame_weight: float = setting(
        1.0, "of the regression of the teacher's frames in the loss", _NOT_NEGATIVE
    )
    every_hop: bool = setting(
        False, "learn the answer at every hop of a network that streams, not at the end alone"
    )
    freeze_feature_encoder: bool = setting(True, "do not train the convolutions")
    encoder_learning_rate: float = setting(
        0.0, "of the pretrained top layer; 0 is learning_rate times layer_decay", _NOT_NEGATIVE
    )
    layer_decay: float = setting(
        1.0,
        "learning rate of a layer relative to the layer above",
        (lambda v: 0 < v <= 1, "greater than 0, at most 1"),
    )
    lora_rank: int = setting(
        0,
        "train LoRA adapters of this rank instead of the layers; 0 trains the layers",
        _NOT_NEGATIVE,
    )
    gradient_checkpointing: bool = setting(False, "less memory for a third more time")
    ema_decay: float = setting(0.0, "decay of the weights' moving average; 0 keeps none", _SHARE)
    balance: float = setting(
        0.0,
        "0 draws clips as they come, 1 draws every emotion of every dataset equally often",
        _NOT_NEGATIVE,
    )
    best_metric: str = setting(
        "uar", "metric that chooses the best epoch: uar or f1", one_of(("uar", "f1"))
    )
    early_stopping_patience: int = setting(5, "epochs without improvement", _POSITIVE)
    early_stopping_threshold: float = setting(
        0.001, "smallest improvement that counts", _NOT_NEGATIVE
    )
    save_steps: int = setting(
        0, "write a checkpoint every so many updates, besides one after every epoch", _NOT_NEGATIVE
    )
    fp16: bool = setting(False, "mixed precision with float16; needs a GPU")
    bf16: bool = setting(False, "mixed precision with bfloat16")
    report_to: str = setting(
        "tensorboard",
        "tensorboard, mlflow, wandb or none",
        one_of(("tensorboard", "mlflow", "wandb", "none")),
    )
    seed: int = setting(42, "seed of everything random", _NOT_NEGATIVE)


LEAKS = ("speakers", "sentences", "audio", "start")
"""Kinds of data that training and validation must not share.

The last are speakers that the network was trained on from which training starts.
"""


@dataclass
class DataConfig(_Settings):
    """Reading, splitting and augmentation of the clips."""

    data_augmentation: bool = setting(True, "augment voice, colour, room, noise and level")
    channel_share: float = setting(
        0.0, "share of the windows that pass a telephone line or a codec", _SHARE
    )
    noise_dir: str = setting("", "folder with recorded noise to mix in")
    rooms_dir: str = setting("", "folder with impulse responses of rooms")
    apply_noise_reduction: bool = setting(False, "reduce noise in half of the training windows")
    trim_silence: bool = setting(
        False, "cut silence from both ends of a clip before a window is drawn"
    )
    change_share: float = setting(
        0.0, "share of the windows in which a speaker's emotion changes; needs every_hop", _SHARE
    )
    min_crop_s: float = setting(1.0, "shortest training window", _POSITIVE)
    max_crop_s: float = setting(4.0, "longest training window", _POSITIVE)
    val_share: float = setting(0.2, "share of the speakers to validate on", _SHARE)
    num_workers: int = setting(1, "worker processes that load windows", _NOT_NEGATIVE)
    same_labels: tuple[str, ...] = setting(
        (),
        "labels that stand for an emotion, each as LABEL=EMOTION or DATASET/LABEL=EMOTION",
        (lambda v: all(len(pair.split("=")) == 2 for pair in v), "pairs like Calm=Neutral"),
    )
    unlabelled: str = setting(
        "", "folder with more speech, for which only the teacher has an answer"
    )
    skip_bad: bool = setting(False, "skip unfit clips instead of stopping")
    allow_leaks: tuple[str, ...] = setting(
        (),
        "train although validation shares these: " + ", ".join(LEAKS),
        (lambda v: set(v) <= set(LEAKS), "some of " + ", ".join(LEAKS)),
    )


model_config = ModelConfig()
training_config = TrainingConfig()
data_config = DataConfig()
