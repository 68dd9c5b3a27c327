"""From a checkpoint to a bundle."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from ser_rt.bundle import Bundle, new_bundle, seal
from ser_rt.config import ModelConfig
from ser_rt.constants import EMOTIONS
from ser_rt.errors import ConfigError, GateError
from ser_rt.export.files import check, save_graph
from ser_rt.export.graph import OPSET, Served, check_opset, to_onnx
from ser_rt.export.interop import transformers_files
from ser_rt.export.licence import licence_of
from ser_rt.export.network import keep_layers, read_network
from ser_rt.export.precision import Convert, precision_of
from ser_rt.export.progress import Report, Stages
from ser_rt.export.speech import ReferenceSpeech, gather_speech
from ser_rt.export.split import Frames, frames_of, write_pair
from ser_rt.export.triton import check_backend
from ser_rt.export.triton import push_triton as push
from ser_rt.export.verify import GateResult, ModelOutputs, reference, uar_of, verify, verify_ranges
from ser_rt.export.verify_pair import verify_pair
from ser_rt.provenance import versions

WINDOW_S, HOP_S, MIN_WINDOW_S = 3.0, 0.5, 1.0
LONGEST_WINDOW_S = 30.0
GATES = ("strict", "report")
CLIPS = 200
UNMEASURED = (
    "what the missing layers cost in accuracy was not measured: give labelled clips (--data)"
)
STAGES = 6
"""Stages of an export that needs one attempt and pushes nothing."""


@dataclass(frozen=True)
class ExportSettings:
    """How to export; a bad value raises `ConfigError` at once.

    Attributes:
        precision: a name in `PRECISIONS`.
        layers: transformer layers to keep, from the first; None keeps all.
        window_s: seconds that the bundle will hear at once, by default.
        opset: of ONNX.
        gates: "strict" writes nothing if a gate fails, "report" notes it in the manifest.
        data: manifest of labelled clips to judge on; None is the bundled sample.
        clips: how many of them at most.
        push_triton: Triton model repository to add the graph to.
        triton_backend: what shall run it there, a name in `triton.BACKENDS`.
        name: of the model; None is the bundle folder's.
        version: of the model.
        temperature: divides the logits; None is the checkpoint's.
        evaluation: figures for the manifest.
    """

    precision: str = "fp32"
    layers: int | None = None
    window_s: float = WINDOW_S
    opset: int = OPSET
    gates: str = "strict"
    data: Path | None = None
    clips: int = CLIPS
    push_triton: Path | None = None
    triton_backend: str = "onnxruntime"
    name: str | None = None
    version: str = "1.0.0"
    temperature: float | None = None
    evaluation: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        precision_of(self.precision)
        check_opset(self.opset)
        check_backend(self.triton_backend)
        if self.gates not in GATES:
            msg = f"gates must be {' or '.join(GATES)}, not {self.gates!r}"
            raise ConfigError(msg)
        if not HOP_S <= self.window_s <= LONGEST_WINDOW_S:
            msg = f"window must be {HOP_S} to {LONGEST_WINDOW_S:g} s, not {self.window_s:g}"
            raise ConfigError(msg)
        if self.temperature is not None and not self.temperature > 0:
            msg = f"temperature must be greater than 0, not {self.temperature}"
            raise ConfigError(msg)
        if self.clips < 1:
            msg = f"clips must be 1 or more, not {self.clips}"
            raise ConfigError(msg)


class _Traced(NamedTuple):
    """What is left of a network when its float32 graph is on disk."""

    source: Path
    model: ModelConfig
    frames: Frames | None
    speech: ReferenceSpeech
    heard: list[ModelOutputs]
    manifest: dict[str, Any]


class _Attempt(NamedTuple):
    form: str
    folder: Path
    verdict: GateResult


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    settings: ExportSettings | None = None,
    stages: Stages | None = None,
    *,
    report: Report = lambda _: None,
) -> Path:
    """Export a trained network into a bundle folder, which is complete or untouched.

    Args:
        checkpoint: folder that ser-train wrote.
        out: the bundle's folder.
        settings: how to export; by default in float32.
        stages: where to report to, instead of `report`.
        report: gets one line for each stage.

    Raises:
        CheckpointError: the folder is no checkpoint, or its head was never trained.
        ConfigError: a setting does not fit the network.
        DataError: the manifest of clips cannot be used.
        ExportError: the network cannot be traced.
        GateError: the graph is not equal enough to the network; nothing is written.
        OutputError: `out` cannot be written.
    """
    settings, stages = settings or ExportSettings(), stages or Stages(report)
    with new_bundle(out) as fresh:
        work = fresh.with_name("work")
        work.mkdir()
        traced = _trace(Path(checkpoint), work, settings, stages)
        chosen = _convert(traced, settings, stages)
        for path in chosen.folder.iterdir():
            path.rename(fresh / path.name)
        for name, text in transformers_files(traced.model).items():
            (fresh / name).write_text(text, encoding="utf-8")
        stages.begin("writing")
        name = settings.name or Path(out).resolve().name
        seal(fresh, {"name": name, **_manifest(traced, chosen, settings)})
    stages.done(f"wrote {out}, {_megabytes(Path(out))}")
    if settings.push_triton is not None:
        stages.begin("pushing")
        version = push(Bundle.load(out), settings.push_triton, settings.triton_backend)
        stages.done(f"pushed {version}")
    return Path(out)


def _trace(checkpoint: Path, work: Path, settings: ExportSettings, stages: Stages) -> _Traced:
    """Write the float32 graph, and remember what PyTorch says to the speech of the gates."""
    stages.begin("reading the network")
    model, config = read_network(checkpoint)
    labels, rate = model.settings.emotion_labels, model.settings.sample_rate
    temperature = settings.temperature or float(config["temperature"])
    network = Served(model, temperature)
    stages.done(f"read {model.settings.architecture}, {_count(model) / 1e6:.2f} M parameters")
    stages.begin("listening")
    speech = gather_speech(settings.data, labels, rate, settings.window_s, settings.clips)
    extra: dict[str, Any] = {}
    if settings.layers is not None:
        known = speech.labelled()
        uncut = uar_of(known, reference(network, known), len(labels))
        had = keep_layers(model, settings.layers)
        extra = {"layers": {"kept": settings.layers, "of": had, "uar_uncut": uncut}}
        if uncut is None:
            extra["warnings"] = [UNMEASURED]
            stages.warn(UNMEASURED)
    heard = reference(network, speech)
    stages.done(f"heard {len(speech.probes)} probes of {speech.source} in PyTorch")
    manifest = {
        "architecture": model.settings.architecture,
        "parameters": _count(model),
        "labels": _labels(labels),
        "sample_rate": rate,
        "input_normalization": model.encoder.input_normalization,
        "temperature": temperature,
        "training": config["training"],
        "licence": licence_of(config["training"]),
        **extra,
    }
    stages.begin("tracing")
    graph = to_onnx(network, rate, settings.opset)
    frames = frames_of(model)
    described = model.settings
    del model, network
    source = work / "source.onnx"
    onnx.save_model(graph, source, save_as_external_data=True, location="source.data")
    nodes = len(graph.graph.node)
    del graph
    gc.collect()
    stages.done(f"traced {nodes} ops, opset {settings.opset}, {_megabytes(work)}")
    return _Traced(source, described, frames, speech, heard, manifest)


def _convert(traced: _Traced, settings: ExportSettings, stages: Stages) -> _Attempt:
    """Try the forms of a precision until one passes its gates."""
    attempts = []
    for form, convert in precision_of(settings.precision).forms.items():
        attempt = _attempt(form, convert, traced, settings, stages)
        attempts.append(attempt)
        if not attempt.verdict.failures:
            return attempt
    finite = [attempt for attempt in attempts if not attempt.verdict.fatal]
    if settings.gates == "report" and finite:
        return finite[0]
    told = " | ".join(f"{a.form}: {'; '.join(a.verdict.failures)}" for a in attempts)
    msg = f"{settings.precision} failed its gates, nothing is written: {told}"
    raise GateError(msg)


def _attempt(
    form: str, convert: Convert, traced: _Traced, settings: ExportSettings, stages: Stages
) -> _Attempt:
    what = settings.precision if form == settings.precision else f"{settings.precision} ({form})"
    stages.begin(f"converting to {what}")
    folder = traced.source.with_name(form.replace(" ", "-"))
    folder.mkdir()
    graph = save_graph(
        convert(traced.source, traced.speech.calibration),
        folder,
        external=traced.frames is not None,
    )
    check(graph)
    pair = write_pair(graph, traced.frames) if traced.frames else None
    for half in pair or ():
        check(half)
    stages.done(f"converted to {what}, {_megabytes(folder)}")
    stages.begin(f"judging {what}")
    limits = precision_of(settings.precision).limits
    labels, rate = traced.model.emotion_labels, traced.model.sample_rate
    verdict = verify(graph, traced.speech, traced.heard, limits, labels, rate)
    if not verdict.fatal:
        if settings.precision == "fp16":
            verify_ranges(verdict, traced.source, graph, traced.speech)
        if pair and traced.frames:
            verify_pair(verdict, graph, pair, traced.frames, traced.speech, limits)
    stages.done(f"judged {what}: {verdict.summary()}")
    return _Attempt(form, folder, verdict)


def _manifest(traced: _Traced, chosen: _Attempt, settings: ExportSettings) -> dict[str, Any]:
    limits = precision_of(settings.precision).limits
    return {
        "version": settings.version,
        **traced.manifest,
        "precision": settings.precision,
        "form": chosen.form,
        "opset": settings.opset,
        "window_s": settings.window_s,
        "hop_s": HOP_S,
        "min_window_s": min(MIN_WINDOW_S, settings.window_s),
        "feature_reuse": traced.frames.manifest() if traced.frames else None,
        "gates": {
            "passed": not chosen.verdict.failures,
            "failures": chosen.verdict.failures,
            **chosen.verdict.measured,
            "limits": limits._asdict(),
        },
        "evaluation": settings.evaluation or {},
        "tools": versions(("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "numpy")),
    }


def _labels(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": i, "en": name, "ko": EMOTIONS.get(name, name)} for i, name in enumerate(names)]


def _count(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _megabytes(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:,.1f} MB"
