"""Runners of a worker: ser-rt and its peers, one entry each in `RUNNERS`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from ser_rt.audio.chunk import AudioChunk
from ser_rt.benchmarks.lazy import resolve
from ser_rt.benchmarks.measure.steps import Predict, Runner, Step
from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.errors import ConfigError
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.stream import load, stream


def looped(audio: FloatArray, start: int, length: int) -> FloatArray:
    """Return samples of audio that is repeated for ever."""
    return np.take(audio, np.arange(start, start + length), mode="wrap")


def load_model(variant: Variant) -> EmotionClassifier:
    """Load a bundle for benchmarks, whose audio has one rate."""
    classifier = load(variant.model, variant.device, variant.threads, streaming=variant.streaming)
    if classifier.sample_rate != RATE_HZ:
        msg = f"{variant.model} takes {classifier.sample_rate} Hz, benchmarks have {RATE_HZ} Hz"
        raise ConfigError(msg)
    return classifier


class WindowRunner:
    """Calls a function with whole windows, as a program without a stream does."""

    def __init__(self, predict: Predict, variant: Variant, audio: FloatArray) -> None:
        self._predict, self._audio = predict, audio
        self._length = round(variant.window_s * RATE_HZ)
        self._starts = count(0, round(variant.hop_s * RATE_HZ))

    def step(self) -> Step:
        """Classify the next window."""
        window = looped(self._audio, next(self._starts), self._length)
        started = time.perf_counter()
        probabilities = self._predict(window)
        took_s = time.perf_counter() - started
        return Step(took_s, took_s, np.asarray(probabilities, float).tolist())


class StreamRunner:
    """Feeds chunks to ser-rt's engine, as a live stream does, but does not wait for the clock.

    Partial windows, smoothing and the speech gate are off, so that each step gives one result of
    one full window. `cost_s` is all the time inside the engine since the result before, `latency_s`
    the part of it after the last chunk came.
    """

    def __init__(
        self, variant: Variant, audio: FloatArray, classifier: EmotionClassifier | None = None
    ) -> None:
        classifier = classifier or load_model(variant)
        settings = StreamSettings(
            window_s=variant.window_s,
            hop_s=variant.hop_s,
            min_window_s=variant.window_s,
            half_life_s=0.0,
            partial=False,
            vad=False,
            gate_threshold=0.0,
        )
        self._engine = make_engine(classifier, settings)
        self._labels = classifier.labels
        self._chunks = endless(audio, round(variant.chunk_s * RATE_HZ))

    def step(self) -> Step:
        """Feed chunks until there is a result."""
        cost_s = 0.0
        while True:
            chunk = next(self._chunks)
            started = time.perf_counter()
            events = [e for e in self._engine.feed(chunk) if e.type == "emotion"]
            took_s = time.perf_counter() - started
            cost_s += took_s
            if events:
                probabilities = [events[-1].probabilities[label] for label in self._labels]
                return Step(cost_s / len(events), took_s, probabilities)


def endless(audio: FloatArray, length: int) -> Iterator[AudioChunk]:
    """Yield chunks of audio that is repeated for ever."""
    for start in count(0, length):
        yield AudioChunk(looped(audio, start, length), start, captured_at=time.monotonic())


class BatchRunner:
    """Classifies many windows in one call; the work is windows."""

    def __init__(self, variant: Variant, audio: FloatArray) -> None:
        self._classifier = load_model(variant)
        length, hop = round(variant.window_s * RATE_HZ), round(variant.hop_s * RATE_HZ)
        windows = [looped(audio, i * hop, length) for i in range(variant.batch)]
        self._batch: FloatArray = np.stack(windows)

    def step(self) -> Step:
        """Classify the batch."""
        started = time.perf_counter()
        self._classifier(self._batch)
        took_s = time.perf_counter() - started
        return Step(took_s, took_s, work=len(self._batch))


class FileRunner:
    """Streams a whole recording as fast as it goes; the work is seconds of audio."""

    def __init__(self, variant: Variant, audio: FloatArray) -> None:
        self._variant, self._audio, self._classifier = variant, audio, load_model(variant)

    def step(self) -> Step:
        """Stream it from the first sample to the last event."""
        window_s, hop_s = self._variant.window_s, self._variant.hop_s
        started = time.perf_counter()
        for _ in stream(
            self._audio,
            sample_rate=RATE_HZ,
            model=self._classifier,
            window_s=window_s,
            hop_s=hop_s,
            gate_threshold=0.0,
        ):
            pass
        took_s = time.perf_counter() - started
        return Step(took_s, took_s, work=len(self._audio) / RATE_HZ)


def _model(variant: Variant, audio: FloatArray) -> Runner:
    classifier = load_model(variant)
    return WindowRunner(lambda window: classifier(window[np.newaxis])[0], variant, audio)


def _peer(target: str) -> Callable[[Variant, FloatArray], Runner]:
    def make(variant: Variant, audio: FloatArray) -> Runner:
        return WindowRunner(resolve(target)(variant), variant, audio)

    return make


def _other(target: str) -> Callable[[Variant, FloatArray], Runner]:
    def make(variant: Variant, audio: FloatArray) -> Runner:
        runner: Runner = resolve(target)(variant, audio)
        return runner

    return make


RUNNERS: dict[str, Callable[[Variant, FloatArray], Runner]] = {
    "ser-rt": StreamRunner,
    "ser-rt model": _model,
    "ser-rt batch": BatchRunner,
    "ser-rt file": FileRunner,
    "ser-rt streams": _other("measure.simulate:StreamsRunner"),
    "transformers pipeline": _peer("peers.torch_peers:pipeline"),
    "PyTorch eager": _peer("peers.torch_peers:eager"),
    "PyTorch bf16": _peer("peers.torch_peers:eager"),
    "PyTorch fp16": _peer("peers.torch_peers:eager"),
    "torch.compile": _peer("peers.torch_peers:compiled"),
    "torch.compile bf16": _peer("peers.torch_peers:compiled"),
    "CUDA graphs": _peer("peers.torch_peers:cuda_graph"),
    "CUDA graphs fp16": _peer("peers.torch_peers:cuda_graph"),
    "onnxruntime": _peer("peers.onnx_peers:plain_onnxruntime"),
    "audonnx": _peer("peers.onnx_peers:audonnx_model"),
    "optimum": _peer("peers.onnx_peers:optimum_model"),
    "OpenVINO": _peer("peers.openvino_peer:openvino_model"),
    "OpenVINO fp32": _peer("peers.openvino_peer:openvino_model"),
    "OpenVINO bf16": _peer("peers.openvino_peer:openvino_model"),
    "GEMM fp32 onnxruntime": _other("peers.gemm:onnx_gemm"),
    "GEMM int8 onnxruntime": _other("peers.gemm:onnx_gemm"),
    "GEMM fp32 PyTorch": _other("peers.gemm:torch_gemm"),
    "GEMM int8 PyTorch": _other("peers.gemm:torch_gemm"),
    "GEMM bf16 PyTorch": _other("peers.gemm:torch_gemm"),
}
"""Factories of runners, from a variant and audio float32 ``[samples]`` at 16 kHz."""


def make_runner(variant: Variant, audio_path: str | Path) -> Runner:
    """Make the runner of a variant over audio in a ``.npy`` file."""
    audio: FloatArray = np.load(audio_path)
    return RUNNERS[variant.runner](variant, audio)
