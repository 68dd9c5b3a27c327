"""The picture of a recording as PNG: what the page shows first, for slides."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_rt.errors import ConfigError, requires
from ser_rt.evaluation.plots import new_figure, png
from ser_rt.report.marks import MARKS
from ser_rt.report.recording import RecordingReport, shown_emotions
from ser_rt.report.strips import TimeSpan, bars, loudest, spans, ticks
from ser_rt.report.words import Words, clock, percent
from ser_rt.runtime.palette import Ink, on, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN, _DPI = 40 / 3, 150
"""A slide of 16 to 9, 2,000 pixels wide."""
_MARGIN_IN, _TOP_IN, _FOOT_IN = 0.6, 3.1, 0.9
_NAME_IN, _PINS_IN, _RIBBON_IN, _TIMES_IN = 1.2, 0.3, 0.36, 0.45
_MARKED = 0.012
"""Turns that take more of a strip than this have a mark."""
_PAPER, _TEXT, _FAINT, _LINE = "#fafaf8", "#16181b", "#5d636b", "#c9cdcf"
_FONTS = ("Inter", "Pretendard", "Noto Sans", "Segoe UI", "Helvetica Neue", "DejaVu Sans")
_KOREAN_FONTS = (
    *("Noto Sans KR", "Noto Sans CJK KR", "Noto Sans CJK JP", "NanumGothic", "Nanum Gothic"),
    *("Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic", "Pretendard", "UnDotum"),
)


def figure_png(recording: RecordingReport, lang: str) -> bytes:
    """Return the picture of a recording, on light paper.

    Raises:
        MissingDependencyError: There is no matplotlib.
        ConfigError: It is to be in Korean, and this machine has no font for that.
    """
    figure = new_figure(_WIDTH_IN, 7.5, layout=None)
    from matplotlib import rc_context

    style: Any = {
        "font.family": fonts(lang),
        "text.color": _TEXT,
        "axes.edgecolor": _LINE,
        "text.parse_math": False,
        "savefig.facecolor": _PAPER,
    }
    with rc_context(style), warnings.catch_warnings():
        # A name may have signs that no font here has.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        _draw(figure, recording, Words(lang))
        return png(figure, dpi=_DPI)


class _Sheet:
    """A figure on which axes are placed in inches from the top left; y grows downwards."""

    def __init__(self, figure: Figure, height_in: float) -> None:
        figure.set_size_inches(_WIDTH_IN, height_in)
        figure.set_facecolor(_PAPER)
        self._figure, self._height_in = figure, height_in

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes whose units are inches too, with y upwards from their lower edge."""
        bottom = self._height_in - top - height
        x, y = _WIDTH_IN, self._height_in
        axes = self._figure.add_axes((left / x, bottom / y, width / x, height / y))
        axes.set(xlim=(0, width), ylim=(0, height), facecolor="none", yticks=[], xticks=[])
        axes.spines[:].set_visible(False)
        return axes


def _draw(figure: Figure, recording: RecordingReport, words: Words) -> None:
    strips = spans(recording.duration_s)
    count = len(recording.channels)
    wave_in = 2.4 if len(strips) * count == 1 else max(0.6, 2.6 / (len(strips) * count))
    voice_in = _PINS_IN + wave_in + _RIBBON_IN
    line_in = count * voice_in + _TIMES_IN
    sheet = _Sheet(figure, max(7.5, _TOP_IN + len(strips) * line_in + _FOOT_IN))
    inks, full = palette(recording.labels), loudest(recording, strips)
    wide_in = _WIDTH_IN - 2 * _MARGIN_IN
    _headline(sheet.axes(_MARGIN_IN, 0.5, 0.58 * wide_in, 2.3), recording, words, inks)
    _shares(sheet.axes(_MARGIN_IN + 0.6 * wide_in, 0.5, 0.4 * wide_in, 2.3), recording, words, inks)
    named_in = _NAME_IN if recording.channels[0].name else 0.0
    for n, span in enumerate(strips):
        for number, channel in enumerate(recording.channels):
            top_in = _TOP_IN + n * line_in + number * voice_in
            axes = sheet.axes(_MARGIN_IN + named_in, top_in, wide_in - named_in, voice_in)
            _strip(axes, recording, number, span, full, inks, wave_in)
            if channel.name:
                middle_in = _RIBBON_IN + wave_in / 2
                label = sheet.axes(_MARGIN_IN, top_in, named_in, voice_in)
                label.text(0, middle_in, words.channel(channel.name), va="center", fontsize=12)
            if number == count - 1:
                at = ticks(span)
                axes.set_xticks(at, [clock(t) for t in at], fontsize=9, color=_FAINT)
                axes.tick_params(axis="x", length=3, color=_LINE)
    foot = sheet.axes(_MARGIN_IN, figure.get_figheight() - 0.75, wide_in, 0.5)
    told = "\n".join([words("note"), f"{words('model')}: {recording.model}"])
    foot.text(0, 0, told, fontsize=8.5, color=_FAINT, va="bottom", linespacing=1.5)


