"""`TranscriptJoin`: which transcript belongs to which turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from livekit.agents import stt
from livekit.plugins.ser_rt.context import SpeakerEmotion

KEY = "ser_rt"
"""Where results are in ``SpeechData.metadata``."""

_AROUND_S = 0.5
"""By so much the times of a transcript may be off."""
_RECENT_S = 5.0
"""A transcript without times is of a turn that ended at most so long ago."""


@dataclass
class Transcript:
    """One final transcript.

    Attributes:
        speech: Its alternatives, whose metadata the result is written into.
        position_s: Seconds of audio that had come when it did.
        turn: Participant and number of its turn, once they are known.
    """

    speech: list[stt.SpeechData]
    position_s: float
    turn: tuple[str | None, int] | None = None

    def is_of(self, turn: SpeakerEmotion) -> bool:
        """Return whether it can be of a turn, by its times or by when it came."""
        best = self.speech[0]
        if best.end_time > 0:
            end, start = best.end_time + _AROUND_S, best.start_time - _AROUND_S
            return turn.start < end and turn.end > start
        return turn.start <= self.position_s <= turn.end + _RECENT_S

    def write(self, emotion: SpeakerEmotion) -> None:
        """Put a result into the metadata."""
        self.turn = (emotion.participant, emotion.turn)
        for data in self.speech:
            data.metadata = {**(data.metadata or {}), KEY: emotion.metadata()}


@dataclass
class TranscriptJoin:
    """Turns and transcripts of one stream, either of which may be late."""

    _turns: deque[SpeakerEmotion] = field(default_factory=lambda: deque(maxlen=16))
    _waiting: deque[Transcript] = field(default_factory=lambda: deque(maxlen=32))

    def heard(self, transcript: Transcript, so_far: SpeakerEmotion | None) -> SpeakerEmotion | None:
        """Write into a transcript what is known; a turn that has not ended completes it later."""
        turns = [*self._turns, *([so_far] if so_far else [])]
        found = next((turn for turn in reversed(turns) if transcript.is_of(turn)), None)
        if found is not None:
            transcript.write(found)
        if found is None or not found.final:
            self._waiting.append(transcript)
        return found

    def ended(self, turn: SpeakerEmotion) -> list[Transcript]:
        """Write a turn into the transcripts that waited for it, and return these."""
        self._turns.append(turn)
        key = (turn.participant, turn.turn)
        late = [
            one
            for one in self._waiting
            if (one.is_of(turn) if one.turn is None else one.turn == key)
        ]
        for transcript in late:
            transcript.write(turn)
            self._waiting.remove(transcript)
        return late
