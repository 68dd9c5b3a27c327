"""A user who leaves: their last results are waited for as those of the others are."""

from __future__ import annotations

import asyncio

from pipecat.frames.frames import UserAudioRawFrame
from pipecat_ser_rt import EmotionProcessor, EmotionTurnFrame

from tests.support.agent_sessions import RATE, TWO_TURNS, analyser


def test_the_end_waits_for_a_user_who_has_just_left() -> None:
    pushed: list[object] = []

    async def main() -> None:
        processor = EmotionProcessor(analyser=analyser(backlog_s=60.0))
        processor._results.put_nowait = pushed.append
        size = RATE // 50
        for at in range(0, len(TWO_TURNS), size):
            piece = TWO_TURNS[at : at + size].tobytes()
            processor._hear(UserAudioRawFrame(piece, RATE, 1, user_id="one"))
        processor.end_user("one")
        await processor.analysed()

    asyncio.run(main())
    assert sum(isinstance(frame, EmotionTurnFrame) for frame in pushed) == 2
