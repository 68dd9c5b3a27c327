"""`EmotionFrame` and `EmotionTurnFrame`, the results of ser-rt as frames of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipecat.frames.frames import DataFrame

from ser_rt import Event, TurnEvent


@dataclass
class EmotionFrame(DataFrame):
    """How the voice sounds now: a result of the last seconds, twice a second.

    Attributes:
        event: The result; its ``emotion`` is None where nobody speaks.
        user_id: Who speaks, as of the audio frames; "" where they do not say.
    """

    event: Event
    user_id: str = ""

    def __str__(self) -> str:
        """Name the frame, and what it says."""
        return f"{self.name}(user: {self.user_id}, {self.event.end:.2f} s: {self.event.emotion})"


@dataclass
class EmotionTurnFrame(DataFrame):
    """How the voice sounded in a whole turn, once it has ended. An interruption does not drop it.

    Attributes:
        event: The turn; its ``id`` counts the turns of this user from 1.
        user_id: Who spoke, as of the audio frames; "" where they do not say.
    """

    interruptible: bool = field(default=False, init=False)

    event: TurnEvent
    user_id: str = ""

    def __str__(self) -> str:
        """Name the frame, and what it says."""
        return f"{self.name}(user: {self.user_id}, turn {self.event.id}: {self.event.emotion})"
