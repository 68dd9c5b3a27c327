"""A stream without sockets: what is late, and what may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamSettings
from ser_rt.server.message_queue import AudioMessage, ControlMessage, MessageQueue
from ser_rt.server.protocol import StreamConfig
from ser_rt.server.stream_state import ServerStream
from tests.conftest import RATE
from tests.server.conftest import pcm

LONG_AGO = 0.0


def flat(pieces: Iterator[list[Event]]) -> list[Event]:
    return [event for piece in pieces for event in piece]


def test_live_results_that_are_late_are_left_out_but_finals_never(
    classifier: OnnxClassifier,
) -> None:
    config = StreamConfig(StreamSettings(vad=False), sample_rate=RATE, live=True)
    stream = ServerStream(classifier, config, max_audio_s=60.0)
    assert flat(stream.feed(pcm(1.2), LONG_AGO)) == []
    assert stream.skipped_windows == 1
    final = flat(stream.finalize())
    assert [(event.type, event.end) for event in final] == [("warning", 1.2), ("emotion", 1.2)]
    assert final[0].code == "stale"


def test_a_gap_may_come_before_any_audio(classifier: OnnxClassifier) -> None:
    config = StreamConfig(StreamSettings(vad=False), sample_rate=44_100)
    stream = ServerStream(classifier, config, max_audio_s=60.0)
    assert flat(stream.gap(2.0)) == []
    assert flat(stream.gap(0.001)) == []
    data = pcm(4.0)
    assert [event.start for event in flat(stream.feed(data, LONG_AGO))][:1] == [2.001]


def test_a_queue_that_is_full_makes_its_writer_wait() -> None:
    async def fill() -> None:
        messages = MessageQueue(max_bytes=1_000)
        await messages.put(AudioMessage(bytes(2_000), 0.0))
        blocked = asyncio.create_task(messages.put(AudioMessage(b"late", 0.0)))
        done, _ = await asyncio.wait({blocked}, timeout=0.05)
        assert not done
        assert [len(item.data) for item in await audio_of(messages)] == [2_000]
        await asyncio.wait_for(blocked, 60)
        assert [item.data for item in await audio_of(messages)] == [b"late"]

    asyncio.run(fill())


def test_audio_is_taken_at_once_up_to_the_next_word() -> None:
    async def fill() -> None:
        messages = MessageQueue(max_bytes=10_000)
        for item in (
            AudioMessage(b"a", 0.0),
            AudioMessage(b"b", 0.0),
            ControlMessage({"type": "reset"}),
        ):
            await messages.put(item)
        messages.end()
        assert [item.data for item in await audio_of(messages)] == [b"a", b"b"]
        assert await messages.get() == [ControlMessage({"type": "reset"})]
        assert await messages.get() == [ControlMessage({"type": "close"})]

    asyncio.run(fill())


async def audio_of(messages: MessageQueue) -> list[Any]:
    return [item for item in await messages.get() if isinstance(item, AudioMessage)]
