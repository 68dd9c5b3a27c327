"""`export_bundle`: a checkpoint is traced, converted, compared with its network, and written."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from ser_rt.bundle import Bundle, new_bundle
from ser_rt.config import ModelConfig
from ser_rt.constants import EMOTIONS, HOP_S, MIN_WINDOW_S
from ser_rt.errors import GateError
from ser_rt.export.evaluation import refuse_other_figures
from ser_rt.export.files import check, save_graph
from ser_rt.export.graph import Served, to_onnx
from ser_rt.export.interop import transformers_files
from ser_rt.export.licence import licence_of, notices
from ser_rt.export.network import QUANTIZED, keep_layers, read_source
from ser_rt.export.outliers import level_outliers
from ser_rt.export.precision import Convert, precision_of
from ser_rt.export.progress import Report, Stages
from ser_rt.export.settings import ExportSettings
from ser_rt.export.speech import ReferenceSpeech, gather_speech
from ser_rt.export.split import Frames, frames_of, write_pair
from ser_rt.export.stream import (
    TracedStream,
    compare_stream,
    convert_stream,
    run_stream,
    set_hop,
    trace_stream,
)
from ser_rt.export.stream_graph import ServedStream
from ser_rt.export.triton import model_folder
from ser_rt.export.triton import push_triton as push
from ser_rt.export.tuned import keep_evaluation, keep_tuning
from ser_rt.export.verify import GateResult, ModelOutputs, reference, uar_of, verify, verify_ranges
from ser_rt.export.verify_pair import verify_pair
from ser_rt.files.provenance import versions
from ser_rt.manifest import Label, Manifest
from ser_rt.networks.start import stored_settings
from ser_rt.streaming import Streaming

UNMEASURED = (
    "what the missing layers cost in accuracy was not measured: give labelled clips (--data)"
)
FIRST_VERSION = "1.0.0"
STAGES = 6
"""Stages of an export that needs one attempt and pushes nothing."""

_TOOLS = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True)
class _Traced:
    """A traced network: its float32 graph on disk, its outputs, and its description."""

    source: Path
    model: ModelConfig
    parameters: int
    normalization: str
    window_s: float
    temperature: float
    training: dict[str, Any]
    layers: Mapping[str, Any] | None
    warnings: list[str]
    origin: Bundle | None
    frames: Frames | None
    stream: TracedStream | None
    speech: ReferenceSpeech
    expected: list[ModelOutputs]


class _Attempt(NamedTuple):
    form: str
    folder: Path
    result: GateResult
    streaming: Streaming | None


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
        checkpoint: folder that ser-train wrote, or a bundle, to write it at another precision: its
            folder, or the name of a built-in one.
        out: the bundle's folder.
        settings: how to export; by default in float32.
        stages: where to report to, instead of `report`.
        report: gets one line for each stage.

    Raises:
        BundleError: the checkpoint is an invalid bundle.
        CheckpointError: the folder is no checkpoint, or its head was never trained.
        ConfigError: a setting does not fit the network.
        DataError: the manifest of clips cannot be used.
        ExportError: the network cannot be traced.
        GateError: the graph is not equal enough to the network; nothing is written.
        OutputError: `out` cannot be written.
    """
    settings, stages = settings or ExportSettings(), stages or Stages(report)
    name = settings.name or Path(out).resolve().name
    if settings.push_triton is not None:
        model_folder(name, settings.push_triton)
    with new_bundle(out) as fresh:
        work = fresh.with_name("work")
        work.mkdir()
        traced = _trace(Path(checkpoint), work, settings, stages)
        chosen = _convert(traced, settings, stages)
        for path in chosen.folder.iterdir():
            path.rename(fresh / path.name)
        for file, text in (transformers_files(traced.model) | notices(traced.model)).items():
            (fresh / file).write_text(text, encoding="utf-8")
        stages.begin("writing")
        manifest = _manifest(name, traced, chosen, settings)
        manifest = keep_evaluation(manifest, traced.origin, stages.warn)
        manifest = keep_tuning(manifest, Path(out), traced.origin, stages.warn)
        manifest.write(fresh)
    kept = f", with the profiles it had ({', '.join(manifest.profiles)})"
    stages.done(f"wrote {out}, {_megabytes(Path(out))}{kept if manifest.profiles else ''}")
    if settings.push_triton is not None:
        stages.begin("pushing")
        version = push(Bundle.load(out), settings.push_triton, settings.triton_backend)
        stages.done(f"pushed {version}")
    return Path(out)


