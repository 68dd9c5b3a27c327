"""Calls as telephone services send them: mu-law, packets, sockets, and what is told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import ser_rt
from ser_rt.audio.decoding.pcm import PcmDecoder
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import Wave, make_wave
from tests.server.conftest import Running

Message = dict[str, Any]
PHONE_HZ = 8_000


def mulaw(wave: Wave) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, PHONE_HZ, format="RAW", subtype="ULAW")
    return file.getvalue()


def voice(seconds: float, seed: int) -> bytes:
    return mulaw(make_wave(seconds, PHONE_HZ, seed))


@contextmanager
def opened(running: Running, path: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{running.port}{path}", compression=None) as socket:
        yield socket


def told(socket: ClientConnection, *messages: Message | bytes | str) -> tuple[list[Message], int]:
    """Send messages; return all that comes until the server closes, and the close code."""
    try:
        for message in messages:
            socket.send(json.dumps(message) if isinstance(message, dict) else message)
    except ConnectionClosed:
        pass  # what the server said of the ones before can still be read
    found = []
    while True:
        try:
            found.append(json.loads(socket.recv(60)))
        except ConnectionClosed as closed:
            return found, closed.rcvd.code if closed.rcvd else 1006


CONNECTED: Message = {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def of_channel(events: list[Message], channel: int) -> list[Message]:
    drop = {
        "event",
        "streamSid",
        "seq",
        "channel",
        "channel_name",
        "latency_ms",
        "channel_index",
        "at",
    }
    found = [event for event in events if event.get("channel") == channel]
    return [{k: v for k, v in event.items() if k not in drop} for event in found]


def alone(classifier: OnnxClassifier, samples: bytes, rate: int = PHONE_HZ) -> list[Message]:
    """What the samples of one party give by themselves."""
    blocks = PcmDecoder(rate, 1, "mulaw").feed(samples)
    wave = np.concatenate([block.samples for block in blocks])
    events = ser_rt.stream(wave, sample_rate=rate, model=classifier, vad=False, turns=True)
    return [{k: v for k, v in e.to_dict(timing=False).items() if k != "seq"} for e in events]
