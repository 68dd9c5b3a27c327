"""The streaming half of an export: its graph is traced, converted and compared as the whole is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx

from ser_rt.constants import HOP_S
from ser_rt.errors import ConfigError
from ser_rt.export.files import Batch, check, read_structure, save_graph
from ser_rt.export.precision import Convert, Tolerances
from ser_rt.export.speech import ReferenceSpeech
from ser_rt.export.stream_graph import HOPS_S, ServedStream, describe, stream_to_onnx
from ser_rt.export.stream_reference import StreamOutputs, run_reference
from ser_rt.export.stream_runs import StreamRun, calibration_of
from ser_rt.export.verify import GateResult
from ser_rt.export.verify_stream import CACHED_EQUALS_WHOLE, verify_stream
from ser_rt.manifest import STREAM_FILE
from ser_rt.networks.streaming import STRIDE
from ser_rt.streaming import Streaming

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray
    from ser_rt.networks.model import EmotionModel


_ROUNDING = 1e-6


class TracedStream(NamedTuple):
    """A traced streaming network: its float32 graph on disk, and what its gates compare with."""

    source: Path
    streaming: Streaming
    audio: FloatArray
    expected: Sequence[StreamOutputs]
    calibration: Sequence[Batch]
    cached_difference: float
    positions: int


def set_hop(model: EmotionModel, hop_s: float | None) -> bool:
    """Let a network that streams take hops of `hop_s`, or else of its own chunk.

    Returns:
        Whether it streams.

    Raises:
        ConfigError: a hop is given that it cannot take.
    """
    settings = model.settings
    if not settings.streaming:
        if hop_s is not None:
            msg = f"a hop of {hop_s:g} s is for networks that were trained with --streaming"
            raise ConfigError(msg)
        return False
    own_s = settings.chunk_frames * STRIDE / settings.sample_rate or HOP_S
    wanted_s = own_s if hop_s is None else hop_s
    count = wanted_s * settings.sample_rate / STRIDE
    if not HOPS_S[0] <= wanted_s <= HOPS_S[1] or abs(count - round(count)) > _ROUNDING:
        msg = (
            f"the hop is {wanted_s:g} s: give --hop {HOPS_S[0]:g} to {HOPS_S[1]:g} s in steps of "
            f"{STRIDE / settings.sample_rate:g}, or --windows-only"
        )
        raise ConfigError(msg)
    encoder: Any = model.encoder
    encoder.context = encoder.context._replace(chunk=round(count))
    model.settings = replace(settings, chunk_frames=round(count))
    return True


def run_stream(network: ServedStream, speech: ReferenceSpeech) -> list[StreamOutputs]:
    """Return the network's outputs for a minute of speech."""
    return run_reference(network, speech.minute, describe(network.model, network.sample_rate))


def trace_stream(
    network: ServedStream,
    speech: ReferenceSpeech,
    expected: Sequence[StreamOutputs],
    work: Path,
    opset: int,
) -> TracedStream:
    """Write the float32 graph with caches into a folder, and compare it with the whole network.

    Raises:
        ExportError: the network cannot be traced.
    """
    streaming = describe(network.model, network.sample_rate)
    source = work / "source-stream.onnx"
    graph = stream_to_onnx(network, opset)
    onnx.save_model(graph, source, save_as_external_data=True, location="source-stream.data")
    del graph
    run = StreamRun(source, streaming)
    gaps = [
        np.abs(found[:, 0] - right).max(initial=0.0)
        for one in expected
        for found, right in zip(run.run(speech.minute[None], one.frames), one.outputs, strict=True)
    ]
    hop = round(streaming.hop_s * network.sample_rate)
    return TracedStream(
        source=source,
        streaming=streaming,
        audio=speech.minute,
        expected=expected,
        calibration=calibration_of(source, streaming, speech.calibration, hop),
        cached_difference=float(max(gaps)),
        positions=network.model.positions,
    )


def convert_stream(
    traced: TracedStream, convert: Convert, folder: Path, written: dict[str, int]
) -> tuple[Path, Streaming]:
    """Write a converted graph beside the whole one, whose weights it shares.

    Returns:
        Its path, and its description: caches may have become half precision.
    """
    model = convert(traced.source, traced.calibration)
    graph = save_graph(model, folder, STREAM_FILE, external=True, written=written)
    check(graph)
    types = {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        for value in read_structure(graph).graph.input
    }
    caches = tuple(replace(one, dtype=types[one.name]) for one in traced.streaming.caches)
    return graph, replace(traced.streaming, caches=caches)


def compare_stream(
    graph: Path,
    streaming: Streaming,
    traced: TracedStream,
    limits: Tolerances,
    labels: Sequence[str],
    sample_rate: int,
) -> GateResult:
    """Compare a graph with the network on a minute of speech."""
    result = verify_stream(
        graph,
        streaming,
        traced.audio,
        traced.expected,
        limits,
        labels,
        sample_rate,
        traced.positions,
    )
    result.measured["max_cached_difference"] = traced.cached_difference
    result.limit("max_cached_difference", CACHED_EQUALS_WHOLE, "float32 graph with caches")
    return result