def _trace(checkpoint: Path, work: Path, settings: ExportSettings, stages: Stages) -> _Traced:
    """Write the float32 graph, and keep the network's outputs for the speech of the gates."""
    stages.begin("reading the network")
    read = read_source(checkpoint)
    model, bundle = read.model, read.bundle
    labels, rate = model.settings.emotion_labels, model.settings.sample_rate
    refuse_other_figures(labels, settings.evaluation)
    window_s = settings.window_of(bundle)
    temperature, training = settings.temperature or read.temperature, read.training
    streams = not settings.windows_only and set_hop(model, settings.hop_s)
    network = Served(model, temperature)
    stages.done(f"read {model.settings.architecture}, {_count(model) / 1e6:.2f} M parameters")
    for remark in training.get("remarks", ()):
        stages.warn(f"of its training: {remark}")
    warnings = list(bundle.warnings or ()) if bundle else []
    if read.is_quantized and settings.precision != "int8":
        warnings.append(QUANTIZED)
        stages.warn(QUANTIZED)
    stages.begin("running the network")
    speech = gather_speech(settings.data, labels, rate, window_s, settings.clips)
    layers = bundle.layers if bundle else None
    if settings.layers is not None:
        known = speech.labelled()
        uncut = uar_of(known, reference(network, known), len(labels))
        had = keep_layers(model, settings.layers)
        layers = {"kept": settings.layers, "of": had, "uar_uncut": uncut}
        if uncut is None:
            warnings.append(UNMEASURED)
            stages.warn(UNMEASURED)
    expected = reference(network, speech)
    streamed = ServedStream(model, temperature) if streams else None
    streamed_outputs = run_stream(streamed, speech) if streamed else ()
    stages.done(f"ran {len(speech.probes)} probes of {speech.source} in PyTorch")
    if settings.precision == "int8":
        level_outliers(model.get_submodule("encoder"), speech.calibration)
    parameters, normalization = _count(model), model.encoder.input_normalization
    stages.begin("tracing")
    graph = to_onnx(network, rate, settings.opset)
    frames, described = frames_of(model), model.settings
    stream = None
    if streamed:
        stream = trace_stream(streamed, speech, streamed_outputs, work, settings.opset)
    del model, network, streamed, read
    source = work / "source.onnx"
    onnx.save_model(graph, source, save_as_external_data=True, location="source.data")
    nodes = len(graph.graph.node)
    del graph
    gc.collect()
    stages.done(f"traced {nodes} ops, opset {settings.opset}, {_megabytes(work)}")
    return _Traced(
        source=source,
        model=described,
        parameters=parameters,
        normalization=normalization,
        window_s=window_s,
        temperature=temperature,
        training=training,
        layers=layers,
        warnings=list(dict.fromkeys(warnings)),
        origin=bundle,
        frames=frames,
        stream=stream,
        speech=speech,
        expected=expected,
    )


def _convert(traced: _Traced, settings: ExportSettings, stages: Stages) -> _Attempt:
    """Try the forms of a precision until one passes its gates, or, where they report, is finite."""
    attempts = []
    for form, convert in precision_of(settings.precision).forms.items():
        attempt = _attempt(form, convert, traced, settings, stages)
        attempts.append(attempt)
        is_reported = settings.gates == "report" and not attempt.result.fatal
        if is_reported or not attempt.result.failures:
            return attempt
    reasons = " | ".join(f"{a.form}: {'; '.join(a.result.failures)}" for a in attempts)
    msg = f"{settings.precision} failed its gates, nothing is written: {reasons}"
    raise GateError(msg)


def _attempt(
    form: str, convert: Convert, traced: _Traced, settings: ExportSettings, stages: Stages
) -> _Attempt:
    what = f"{settings.precision} ({form})"
    stages.begin(f"converting to {what}")
    folder = traced.source.with_name(form.replace(" ", "-"))
    folder.mkdir()
    written: dict[str, int] = {}
    graph = save_graph(
        convert(traced.source, traced.speech.calibration),
        folder,
        external=traced.frames is not None or traced.stream is not None,
        written=written,
    )
    check(graph)
    streaming = None
    if traced.stream:
        streamed, streaming = convert_stream(traced.stream, convert, folder, written)
    pair = write_pair(graph, traced.frames) if traced.frames else None
    for half in pair or ():
        check(half)
    stages.done(f"converted to {what}, {_megabytes(folder)}")
    stages.begin(f"comparing {what}")
    limits = precision_of(settings.precision).limits
    labels, rate = traced.model.emotion_labels, traced.model.sample_rate
    result = verify(graph, traced.speech, traced.expected, limits, labels, rate)
    if not result.fatal:
        if settings.precision == "fp16":
            probes = [probe.waveforms for probe in traced.speech.probes]
            verify_ranges(result, traced.source, graph, probes)
        if pair and traced.frames:
            verify_pair(result, graph, pair, traced.frames, traced.speech, limits)
    if traced.stream and streaming:
        compared = compare_stream(streamed, streaming, traced.stream, limits, labels, rate)
        if settings.precision == "fp16" and not compared.fatal:
            verify_ranges(compared, traced.stream.source, streamed, traced.stream.calibration)
        result.include("streaming", compared)
    stages.done(f"compared {what}: {result.summary()}")
    return _Attempt(form, folder, result, streaming)


def _manifest(name: str, traced: _Traced, chosen: _Attempt, settings: ExportSettings) -> Manifest:
    labels = enumerate(traced.model.emotion_labels)
    origin = traced.origin
    return Manifest(
        name=name,
        version=settings.version or (origin.version if origin else FIRST_VERSION),
        architecture=traced.model.architecture,
        parameters=traced.parameters,
        labels=tuple(Label(number, label, EMOTIONS.get(label, label)) for number, label in labels),
        sample_rate=traced.model.sample_rate,
        input_normalization=traced.normalization,
        temperature=traced.temperature,
        model=stored_settings(traced.model),
        training=traced.training,
        licence=licence_of(traced.training, traced.model),
        notice=settings.notice or (origin.notice if origin else None),
        layers=traced.layers,
        warnings=traced.warnings or None,
        precision=settings.precision,
        form=chosen.form,
        opset=settings.opset,
        window_s=traced.window_s,
        hop_s=chosen.streaming.hop_s if chosen.streaming else HOP_S,
        min_window_s=min(MIN_WINDOW_S, traced.window_s),
        feature_reuse=traced.frames.reuse() if traced.frames else None,
        streaming=chosen.streaming,
        dimensions=traced.model.dimensions,
        gates=chosen.result.to_dict(precision_of(settings.precision).limits),
        evaluation=settings.evaluation or {},
        tools=versions(_TOOLS),
    )


def _count(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _megabytes(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:,.1f} MB"
