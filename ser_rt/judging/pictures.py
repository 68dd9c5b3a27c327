"""Pictures of a verdict: lanes over the waveform, delays, accuracy after a change, confidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser_rt.evaluation.plots import new_figure, png
from ser_rt.judging.eder import FRAME_S
from ser_rt.judging.lanes import NO_LABEL, Lane, shown_lane, truth_lane
from ser_rt.judging.measures import SINCE_STEP_S, StreamMeasures
from ser_rt.judging.verdict import StreamVerdict
from ser_rt.runtime.palette import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LANES = 6


class Picture(NamedTuple):
    """An image in a report, with what it shows in words."""

    caption: str
    png: bytes
    note: str


def pictures(verdict: StreamVerdict) -> list[Picture]:
    """Draw all pictures of a verdict."""
    return [
        Picture(
            "Truth and answer",
            png(_lanes_figure(_examples(verdict.streams), verdict.labels)),
            "Upper lane: the emotion that was spoken. Lower lane: the emotion shown at that "
            "moment. White: silence above; nothing named below. Where the colours differ, the "
            "answer is wrong or not there yet. Triangles: changes of emotion; filled if noticed "
            "before the next one.",
        ),
        Picture(
            "Delay",
            png(_delay_figure(verdict.streams)),
            "How long after a change the new emotion is first named, in seconds of audio. Changes "
            "that are never noticed are the bar at the right.",
        ),
        Picture(
            "Accuracy after a change",
            png(_since_figure(verdict)),
            "Share of the time in which the right emotion is shown, by seconds since the change. "
            "The rise is the delay; the height that it reaches is how well the network knows "
            "these voices.",
        ),
        Picture(
            "Confidence by the seconds of speech",
            png(_heard_figure(verdict)),
            "Where the two lines meet, the confidence is what it says. Seconds of speech within "
            "the window of the answer.",
        ),
        Picture(
            "Risk against coverage",
            png(_coverage_figure(verdict)),
            "Share of wrong answers if only the surest are named. The point is what the "
            "settings of this run name.",
        ),
    ]


def _examples(streams: Sequence[StreamMeasures]) -> list[StreamMeasures]:
    """Return streams of different kinds and datasets."""
    found: list[StreamMeasures] = []
    for measures in streams:
        kinds = [m.stream.kind for m in found]
        datasets = [m.stream.dataset for m in found]
        stream = measures.stream
        if len(found) < MOST_LANES and (stream.kind not in kinds or stream.dataset not in datasets):
            found.append(measures)
    return found


def _lanes_figure(streams: Sequence[StreamMeasures], labels: Sequence[str]) -> Figure:
    figure = new_figure(10, 0.5 + 1.7 * len(streams))
    colours = _colours(labels)
    rows = np.atleast_1d(figure.subplots(len(streams), 1))
    for axes, measures in zip(rows, streams, strict=True):
        stream = measures.stream
        _draw_wave(axes, measures)
        for lane, bottom in (
            (truth_lane(stream, labels), 0.5),
            (shown_lane(stream, measures.answers, labels), 0.0),
        ):
            for start, end, label in _runs(lane):
                if label != NO_LABEL:
                    axes.broken_barh(
                        [(start * FRAME_S, (end - start) * FRAME_S)],
                        (bottom, 0.42),
                        color=colours[labels[label]],
                    )
        for detection in measures.detections[1:]:
            seen = detection.delay_s is not None
            axes.plot(
                detection.change.at_s,
                1.0,
                marker="v",
                color="black",
                fillstyle="full" if seen else "none",
                clip_on=False,
            )
        axes.set_xlim(0, stream.length_s)
        axes.set_ylim(0, 1.6)
        axes.set_yticks([0.2, 0.7, 1.3], ["shown", "spoken", "sound"])
        axes.set_title(f"{stream.name}: {stream.kind}", loc="left", fontsize=9)
    rows[-1].set_xlabel("seconds")
    used = {label for m in streams for label in truth_lane(m.stream, labels).tolist()}
    used |= {x for m in streams for x in shown_lane(m.stream, m.answers, labels).tolist()}
    for label in sorted(used - {NO_LABEL}):
        rows[0].bar(0, 0, color=colours[labels[label]], label=labels[label])
    figure.legend(loc="outside upper right", ncols=len(labels), fontsize=8)
    return figure


def _draw_wave(axes: Axes, measures: StreamMeasures) -> None:
    samples = np.abs(measures.stream.samples)
    width = max(1, len(samples) // 800)
    peaks = samples[: len(samples) // width * width].reshape(-1, width).max(axis=1)
    peaks = 0.28 * peaks / max(float(peaks.max()), 1e-9)
    seconds = np.arange(len(peaks)) * width / measures.stream.sample_rate
    axes.fill_between(seconds, 1.3 - peaks, 1.3 + peaks, color="#80868b", linewidth=0)


def _runs(lane: Lane) -> list[tuple[int, int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(lane)) + 1).tolist(), len(lane)]
    return [(a, b, int(lane[a])) for a, b in pairwise(edges) if b > a]


def _colours(labels: Sequence[str]) -> dict[str, str]:
    return {label: ink.light for label, ink in palette(labels).items()}


def _delay_figure(streams: Sequence[StreamMeasures]) -> Figure:
    figure = new_figure(7, 3.5)
    axes = figure.subplots()
    found = [d for m in streams for d in m.detections[1:]]
    delays = [d.delay_s for d in found if d.delay_s is not None]
    axes.hist(np.clip(delays, 0, 8), bins=np.arange(0, 8.5, 0.5).tolist(), color="#1a73e8")
    for share, style in ((0.5, "-"), (0.9, "--")):
        if delays:
            at_s = float(np.quantile(delays, share))
            name = "median" if share == 0.5 else "90 % within"
            axes.axvline(at_s, color="black", linestyle=style, label=f"{name} {at_s:.2f} s")
    missed = len(found) - len(delays)
    axes.bar(9, missed, width=0.5, color="#d93025", label=f"missed: {missed} of {len(found)}")
    axes.set_xticks([*range(9), 9], [*map(str, range(8)), "8+", "missed"])
    axes.set(xlabel="delay in seconds of audio", ylabel="changes")
    axes.legend()
    return figure


def _since_figure(verdict: StreamVerdict) -> Figure:
    figure = new_figure(7, 3.5)
    axes = figure.subplots()
    rows = verdict.since_change
    middle = [row["from_s"] + SINCE_STEP_S / 2 for row in rows]
    axes.plot(middle, [row["accuracy"] for row in rows], marker="o")
    axes.set(xlabel="seconds since the change", ylabel="shown rightly", ylim=(0, 1))
    axes.set_xlim(left=0)
    return figure


def _heard_figure(verdict: StreamVerdict) -> Figure:
    figure = new_figure(7, 3.5)
    axes = figure.subplots()
    names = [
        f"{b.from_s:g} to {b.to_s:g}" if b.to_s < 100 else f"{b.from_s:g}+"
        for b in verdict.by_speech
    ]
    places = range(len(names))
    axes.plot(places, [b.confidence for b in verdict.by_speech], marker="o", label="confidence")
    axes.plot(places, [b.accuracy for b in verdict.by_speech], marker="s", label="accuracy")
    axes.set_xticks(places, names)
    axes.set(xlabel="seconds of speech in the window", ylim=(0, 1))
    axes.legend()
    return figure


def _coverage_figure(verdict: StreamVerdict) -> Figure:
    figure = new_figure(7, 3.5)
    axes = figure.subplots()
    axes.plot([c.coverage for c in verdict.coverage], [c.risk for c in verdict.coverage])
    if verdict.named is not None:
        axes.plot(verdict.named.coverage, verdict.named.risk, "o", color="#d93025")
    axes.set(
        xlabel="share of answers named", ylabel="share of them wrong", xlim=(0, 1), ylim=(0, 1)
    )
    return figure