def _headline(axes: Axes, recording: RecordingReport, words: Words, inks: dict[str, Ink]) -> None:
    main, strongest = recording.main(), recording.strongest()
    name = recording.name if len(recording.name) <= 60 else f"{recording.name[:57]}…"
    axes.text(0, 2.3, name, fontsize=12, color=_FAINT, va="top")
    if main is None:
        axes.text(0, 1.25, words("no_speech_title"), fontsize=44)
        return
    _pair(axes, 1.25, 44, f"{words('mostly')} ", words.emotion(main[0]), inks[main[0]])
    if strongest is not None:
        told = f"{words.emotion(strongest.emotion)} {clock(strongest.peak_s)}"
        _pair(axes, 0.66, 18, f"{words('strongest')}: ", told, inks[strongest.emotion])
    facts = f"{words.length(recording.duration_s)} · {words('speech')} {percent(recording.speech)}"
    axes.text(0, 0.2, facts, fontsize=12, color=_FAINT)


def _pair(axes: Axes, y: float, size: float, first: str, second: str, ink: Ink) -> None:
    """Write two texts one after the other, the second one in the colour of an emotion."""
    told = axes.text(0, y, first, fontsize=size)
    axes.annotate(second, (1, 0), xycoords=told, va="bottom", fontsize=size, color=ink.word)


def _shares(axes: Axes, recording: RecordingReport, words: Words, inks: dict[str, Ink]) -> None:
    shown, folded = shown_emotions(recording.shares())
    if folded:
        shown = [*shown, ("", sum(share for _, share in folded))]
    most = max((share for _, share in shown), default=1.0)
    width = axes.get_xlim()[1]
    for place, (label, share) in enumerate(shown):
        y = 0.3 + 0.36 * (len(shown) - 1 - place)
        if label:
            _mark(axes, inks[label], 0.1, y, 70)
        name = words.emotion(label) if label else words("others", count=len(folded))
        axes.text(0.32, y, name, va="center", fontsize=12)
        length = (width - 2.3) * share / most
        axes.barh(y, length, 0.13, 1.5, color=inks[label].light if label else _LINE)
        axes.text(width, y, percent(share), va="center", ha="right", fontsize=12, color=_FAINT)


def _strip(
    axes: Axes,
    recording: RecordingReport,
    number: int,
    span: TimeSpan,
    full: float,
    inks: dict[str, Ink],
    wave_in: float,
) -> None:
    heights, emotions = bars(recording.channels[number].course, span, full)
    edges = np.linspace(span.start_s, span.end_s, len(heights) + 1)
    colours = [_LINE if e < 0 else inks[recording.labels[e]].light for e in emotions.tolist()]
    middle = _RIBBON_IN + wave_in / 2
    reach = np.where(np.isnan(heights), 0, 0.48 * wave_in * np.maximum(heights, 0.01))
    axes.vlines(
        (edges[:-1] + edges[1:]) / 2, middle - reach, middle + reach, colors=colours, linewidth=1.25
    )
    boxes: dict[str, list[tuple[float, float]]] = {}
    low, high = 0.06, _RIBBON_IN - 0.1
    for turn in recording.turns:
        start_s, end_s = max(turn.start_s, span.start_s), min(turn.end_s, span.end_s)
        if turn.channel != number or end_s <= start_s:
            continue
        boxes.setdefault(turn.emotion, []).append((start_s, end_s - start_s))
        if end_s - start_s > _MARKED * (span.end_s - span.start_s):
            ink = inks[turn.emotion]
            _mark(axes, ink, (start_s + end_s) / 2, (low + high) / 2, 26, on(ink.light))
    for emotion, found in boxes.items():
        axes.broken_barh(found, (low, high - low), color=inks[emotion].light, lw=0.6, ec=_PAPER)
    for n, turn in enumerate(recording.moments(), 1):
        if turn.channel == number and span.start_s < turn.peak_s <= span.end_s:
            ink, y = inks[turn.emotion], _RIBBON_IN + wave_in + 0.14
            axes.plot(turn.peak_s, y, "o", color=ink.light, markersize=14, clip_on=False)
            axes.text(
                *(turn.peak_s, y - 0.005, str(n)),
                ha="center",
                va="center_baseline",
                fontsize=9,
                color=on(ink.light),
            )
    axes.set_xlim(*span)


def _mark(axes: Axes, ink: Ink, x: float, y: float, size: float, colour: str | None = None) -> None:
    marker: Any = MARKS[ink.mark]  # an outline, which its types leave out
    axes.scatter([x], [y], s=size, marker=marker, color=colour or ink.light, lw=0, zorder=3)


def fonts(lang: str) -> list[str]:
    """Return the fonts to use, the first ones preferred.

    Raises:
        MissingDependencyError: There is no matplotlib.
        ConfigError: There is no font for the language.
    """
    with requires("matplotlib", "report"):
        from matplotlib.font_manager import findSystemFonts, fontManager

    there = {font.name for font in fontManager.ttflist}
    if lang == "ko" and not there & {*_KOREAN_FONTS}:
        wanted = {name.replace(" ", "").lower() for name in _KOREAN_FONTS}
        for path in findSystemFonts():  # those that were installed after matplotlib looked
            if Path(path).stem.lower().removesuffix("-regular") in wanted:
                fontManager.addfont(path)
        there = {font.name for font in fontManager.ttflist}
    korean = [name for name in _KOREAN_FONTS if name in there]
    if lang == "ko" and not korean:
        msg = (
            f"a picture in Korean needs one of the fonts {', '.join(_KOREAN_FONTS[:4])}: "
            "install one, or write a page (.html)"
        )
        raise ConfigError(msg)
    return [*(name for name in _FONTS if name in there), *korean]
