"""`EmotionObserver`: sends results to the browser, as server messages of RTVI."""

from __future__ import annotations

from typing import Any

from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frameworks.rtvi import RTVIProcessor

from pipecat_ser_rt.frames import EmotionFrame, EmotionTurnFrame


class EmotionObserver(BaseObserver):
    """Sends ``{"type": "emotion", "user_id": ..., "event": {...}}`` for each result.

    A turn has the type ``emotion-turn``; the fields of events are those of ser-rt's JSON.
    """

    def __init__(
        self,
        rtvi: RTVIProcessor,
        *,
        results: bool = True,
        turns: bool = True,
        top_k: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Name the processor that sends, `PipelineWorker.rtvi`.

        Args:
            rtvi: Sends the messages.
            results: Whether to send those of each half second.
            turns: Whether to send those of whole turns.
            top_k: How many probabilities to send, the likeliest first; None for all.
            **kwargs: As of `BaseObserver`.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self._rtvi, self._top_k = rtvi, top_k
        self._results, self._turns = results, turns

    async def on_push_frame(self, data: FramePushed) -> None:
        """Send the message of a frame when it is first pushed."""
        frame = data.frame
        if not data.first_push:
            return
        if isinstance(frame, EmotionTurnFrame) and self._turns:
            await self._send("emotion-turn", frame)
        elif isinstance(frame, EmotionFrame) and self._results:
            await self._send("emotion", frame)

    async def _send(self, kind: str, frame: EmotionFrame | EmotionTurnFrame) -> None:
        event = frame.event.to_dict(timing=False, top_k=self._top_k)
        await self._rtvi.send_server_message(
            {"type": kind, "user_id": frame.user_id, "event": event}
        )
