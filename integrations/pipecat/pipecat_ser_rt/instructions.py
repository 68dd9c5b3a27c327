"""`EmotionInstructions`: tells the language model how the caller sounds."""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipecat_ser_rt.frames import EmotionTurnFrame
from ser_rt.agents import instructions


class EmotionInstructions(FrameProcessor):
    """Keeps one message on the latest turn at the end of the context; put it before the model.

    Where no emotion was named there is none, so that the model never goes by an older turn.
    """

    def __init__(self, *, role: str = "system", **kwargs: Any) -> None:
        """Set the role of the message, for a model that wants another than ``system``."""
        super().__init__(**kwargs)
        self._role, self._text = role, ""
        self._message: dict[str, str] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note turns, write into contexts, and pass every frame on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, EmotionTurnFrame):
            self._text = instructions(frame.event.emotion, frame.event.confidence)
        elif isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            messages = [one for one in frame.context.messages if one is not self._message]
            self._message = {"role": self._role, "content": self._text} if self._text else None
            self._text = ""
            frame.context.set_messages(messages + ([self._message] if self._message else []))
        await self.push_frame(frame, direction)
