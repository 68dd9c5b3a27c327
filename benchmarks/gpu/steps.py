"""The steps of a session on a GPU: one function each, one entry each in `STEPS`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.lazy import resolve
from ser_rt.bundle import built_in_bundles
from ser_rt.runtime.backends.providers import ProviderName

ROOT = Path(__file__).resolve().parent.parent.parent
PRECISIONS = ("fp32", "fp16")
EXPORT_BYTES = 12 * 2**30
"""Memory that the export of the network takes at most."""
BUILT_IN = ("compact", "compact-free")
"""Those in fp32. `base` is int8, which GPUs refuse: it is exported again in fp16."""


@dataclass(frozen=True)
class Scale:
    """Size of a session.

    Attributes:
        encoder: Shape of the network; empty is that of `training_memory.XLSR_LARGE`.
        rounds: Turns of each way to run a hop, and of each batch.
        hops: Timed hops in a turn.
        batches: Windows in a call.
        streams: Numbers of live streams to try, until one does not keep up.
        stream_s: How long each is simulated.
        training: Precision, seconds of a window, and windows in a step.
        training_steps: Timed steps of each.
        takes: Clips of each of 4 speakers and 15 emotions in the corpus of the recipe.
        epochs: Of the recipe.
        probes: Windows that are compared with the CPU.
    """

    encoder: dict[str, Any] = field(default_factory=dict)
    rounds: int = 10
    hops: int = 20
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    streams: tuple[int, ...] = (250, 400, 500, 750, 1000, 1500, 2000)
    stream_s: float = 4.0
    training: tuple[tuple[str, float, tuple[int, ...]], ...] = (
        ("fp32", 4.0, (1, 2, 4, 8, 16)),
        ("fp32", 10.0, (4, 8)),
        ("bf16", 10.0, (4, 8)),
        ("fp16", 10.0, (4, 8)),
    )
    training_steps: int = 6
    takes: int = 6
    epochs: int = 2
    probes: int = 12


_SMALL = {
    "model_type": "wav2vec2",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}

SCALES = {
    "full": Scale(),
    "tiny": Scale(
        encoder=_SMALL,
        rounds=2,
        hops=2,
        batches=(1, 3),
        streams=(2,),
        stream_s=0.5,
        training=(("fp32", 1.0, (2,)), ("bf16", 1.0, (2,))),
        training_steps=1,
        takes=1,
        epochs=1,
        probes=2,
    ),
}


@dataclass(frozen=True)
class Context:
    """Where a session works, on which device, and how much it does."""

    work: Path
    device: ProviderName
    scale: Scale

    @property
    def checkpoint(self) -> Path:
        """The network with random weights."""
        return self.work / "network"

    def bundle(self, precision: str) -> Path:
        """Folder of the network's bundle at a precision."""
        return self.work / f"bundle-{precision}"

    @property
    def base(self) -> Path:
        """The bundle of the built-in `base` for GPUs."""
        return self.work / "base-fp16"

    @property
    def stream(self) -> Context:
        """The same for the network that streams, in a folder of its own."""
        return replace(self, work=self.work / "stream")

    @property
    def streaming(self) -> dict[str, Path]:
        """Bundles of networks that stream, by name."""
        return {"stream fp16": self.stream.bundle("fp16"), "base fp16": self.base}

    def result_path(self, step: str) -> Path:
        """File of a step's result."""
        return self.work / "steps" / f"{step}.json"

    def environment(self) -> dict[str, str]:
        """Return the environment of a step: caches stay in the session's folder."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return os.environ | {
            "PYTHONPATH": path,
            "SER_RT_CACHE": str(self.work / "audio"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.work / "inductor"),
            "HF_HUB_OFFLINE": "1",
        }


@dataclass(frozen=True)
class GpuStep:
    """A step, and the seconds after which it is stopped."""

    do: Callable[[Context], dict[str, Any]]
    limit_s: float


def make_network(context: Context, *, streaming: bool = False) -> dict[str, Any]:
    """Write a checkpoint of the network with random weights; of the preset's if it streams."""
    import torch

    from ser_rt.benchmarks.measure.training_memory import FULL_SIZE
    from ser_rt.networks.checkpoint import save_checkpoint
    from ser_rt.networks.model import EmotionModel
    from ser_rt.training.presets import PRESETS

    torch.manual_seed(0)
    shape = context.scale.encoder or FULL_SIZE.encoder_config
    base = PRESETS["wav2vec2-stream"].model if streaming else FULL_SIZE
    settings = replace(
        base,
        model_name="",
        emotion_labels=FULL_SIZE.emotion_labels,
        input_normalization="running" if streaming else "none",
        encoder_config=shape,
    )
    model = EmotionModel(settings).eval()
    save_checkpoint(model, context.checkpoint, temperature=1.0, training={})
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def export(context: Context, precision: str) -> dict[str, Any]:
    """Export the network at a precision; gates report only, as the weights are random."""
    flags = ("--precision", precision, "--gates", "report", "--name", f"network-{precision}")
    return _exported(str(context.checkpoint), context.bundle(precision), *flags)


