"""Weights of a trained network that another one starts from: out of a graph, and row by row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ser_rt.audio.processing import read_audio
from ser_rt.bundle import Bundle, sample_path
from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, ConfigError, requires
from ser_rt.files.names import printable
from ser_rt.networks.folding import unfold
from ser_rt.networks.graph_weights import read_weights
from ser_rt.networks.model import EmotionModel

logger = logging.getLogger(__name__)

_SECONDS = (1.3, 2.0, 3.0)
_LIMITS = {"fp32": 1e-3, "fp16": 0.1, "int8": 0.3}
"""Differences of a logit between graph and network that are rounding, by precision."""


def load_bundle(bundle: Bundle, settings: ModelConfig) -> EmotionModel:
    """Return the network of a bundle, with weights read from its graph.

    The two are compared on some speech, so what was misread never goes unnoticed.

    Raises:
        CheckpointError: the graph cannot be read, has not all weights, or answers otherwise.
        MissingDependencyError: onnx is not installed.
    """
    name = printable(bundle.folder)
    try:
        model = EmotionModel(settings)
        model.unsettled = unfold(model, read_weights(bundle.model_path))
    except (CheckpointError, ConfigError) as error:
        msg = (
            f"cannot read the network of the bundle {name}: {error}; give the run folder that it "
            "was exported from, or export that again"
        )
        raise CheckpointError(msg) from error
    difference = _difference(bundle, model)
    measured = float(bundle.gates.get("max_logit_difference", 0.0))  # at the export
    if not difference <= max(2 * measured, _LIMITS.get(bundle.precision, 0.0)):
        msg = (
            f"the network read from the bundle {name} answers otherwise than its graph (logits "
            f"differ by {difference:.2g}): give the run folder that it was exported from"
        )
        raise CheckpointError(msg)
    logger.info("read the weights of %s; its logits differ by %.2g", name, difference)
    return model.train()


def _difference(bundle: Bundle, model: EmotionModel) -> float:
    """Return the largest difference of a logit on some speech."""
    with requires("onnxruntime", "cpu", "gpu"):
        import onnxruntime
    speech, rate = read_audio(sample_path(), bundle.sample_rate), bundle.sample_rate
    session = onnxruntime.InferenceSession(bundle.model_path, providers=["CPUExecutionProvider"])
    model.eval()
    found = []
    for place, length_s in enumerate(_SECONDS):
        wave = speech[place * 4 * rate :][: round(length_s * rate)][None]
        with torch.no_grad():
            own = model(torch.from_numpy(wave))["logits"].numpy() / bundle.temperature
        (right,) = session.run(["logits"], {session.get_inputs()[0].name: wave})
        found.append(float(np.abs(own - right).max()))
    return max(found)


@torch.no_grad()
def transfer(source: EmotionModel, settings: ModelConfig, name: str) -> EmotionModel:
    """Return a network with other settings that has the weights of `source`, as far as they fit.

    Rows of the head, and of what rates dimensions, go by their names.

    Raises:
        ConfigError: the settings make no network.
    """
    target = EmotionModel(settings)
    layers: int = getattr(target.encoder, "num_layers", 0)
    if layers < getattr(source.encoder, "num_layers", 0):
        encoder: Any = source.encoder
        encoder.keep_layers(layers)
    _module(target.encoder).load_state_dict(_module(source.encoder).state_dict())
    old, new = source.settings, settings
    _copy_rows((source.head, old.emotion_labels), (target.head, new.emotion_labels))
    logger.info("starting from %s: %s", name, _words(old.emotion_labels, new.emotion_labels))
    if not set(old.emotion_labels) & set(new.emotion_labels):
        logger.warning(
            "%s knows none of %s, only %s: its encoder is kept, and the head begins anew. If they "
            "are the same emotions, name them alike (--same-labels)",
            name,
            ", ".join(new.emotion_labels),
            ", ".join(old.emotion_labels),
        )
    if source.rater is not None and target.rater is not None:
        raters = [_module(each)[0] for each in (source.rater, target.rater)]
        _copy_rows((raters[0], old.dimensions), (raters[1], new.dimensions))
    target.unsettled = source.unsettled
    return target


def _copy_rows(source: tuple[Any, Sequence[str]], target: tuple[Any, Sequence[str]]) -> None:
    (old, had), (new, wanted) = source, target
    for row, label in enumerate(wanted):
        if label in had:
            new.weight[row] = old.weight[had.index(label)]
            new.bias[row] = old.bias[had.index(label)]


def _words(had: Sequence[str], wanted: Sequence[str]) -> str:
    """Return what becomes of the head, in words."""
    kept = [label for label in wanted if label in had]
    parts = {
        "the head has its rows of": kept,
        "new rows of": [label for label in wanted if label not in had],
        "and none of": [label for label in had if label not in wanted],
    }
    return ", ".join(f"{what} {', '.join(names)}" for what, names in parts.items() if names)


def _module(part: Any) -> Any:
    return part
