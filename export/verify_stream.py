"""The gates of a stream: cached is whole, in any batch, after any reset and at any age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.errors import ExportError
from ser_rt.export.files import read_structure
from ser_rt.export.precision import Tolerances
from ser_rt.export.speech import extremes
from ser_rt.export.stream_reference import StreamOutputs
from ser_rt.export.stream_runs import StreamRun
from ser_rt.export.verify import GateResult, compare
from ser_rt.streaming import AUDIO, Streaming

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

CACHED_EQUALS_WHOLE = 1e-4
"""Largest difference of a logit, a probability or an embedding in float32."""

_HOPS, _RESET_AT = 12, 5
_TEN_HOURS_S = 36_000


def verify_stream(
    graph: Path,
    streaming: Streaming,
    audio: FloatArray,
    expected: Sequence[StreamOutputs],
    limits: Tolerances,
    labels: Sequence[str],
    sample_rate: int,
    positions: int,
) -> GateResult:
    """Compare a graph with caches with its network, which computes the stream as a whole.

    Args:
        graph: the graph on disk.
        streaming: its description.
        audio: a stream of speech, ``[samples]``.
        expected: the network's outputs for it.
        limits: a measure past its limit is a failure.
        labels: names of the columns.
        sample_rate: in Hz.
        positions: frames after which positions begin again.
    """
    check_caches(graph, streaming)
    run = StreamRun(graph, streaming)
    result = GateResult()
    _check_finite(result, run, streaming, sample_rate)
    if result.fatal:
        return result
    found = [run.run(audio[None], one.frames) for one in expected]
    result.measured["seconds"] = len(audio) / sample_rate
    names = [f"a stream of {one.name}" for one in expected]
    right = [one.outputs for one in expected]
    alone = [type(one)(*(values[:, 0] for values in one)) for one in found]
    compare(result, names, right, alone, limits, labels)
    hop = round(streaming.hop_s * sample_rate)
    _check_batch(result, run, audio, hop, limits)
    _check_age(result, run, audio, hop, positions, streaming, sample_rate)
    return result


def check_caches(graph: Path, streaming: Streaming) -> None:
    """Compare the inputs and outputs of a graph with its description: nothing may grow.

    Raises:
        ExportError: a cache has another shape or type, or its batch or the hop is fixed.
    """
    structure = read_structure(graph).graph
    types = {v.name: v.type.tensor_type for v in (*structure.input, *structure.output)}
    shapes = {
        name: [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
        for name, kind in types.items()
    }
    wanted: dict[str, list[str | int]] = {AUDIO: ["batch", "hop_samples"]}
    for cache in streaming.caches:
        wanted |= {key: ["batch", *cache.shape] for key in (cache.name, cache.next_name)}
        if types[cache.name].elem_type != types[cache.next_name].elem_type:
            msg = f"{cache.next_name} of the stream is of another type than {cache.name}"
            raise ExportError(msg)
    for name, shape in wanted.items():
        if shapes.get(name) != shape:
            msg = f"{name} of the stream is {shapes.get(name)}, not {shape}"
            raise ExportError(msg)


def _check_finite(
    result: GateResult, run: StreamRun, streaming: Streaming, sample_rate: int
) -> None:
    second = sample_rate // streaming.frame_samples
    for probe in extremes(sample_rate):
        outputs = run.run(np.tile(probe.waveforms, 3), [second // 2, second // 2, second, second])
        for name, values in outputs._asdict().items():
            if not np.isfinite(values).all():
                result.failures.append(f"{name} is not finite in a stream of {probe.name}")
                result.fatal = True


def _check_batch(
    result: GateResult, run: StreamRun, audio: FloatArray, hop: int, limits: Tolerances
) -> None:
    """Run three streams at once, of which one begins again, and each of the four alone."""
    parts = _hops(audio, hop, _HOPS)
    rows = [np.roll(parts, turn, axis=0) for turn in range(3)]
    run.reset(len(rows))
    together = []
    for number in range(len(parts)):
        if number == _RESET_AT:
            for cache in run.caches.values():
                cache[1] = 0
        together.append(run.hop(np.stack([row[number] for row in rows])).probabilities)
    mixed = np.stack(together)
    worst = {"max_batch_difference": 0.0, "max_reset_difference": 0.0}
    for row, first in ((0, 0), (1, 0), (2, 0), (1, _RESET_AT)):
        until = _RESET_AT if (row, first) == (1, 0) else len(parts)
        run.reset(1)
        alone = np.stack([run.hop(part[None]).probabilities[0] for part in rows[row][first:until]])
        name = "max_reset_difference" if first else "max_batch_difference"
        gap = float(np.abs(alone - mixed[first:until, row]).max())
        worst[name] = max(worst[name], gap)
    result.measured |= worst
    for name in worst:
        result.limit(name, limits.batch)


def _check_age(
    result: GateResult,
    run: StreamRun,
    audio: FloatArray,
    hop: int,
    positions: int,
    streaming: Streaming,
    sample_rate: int,
) -> None:
    """Let a stream be older by ten hours, a whole number of turns of the positions."""
    ages = []
    # Until then, what is empty in a young stream has been filled in an old one.
    full = math.ceil(max(streaming.left_s, streaming.pooled_s) * sample_rate / hop)
    hours = _TEN_HOURS_S * sample_rate // streaming.frame_samples
    for older in (0, math.ceil(hours / positions) * positions):
        run.reset(1)
        for number, part in enumerate(_hops(audio, hop, full + 2)):
            if number == full:
                run.caches = {
                    name: cache + older if cache.dtype == np.int64 else cache
                    for name, cache in run.caches.items()
                }
            last = run.hop(part[None])
        ages.append(last)
    gaps = [np.abs(young - old).max(initial=0.0) for young, old in zip(*ages, strict=True)]
    result.measured["max_age_difference"] = float(max(gaps))
    result.limit("max_age_difference", CACHED_EQUALS_WHOLE)


def _hops(audio: FloatArray, hop: int, count: int) -> FloatArray:
    return np.resize(audio, count * hop).reshape(count, hop)
