"""`SoundCount`: how often a stream takes sounds without words for an emotional voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ser_rt.audio.discovery import find_audio
from ser_rt.errors import AudioError, DataError
from ser_rt.files.names import printable

SURE = 0.5
"""A window is named an emotion where its confidence is above this."""

_CALM = "Neutral"


class Result(Protocol):
    """What is needed of a stream's event."""

    @property
    def type(self) -> str:
        """Kind of the event: ``emotion`` and ``no_speech`` are windows."""
        ...

    @property
    def emotion(self) -> str | None:
        """The likeliest emotion."""
        ...

    @property
    def confidence(self) -> float | None:
        """Its probability."""
        ...


@dataclass(frozen=True)
class SoundCount:
    """Windows of some sounds, as a stream classifies them.

    Attributes:
        files: How many there are.
        windows: Windows in them.
        classified: Those that the speech gate let through.
        named: Those named anything with a confidence above `SURE`.
        alarms: Those of them named an emotion other than Neutral: false alarms.
    """

    files: int = 0
    windows: int = 0
    classified: int = 0
    named: int = 0
    alarms: int = 0

    def __add__(self, other: SoundCount) -> SoundCount:
        """Return both together."""
        return SoundCount(
            self.files + other.files,
            self.windows + other.windows,
            self.classified + other.classified,
            self.named + other.named,
            self.alarms + other.alarms,
        )

    def share(self, count: int) -> float:
        """Return a count as a share of the windows; 0 if there are none."""
        return count / self.windows if self.windows else 0.0


def find_sounds(folder: str | Path) -> dict[str, str]:
    """Return the category of every audio file under a folder: the sub-folder that it lies in.

    Raises:
        DataError: there is no such folder, or no audio in it.
    """
    root = Path(folder)
    if not root.is_dir():
        msg = f"no folder {printable(folder)}: give one that holds sounds without words"
        raise DataError(msg)
    found = {
        path: "/".join(Path(path).relative_to(root).parts[:-1]) or root.name
        for path in find_audio(root).audio
    }
    if not found:
        msg = f"{printable(folder)} has no audio: put sounds without words into it"
        raise DataError(msg)
    return found


def count_alarms(
    sounds: dict[str, str], stream: Callable[[str], Iterable[Result]]
) -> tuple[dict[str, SoundCount], dict[str, str]]:
    """Count the windows of sounds by category, each file a stream of its own.

    Args:
        sounds: categories by path, as of `find_sounds`.
        stream: a file to its events.

    Returns:
        Counts by category, and the reasons of failures by path: those are in no count.

    Raises:
        DataError: no sound can be read.
    """
    counts: dict[str, SoundCount] = {}
    failed: dict[str, str] = {}
    for path, category in sounds.items():
        try:
            count = _count(stream(path))
        except AudioError as error:
            failed[printable(path)] = printable(str(error))
        else:
            name = printable(category)
            counts[name] = counts.get(name, SoundCount()) + count
    if not counts:
        msg = f"none of {len(sounds)} sounds can be read: {next(iter(failed.values()), '')}"
        raise DataError(msg)
    return counts, failed


def _count(events: Iterable[Result]) -> SoundCount:
    windows = [event for event in events if event.type in {"emotion", "no_speech"}]
    sure = [event for event in windows if (event.confidence or 0.0) > SURE]
    return SoundCount(
        files=1,
        windows=len(windows),
        classified=sum(event.type == "emotion" for event in windows),
        named=len(sure),
        alarms=sum(event.emotion != _CALM for event in sure),
    )
