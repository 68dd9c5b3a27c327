"""Trend: the shares of emotions over time as one flowing shape, as high as much is spoken."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ser_rt.report.course import Array
from ser_rt.report.recording import Channel, RecordingReport

_STEPS = (12, 60)
"""Fewest and most points."""
_STEP_S = 4.0
_KERNEL = np.array([1, 4, 6, 4, 1]) / 16
"""Smoothing: a binomial filter."""


def flow(channel: Channel, duration_s: float) -> Array:
    """Return the smoothed share of the time for which each emotion is named, ``[n, emotions]``."""
    count = int(np.clip(duration_s / _STEP_S, *_STEPS))
    edges = np.linspace(0.0, max(duration_s, 1e-3), count + 1)
    shares = channel.course.named_between(edges) / np.diff(edges)[:, None]
    padded = np.pad(shares, ((2, 2), (0, 0)), mode="edge")
    smooth = [np.convolve(column, _KERNEL, "valid") for column in padded.T]
    flowing: Array = np.clip(np.stack(smooth, axis=1), 0, 1)
    return flowing


def most_spoken(recording: RecordingReport) -> float:
    """Return the largest share of the time that is spoken at any point of any channel."""
    flows = [flow(channel, recording.duration_s) for channel in recording.channels]
    return max((float(shares.sum(axis=1).max()) for shares in flows), default=0.0) or 1.0


def trend(recording: RecordingReport, number: int, shown: list[str], full: float) -> str:
    """Return the SVG of a channel, whose height is that of a share ``full``.

    Emotions that are not ``shown`` are one grey layer.
    """
    shares = flow(recording.channels[number], recording.duration_s) / full
    kinds = map(recording.labels.index, shown)
    layers = [(f"e{kind}", shares[:, kind]) for kind in kinds]
    rest = shares.sum(axis=1) - sum((layer for _, layer in layers), np.zeros(len(shares)))
    if rest.max() > 1e-6:
        layers.append(("others", np.maximum(rest, 0)))
    floor = -shares.sum(axis=1) / 2
    paths = ""
    for kind, layer in layers:
        if layer.max() > 1e-6:
            paths += f'<path class="{kind}" d="{_area(floor, floor + layer)}"/>'
        floor = floor + layer
    return (
        '<svg class="flow" viewBox="0 0 1000 100" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg>'
    )


def _area(low: Array, high: Array) -> str:
    """Return the path around what is between two lines, with soft corners."""
    xs = np.linspace(0, 1000, len(low))
    there = list(zip(xs.tolist(), (50 - 98 * high).tolist(), strict=True))
    back = list(zip(xs[::-1].tolist(), (50 - 98 * low[::-1]).tolist(), strict=True))
    return f"M{_point(there[0])}{_curve(there)}L{_point(back[0])}{_curve(back)}z"


def _curve(points: list[tuple[float, float]]) -> str:
    parts = []
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        parts.append(f"C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {_point((x1, y1))}")
    return "".join(parts)


def _point(point: tuple[float, float]) -> str:
    return f"{point[0]:.0f} {point[1]:.1f}"
