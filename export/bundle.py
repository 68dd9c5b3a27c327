"""From a checkpoint to a bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_rt.bundle import sample_path, write_bundle
from ser_rt.checkpoint import load_model
from ser_rt.config import EMOTIONS, ModelConfig
from ser_rt.errors import ExportError
from ser_rt.manifest import MODEL_FILE
from ser_rt.preprocessing import read_audio
from ser_rt.provenance import versions

from .graph import Served, to_onnx
from .licence import licence_of
from .verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

PRECISIONS: dict[str, Callable[[bytes], bytes]] = {"fp32": lambda graph: graph}
"""What makes a graph of each precision out of the fp32 one."""

WINDOW_S, HOP_S, MIN_WINDOW_S = 3.0, 0.5, 1.0


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    *,
    precision: str = "fp32",
    name: str | None = None,
    version: str = "1.0.0",
    temperature: float | None = None,
    evaluation: dict[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """Export a trained network into a bundle folder, which is complete or untouched.

    Args:
        checkpoint: folder that ser-train wrote.
        out: the bundle's folder.
        precision: a name in `PRECISIONS`.
        name: of the model; by default the bundle folder's.
        version: of the model.
        temperature: divides the logits; by default the checkpoint's.
        evaluation: figures for the manifest.
        report: gets one line for each stage.

    Raises:
        CheckpointError: the folder is no checkpoint, or its head was never trained.
        ExportError: no such precision, or the network cannot be traced.
        GateError: the graph is not equal to the network; nothing is written.
        OutputError: `out` cannot be written.
    """
    if precision not in PRECISIONS:
        msg = f"no precision {precision!r}; there are {', '.join(PRECISIONS)}"
        raise ExportError(msg)
    stage = _Stages(report)
    model, config = load_model(checkpoint)
    parameters = sum(p.numel() for p in model.parameters())
    served = Served(model, config["temperature"] if temperature is None else temperature)
    stage.done(f"loaded {model.settings.architecture}, {parameters / 1e6:.2f} M parameters")
    rate = model.settings.sample_rate
    graph = PRECISIONS[precision](to_onnx(served, rate))
    stage.done(f"traced, {len(graph) / 1e6:.2f} MB")
    gates = verify(served, graph, read_audio(sample_path(), rate), rate, precision)
    stage.done(f"equal: logits within {gates['max_logit_difference']:.1e}")
    manifest = {
        "name": name or Path(out).name,
        "version": version,
        "architecture": model.settings.architecture,
        "parameters": parameters,
        "labels": _labels(model.settings.emotion_labels),
        "sample_rate": rate,
        "precision": precision,
        "input_normalization": model.encoder.input_normalization,
        "window_s": WINDOW_S,
        "hop_s": HOP_S,
        "min_window_s": MIN_WINDOW_S,
        "temperature": served.temperature,
        "gates": gates,
        "evaluation": evaluation or {},
        "training": config["training"],
        "licence": licence_of(config["training"]),
        "tools": versions(("torch", "onnx", "onnxscript", "onnxruntime", "numpy")),
    }
    files = {MODEL_FILE: graph, **_transformers_files(model.settings)}
    folder = write_bundle(out, files, manifest)
    stage.done(f"wrote {folder}")
    return folder


class _Stages:
    """Reports how long each stage took."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report, self._since = report, time.perf_counter()

    def done(self, what: str) -> None:
        now = time.perf_counter()
        self._report(f"{now - self._since:6.1f} s  {what}")
        self._since = now


def _labels(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": i, "en": name, "ko": EMOTIONS.get(name, name)} for i, name in enumerate(names)]


def _transformers_files(settings: ModelConfig) -> dict[str, bytes]:
    """Files with which optimum and transformers open the bundle.

    They need a model type that they know and that takes waveforms: wav2vec2. Only its labels and
    its feature extractor are used; the extractor must not normalise, the graph does.
    """
    names = settings.emotion_labels
    config = {
        "model_type": "wav2vec2",
        "architectures": ["Wav2Vec2ForSequenceClassification"],
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }
    extractor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": settings.sample_rate,
        "padding_value": 0.0,
        "do_normalize": False,
        "return_attention_mask": False,
    }
    return {
        "config.json": json.dumps(config, indent=2).encode(),
        "preprocessor_config.json": json.dumps(extractor, indent=2).encode(),
    }
