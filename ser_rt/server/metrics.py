"""`Metrics`: counters of a server, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0 as CONTENT_TYPE

import ser_rt
from ser_rt.runtime.batcher import Batch
from ser_rt.runtime.event import Event
from ser_rt.server.model import ServedModel

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
LATENCY = "From the arrival of a window's last sample to its event"


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self, model: ServedModel) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=SECONDS)
        bundle = model.bundle
        about = {"name": bundle.name, "version": bundle.version, "precision": bundle.precision}
        Info("ser_model", "The model", registry=registry).info(about | {"provider": model.provider})
        Info("ser_build", "The server", registry=registry).info({"version": ser_rt.__version__})
        self.requests = counter("ser_requests", "HTTP requests", ["path", "status"])
        self._most = gauge("ser_streams_max", "Streams and uploads that there is room for")
        self._streams = gauge("ser_streams", "Streams and uploads now")
        self._waiting = gauge("ser_queue_windows", "Windows that wait for the model now")
        self.opened = counter("ser_streams_opened", "Streams that began")
        self._closed = counter("ser_streams_closed", "Streams that ended, by close code", ["code"])
        self.refused = counter("ser_refused", "Requests and streams refused, by error", ["code"])
        self.uploads = counter("ser_uploads", "Files classified")
        self.audio = counter("ser_audio_seconds", "Seconds of audio processed")
        self._windows = counter("ser_windows", "Windows, with and without speech", ["type"])
        self.dropped = counter("ser_windows_dropped", "Live windows left out by load shedding")
        self._warnings = counter("ser_warnings", "Warnings to clients", ["code"])
        self._inference = histogram("ser_inference_seconds", "One call of the model")
        self._queued = histogram("ser_queue_seconds", "Wait of a window for the model")
        self._latency = histogram("ser_latency_seconds", LATENCY)
        self._sizes = histogram("ser_batch_windows", "Windows that shared a call", buckets=SIZES)

    def watch(self, *, streams: Callable[[], int], waiting: Callable[[], int], most: int) -> None:
        """Read two gauges from functions, at each scrape; ``most`` is how many streams fit."""
        self._most.set(most)
        self._streams.set_function(streams)
        self._waiting.set_function(waiting)

    def close(self, code: int) -> None:
        """Count the end of a stream; codes that clients invent count as one."""
        self._closed.labels(str(code) if 1000 <= code < 1016 else "other").inc()

    def observe(self, batch: Batch) -> None:
        """Count a call of the model."""
        self._inference.observe(batch.inference_s)
        self._sizes.observe(batch.size)
        for waited_s in batch.waited_s:
            self._queued.observe(waited_s)

    def count(self, events: Iterable[Event]) -> None:
        """Count events."""
        for event in events:
            if event.type == "warning":
                self._warnings.labels(event.code).inc()
            elif event.type not in {"episode", "turn"}:
                self._windows.labels(event.type).inc()
                self._latency.observe(event.latency_ms["total"] / 1e3)

    def text(self) -> tuple[bytes, str]:
        """Return the exposition text and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE
