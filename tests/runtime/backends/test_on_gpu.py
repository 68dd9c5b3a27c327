"""What only an NVIDIA GPU can show. Nothing is skipped: asked for, it must come up."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ser_rt.bundle import Bundle, built_in_bundles, sample_path
from ser_rt.classifier import Caches, FloatArray, Hop
from ser_rt.commands.check import main as check
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import CUDA
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.stream import stream
from tests.conftest import make_wave
from tests.support.source_tree import ROOT

pytestmark = pytest.mark.hardware

CLOSE = 0.01
"""Of a probability: a GPU multiplies fp32 as TF32."""


@pytest.fixture(scope="module")
def compact() -> Bundle:
    return Bundle.load(built_in_bundles()["compact"])


@pytest.fixture(scope="module")
def on_gpu(compact: Bundle) -> OnnxClassifier:
    return OnnxClassifier(compact, "cuda")


@pytest.fixture(scope="module")
def on_cpu(compact: Bundle) -> OnnxClassifier:
    return OnnxClassifier(compact)


def waves(batch: int, samples: int = 48_000, seed: int = 0) -> FloatArray:
    return np.stack([make_wave(samples / 16_000, seed=seed + i) for i in range(batch)])


@pytest.mark.parametrize("name", ["compact", "compact-free"])
def test_a_built_in_model_answers_as_on_the_cpu(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check([name, "--provider", "cuda"]) == 0, capsys.readouterr().err


def test_one_in_int8_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(["base", "--provider", "cuda"]) == 1
    assert "ser-export base --precision fp16" in "".join(capsys.readouterr())


def test_the_network_runs_on_the_gpu(on_gpu: OnnxClassifier) -> None:
    nodes = on_gpu.nodes
    assert nodes[CUDA] > 0.7 * sum(nodes.values()), nodes  # the rest computes sizes


@pytest.mark.parametrize("batch", [1, 2, 5, 8, 11, 40])
@pytest.mark.parametrize("samples", [4000, 16_000, 48_000])
def test_every_call_of_a_shape_is_right(
    on_gpu: OnnxClassifier, on_cpu: OnnxClassifier, batch: int, samples: int
) -> None:
    """The first is plain, the second records a graph, the third replays it."""
    for call in range(4):
        given = waves(batch, samples, seed=100 * call)
        expected = on_cpu(given)
        found = on_gpu(given)
        np.testing.assert_allclose(found, expected, atol=CLOSE)


def test_shapes_in_turn_are_right(two_part_bundle: Path, on_gpu: OnnxClassifier) -> None:
    """Graphs of one shape are replayed after those of another, and beside other models."""
    bundle = Bundle.load(two_part_bundle)
    cpu, gpu = OnnxClassifier(bundle), OnnxClassifier(bundle, "cuda")
    shapes = [(batch, samples) for batch in (1, 3, 8) for samples in (8000, 16_000, 48_000)]
    for call in range(6):
        for batch, samples in shapes:
            given = waves(batch, samples, seed=100 * call)
            on_gpu(given)
            np.testing.assert_allclose(gpu(given), cpu(given), atol=CLOSE)


def test_lengths_without_end_are_right(on_gpu: OnnxClassifier, on_cpu: OnnxClassifier) -> None:
    for samples in range(8000, 24_000, 333):
        given = waves(1, samples)
        np.testing.assert_allclose(on_gpu(given), on_cpu(given), atol=CLOSE)


def test_threads_share_a_model(compact: Bundle, on_cpu: OnnxClassifier) -> None:
    """A graph is kept for the thread that recorded it."""
    shared = OnnxClassifier(compact, "cuda", fixed_lengths=True)
    given = [waves(1, seed=i) for i in range(32)]
    expected = [on_cpu(window) for window in given]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, right in zip(pool.map(shared, given), expected, strict=True):
                np.testing.assert_allclose(found, right, atol=CLOSE)


def test_batched_streams_have_their_own_answers(
    on_gpu: OnnxClassifier, on_cpu: OnnxClassifier
) -> None:
    given = [waves(1, seed=i) for i in range(64)]
    with Batcher(on_gpu, max_batch=16, workers=2) as batcher, ThreadPoolExecutor(16) as pool:
        turns = [batcher.open() for _ in given]
        for _ in range(3):
            answers = pool.map(lambda turn, window: turn(window), turns, given)
            for found, window in zip(answers, given, strict=True):
                np.testing.assert_allclose(found, on_cpu(window), atol=CLOSE)


def test_a_stream_has_the_same_events(two_part_bundle: Path) -> None:
    bundle = Bundle.load(two_part_bundle)
    events = {
        provider: list(stream(sample_path(), model=OnnxClassifier(bundle, provider)))
        for provider in ("cpu", "cuda")
    }
    assert len(events["cpu"]) == len(events["cuda"]) > 20
    for right, found in zip(events["cpu"], events["cuda"], strict=True):
        assert (right.type, right.start, right.end) == (found.type, found.start, found.end)
        for label, probability in right.probabilities.items():
            assert found.probabilities[label] == pytest.approx(probability, abs=CLOSE)


def test_the_command_runs_there() -> None:
    command = [
        sys.executable,
        "-c",
        "from ser_rt.commands.stream import main; raise SystemExit(main())",
    ]
    command += [str(sample_path()), "--provider", "cuda", "--format", "jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"type": "emotion"') > 20
    assert "cuda" in done.stderr


def test_the_caches_of_a_stream_stay_on_the_gpu(streaming_bundle: Path) -> None:
    """The tiny bundle has no product of note: it is the way of the caches that counts."""
    bundle = Bundle.load(streaming_bundle)
    on_gpu, on_cpu = OnnxClassifier(bundle, "cuda"), OnnxClassifier(bundle)
    assert on_gpu.streaming is not None
    caches: Caches = on_gpu.streaming.fresh(1)
    others: Caches = on_gpu.streaming.fresh(1)
    wave = make_wave(20)
    for start in range(0, len(wave), 8_000):
        (found,) = on_gpu.classify_hops([Hop(wave[start : start + 8_000], caches)])
        (wanted,) = on_cpu.classify_hops([Hop(wave[start : start + 8_000], others)])
        caches, others = found.caches, wanted.caches
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=CLOSE)
    assert {cache.device_name() for cache in caches.values()} == {"cuda"}
