import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ser_rt
from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, Wave, make_wave


def lines(events: list[Event]) -> bytes:
    return "\n".join(event.to_json(timing=False) for event in events).encode()


def push_all(
    classifier: OnnxClassifier, wave: Wave, sizes: list[int], rate: int = RATE
) -> list[Event]:
    with ser_rt.open_stream(sample_rate=rate, model=classifier, vad=False) as stream:
        events, start = [], 0
        for size in itertools.cycle(sizes):
            events += stream.push(wave[start : start + size])
            start += size
            if start >= len(wave):
                return events + stream.flush()
    raise AssertionError


def with_a_pause(seconds: float, rate: int = RATE) -> Wave:
    wave = make_wave(seconds, rate)
    wave[len(wave) // 3 : 2 * len(wave) // 3] = 0
    return wave


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 8_000])
def test_chunks_of_any_size_give_the_same_bytes(classifier: OnnxClassifier, rate: int) -> None:
    wave = with_a_pause(12.3, rate)
    whole = lines(push_all(classifier, wave, [len(wave)], rate))
    assert b"no_speech" in whole
    for sizes in ([rate // 50], [997], [1_009, 7, 13], [rate * 2 + 1]):
        assert lines(push_all(classifier, wave, sizes, rate)) == whole


@settings(max_examples=15)
@given(
    seconds=st.floats(0.01, 6),
    sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
    rate=st.sampled_from([16_000, 22_050]),
)
@example(seconds=1.7, sizes=[1], rate=16_000)
def test_chunking_never_changes_an_event(
    classifier: OnnxClassifier, seconds: float, sizes: list[int], rate: int
) -> None:
    wave = make_wave(seconds, rate)
    whole = lines(push_all(classifier, wave, [len(wave)], rate))
    assert lines(push_all(classifier, wave, sizes, rate)) == whole


def test_pull_push_and_await_agree_on_a_file_and_on_arrays(
    classifier: OnnxClassifier, write_audio: Callable[..., Path]
) -> None:
    wave = make_wave(5.1, 44_100)
    path = write_audio("speech.wav", wave, 44_100, subtype="FLOAT")

    async def arrays() -> AsyncIterator[Wave]:
        for start in range(0, len(wave), 1_000):
            yield wave[start : start + 1_000]

    async def awaited(audio: AsyncIterator[Wave] | Path, rate: int | None) -> list[Event]:
        return [
            x async for x in ser_rt.astream(audio, sample_rate=rate, model=classifier, vad=False)
        ]

    pushed = lines(push_all(classifier, wave, [4_410], 44_100))
    assert lines(list(ser_rt.stream(path, model=classifier, vad=False))) == pushed
    assert lines(list(ser_rt.stream(str(path), model=classifier, vad=False))) == pushed
    assert (
        lines(list(ser_rt.stream(wave, sample_rate=44_100, model=classifier, vad=False))) == pushed
    )
    parts = (wave[i : i + 777] for i in range(0, len(wave), 777))
    assert (
        lines(list(ser_rt.stream(parts, sample_rate=44_100, model=classifier, vad=False))) == pushed
    )
    assert lines(asyncio.run(awaited(arrays(), 44_100))) == pushed
    assert lines(asyncio.run(awaited(path, None))) == pushed


def test_the_event_loop_stays_free_while_the_model_works(classifier: OnnxClassifier) -> None:
    async def count_while_listening() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticker = asyncio.create_task(tick())
        audio = make_wave(4)
        async for _ in ser_rt.astream(audio, sample_rate=RATE, model=classifier):
            pass
        ticker.cancel()
        return ticks

    assert asyncio.run(count_while_listening()) > 10


def test_leaving_an_async_stream_early_ends_it(classifier: OnnxClassifier) -> None:
    async def first() -> Event:
        events = ser_rt.astream(make_wave(4), sample_rate=RATE, model=classifier)
        event = await anext(events)
        await events.aclose()
        return event

    assert asyncio.run(first()).end == 1.0


def test_many_threads_share_one_model(classifier: OnnxClassifier) -> None:
    waves = [make_wave(4.2, seed=seed) for seed in range(8)]
    alone = [lines(push_all(classifier, wave, [800])) for wave in waves]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda wave: lines(push_all(classifier, wave, [800])), waves)
        assert list(together) == alone
    assert len(set(alone)) == len(alone)


def test_one_thread_can_interleave_streams(classifier: OnnxClassifier) -> None:
    waves = [make_wave(3.2, seed=seed) for seed in range(3)]
    alone = [push_all(classifier, wave, [1_600]) for wave in waves]
    streams = [ser_rt.open_stream(sample_rate=RATE, model=classifier, vad=False) for _ in waves]
    events: list[list[Event]] = [[] for _ in waves]
    for start in range(0, len(waves[0]), 1_600):
        for i, wave in enumerate(waves):
            events[i] += streams[i].push(wave[start : start + 1_600])
    for i, stream in enumerate(streams):
        events[i] += stream.flush()
    assert list(map(lines, events)) == list(map(lines, alone))


def test_events_hold_the_results(classifier: OnnxClassifier) -> None:
    events = list(
        ser_rt.stream(
            make_wave(3.5), sample_rate=RATE, model=classifier, vad=False, half_life_s=0, name="x"
        )
    )
    assert [event.seq for event in events] == list(range(len(events)))
    for event in events:
        assert event.type == "emotion"
        assert sum(event.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert event.confidence == max(event.probabilities.values())
        assert event.probabilities[str(event.emotion)] == event.confidence
        assert event.source == "x"
        assert event.korean
        parts = dict(event.latency_ms)
        assert parts.pop("total") == pytest.approx(sum(parts.values()), abs=1e-6)
        assert {"vad", "inference", "smoothing", "other"} <= parts.keys()


def test_a_closed_stream_takes_nothing(classifier: OnnxClassifier) -> None:
    stream = ser_rt.open_stream(sample_rate=RATE, model=classifier)
    stream.push(make_wave(0.5))
    assert len(stream.flush()) == 1
    assert stream.flush() == []
    with pytest.raises(AudioInputError, match="closed"):
        stream.push(make_wave(0.5))


def test_arrays_need_a_rate_and_settings_need_sense(classifier: OnnxClassifier) -> None:
    with pytest.raises(AudioInputError, match="sample_rate"):
        list(ser_rt.stream([make_wave(1)], model=classifier))
    with pytest.raises(AudioInputError, match="-1"):
        ser_rt.open_stream(sample_rate=-1, model=classifier)
    with pytest.raises(ConfigError, match="hop"):
        ser_rt.open_stream(sample_rate=RATE, model=classifier, hop_s=-1)
    with pytest.raises(TypeError, match="windw_s"):
        ser_rt.open_stream(sample_rate=RATE, model=classifier, windw_s=3)  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize("value", ["x", True, [1.0]])
@pytest.mark.parametrize(
    "name", ["window_s", "hop_s", "min_window_s", "half_life_s", "gate_threshold"]
)
def test_a_setting_that_is_no_number_is_refused(
    classifier: OnnxClassifier, name: str, value: object
) -> None:
    bad: Any = {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be "):
        ser_rt.open_stream(sample_rate=RATE, model=classifier, **bad)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("vad", "no"), ("vad", object()), ("episodes", "no"), ("partial", 1), ("name", 5)),
        *(("hysteresis", 5), ("hysteresis", {"foo": 1}), ("speaker_change", "x")),
        *(("model", 5), ("model", b"compact"), ("model", np)),
    ],
)
def test_a_setting_of_another_type_is_refused(
    classifier: OnnxClassifier, name: str, value: object
) -> None:
    given: Any = {"model": classifier, name: value}
    with pytest.raises(ConfigError, match=name):
        ser_rt.open_stream(sample_rate=RATE, **given)


