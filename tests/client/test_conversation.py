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
from ser_rt.runtime.event import TurnEvent
from tests.conftest import RATE, make_wave


def test_a_recording_waits_for_its_results_and_no_longer() -> None:
    def talk(socket: ServerConnection) -> None:
        socket.recv(60)
        sent_s = 0.0
        for waits_at_s, covered_s in ((120, 3.0), (123, 60.0), (180, 200.0)):
            while sent_s < waits_at_s:
                sent_s += len(socket.recv(60)) / 4 / RATE
            assert sent_s == waits_at_s
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
        event = {"type": "turn", "seq": 0, "id": number, "start": 0.0, "end": 1.0, "final": final}
        return json.dumps(event | where)

    def numbers(*messages: str) -> list[int]:
        events = [event for message in messages for event in talk.receive(message)]
        return [event.id for event in events if isinstance(event, TurnEvent)]

    talk = ClientProtocol()
    list(talk.begin())
    assert numbers(turn(1, 1), turn(1, 2), turn(2, 1), turn(3, 1, final=False)) == [1, 1, 2, 3]
    list(talk.begin())
    assert numbers(turn(1, 1), turn(1, 2), turn(2, 2)) == [3, 2, 3]
