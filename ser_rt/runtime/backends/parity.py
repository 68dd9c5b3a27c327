"""Comparison of a bundle's results in every form, on every provider of this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ser_rt.audio.sources import make_source
from ser_rt.bundle import Bundle, sample_path
from ser_rt.classifier import FloatArray
from ser_rt.errors import ProviderError, SerError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import SINGLE_PROVIDERS
from ser_rt.runtime.backends.stream_parity import FreshStreams
from ser_rt.runtime.recognizers.window_classifier import window_classifier
from ser_rt.runtime.recognizers.windower import Window

WINDOWS = 12
WHOLE, PARTS, HOPS = "whole", "parts", "hops"

SAME_DEVICE = {"fp32": 1e-4, "fp16": 1e-2}
"""Largest difference of a probability between two forms of a network on the CPU, by precision."""

OTHER_DEVICE = {"fp32": 1e-2, "fp16": 2e-2}
"""The same between devices: a GPU multiplies fp32 with the 10 bits of TF32."""

ELSE = 0.05
"""For every other precision: a number on the edge of two steps may fall to either side."""

_BESIDE = "a stream alone and the same one beside others, after a reset, differ"


@dataclass(frozen=True)
class Row:
    """One form of a network on one provider.

    Attributes:
        provider: Name in `PROVIDERS`.
        form: `WHOLE`; `PARTS`: windows share features, as in a stream; or `HOPS`: each window is a
            fresh stream with caches, alone and beside others.
        ok: False where it is wanted and is not there, or its results are off.
        problem: What is wrong; where it is ok, why it was left out.
        nodes: Number of graph nodes that each of onnxruntime's providers runs.
        cold_ms: From opening to the first answer.
        warm_ms: A window after that, or a hop of a stream, as the median.
        max_difference: Of a probability, from the whole graph on the CPU.
        label_agreement: Share of windows with the same likeliest label as there.
    """

    provider: str
    form: str
    ok: bool = True
    problem: str | None = None
    nodes: dict[str, int] = field(default_factory=dict)
    cold_ms: float | None = None
    warm_ms: float | None = None
    max_difference: float | None = None
    label_agreement: float | None = None


@dataclass(frozen=True)
class Report:
    """Result of comparing a bundle."""

    bundle: str
    version: str
    precision: str
    files: int
    windows: int
    rows: tuple[Row, ...]
    notice: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every row is."""
        return all(row.ok for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self) | {"ok": self.ok}


def check(
    bundle: Bundle,
    providers: Sequence[str] = (),
    threads: int | None = None,
    windows: int = WINDOWS,
) -> Report:
    """Run the bundled sample through every form of a bundle, and compare.

    Args:
        bundle: Loaded, and so verified against its manifest.
        providers: Names in `PROVIDERS` that must come up; none for those that do.
        threads: As of `OnnxClassifier`.
        windows: Number of windows of the sample to compare.
    """
    audio = _windows(bundle, windows)
    row, reference = _run(bundle, "cpu", WHOLE, audio, threads)
    rows = [row]
    if reference is not None:
        rows[0] = _judged(row, reference, reference, 0.0)
        for provider, form in _others(bundle, providers):
            row, answers = _run(bundle, provider, form, audio, threads, is_wanted=bool(providers))
            limits = SAME_DEVICE if provider == "cpu" else OTHER_DEVICE
            limit = limits.get(bundle.precision, ELSE)
            rows.append(row if answers is None else _judged(row, answers, reference, limit))
    return Report(
        bundle.name,
        bundle.version,
        bundle.precision,
        len(bundle.files),
        len(audio),
        tuple(rows),
        bundle.notice,
    )


def _others(bundle: Bundle, providers: Sequence[str]) -> list[tuple[str, str]]:
    """Return provider and form of all that is compared with the whole graph on the CPU."""
    names = providers or SINGLE_PROVIDERS
    form = PARTS if bundle.feature_reuse else HOPS if bundle.streaming else WHOLE
    return [(name, form) for name in names if (name, form) != ("cpu", WHOLE)]


def _windows(bundle: Bundle, count: int) -> list[Window]:
    """Cut full windows from the sample, a hop apart; whole hops that a stream pools over."""
    with make_source("file", sample_path(), bundle.sample_rate) as source:
        samples = np.concatenate([chunk.samples for chunk in source])
    length, hop = (round(s * bundle.sample_rate) for s in (bundle.window_s, bundle.hop_s))
    if bundle.streaming:
        length = round(min(bundle.window_s, bundle.streaming.pooled_s) * bundle.sample_rate)
        length = max(hop, length // hop * hop)
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    starts = range(0, len(samples) - length + 1, hop)[:count]
    return [Window(samples[s : s + length], s, s + length, is_partial=False) for s in starts]


def _run(
    bundle: Bundle,
    provider: str,
    form: str,
    audio: list[Window],
    threads: int | None,
    *,
    is_wanted: bool = True,
) -> tuple[Row, FloatArray | None]:
    """Return how a form came up on a provider, and its answers ``[windows, labels]``."""
    row = Row(provider, form)
    marks_s = [time.perf_counter()]
    try:
        classifier = OnnxClassifier(
            bundle, provider, threads, reuse=form == PARTS, streaming=form == HOPS
        )
        hop = round(bundle.hop_s * bundle.sample_rate)
        streams = classifier.streaming and FreshStreams(classifier, classifier.streaming, hop)
        classify = streams or window_classifier(classifier, hop, None)
        answers = []
        for window in audio:
            answers.append(classify(window))
            marks_s.append(time.perf_counter())
        beside = streams.run(audio) if streams else None
    except ProviderError as error:
        return replace(row, ok=not is_wanted, problem=str(error)), None
    except SerError as error:
        return replace(row, ok=False, problem=str(error)), None
    cold_s, *warm_s = np.diff(marks_s)
    calls = len(audio[0].samples) // hop if streams else 1
    warm_ms = round(1e3 * float(np.median(warm_s)) / calls, 2) if warm_s else None
    row = replace(
        row, nodes=classifier.nodes, cold_ms=round(1e3 * float(cold_s), 1), warm_ms=warm_ms
    )
    found = np.stack(answers)
    limit = SAME_DEVICE.get(bundle.precision, ELSE)
    if beside is not None and np.abs(beside - found).max() > limit:
        return replace(row, ok=False, problem=_BESIDE), None
    return row, found


def _judged(row: Row, answers: FloatArray, reference: FloatArray, limit: float) -> Row:
    if not np.isfinite(answers).all():
        return replace(row, ok=False, problem="its results are not finite")
    difference = float(np.abs(answers - reference).max())
    agreement = float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean())
    row = replace(row, max_difference=difference, label_agreement=agreement)
    if difference <= limit:
        return row
    problem = f"a probability is {difference:.2g} off the whole graph on the CPU, over {limit:g}"
    return replace(row, ok=False, problem=problem)
