"""The client protocol: how far ahead a recording is sent, and gaps of live audio."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from ser_rt.audio.chunk import AudioChunk
from ser_rt.client import Client
from ser_rt.client.conversation import ClientProtocol
from ser_rt.client.messages import Ready
from ser_rt.errors import ServerError
from ser_rt.runtime.event import TurnEvent
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import RATE, make_wave


def test_a_recording_waits_for_its_results_and_no_longer() -> None:
    def talk(socket: ServerConnection) -> None:
        socket.recv(60)
        sent = 0
        for waits_at_s, covered_s in ((120, 3.0), (123, 60.0), (180, 200.0)):
            while sent < waits_at_s * RATE:
                sent += len(socket.recv(60)) // 4
            assert sent == waits_at_s * RATE
            with pytest.raises(TimeoutError):
                socket.recv(0.3)
            event = {"type": "no_speech", "seq": 0, "start": 0.0, "end": covered_s, "speech": 0.0}
            socket.send(json.dumps(event))
        socket.send('{"type": "summary"}')

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", reconnect=False)
        events = list(client.stream(np.zeros(200 * RATE, np.float32), sample_rate=RATE))
        server.shutdown()
        thread.join()
    assert [event.end for event in events] == [3.0, 60.0, 200.0]


def test_a_chunk_that_is_longer_than_there_is_room_is_waited_for_in_parts() -> None:
    talk = ClientProtocol()
    list(talk.begin())
    list(talk.send(AudioChunk(np.zeros(130 * RATE + 1, np.float32), 0, 0.0)))
    had_room = talk.has_room
    list(talk.receive('{"type": "no_speech", "seq": 0, "start": 127, "end": 130, "speech": 0}'))
    assert (had_room, talk.has_room) == (False, True)


def test_a_gap_ends_where_live_audio_goes_on() -> None:
    talk = ClientProtocol()
    talk.is_live = True
    list(talk.begin())
    list(talk.send(AudioChunk(make_wave(1), 0, 0.0, is_live=True)))
    had_gap = talk.has_gap
    (lost,) = talk.lost("it broke")
    assert (had_gap, talk.has_gap) == (False, True)
    (config,) = talk.begin(5 * RATE)
    (back,) = talk.receive('{"type": "ready"}')
    assert (lost.start, back.start, json.loads(config)["start_s"]) == (0.0, 5.0, 5.0)


def test_turns_are_counted_on_by_another_connection() -> None:
    def turn(number: int, channel: int | None = None, *, final: bool = True) -> str:
        where = {} if channel is None else {"channel": channel}
        at = {"start": begun_s + number, "end": begun_s + number + 0.5}
        event = {"type": "turn", "seq": 0, "id": number, **at, "final": final}
        event |= {"emotion": "Joy", "confidence": 0.5}
        return json.dumps(event | where)

    def numbers(*messages: str) -> list[int]:
        events = [event for message in messages for event in talk.receive(message)]
        return [event.id for event in events if isinstance(event, TurnEvent)]

    talk, begun_s = ClientProtocol(), 0.0
    list(talk.begin())
    assert numbers(turn(1, 1), turn(1, 2), turn(2, 1), turn(3, 1, final=False)) == [1, 1, 2, 3]
    list(talk.begin())
    begun_s = 10.0
    assert numbers(turn(1, 1), turn(1, 2), turn(2, 2)) == [3, 2, 3]


def test_a_recording_resumes_at_the_turn_that_was_open() -> None:
    """Results and turns that the next connection repeats are given once."""

    def event(kind: str, start: float, end: float, **more: object) -> str:
        return json.dumps({"type": kind, "seq": 0, "start": start, "end": end, **more})

    def received(*messages: str) -> list[tuple[str, float, float]]:
        events = [event for message in messages for event in talk.receive(message)]
        return [(event.type, event.start, event.end) for event in events]

    talk = ClientProtocol(StreamSettings(turns=True, longest_turn_s=5, turn_pause_s=1))
    list(talk.begin())
    list(talk.receive('{"type": "ready", "hop_s": 0.5}'))
    for start in range(12):
        list(talk.send(AudioChunk(make_wave(1), start * RATE, 0.0)))
    ended = event("turn", 0.5, 2.75, id=1, emotion="Joy", confidence=0.5, final=True)
    assert len(received(*(event("no_speech", 0, n / 2) for n in range(2, 10)), ended)) == 9
    list(talk.lost("it broke"))
    config, *audio = talk.begin()
    # The end of the last result, 4.5 s, and whole hops back to the end of the last turn.
    assert json.loads(config)["start_s"] == 2.5
    assert sum(map(len, audio)) == 4 * (12 - 2.5) * RATE
    repeated = [event("no_speech", 2.5, n / 2) for n in range(7, 10)]
    going = event("turn", 3.0, 4.0, id=1, emotion="Joy", confidence=0.5, final=False)
    assert received(repeated[0], going, *repeated[1:]) == []
    over = event("turn", 3.0, 6.0, id=1, emotion="Joy", confidence=0.5, final=True)
    assert received(event("no_speech", 2.5, 5.0), over) == [
        ("no_speech", 2.5, 5.0),
        ("turn", 3.0, 6.0),
    ]
    # No further than a turn can reach.
    assert len(received(event("no_speech", 9.0, 12.0))) == 1
    list(talk.send(AudioChunk(make_wave(9), 12 * RATE, 0.0)))
    assert len(received(event("no_speech", 17.0, 20.0))) == 1
    assert json.loads(next(iter(talk.begin())))["start_s"] == 14.0


def test_a_live_turn_that_is_lost_is_told() -> None:
    talk = ClientProtocol(StreamSettings(turns=True))
    talk.meet(AudioChunk(make_wave(1), 0, 0.0, is_live=True))
    (lost,) = talk.lost("it broke")
    assert "turn" in str(lost.message)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "emotion"},
        {"type": "emotion", "seq": 0, "start": "now", "end": None, "emotion": "Joy"},
        {"type": "summary", "overall": {"mood": 1}},
        {"type": "summary", "overall": 7},
        {"type": "ready", "hop_s": "soon"},
        {"type": ["emotion"]},
    ],
)
def test_a_message_of_another_protocol_is_the_servers_fault(message: dict[str, object]) -> None:
    talk = ClientProtocol()
    list(talk.begin())
    with pytest.raises(ServerError, match="does not speak this protocol"):
        list(talk.receive(json.dumps(message)))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "config", "encoding": "pcm_f32le"},  # an echo
        {"type": "ready", "labels": ["Joy"], "model": {"name": "x", "version": "1"}},
        {"type": "ready", "labels": [], "model": None},
    ],
)
def test_a_first_message_of_another_protocol_too(message: dict[str, object]) -> None:
    with pytest.raises(ServerError, match="does not speak this protocol"):
        Ready.of(message)