def exports(context: Context) -> dict[str, Any]:
    """Export all bundles, side by side: tracing keeps one core busy, and takes most of the time.

    One that fails costs itself.

    Raises:
        ExportError: all of them failed.
    """
    import psutil

    from ser_rt.errors import ExportError

    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "base-fp16": lambda: _exported("base", context.base, "--precision", "fp16"),
        "stream-fp16": lambda: export(context.stream, "fp16"),
        "network-fp16": lambda: export(context, "fp16"),
        "network-fp32": lambda: export(context, "fp32"),
    }
    at_once = max(1, min(len(jobs), psutil.virtual_memory().total // EXPORT_BYTES))
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(at_once) as pool:
        for name, future in {name: pool.submit(job) for name, job in jobs.items()}.items():
            try:
                found[name] = future.result() | {"ok": True, "problem": ""}
            except (subprocess.CalledProcessError, OSError) as error:
                found[name] = {"ok": False, "problem": str(error)}
    if not any(one["ok"] for one in found.values()):
        msg = f"no bundle could be exported: {next(iter(found.values()))['problem']}"
        raise ExportError(msg)
    return {"bundles": found}


def _exported(source: str, out: Path, *flags: str) -> dict[str, Any]:
    """Export a bundle, or take the one that is there: an export writes it whole, or not at all."""
    path = out / "manifest.json"
    if not path.is_file():
        command = [sys.executable, "-m", "ser_rt.export", source, "--out", str(out), *flags]
        subprocess.run(command, check=True, stdout=sys.stderr)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return {"gates": manifest["gates"], "tools": manifest["tools"]}


def check_bundles(context: Context, provider: str) -> dict[str, Any]:
    """Run ser-check of every bundle on a provider."""
    from ser_rt.bundle import Bundle
    from ser_rt.errors import SerError
    from ser_rt.runtime.backends.parity import check

    folders = {name: built_in_bundles()[name] for name in BUILT_IN}
    folders |= {f"network-{precision}": context.bundle(precision) for precision in PRECISIONS}
    folders |= context.streaming
    reports = []
    for name, folder in folders.items():
        try:
            report = check(Bundle.load(folder), (provider,), None, context.scale.probes)
            reports.append(report.to_dict())
        except SerError as error:
            reports.append({"bundle": name, "ok": False, "problem": str(error), "rows": []})
    return {"reports": reports}


def check_others(context: Context, provider: str) -> dict[str, Any]:
    """Run ser-check on a provider that may not come up, with a cold cache and with a warm one."""
    place = provider if context.device == "cuda" else "cpu"
    return {when: check_bundles(context, place)["reports"] for when in ("cold", "warm")}


def run_tests(_: Context) -> dict[str, Any]:
    """Run the tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "hardware", "-p", "no:cacheprovider"]
    command += ["--override-ini", "filterwarnings=default", "tests/runtime/backends/test_on_gpu.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, file=sys.stderr)
    last = " ".join(done.stdout.strip().splitlines()[-1:])
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    problem = last if done.returncode else ""
    return {"ok": not problem, "problem": problem, "said": last, "failed": failed}


def _step(target: str) -> Callable[[Context], dict[str, Any]]:
    def do(context: Context) -> dict[str, Any]:
        found: dict[str, Any] = resolve(target)(context)
        return found

    return do


STEPS = {
    "environment": GpuStep(_step("gpu.environment:environment"), 60),
    "network": GpuStep(make_network, 90),
    "stream-network": GpuStep(lambda context: make_network(context.stream, streaming=True), 90),
    "exports": GpuStep(exports, 360),
    "check": GpuStep(lambda context: check_bundles(context, context.device), 150),
    "precision": GpuStep(_step("gpu.measure:precision"), 90),
    "tests": GpuStep(run_tests, 90),
    "batches": GpuStep(_step("gpu.measure:batches"), 120),
    "streams": GpuStep(_step("gpu.streams:streams"), 180),
    "compile": GpuStep(_step("gpu.latency:compile_peers"), 240),
    "latency": GpuStep(_step("gpu.latency:latency"), 180),
    "training": GpuStep(_step("gpu.training:matrix"), 150),
    "recipe": GpuStep(_step("gpu.training:recipe"), 150),
    "tensorrt": GpuStep(lambda context: check_others(context, "tensorrt"), 60),
    "tensorrt-rtx": GpuStep(lambda context: check_others(context, "tensorrt-rtx"), 150),
    "webgpu": GpuStep(lambda context: check_others(context, "webgpu"), 90),
}
"""In order of worth, each after what it needs."""