def test_numbers_of_numpy_are_numbers(classifier: OnnxClassifier) -> None:
    numbers: Any = {"hop_s": np.float32(0.5), "window_s": np.int64(3), "min_window_s": None}
    ser_rt.open_stream(sample_rate=RATE, model=classifier, **numbers)


def test_a_rate_is_for_arrays(classifier: OnnxClassifier, write_audio: Callable[..., Path]) -> None:
    path = write_audio("a.wav", make_wave(1))
    for audio in (path, str(path), FileSource(path)):
        with pytest.raises(AudioInputError, match="8000"):
            list(ser_rt.stream(audio, sample_rate=8_000, model=classifier))


def test_rows_of_different_lengths_are_no_samples(classifier: OnnxClassifier) -> None:
    rows: Any = [[0.0], [0.1, 0.2]]
    with pytest.raises(AudioInputError, match="no array"):
        ser_rt.open_stream(sample_rate=RATE, model=classifier).push(rows)
    with pytest.raises(AudioInputError, match="no array"):
        list(ser_rt.stream([rows], sample_rate=RATE, model=classifier))


def test_a_window_shorter_than_the_models_shortest_is_taken_at_its_word(
    classifier: OnnxClassifier,
) -> None:
    audio = make_wave(1.3)
    events = list(ser_rt.stream(audio, sample_rate=RATE, model=classifier, window_s=0.4))
    assert [event.partial for event in events[:3]] == [False] * 3
    assert [event.end - event.start for event in events[:3]] == pytest.approx([0.4] * 3)


class Scripted(AudioSource):
    def __init__(self, *chunks: AudioChunk) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[AudioChunk]:
        return iter(self._chunks)


def test_warnings_come_out_in_their_place(classifier: OnnxClassifier) -> None:
    wave = make_wave(1)
    lost = SourceWarning("overflow", "20 ms of audio were dropped")
    source = Scripted(AudioChunk(wave, 0, 0.0), AudioChunk(wave, 2 * RATE, 0.0, warnings=(lost,)))
    events = list(ser_rt.stream(source, model=classifier, vad=False))
    assert [(e.type, e.start) for e in events] == [("emotion", 0), ("warning", 2), ("emotion", 2)]
    assert events[1].to_dict() == {
        "type": "warning",
        "seq": 1,
        "start": 2.0,
        "end": 2.0,
        "code": "overflow",
        "message": "20 ms of audio were dropped",
    }


def test_an_hour_takes_no_more_memory_than_a_minute() -> None:
    minute = make_wave(60)

    def peak_bytes(minutes: int) -> int:
        tracemalloc.start()
        audio = itertools.repeat(minute, minutes)
        events = ser_rt.stream(audio, sample_rate=RATE, model=FakeClassifier(), vad=False)
        count = sum(1 for _ in events)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 60 * minutes * 2 - 1
        return peak

    assert peak_bytes(60) < peak_bytes(1) + 1_000_000
