"""How late events are: `latency_ms`, its parts, and `wall_time`, when a sample was captured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta


def wall_time(age_s: float) -> str:
    """Return the time so many seconds ago, as ISO 8601 with milliseconds and the zone."""
    return (
        (datetime.now(UTC) - timedelta(seconds=age_s))
        .astimezone()
        .isoformat(timespec="milliseconds")
    )


def latency_ms(total_s: float, spent_s: Mapping[str, float]) -> dict[str, float]:
    """Return a latency and its parts in ms; ``other`` is the rest.

    The parts add up to the total: it is their sum. ``other`` includes waiting for windows of the
    same chunk that came first.
    """
    parts = {name: round(1e3 * spent, 3) for name, spent in spent_s.items() if spent > 0}
    parts["other"] = max(0.0, round(1e3 * total_s - sum(parts.values()), 3))
    return {"total": round(sum(parts.values()), 3), **parts}
