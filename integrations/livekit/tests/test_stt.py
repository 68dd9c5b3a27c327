"""Streams of the wrapped STT: nothing is lost or delayed, and each transcript has its emotion."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, stt
from livekit.plugins import ser_rt
from scripted import Script, ScriptedSTT, collected, frames_of, spoken

import ser_rt as engine
from ser_rt.agents import framework
from ser_rt.errors import AudioInputError, ConfigError, MissingDependencyError
from tests.support.agent_sessions import (
    RATE,
    SPOKEN,
    TWO_TURNS,
    Broken,
    Stuck,
    analyser,
    conversation,
    shown,
)

LATE: Script = [(2.5, {"text": "Hello."}), (5.8, {"text": "Where is it?"})]


class Call:
    """What a wrapped STT gave of a call."""

    def __init__(self, script: Script = LATE, model: Any = SPOKEN, **given: Any) -> None:
        self.inner = ScriptedSTT(script)
        settings = {"backlog_s": 60.0} | given.pop("settings", {})
        self.outer = ser_rt.STT(
            self.inner, analyser=analyser(model, **settings), **{"max_wait_s": 30.0} | given
        )
        self.last_context: Any = None
        self.heard: list[Any] = []
        self.turns: list[Any] = []
        self.outer.on("emotion", self.heard.append)
        self.outer.on("emotion_turn", self.turns.append)

    def of(self, frames: list[rtc.AudioFrame], **given: Any) -> list[stt.SpeechData]:
        """Return the final transcripts."""

        async def main() -> list[stt.SpeechEvent]:
            async with self.outer.stream(**given) as stream:
                collecting = asyncio.create_task(collected(stream))
                await spoken(stream, frames)
                events = await asyncio.wait_for(collecting, 60)
                self.last_context = stream.context
                return events

        return [event.alternatives[0] for event in asyncio.run(main())]


def emotion(data: stt.SpeechData) -> dict[str, Any]:
    assert data.metadata is not None
    return dict(data.metadata["ser_rt"])


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_audio_passes_untouched_and_events_are_those_of_a_stream(rate: int) -> None:
    samples = conversation(1.5, 1.2, 2.0, 1.2, rate=rate)
    call, frames = Call(), frames_of(samples, rate)
    call.of(frames)
    assert [id(frame) for frame in call.inner.frames] == [id(frame) for frame in frames]
    assert call.inner.flushes, "where the input ends"
    stream = engine.stream(samples, sample_rate=rate, model=SPOKEN, vad=False, turns=True)
    assert shown(call.heard) == shown(stream)
    assert [turn.emotion.turn for turn in call.turns] == [1, 2]


def test_a_transcript_has_the_emotion_of_its_turn_and_no_tag() -> None:
    call = Call()
    first, second = call.of(frames_of(TWO_TURNS, RATE))
    assert [first.text, second.text] == ["Hello.", "Where is it?"]
    assert [emotion(data)["turn"] for data in (first, second)] == [1, 2]
    assert emotion(first)["final"]
    assert emotion(first)["emotion"] == "Joy"
    assert emotion(first)["confidence"] == pytest.approx(0.8)
    assert emotion(first)["probabilities"] == pytest.approx({"Joy": 0.8, "Sad": 0.2})
    context = call.last_context
    assert isinstance(context, stt.SpeakerContext)
    assert "sounds joy" in context.to_instructions()
    assert call.outer.context is context


def test_a_transcript_within_a_turn_has_the_answer_so_far_and_is_completed() -> None:
    call = Call([(1.0, {"text": "Hel"}), (5.8, {"text": "lo"})])
    early, _ = call.of(frames_of(TWO_TURNS, RATE))
    assert emotion(early)["final"], "completed in place by the turn's end"
    seen = [data.text for turn in call.turns for data in turn.speech]
    assert seen == ["Hel"], "the turn names the transcript it completed"


@pytest.mark.parametrize(
    ("times", "turn"),
    [((0.0, 1.5), 1), ((2.6, 4.6), 2), ((2.05, 2.15), None), ((0.0, 0.0), 2)],
)
def test_a_late_transcript_is_joined_by_its_times(
    times: tuple[float, float], turn: int | None
) -> None:
    fields = {"text": "late", "start_time": times[0], "end_time": times[1]}
    (late,) = Call([(5.8, fields)]).of(frames_of(TWO_TURNS, RATE))
    assert late.text == "late"
    assert (late.metadata or {}).get("ser_rt", {}).get("turn") == turn


def test_metadata_of_the_wrapped_stt_is_kept() -> None:
    (data,) = Call([(5.8, {"text": "a", "metadata": {"own": 1}})]).of(frames_of(TWO_TURNS, RATE))
    assert data.metadata is not None
    assert data.metadata.keys() == {"own", "ser_rt"}


def test_a_tag_is_in_the_text_where_it_is_asked_for() -> None:
    call = Call(text_format="[{emotion} {confidence:.0%}] {text}")
    assert call.of(frames_of(TWO_TURNS, RATE))[0].text == "[Joy 80%] Hello."
    with pytest.raises(ConfigError, match="mood"):
        Call(text_format="{mood}")
    with pytest.raises(ConfigError, match="max_wait_s"):
        Call(max_wait_s=-1)


def test_a_model_that_fails_costs_no_frame_and_one_warning(caplog: Any) -> None:
    call, frames = Call(model=Broken(*range(1000))), frames_of(TWO_TURNS, RATE)
    assert [data.text for data in call.of(frames)] == ["Hello.", "Where is it?"]
    assert len(call.inner.frames) == len(frames)
    assert caplog.text.count("the card fell out") == 1
    assert call.last_context is None


def test_a_transcript_waits_so_long_and_no_longer_and_is_joined_later(caplog: Any) -> None:
    model = Stuck()
    call = Call([(2.5, {"text": "Hello."})], model, max_wait_s=0.02)
    frames = frames_of(TWO_TURNS[: 3 * RATE], RATE)

    async def main() -> tuple[dict[str, Any] | None, list[Any]]:
        async with call.outer.stream() as stream:
            for frame in frames:
                stream.push_frame(frame)
            event = await asyncio.wait_for(stream.__anext__(), 30)
            data = event.alternatives[0]
            before = data.metadata
            model.free.set()
            await stream.analysed()
            return before, [data]

    before, (data,) = asyncio.run(main())
    assert len(call.inner.frames) == len(frames)
    assert before is None
    assert emotion(data)["turn"] == 1
    assert [turn.speech for turn in call.turns] == [[data]]
    assert not caplog.records


def test_a_slow_model_drops_analysis_alone(caplog: Any) -> None:
    model = Stuck()
    call = Call([(20.0, {"text": "Hello."})], model, max_wait_s=0.01, settings={"backlog_s": 2.0})
    frames = frames_of(conversation(30.0), RATE)

    async def main() -> list[stt.SpeechEvent]:
        async with call.outer.stream() as stream:
            for frame in frames:
                stream.push_frame(frame)
            stream.end_input()
            return await asyncio.wait_for(collected(stream), 30)

    (event,) = asyncio.run(main())
    model.free.set()
    assert event.alternatives[0].text == "Hello."
    assert len(call.inner.frames) == len(frames)
    assert {event.type for event in call.heard} <= {"warning"}
    assert len(caplog.records) <= 1


def test_a_cancelled_stream_ends_at_once() -> None:
    model = Stuck()
    call = Call(model=model)

    async def main() -> None:
        stream = call.outer.stream()
        for frame in frames_of(TWO_TURNS, RATE):
            stream.push_frame(frame)
        await asyncio.sleep(0)
        await asyncio.wait_for(stream.aclose(), 20)
        model.free.set()
        await asyncio.to_thread(call.outer.analyser.close)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert call.heard == []


def test_a_participant_who_leaves_within_a_turn_has_it_ended() -> None:
    call = Call([])

    async def main() -> Any:
        call.outer.new_participant("first")
        async with call.outer.stream() as stream:
            await spoken(stream, frames_of(TWO_TURNS[:RATE], RATE), end=False)
            call.outer.new_participant("second")
            assert stream.context is None
            collecting = asyncio.create_task(collected(stream))
            await spoken(stream, frames_of(TWO_TURNS, RATE))
            await asyncio.wait_for(collecting, 60)

    asyncio.run(main())
    found = [
        (t.participant, t.turn, round(t.end, 1)) for t in (turn.emotion for turn in call.turns)
    ]
    assert found == [("first", 1, 1.0), ("second", 1, 2.5), ("second", 2, 5.7)]


def test_stereo_and_empty_frames_are_taken_and_another_rate_is_refused() -> None:
    stereo = np.repeat(TWO_TURNS[:, None], 2, axis=1)
    call = Call()
    empty = rtc.AudioFrame(b"", RATE, 2, 0)
    longer = rtc.AudioFrame(bytes(4000), RATE, 2, 320)  # more bytes than samples
    call.of([*frames_of(stereo, RATE), empty, longer])
    alone = Call()
    alone.of([*frames_of(TWO_TURNS, RATE), rtc.AudioFrame(bytes(640), RATE, 1, 320)])
    assert shown(call.heard) == shown(alone.heard)

    async def main() -> None:
        async with call.outer.stream() as stream:
            stream.push_frame(rtc.AudioFrame(bytes(640), RATE, 1, 320))
            with pytest.raises(AudioInputError, match="48000 Hz after frames of 16000"):
                stream.push_frame(rtc.AudioFrame(bytes(1920), 48_000, 1, 960))

    asyncio.run(main())


def test_a_lost_connection_is_the_framework_s_own_error() -> None:
    call = Call()
    call.inner.fails_after = 1.0
    errors: list[Any] = []
    call.outer.on("error", errors.append)
    once_more = APIConnectOptions(max_retry=1, retry_interval=0.0)
    with pytest.raises(APIConnectionError, match="after 1 attempts"):
        call.of(frames_of(TWO_TURNS, RATE), conn_options=once_more)
    assert len(errors) == 1
    assert call.inner.streams == 1, "the wrapped stream tries again, and nobody else"


def test_an_stt_without_streams_has_its_buffers_analysed() -> None:
    inner = ScriptedSTT(LATE, streaming=False)
    outer = ser_rt.STT(inner, analyser=analyser(backlog_s=1.0), max_wait_s=30)
    assert not outer.capabilities.streaming
    event = asyncio.run(outer.recognize(frames_of(TWO_TURNS, RATE)))
    assert event.alternatives[0].text == "Hello."
    assert emotion(event.alternatives[0])["turn"] == 2, "the longest"
    assert outer.context is not None


def test_sessions_share_a_model() -> None:
    one, other = ser_rt.STT(ScriptedSTT()), ser_rt.STT(ScriptedSTT())
    assert one.analyser is other.analyser


def test_an_unsupported_version_of_the_framework_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(framework, "version", lambda _: "0.7.2")
    with pytest.raises(MissingDependencyError, match=r"livekit-agents 0\.7\.2.*pip install"):
        importlib.reload(ser_rt)
