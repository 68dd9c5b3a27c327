"""`astream`, for asyncio programs; apart, since importing asyncio would slow command lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Unpack

from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioSource
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamKeywords, StreamSettings
from ser_rt.runtime.stream import (
    Audio,
    EmotionStream,
    Model,
    Samples,
    as_classifier,
    given_rate,
    stream,
)


async def astream(
    audio: Audio | AsyncIterable[Samples],
    *,
    sample_rate: float | None = None,
    model: Model = None,
    channel: Channel = None,
    **settings: Unpack[StreamKeywords],
) -> AsyncGenerator[Event, None]:
    """Yield as `stream` does, with all reading and all inference in a worker thread.

    ``audio`` may also be an async iterable of arrays. Arguments and errors as of `stream`.
    """
    wanted = StreamSettings.of(channel, **settings)
    classifier = await asyncio.to_thread(as_classifier, model, wanted)
    if not isinstance(audio, AsyncIterable):
        events = stream(
            audio, sample_rate=sample_rate, model=classifier, channel=channel, **settings
        )
        loop = asyncio.get_running_loop()
        # Of asyncio's own threads, which the program shares, some would only wait for audio.
        worker = ThreadPoolExecutor(1, "ser-rt-astream")
        try:
            while (event := await loop.run_in_executor(worker, next, events, None)) is not None:
                yield event
        finally:
            # After a cancellation a worker may still wait for audio; nothing else would end it.
            if isinstance(audio, AudioSource):
                audio.close()
            with suppress(ValueError):
                events.close()
            worker.shutdown(wait=False)
        return
    session = EmotionStream(classifier, given_rate(sample_rate), wanted)
    pieces = aiter(audio)
    try:
        async for samples in pieces:
            for event in await asyncio.to_thread(session.push, samples):
                yield event
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    for event in await asyncio.to_thread(session.flush):
        yield event
