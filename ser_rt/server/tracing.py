"""`Tracing`: spans of OpenTelemetry for streams and uploads, where ``--traces`` asks for them.

A session is a span; each of its results is one below it, with a child for each part of its latency:
``decode``, ``queue``, ``gate`` (speech detection), ``inference``. Durations are measured; within a
result they are laid end to end, up to the moment when it went out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import ser_rt
from ser_rt.errors import ConfigError, requires
from ser_rt.runtime.event import Event

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")

MOST_RESULTS = 1_000
"""Results of a session that have spans; the totals of the session's span are of all."""

PARTS = {"queue": "queue", "resample": "resample", "vad": "gate", "inference": "inference"}
"""Names of spans by the part of `latency_ms`, in the order in which they happen."""


class Trace:
    """What one session reports of itself; this one drops it."""

    def timed(self, pieces: Iterable[T]) -> Iterable[T]:
        """Return the pieces that a decoder yields, timing each."""
        return pieces

    def result(self, event: Event) -> None:
        """Take an event that goes out now."""

    def note(self, **attributes: str | float) -> None:
        """Take attributes of the session."""

    def fail(self, code: str) -> None:
        """Take the code of the error with which the session ends."""


UNTRACED = Trace()


class SessionTrace(Trace):
    """A trace that becomes spans below that of its session."""

    def __init__(
        self, tracer: Tracer, span: Span, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Report to a tracer, below a span."""
        self._tracer, self._span, self._clock = tracer, span, clock
        self._decode_s = 0.0
        self._results = 0
        self._totals_ms: dict[str, float] = {}

    def timed(self, pieces: Iterable[T]) -> Iterable[T]:
        """Yield the pieces; the time of the last one is that of the next result."""
        iterator = iter(pieces)
        while True:
            started = self._clock()
            try:
                piece = next(iterator)
            except StopIteration:
                return
            self._decode_s = self._clock() - started
            yield piece

    def result(self, event: Event) -> None:
        """Add the spans of a result."""
        if event.type == "warning":
            self._span.add_event(event.code, {"message": event.message})
        if not event.latency_ms:
            return
        parts = {name: event.latency_ms.get(part, 0.0) for part, name in PARTS.items()}
        decode_ms = min(1e3 * self._decode_s, parts["queue"])  # it waits while it is decoded
        parts = {"decode": decode_ms} | parts | {"queue": parts["queue"] - decode_ms}
        self._decode_s = 0.0
        self._results += 1
        for name, spent_ms in parts.items():
            self._totals_ms[name] = self._totals_ms.get(name, 0.0) + spent_ms
        if self._results <= MOST_RESULTS:
            self._add_spans(event, parts)

    def _add_spans(self, event: Event, parts: Mapping[str, float]) -> None:
        from opentelemetry.trace import set_span_in_context

        ended_ns = time.time_ns()
        at_ns = ended_ns - round(1e6 * sum(parts.values()))
        attributes: dict[str, str | float] = {"ser.start_s": event.start, "ser.end_s": event.end}
        span = self._tracer.start_span(
            event.type, set_span_in_context(self._span), attributes=attributes, start_time=at_ns
        )
        below = set_span_in_context(span)
        for name, spent_ms in parts.items():
            if spent_ms > 0:
                child = self._tracer.start_span(name, below, start_time=at_ns)
                at_ns += round(1e6 * spent_ms)
                child.end(at_ns)
        span.end(ended_ns)

    def note(self, **attributes: str | float) -> None:
        """Set attributes of the session's span."""
        for name, value in attributes.items():
            self._span.set_attribute(f"ser.{name}", value)

    def fail(self, code: str) -> None:
        """Give the session's span an error."""
        from opentelemetry.trace import StatusCode

        self.note(error=code)
        self._span.set_status(StatusCode.ERROR, code)

    def finish(self) -> None:
        """Note the totals of all results."""
        totals = {f"{name}_ms": round(spent, 3) for name, spent in self._totals_ms.items()}
        self.note(results=self._results, **totals)


class Tracing:
    """Makes the traces of a server's sessions."""

    def __init__(self, provider: TracerProvider) -> None:
        """Report to a provider of the SDK."""
        self._provider = provider
        self._tracer = provider.get_tracer("ser_rt", ser_rt.__version__)

    @contextmanager
    def session(self, name: str, headers: Mapping[str, str]) -> Iterator[Trace]:
        """Follow a session, below the span that its client names in ``traceparent``."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        with self._tracer.start_as_current_span(name, parent, kind=SpanKind.SERVER) as span:
            if not span.is_recording():  # not sampled
                yield UNTRACED
                return
            trace = SessionTrace(self._tracer, span)
            try:
                yield trace
            finally:
                trace.finish()

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()


def make_tracing() -> Tracing:
    """Return the tracing that the variables ``OTEL_...`` describe, over OTLP and HTTP.

    Raises:
        MissingDependencyError: The extra ``otel`` is not installed.
        ConfigError: A variable is unfit.
    """
    with requires("--traces", "otel"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    about: dict[str, Any] = {SERVICE_VERSION: ser_rt.__version__}
    if "OTEL_SERVICE_NAME" not in os.environ:
        about[SERVICE_NAME] = "ser-serve"
    try:
        provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        msg = f"--traces: a variable OTEL_... is unfit: {error}"
        raise ConfigError(msg) from error
    return Tracing(provider)
