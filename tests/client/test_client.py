"""The Python client against a real server, one that comes and goes too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

import ser_rt
from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.sources.push import PushSource
from ser_rt.client import AsyncClient, Client, connection
from ser_rt.errors import AudioDecodeError, AudioNotFoundError, ConfigError, ServerError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from ser_rt.server.limits import ServerLimits
from tests.conftest import RATE, make_wave
from tests.server.conftest import Running, serving
from tests.server.test_lifecycle import process

KEY = "a-key-of-more-than-16"


@pytest.fixture(scope="module")
def running(classifier: OnnxClassifier) -> Iterator[Running]:
    with serving(classifier) as found:
        yield found


def lines(events: list[Event]) -> list[str]:
    return [event.to_json(timing=False) for event in events]


def test_a_server_has_the_events_of_this_machine(
    running: Running, classifier: OnnxClassifier, write_audio: Callable[..., Path]
) -> None:
    path = write_audio("a.wav", make_wave(6.3, 44_100), 44_100)
    how: Any = {"vad": False, "episodes": True, "turns": True, "longest_turn_s": 3.0}
    here = list(ser_rt.stream(path, model=classifier, **how))
    there = list(Client(running.ws, **how).stream(path))
    assert lines(there) == lines(here)
    turns = [event for event in there if isinstance(event, ser_rt.TurnEvent)]
    assert [(turn.id, turn.cut) for turn in turns] == [(1, True), (2, True), (3, False)]
    totals = [event.latency_ms for event in there if event.type == "emotion"]
    assert all(t["total"] == pytest.approx(sum(t.values()) - t["total"]) for t in totals)
    assert any("network" in t for t in totals)


def test_arrays_and_half_of_the_bytes(running: Running, classifier: OnnxClassifier) -> None:
    wave = np.round(make_wave(2.2) * 32767).astype(np.int16)
    here = list(ser_rt.stream(wave, sample_rate=RATE, model=classifier, vad=False))
    client = Client(running.ws, vad=False, encoding="pcm_s16le", timing=False)
    there = list(client.stream(wave, sample_rate=RATE))
    assert lines(there) == lines(here)
    assert all(not event.latency_ms for event in there)


def test_asyncio(running: Running) -> None:
    async def consume() -> list[float]:
        client = AsyncClient(running.ws, vad=False)
        stream = client.stream(make_wave(1.7), sample_rate=RATE)
        return [event.end async for event in stream]

    assert asyncio.run(consume()) == [1.0, 1.5, 1.7]


def test_ready_says_what_the_server_is(running: Running, classifier: OnnxClassifier) -> None:
    ready = Client(running.ws).ready()
    assert (ready.name, ready.labels) == ("tiny", classifier.labels)
    assert (ready.provider, ready.precision, ready.window_s) == ("cpu", "fp32", 3.0)


def test_leaving_early_ends_the_stream(running: Running) -> None:
    source = PushSource(RATE)
    source.push(make_wave(1.1))
    before = threading.active_count()
    events = Client(running.ws, vad=False).stream(source)
    assert next(events).end == 1.0
    events.close()
    running.wait_until(lambda: not running.service.sessions)
    assert threading.active_count() <= before


def test_warnings_of_the_source_are_events(running: Running) -> None:
    class Odd(AudioSource):
        def __iter__(self) -> Iterator[AudioChunk]:
            warning = SourceWarning("overflow", "some was lost")
            yield AudioChunk(make_wave(1), 0, 0.0)
            yield AudioChunk(make_wave(1), 5 * RATE, 0.0, warnings=(warning,))

    events = list(Client(running.ws, vad=False).stream(Odd()))
    assert [event.code for event in events if event.type == "warning"] == ["overflow"]
    assert sorted(event.end for event in events if event.type == "emotion") == [1.0, 6.0]
    assert sorted(event.seq for event in events) == [0, 1, 2]


def test_audio_that_breaks_raises_after_the_events_before(running: Running, tmp_path: Path) -> None:
    class Broken(AudioSource):
        def __iter__(self) -> Iterator[AudioChunk]:
            yield AudioChunk(make_wave(1), 0, 0.0)
            msg = "broken"
            raise AudioDecodeError(msg)

    events = Client(running.ws, vad=False).stream(Broken())
    assert next(events).end == 1.0
    with pytest.raises(AudioDecodeError, match="broken"):
        next(events)
    with pytest.raises(AudioNotFoundError):
        list(Client(running.ws).stream(tmp_path / "none.wav"))


def test_what_a_server_cannot_be_told_is_refused_at_once(running: Running) -> None:
    with pytest.raises(ConfigError, match="no encoding 'mp3'"):
        list(Client(running.ws, encoding="mp3").stream(make_wave(1), sample_rate=RATE))
    with pytest.raises(ServerError, match="bad_config"):
        list(Client(running.ws, window_s=1, hop_s=2).stream(make_wave(1), sample_rate=RATE))
    with pytest.raises(ServerError, match="bad_message"):
        Client(running.ws, window_s=99).ready()


def test_no_server_a_wrong_key_and_no_address(classifier: OnnxClassifier) -> None:
    with serving(classifier, keys=(KEY,)) as running:
        address = running.ws
        with pytest.raises(ServerError, match="unauthorized"):
            list(Client(address, token=KEY[1:]).stream(make_wave(1), sample_rate=RATE))
        client = Client(address, token=KEY, vad=False)
        assert len(list(client.stream(make_wave(1), sample_rate=RATE))) == 1
    with pytest.raises(ServerError, match="no server at"):
        list(Client(address, token=KEY).stream(make_wave(1), sample_rate=RATE))
    with pytest.raises(ConfigError, match="nonsense"):
        Client("nonsense").ready()


@pytest.mark.parametrize("answer", ["hello", "[1]", "{}", None])
def test_what_is_no_server_of_ours_is_said(
    answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is None:
        monkeypatch.setattr(connection, "OPEN_TIMEOUT_S", 2.0)

    def talk(socket: ServerConnection) -> None:
        for _ in socket:
            if answer is not None:
                socket.send(answer)

    with serve(talk, "127.0.0.1", 0) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        port = stranger.socket.getsockname()[1]
        words = "no answer from ws://" if answer is None else "protocol"
        with pytest.raises(ServerError, match=words):
            Client(f"ws://127.0.0.1:{port}").ready()
        stranger.shutdown()
        thread.join()


def test_a_wrong_path_is_said(running: Running) -> None:
    with pytest.raises(ServerError, match="/v2/stream"):
        Client(running.ws.replace("v1", "v2")).ready()


def test_a_full_server_refuses(classifier: OnnxClassifier) -> None:
    with serving(classifier, ServerLimits(max_streams=1)) as running:
        source = PushSource(RATE)
        source.push(make_wave(1.1))
        first = Client(running.ws, vad=False).stream(source)
        next(first)
        with pytest.raises(ServerError, match="server_full"):
            Client(running.ws).ready()
        first.close()


def test_a_recording_goes_on_when_the_server_is_back(classifier: OnnxClassifier) -> None:
    seen: list[Event] = []
    with serving(classifier) as running:
        port = running.port
        source = Stepped(make_wave(8))
        events = Client(running.ws, vad=False, half_life_s=0, turns=True).stream(source)
        source.allow(3.2)
        while not seen or seen[-1].end < 3.0:
            seen.append(next(events))
    source.allow(8)
    while seen[-1].code != "stream_lost":
        seen.append(next(events))
    # The last result before the server went, and the turn, which goes on.
    result, turn = seen[-3:-1]
    assert isinstance(turn, ser_rt.TurnEvent)
    assert (result.end, turn.cut) == (3.2, True)
    assert turn.end == pytest.approx(3.2, abs=0.01)
    with serving(classifier, port=port):
        seen += events
    assert [event.code for event in seen if event.type == "warning"][:2] == [
        "stream_lost",
        "stream_back",
    ]
    results = [event for event in seen if event.type == "emotion"]
    assert results[-1].end == 8.0
    assert [event.seq for event in seen] == list(range(len(seen)))
    # No audio is left out: what follows the loss begins where the last event ended.
    back = next(n for n, event in enumerate(seen) if event.code == "stream_back")
    before = max(event.end for event in seen[:back] if event.type == "emotion")
    after = next(event for event in seen[back:] if event.type == "emotion")
    assert after.start == before


def test_live_audio_goes_on_with_a_gap_when_the_server_is_back(
    classifier: OnnxClassifier,
) -> None:
    seen: list[Event] = []
    with serving(classifier) as running:
        port = running.port
        source = PushSource(RATE)
        events = Client(running.ws, vad=False).stream(source)
        source.push(make_wave(1.1))
        seen.append(next(events))
    while not seen or seen[-1].code != "stream_lost":
        seen.append(next(events))
    source.push(make_wave(5))  # nobody reads these
    with serving(classifier, port=port):
        while seen[-1].code != "stream_back":
            seen.append(next(events))
        source.push(make_wave(2))
        source.end()
        seen += events
    back = next(event for event in seen if event.code == "stream_back")
    later = seen[seen.index(back) + 1 :]
    assert [(round(e.end - e.start, 3), e.start >= 6.1) for e in later] == [
        (1.0, True),
        (1.5, True),
        (2.0, True),
    ]


def test_a_killed_server_loses_no_audio_of_a_recording(tiny_bundle: Path) -> None:
    source = Stepped(make_wave(6))
    source.allow(3.2)
    with process("--model", str(tiny_bundle)) as (server, port):
        events = Client(f"ws://127.0.0.1:{port}/v1/stream", vad=False, turns=True).stream(source)
        seen = [next(events) for _ in range(5)]
        server.kill()
        server.wait()
        source.allow(6)
        seen.append(next(events))
    assert seen[-1].code == "stream_lost"
    with process("--model", str(tiny_bundle), f"--port={port}"):
        seen += events
    assert [event.code for event in seen if event.type == "warning"] == [
        "stream_lost",
        "stream_back",
    ]
    results = [(event.start, event.end) for event in seen if event.type == "emotion"]
    # It resumes where the turn began, so windows and turn go on as if nothing had happened.
    assert results[4:6] == [(0.0, 3.0), (0.5, 3.5)]
    assert results[-1][1] == 6.0
    turns = [event for event in seen if isinstance(event, ser_rt.TurnEvent)]
    assert [(turn.id, turn.start, turn.end) for turn in turns] == [(1, 0.0, 6.0)]


def test_without_reconnect_a_lost_server_is_an_error(classifier: OnnxClassifier) -> None:
    source = PushSource(RATE)
    with serving(classifier) as running:
        events = Client(running.ws, vad=False, reconnect=False).stream(source)
        source.push(make_wave(1.1))
        assert next(events).end == 1.0
    with pytest.raises(ServerError, match=r"lost: it closed"):
        list(events)


class Stepped(AudioSource):
    """A recording of which a test says how far it may be read."""

    def __init__(self, wave: np.ndarray) -> None:
        self._wave, self._allowed_s = wave, 0.0
        self._changed = threading.Condition()

    def allow(self, seconds: float) -> None:
        with self._changed:
            self._allowed_s = seconds
            self._changed.notify()

    def close(self) -> None:
        self.allow(float("inf"))

    def __iter__(self) -> Iterator[AudioChunk]:
        for start in range(0, len(self._wave), RATE // 10):
            with self._changed:
                while start / RATE >= self._allowed_s:
                    self._changed.wait()
            yield AudioChunk(self._wave[start : start + RATE // 10], start, 0.0)
