"""Live streams over one model in real time: chunks arrive when a microphone would deliver them."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.audio.chunk import AudioChunk
from ser_rt.benchmarks.measure.runners import load_model, looped
from ser_rt.benchmarks.measure.steps import Step
from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant
from ser_rt.errors import SerError
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.settings import StreamSettings

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier, FloatArray
    from ser_rt.runtime.engine import Engine

SETTLE_S = 1.0
"""Time at the beginning that does not count."""

LEAD_S = 0.2
"""Time for the threads to be there before the first chunk comes."""


@dataclass
class Simulated:
    """One stream: its engine, the arrival of its chunks, and the latency of its events."""

    engine: Engine
    first_due: float
    place: int
    """Index of the next sample."""
    chunks: int = 0
    latencies_ms: list[float] = field(default_factory=list)


class StreamsRunner:
    """Runs a number of streams for a time; the work is the number of windows with a result."""

    def __init__(
        self, variant: Variant, audio: FloatArray, classifier: EmotionClassifier | None = None
    ) -> None:
        self._variant, self._audio = variant, audio
        self._classifier = classifier or load_model(variant)

    def step(self, *, streams: int, seconds: float, workers: int, max_batch: int) -> Step:
        """Simulate; latency is from the capture of a window's last sample to its event.

        Args:
            streams: How many; their windows end at times spread over the hop.
            seconds: How long; a second before that does not count.
            workers: Threads that streams are shared out to. With a batcher each stream has its
                own, since its call waits there.
            max_batch: Windows in a call of ser-rt's batcher; 0 for none.
        """
        with ExitStack() as stack:
            models: Sequence[EmotionClassifier] = [self._classifier] * streams
            if max_batch:
                batcher = Batcher(self._classifier, max_batch=max_batch, workers=workers)
                stack.enter_context(batcher)
                models = [batcher.open() for _ in range(streams)]
            hop_s, chunk_s = self._variant.hop_s, self._variant.chunk_s
            spread_s = np.random.default_rng(streams).uniform(0, hop_s, streams)
            begins = [self._begin(model, 0.0) for model in models]
            start = time.monotonic() + LEAD_S
            for stream, phase_s in zip(begins, spread_s, strict=True):
                stream.first_due = start + float(phase_s) + chunk_s
            count = round((SETTLE_S + seconds) / chunk_s)
            counts_from = start + SETTLE_S
            groups = streams if max_batch else min(workers, streams)
            took_s = self._run([begins[i::groups] for i in range(groups)], count, counts_from)
        latencies = [ms for stream in begins for ms in stream.latencies_ms]
        lost = sum(stream.engine.skipped_windows for stream in begins)
        extra = {"latencies_ms": [round(ms, 3) for ms in latencies], "lost_windows": lost}
        return Step(took_s, 0.0, work=len(latencies), extra=extra)

    def _begin(self, model: EmotionClassifier, first_due: float) -> Simulated:
        """Make a stream whose window is full a hop from now, so that nothing is classified yet."""
        variant = self._variant
        settings = StreamSettings(
            window_s=variant.window_s,
            hop_s=variant.hop_s,
            min_window_s=variant.window_s,
            partial=False,
            vad=False,
            gate_threshold=0.0,
        )
        engine = make_engine(model, settings)
        before = round((variant.window_s - variant.hop_s) * RATE_HZ)
        if before:
            history = looped(self._audio, 0, before)
            list(engine.feed(AudioChunk(history, 0, captured_at=time.monotonic())))
        return Simulated(engine, first_due, before)

    def _run(self, groups: list[list[Simulated]], count: int, counts_from: float) -> float:
        problems: list[SerError] = []

        def drive(streams: list[Simulated]) -> None:
            try:
                self._drive(streams, count, counts_from)
            except SerError as error:
                problems.append(error)

        threads = [threading.Thread(target=drive, args=(group,)) for group in groups]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]
        return time.perf_counter() - started

    def _drive(self, streams: list[Simulated], count: int, counts_from: float) -> None:
        """Feed each stream its next chunk when it is due, until all have had theirs."""
        due = [(stream.first_due, place) for place, stream in enumerate(streams)]
        heapq.heapify(due)
        length = round(self._variant.chunk_s * RATE_HZ)
        while due:
            at, place = heapq.heappop(due)
            stream = streams[place]
            wait_s = at - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            samples = looped(self._audio, stream.place, length)
            late_s = max(0.0, time.monotonic() - at)
            chunk = AudioChunk(samples, stream.place, at, is_live=True, queue_s=late_s)
            for event in stream.engine.feed(chunk):
                if event.type == "emotion" and at >= counts_from:
                    stream.latencies_ms.append(event.latency_ms["total"])
            stream.place += length
            stream.chunks += 1
            if stream.chunks < count:
                heapq.heappush(due, (at + self._variant.chunk_s, place))
