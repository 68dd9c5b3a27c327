"""`ReplicaMetrics`: counters of a stream replica for Ray's exporter, which sums them up."""

from __future__ import annotations

from collections.abc import Iterable

from ray.serve.metrics import Counter, Histogram

from ser_rt.runtime.event import Event
from ser_rt.server.metrics import LATENCY, SECONDS, Metrics
from ser_rt.server.model import ServedModel


class ReplicaMetrics(Metrics):
    """The server's metrics, and for Ray those that show whether a cluster keeps up."""

    def __init__(self, model: ServedModel) -> None:
        """Start at zero; within a replica, whose name Ray adds."""
        super().__init__(model)
        self._results = Counter(
            "ser_windows", "Windows, with and without speech", tag_keys=("type",)
        )
        self._warned = Counter("ser_warnings", "Warnings to clients", tag_keys=("code",))
        self._delay = Histogram("ser_latency_seconds", LATENCY, boundaries=list(SECONDS))

    def count(self, events: Iterable[Event]) -> None:
        """Count events."""
        noted = list(events)
        super().count(noted)
        for event in noted:
            if event.type == "warning":
                self._warned.inc(tags={"code": str(event.code)})
            elif event.type not in {"episode", "turn"}:
                self._results.inc(tags={"type": event.type})
                self._delay.observe(event.latency_ms["total"] / 1e3)
