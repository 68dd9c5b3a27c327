"""`TextLines`, events and summaries as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ser_rt.cli.columns import display_width
from ser_rt.runtime.event import UNSURE, EpisodeEvent, Event, TurnEvent, korean_name
from ser_rt.runtime.sinks.palette import tone_of
from ser_rt.runtime.sinks.words import WORDS, warning_text
from ser_rt.runtime.statistics import PERCENTILES, Summary

BAR_WIDTH = 20
_BLOCKS = " ▏▎▍▌▋▊▉█"
_DIM, _BOLD = 2, 1


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """Return a bar of ``width`` columns filled by ``share`` in [0, 1], to an eighth of one."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return (_BLOCKS[-1] * full + (_BLOCKS[rest] if rest else "")).ljust(width)


class TextLines:
    """Formats events in columns that stay in line."""

    def __init__(
        self,
        labels: Iterable[str] = (),
        *,
        lang: str = "en",
        timing: bool = True,
        color: bool,
        top_k: int | None = None,
    ) -> None:
        """Set the names to leave room for, the leading language, and the columns."""
        self._words, self._lang = WORDS[lang], lang
        self._timing, self._color, self._top_k = timing, color, top_k
        names = [names_of(label, lang) for label in labels] or [("", "")]
        self._widths = tuple(max(map(display_width, column)) for column in zip(*names, strict=True))

    def event(self, event: Event) -> str:
        """Return the line of an event."""
        where = f"{clock_time(event.start)} – {clock_time(event.end)}"
        head = self._paint(where, _DIM) + "  "
        if event.source is not None:
            head = f"{event.source}  {head}"
        if event.channel is not None:
            head = f"[{event.channel_name or event.channel}]  {head}"
        if event.type == "warning":
            return f"{head}{warning_text(event, self._lang)}"
        if event.type == "episode":
            return head + self._paint(self._episode(event), color_of(event.emotion))
        if event.type == "turn":
            return head + self._paint(self._turn(event), color_of(event.emotion))
        if event.type == "no_speech":
            return head + self._paint(self._words["no_speech"], _DIM)
        first, second = (
            _pad(name, width)
            for name, width in zip(names_of(event.emotion, self._lang), self._widths, strict=True)
        )
        color = color_of(event.emotion)
        line = f"{head}{self._paint(first, _BOLD, color)} {self._paint(second, color)}  "
        line += f"{self._paint(bar(event.confidence), color)} {event.confidence:>4.0%}"
        if self._timing:
            line += self._paint(f"  {event.latency_ms['total']:7.1f} ms", _DIM)
        for label, share in event.ranked(self._top_k) if self._top_k else ():
            line += self._paint(f"  {names_of(label, self._lang)[0]} {share:.0%}", _DIM)
        if event.partial:
            line += self._paint(f"  {self._words['partial']}", _DIM)
        return line

    def summary(self, summary: Summary, *, stats: bool = False) -> Iterator[str]:
        """Yield the lines of a summary; with ``stats``, one for every part of the latency."""
        words = self._words
        yield ""
        yield from self._heard(summary)
        ended = f" ({words['interrupted']})" if summary.interrupted else ""
        yield words["windows"].format(**summary.to_dict()) + ended
        if summary.compute_saved:
            yield words["saved"].format(saved=summary.compute_saved)
        if summary.dropped_samples:
            yield words["dropped"].format(dropped=summary.dropped_samples)
        if summary.skipped_windows:
            yield words["skipped"].format(skipped=summary.skipped_windows)
        if summary.drift_ppm is not None and stats:
            yield words["drift"].format(drift=summary.drift_ppm)
        if not self._timing or not summary.real_time_factor:
            return
        rtf = summary.real_time_factor
        yield words["speed"].format(rtf=rtf, speed=1 / rtf)
        for part, values in summary.latency_ms.items():
            if part == "total" or stats:
                figures = "  ".join(f"p{p} {values[f'p{p}']:g} ms" for p in PERCENTILES)
                yield f"{words['latency'] if part == 'total' else '  ' + part}  {figures}"

    def _heard(self, summary: Summary) -> Iterator[str]:
        """Yield what was heard: the emotion of all of it, shares, and the strongest moments."""
        words = self._words
        whole = summary.overall
        if whole is not None and whole.emotion is not None:
            yield words["overall"].format(name=self._named(whole.emotion), share=whole.confidence)
        if summary.shares:
            parts = ", ".join(f"{self._named(k)} {x:.0%}" for k, x in summary.shares.items())
            yield words["shares"].format(parts=parts, speech_s=summary.speech_s)
        elif summary.no_speech:
            yield words["nothing"]
        if summary.moments:
            parts = ", ".join(
                f"{self._named(one['emotion'])} {one['confidence']:.0%} {clock_time(one['at'])}"
                for one in summary.moments
            )
            yield words["moments"].format(parts=parts)

    def _named(self, emotion: str) -> str:
        return self._words["unsure"] if emotion == UNSURE else names_of(emotion, self._lang)[0]

    def _episode(self, event: EpisodeEvent) -> str:
        name = " ".join(names_of(event.emotion, self._lang))
        peak = f"{self._words['peak']} {clock_time(event.peak)}"
        return f"└ {name} {event.confidence:.0%}, {event.end - event.start:.1f} s, {peak}"

    def _turn(self, event: TurnEvent) -> str:
        name = " ".join(names_of(event.emotion, self._lang))
        words, mark = self._words, "■" if event.final else "□"
        parts = [
            f"{mark} {words['turn']} {event.id}: {name} {event.confidence:.0%}",
            f"{words['speech']} {event.speech:.1f} s",
            f"{event.loudness:.0f} dBFS",
            f"{words['onset']} {clock_time(event.onset)}",
            f"{words['peak']} {clock_time(event.peak)} ({event.peak_confidence:.0%})",
            *([words["cut"]] if event.cut else []),
            *([words["speaker_change"]] if event.speaker_change else []),
        ]
        return ", ".join(parts)

    def _paint(self, text: str, *codes: int) -> str:
        if not self._color:
            return text
        return f"\033[{';'.join(map(str, codes))}m{text}\033[0m"


def names_of(emotion: str, lang: str) -> tuple[str, str]:
    """Return both names of an emotion, the one in the language first."""
    names = (emotion, korean_name(emotion))
    return names if lang == "en" else (names[1], names[0])


def color_of(emotion: str | None) -> int:
    """Return the terminal's colour of an emotion."""
    return tone_of(emotion).code


def _pad(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def clock_time(seconds: float) -> str:
    """Return seconds as minutes, and as hours where it takes them."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes:02}:{rest:04.1f}"
