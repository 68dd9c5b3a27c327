"""Listening on a connection of one's own to a call that Twilio sends."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.calls import MOST_WAITING, CallListener, Calls
from ser_rt.server.limits import ServerLimits
from tests.server.adapters.test_twilio import CALL, STOP, STREAM, packets, start
from tests.server.conftest import Running, serving
from tests.support.calls import CONNECTED, Message, opened, told, voice


def rest(socket: ClientConnection) -> tuple[list[Message], int]:
    """All that comes until the server closes, and the close code."""
    return told(socket)


def test_listeners_hear_what_a_quiet_call_is_not_told(running: Running) -> None:
    with (
        opened(running, f"/v1/calls/{CALL}") as early,
        opened(running, "/v1/twilio") as call,
        opened(running, "/v1/calls/another") as other,
    ):
        begun = [CONNECTED, start("inbound", vad="false", quiet="true")]
        first, *more = packets(voice(2.0, 1), "inbound")
        for message in (*begun, first):
            call.send(json.dumps(message))
        ready = json.loads(early.recv(60))
        with opened(running, f"/v1/calls/{STREAM}") as late:
            assert json.loads(late.recv(60)) == ready
            assert told(call, *more, STOP) == ([], 1000)
            found = rest(early)
            assert rest(late) == found
        other.close()
    events, code = found
    assert ready["event"] == "ready"
    assert code == 1000
    assert [event["event"] for event in events][-2:] == ["turn", "summary"]
    assert {event["streamSid"] for event in events} == {STREAM}


def test_a_call_that_breaks_off_ends_for_its_listeners(running: Running) -> None:
    with opened(running, f"/v1/calls/{CALL}") as listener:
        with opened(running, "/v1/twilio") as call:
            call.send(json.dumps(start("inbound", vad="false")))
            assert json.loads(listener.recv(60))["event"] == "ready"
        assert rest(listener)[1] == 1000


def test_errors_of_a_quiet_call_are_told_to_both(running: Running) -> None:
    with opened(running, f"/v1/calls/{CALL}") as listener, opened(running, "/v1/twilio") as call:
        (error,), code = told(call, start("inbound", quiet="true"), STOP)
        ready, same = rest(listener)[0]
    assert (error["code"], code, ready["event"]) == ("no_audio", 1008, "ready")
    assert same == error
    with opened(running, "/v1/twilio") as call:
        (error,), _ = told(call, start("inbound", quiet="perhaps"))
    assert (error["code"], "quiet" in error["message"]) == ("bad_config", True)


def test_a_call_lasts_as_long_as_one_of_its_streams() -> None:
    class Noting:
        def __init__(self) -> None:
            self.found: list[str | None] = []

        def tell(self, message: dict[str, Any] | None) -> None:
            self.found.append(None if message is None else message["type"])

    calls, early, late = Calls(), Noting(), Noting()
    calls.join(CALL, early)  # type: ignore[arg-type]  # all of it that is used
    for stream in ("MZ1", "MZ2"):
        calls.tell((stream, CALL), {"type": "ready"})
    calls.end(("MZ1", CALL))
    calls.join(CALL, late)  # type: ignore[arg-type]  # as above
    calls.tell(("MZ2", CALL), {"type": "emotion"})
    calls.end(("MZ2", CALL))
    assert early.found == ["ready", "ready", "emotion", None]
    assert late.found == ["ready", "emotion", None]


def test_who_may_listen_and_for_how_long(classifier: OnnxClassifier) -> None:
    limits = ServerLimits(idle_timeout_s=0.2, max_streams=1)
    with serving(classifier, keys=("a-key-of-more-than-16",), limits=limits) as running:
        with pytest.raises(InvalidStatus, match="401"), opened(running, "/v1/calls/x"):
            pass
        url = f"ws://127.0.0.1:{running.port}/v1/calls/x?token=a-key-of-more-than-16"
        with connect(url, compression=None) as listener:
            with pytest.raises(InvalidStatus, match="503"), connect(url, compression=None):
                pass
            (error,), code = rest(listener)
    assert (error["code"], code) == ("idle_timeout", 1008)
    assert "no call x within 0.2 s" in error["message"]


def test_a_shutdown_ends_a_listener_without_a_call(classifier: OnnxClassifier) -> None:
    with ExitStack() as stack:
        with serving(classifier) as running:
            listener = stack.enter_context(opened(running, "/v1/calls/x"))
        assert rest(listener) == ([], 1001)


def test_a_listener_that_does_not_read_is_cut_off() -> None:
    class Slow:
        """A socket that takes nothing until it is told to."""

        def __init__(self) -> None:
            self.may_send, self.sent, self.code = asyncio.Event(), list[Any](), 0

        async def send_json(self, message: Any) -> None:
            await self.may_send.wait()
            self.sent.append(message)

        async def receive(self) -> dict[str, str]:
            await asyncio.Event().wait()
            return {}

        async def close(self, code: int) -> None:
            self.code = code

    async def run() -> Slow:
        calls, socket = Calls(), Slow()
        listening = asyncio.create_task(CallListener(socket, "x", calls).run(60))  # type: ignore[arg-type]  # a double
        await asyncio.sleep(0)
        for number in range(MOST_WAITING + 10):
            calls.tell(("x",), {"type": "emotion", "seq": number})
        socket.may_send.set()
        await listening
        return socket

    socket = asyncio.run(run())
    assert socket.code == 1008
    assert [message["seq"] for message in socket.sent] == list(range(MOST_WAITING))
