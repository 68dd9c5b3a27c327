"""Cost of a hop at batch 1: ser-rt's streams and PyTorch's modes, interleaved in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ser_rt.audio.processing import read_speech
from ser_rt.benchmarks.gpu.steps import PRECISIONS, Context
from ser_rt.benchmarks.measure.runners import StreamRunner, WindowRunner
from ser_rt.benchmarks.measure.steps import Runner, Step
from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant
from ser_rt.benchmarks.report.summary import spread
from ser_rt.bundle import Bundle, built_in_bundles, sample_path
from ser_rt.classifier import FloatArray
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import PROVIDERS, Provider, cuda

Make = Callable[[], Runner]

PEERS = {
    "PyTorch eager fp32": ("eager", "fp32"),
    "PyTorch eager fp16": ("eager", "fp16"),
    "torch.compile with CUDA graphs fp16": ("compiled_with_graphs", "fp16"),
    "torch.compile fp16": ("compiled", "fp16"),
    "CUDA graphs fp16": ("cuda_graph", "fp16"),
}
"""Functions of `torch_peers`, and the precision."""

PLAIN = "cuda without graphs"
"""A provider of this measurement alone."""

COMPILED = "torch.compile with CUDA graphs fp16"


def compile_peers(context: Context) -> dict[str, Any]:
    """Compile what PyTorch compiles, so that a later process finds it in the cache."""
    audio = read_speech(sample_path(), RATE_HZ)
    rows = []
    for label in (label for label in PEERS if "compile" in label):
        began = time.perf_counter()
        _, row = _begin(label, _peer(context, label, audio))
        rows.append(row | {"seconds": round(time.perf_counter() - began, 1)})
    return {"rows": rows}


def latency(context: Context) -> dict[str, Any]:
    """Measure hops of every way, in turns of a new random order each round."""
    audio = read_speech(sample_path(), RATE_HZ)
    makers = _ours(context, audio)
    makers |= {label: _peer(context, label, audio) for label in PEERS}
    runners, rows = {}, []
    for label, make in makers.items():
        runner, row = _begin(label, make)
        rows.append(row)
        if runner is not None:
            runners[label] = runner
    rng = np.random.default_rng(0)
    steps: dict[str, list[Step]] = {label: [] for label in runners}
    for _ in range(context.scale.rounds):
        for label in rng.permutation(list(runners)).tolist():
            runners[label].step()  # wakes caches up
            steps[label] += [runners[label].step() for _ in range(context.scale.hops)]
    reference = steps.get("PyTorch eager fp32", [])
    for row in rows:
        if row["label"] in steps:
            row.update(_figures(steps[row["label"]], reference, row["label"]))
    return {"rows": rows, "ratios": _ratios(rows)}


def _ours(context: Context, audio: FloatArray) -> dict[str, Make]:
    folders = {f"network {name}": context.bundle(name) for name in PRECISIONS}
    folders["compact fp32"] = built_in_bundles()["compact"]
    found: dict[str, Make] = {}
    for name, folder in folders.items():
        bundle = Bundle.load(folder)
        for reuse in (True, False) if bundle.feature_reuse else (False,):
            form = "parts" if reuse else "whole"
            found[f"ser-rt {name}, {form}"] = _stream(bundle, context.device, audio, reuse=reuse)
            if context.device == "cuda" and name == "network fp16":
                label = f"ser-rt {name}, {form}, without CUDA graphs"
                found[label] = _stream(bundle, PLAIN, audio, reuse=reuse)
    for name, folder in context.streaming.items():
        if folder.exists():
            found[f"ser-rt {name}, hops"] = _stream(Bundle.load(folder), context.device, audio)
    return found


def _stream(bundle: Bundle, provider: str, audio: FloatArray, *, reuse: bool = False) -> Make:
    def make() -> Runner:
        PROVIDERS[PLAIN] = Provider(lambda load: cuda(load)[-1:], "gpu")
        classifier = OnnxClassifier(bundle, provider, 1, reuse=reuse, fixed_lengths=True)
        return StreamRunner(Variant("ser-rt"), audio, classifier)

    return make


def _peer(context: Context, label: str, audio: FloatArray) -> Make:
    def make() -> Runner:
        import torch

        from ser_rt.benchmarks.peers import torch_peers

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        function, precision = PEERS[label]
        variant = Variant(label, str(context.checkpoint), precision, context.device)
        return WindowRunner(getattr(torch_peers, function)(variant), variant, audio)

    return make


def _begin(label: str, make: Make) -> tuple[Runner | None, dict[str, Any]]:
    """Make a runner and let it do its first steps; a failure is a row with its reason."""
    try:
        runner = make()
        for _ in range(4):
            runner.step()
    except Exception as error:  # noqa: BLE001 (whatever a library raises is a row of the table)
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return None, {"label": label, "problem": words}
    return runner, {"label": label, "problem": ""}


def _figures(steps: list[Step], reference: list[Step], label: str) -> dict[str, Any]:
    found: dict[str, Any] = {"hop_ms": spread([1e3 * step.cost_s for step in steps])}
    if reference and label.startswith(("ser-rt network", *PEERS)):
        pairs = zip(steps, reference, strict=True)
        gaps = [
            np.abs(np.array(a.probabilities) - np.array(b.probabilities)).max() for a, b in pairs
        ]
        found["max_difference"] = float(max(gaps))
    return found


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return how many times faster than `COMPILED` each way is, by medians."""
    medians = {row["label"]: row["hop_ms"]["p50"] for row in rows if "hop_ms" in row}
    base = medians.get(COMPILED)
    return {label: round(base / ms, 3) for label, ms in medians.items()} if base else {}
