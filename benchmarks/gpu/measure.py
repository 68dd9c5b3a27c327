"""Agreement of a GPU's outputs with the CPU's, and windows per second in batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ser_rt.audio.processing import read_speech
from ser_rt.benchmarks.gpu.steps import PRECISIONS, Context
from ser_rt.benchmarks.measure.variant import RATE_HZ
from ser_rt.benchmarks.report.summary import spread
from ser_rt.bundle import Bundle, built_in_bundles, sample_path
from ser_rt.classifier import FloatArray, Hop
from ser_rt.export.speech import extremes
from ser_rt.runtime.backends.graphs import OUTPUTS, frames_of, hop_block
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier

LEAST_REPEATS, LONGEST_S = 5, 1.5


def windows(count: int, seconds: float = 3.0) -> FloatArray:
    """Cut windows ``[count, samples]`` from the bundled sample, repeated for ever."""
    audio = read_speech(sample_path(), RATE_HZ)
    length, hop = round(seconds * RATE_HZ), RATE_HZ // 2
    cut = [np.take(audio, np.arange(i * hop, i * hop + length), mode="wrap") for i in range(count)]
    return np.stack(cut)


def precision(context: Context) -> dict[str, Any]:
    """Compare the network's outputs on the device with fp32 on the CPU."""
    speech = windows(context.scale.probes)
    reference = _outputs(OnnxClassifier(Bundle.load(context.bundle("fp32"))), speech)
    no_speech = list(extremes(RATE_HZ))
    rows = []
    for name in PRECISIONS:
        bundle = Bundle.load(context.bundle(name))
        for reuse in (False, True):
            classifier = OnnxClassifier(bundle, context.device, reuse=reuse)
            found = _outputs(classifier, speech)
            error = found["embedding"] - reference["embedding"]
            norm = np.linalg.norm(reference["embedding"])
            together = classifier.outputs(speech, "logits")[0]
            rows.append(
                {
                    "precision": name,
                    "form": "parts" if reuse else "whole",
                    "nodes": classifier.nodes,
                    "max_logit_difference": _furthest(found["logits"], reference["logits"]),
                    "max_probability_difference": _furthest(
                        found["probabilities"], reference["probabilities"]
                    ),
                    "embedding_error": float(np.linalg.norm(error) / norm),
                    "max_batch_difference": _furthest(together, found["logits"]),
                    "label_agreement": float(
                        (found["logits"].argmax(1) == reference["logits"].argmax(1)).mean()
                    ),
                    "not_finite": [
                        probe.name
                        for probe in no_speech
                        if not np.isfinite(classifier.outputs(probe.waveforms, "logits")[0]).all()
                    ],
                }
            )
    return {"rows": rows}


def _outputs(classifier: OnnxClassifier, speech: FloatArray) -> dict[str, FloatArray]:
    """Return outputs by name, of windows classified one by one."""
    found = [classifier.outputs(window[np.newaxis], *OUTPUTS) for window in speech]
    stacked = (np.concatenate(column) for column in zip(*found, strict=True))
    return dict(zip(OUTPUTS, stacked, strict=True))


def _furthest(values: FloatArray, reference: FloatArray) -> float:
    return float(np.abs(values - reference).max())


def batches(context: Context) -> dict[str, Any]:
    """Measure calls of growing batches: windows, those that share features, hops of streams."""
    folders = {f"network {name}": context.bundle(name) for name in PRECISIONS}
    folders["compact fp32"] = built_in_bundles()["compact"]
    rows = []
    for name, folder in folders.items():
        bundle = Bundle.load(folder)
        for reuse in (False, True) if bundle.feature_reuse else (False,):
            classifier = OnnxClassifier(bundle, context.device, 1, reuse=reuse)
            rows += _of_sizes(classifier, name, "parts" if reuse else "whole", context)
    for name, folder in context.streaming.items():
        if folder.exists():
            classifier = OnnxClassifier(Bundle.load(folder), context.device, 1)
            rows += _of_sizes(classifier, name, "hops", context)
    return {"rows": rows}


def _of_sizes(
    classifier: OnnxClassifier, name: str, form: str, context: Context
) -> list[dict[str, Any]]:
    """Measure a model at growing batches, until one fails."""
    rows: list[dict[str, Any]] = []
    for size in context.scale.batches:
        row = {"model": name, "form": form, "batch": size}
        try:
            rows.append(row | _timed(hop_of(classifier, size), size))
        except Exception as error:  # noqa: BLE001 (memory that runs out is a result)
            rows.append(row | {"problem": " ".join(str(error).split())[:300]})
            break
    return rows


def hop_of(classifier: OnnxClassifier, size: int) -> Callable[[], object]:
    """Return a function that classifies windows, or the next hops of as many streams."""
    streaming = classifier.streaming
    if streaming is not None:
        samples = windows(size, streaming.hop_s)
        hops = [Hop(own, streaming.fresh(1)) for own in samples]

        def next_hops() -> object:
            found = classifier.classify_hops(hops)
            hops[:] = [Hop(hop.samples, one.caches) for hop, one in zip(hops, found, strict=True)]
            return found

        return next_hops
    speech = windows(size)
    reuse = classifier.feature_reuse
    if reuse is None:
        return lambda: classifier(speech)
    block = np.ascontiguousarray(speech[:, : hop_block(classifier.bundle, reuse)])
    frames = np.zeros((size, frames_of(reuse, speech.shape[1]), reuse.channels), np.float32)

    def hop() -> object:
        fresh = classifier.features(block)
        frames[:, -fresh.shape[1] :] = fresh
        return classifier.classify_features(frames)

    return hop


def _timed(call: Callable[[], object], size: int) -> dict[str, Any]:
    for _ in range(3):
        call()
    times_ms: list[float] = []
    ends = time.perf_counter() + LONGEST_S
    while len(times_ms) < LEAST_REPEATS or (time.perf_counter() < ends and len(times_ms) < 300):
        began = time.perf_counter()
        call()
        times_ms.append(1e3 * (time.perf_counter() - began))
    per_s = round(1e3 * size / float(np.median(times_ms)), 1)
    return {"ms": spread(times_ms), "windows_per_s": per_s}
