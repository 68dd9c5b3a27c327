"""`Recordings`: what agents may ask of the recordings below one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.errors import AudioInputError, NoAudioError
from ser_rt.files.names import printable
from ser_rt.report.gather import gather, is_url
from ser_rt.report.recording import RecordingReport, Turn
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.summary.classify import classify

if TYPE_CHECKING:
    from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier

MOST_TURNS = 100
"""Turns of a summary: what an agent reads has to fit its context."""


@dataclass(frozen=True)
class RecordingEmotion:
    """The emotion of a recording; None where no speech was found."""

    emotion: str | None
    confidence: float | None
    probabilities: dict[str, float]
    duration_s: float
    speech_s: float
    warnings: list[str]
    notice: str | None


@dataclass(frozen=True)
class CallTurn:
    """What one speaker said until they stopped."""

    speaker: str
    start_s: float
    end_s: float
    emotion: str
    confidence: float


@dataclass(frozen=True)
class CallSpeaker:
    """One channel of a call; `change` is an emotion that grew or shrank from beginning to end."""

    speaker: str
    emotion: str | None
    shares: dict[str, float]
    change: str | None


@dataclass(frozen=True)
class CallSummary:
    """A call: its speakers, its clearest moments, and its turns in order."""

    duration_s: float
    speech_s: float
    speakers: list[CallSpeaker]
    moments: list[CallTurn]
    turns: list[CallTurn]
    turns_left_out: int
    warnings: list[str]
    notice: str | None


class Recordings:
    """Recordings below a folder, and the model that classifies them."""

    def __init__(self, root: Path, model: OnnxClassifier) -> None:
        """Read nothing but what is below the folder ``root``."""
        self.root, self._model = root.resolve(), model

    def path(self, name: str) -> Path:
        """Return the file of a name, relative to the root or absolute.

        Raises:
            AudioInputError: There is none, it is no file, or it is not below the root.
        """
        shown = printable(name)[:200]
        if is_url(name):
            msg = f"{shown} is a URL, and only files below {self.root} are read: fetch it first"
            raise AudioInputError(msg)
        try:
            path = (self.root / name).resolve()
            is_inside, is_file = path.is_relative_to(self.root), path.is_file()
            is_folder = path.is_dir()
        except (OSError, ValueError) as error:  # a name that no file can have
            msg = f"{shown!r} is no name of a file"
            raise AudioInputError(msg) from error
        if not is_inside:  # whether it exists is nobody's business
            msg = f"{shown} is not below {self.root}, and nothing else is read (--root)"
            raise AudioInputError(msg)
        if not is_file:
            what = "is a folder: name a file in it" if is_folder else "does not exist"
            msg = f"{shown} {what} ({self.root})"
            raise AudioInputError(msg)
        return path

    def classify(self, name: str) -> RecordingEmotion:
        """Return the emotion of a recording.

        Raises:
            AudioError: It cannot be read, or holds no audio.
        """
        found = classify(self.path(name), model=self._model)
        if not found.duration_s:
            msg = f"{printable(name)} holds no audio"
            raise NoAudioError(msg)
        return RecordingEmotion(
            found.emotion,
            None if found.confidence is None else round(found.confidence, 4),
            {label: round(share, 4) for label, share in found.probabilities.items()},
            round(found.duration_s, 2),
            round(found.speech_s, 2),
            list(found.warnings),
            self._model.bundle.notice,
        )

    def summarise(self, name: str, speakers: list[str] | None = None) -> CallSummary:
        """Return the summary of a call; ``speakers`` names its channels, each of which is one.

        Raises:
            AudioError: It cannot be read, or holds no audio.
            ConfigError: There are not as many channels as names.
        """
        path = self.path(name)
        if speakers is None:
            settings = StreamSettings.of("all", turns=True)
        else:
            settings = StreamSettings.of("split", turns=True, channel_names=tuple(speakers))
        try:
            report = gather(path, self._model, settings)
        except AudioInputError as error:
            if speakers is None:
                raise
            msg = f"speakers has {len(speakers)} names, one for each channel of the call: {error}"
            raise AudioInputError(msg) from error
        in_order = sorted(report.turns, key=lambda turn: turn.start_s)
        shown = [turn_of(report, turn) for turn in in_order[:MOST_TURNS]]
        return CallSummary(
            round(report.duration_s, 2),
            round(report.speech_s, 2),
            [_speaker(report, number) for number in range(len(report.channels))],
            [turn_of(report, turn) for turn in report.moments()],
            shown,
            len(report.turns) - len(shown) + report.more_turns,
            [*report.warnings, *([] if report.error is None else [report.error])],
            report.notice,
        )


def turn_of(report: RecordingReport, turn: Turn) -> CallTurn:
    """Return a turn as agents see it."""
    return CallTurn(
        _name_of(report, turn.channel),
        round(turn.start_s, 2),
        round(turn.end_s, 2),
        turn.emotion,
        round(turn.confidence, 4),
    )


def _speaker(report: RecordingReport, number: int) -> CallSpeaker:
    main, trend = report.main(number), report.change(number)
    change = None
    if trend is not None:
        change = f"{trend.emotion} from {trend.before:.0%} to {trend.after:.0%} of the time"
    shares = {label: round(share, 4) for label, share in report.shares(number)}
    return CallSpeaker(_name_of(report, number), main[0] if main else None, shares, change)


def _name_of(report: RecordingReport, number: int) -> str:
    return report.channels[number].name or str(number + 1)
