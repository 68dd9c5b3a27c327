"""The number of live streams that a GPU holds."""

from __future__ import annotations

from typing import Any

from ser_rt.audio.processing import read_speech
from ser_rt.benchmarks.gpu.measure import hop_of
from ser_rt.benchmarks.gpu.steps import PRECISIONS, Context
from ser_rt.benchmarks.measure.simulate import StreamsRunner
from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant
from ser_rt.benchmarks.report.summary import spread
from ser_rt.bundle import Bundle, built_in_bundles, sample_path
from ser_rt.errors import SerError
from ser_rt.runtime.backends.cuda_graphs import BATCHES
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier

P95_MS, LOST = 200.0, 0.01
MOST_IN_A_CALL = 128
WORKERS = 2
"""Calls at once: while one runs on the GPU, the next batch is put together."""


def streams(context: Context) -> dict[str, Any]:
    """Simulate more and more streams of each model, until one number does not keep up."""
    audio = read_speech(sample_path(), RATE_HZ)
    ways = {(f"network {name}", False): context.bundle(name) for name in reversed(PRECISIONS)}
    ways["network fp16", True] = context.bundle("fp16")
    ways["compact fp32", False] = built_in_bundles()["compact"]
    ways |= {(name, False): path for name, path in context.streaming.items() if path.exists()}
    rows = []
    for (name, reuse), folder in ways.items():
        classifier = OnnxClassifier(Bundle.load(folder), context.device, 1, reuse=reuse)
        form = "hops" if classifier.streaming else "parts" if reuse else "whole"
        runner = StreamsRunner(Variant("ser-rt streams", str(folder)), audio, classifier)
        _warm(classifier)
        for count in context.scale.streams:
            row = {"model": name, "form": form, "streams": count}
            row |= _simulated(runner, count, context.scale.stream_s)
            rows.append(row)
            if not row["keeps_up"]:
                break
    return {"rows": rows, "p95_ms": P95_MS, "lost": LOST, "max_batch": MOST_IN_A_CALL}


def _warm(classifier: OnnxClassifier) -> None:
    """Let the GPU see every size of a batch, as a server has after its first minute."""
    for size in (size for size in BATCHES if size <= MOST_IN_A_CALL):
        call = hop_of(classifier, size)
        for _ in range(3):
            call()


def _simulated(runner: StreamsRunner, count: int, seconds: float) -> dict[str, Any]:
    try:
        step = runner.step(
            streams=count, seconds=seconds, workers=WORKERS, max_batch=MOST_IN_A_CALL
        )
    except SerError as error:
        return {"keeps_up": False, "problem": str(error)}
    found = step.extra or {}
    latencies, lost = found["latencies_ms"], found["lost_windows"]
    share = round(lost / max(1, lost + len(latencies)), 5)
    row = {"windows": len(latencies), "lost_share": share, "keeps_up": False}
    if latencies:
        latency = spread(latencies)
        row |= {"latency_ms": latency, "keeps_up": latency["p95"] <= P95_MS and share <= LOST}
    return row
