"""Raw audio after query parameters, as Deepgram's clients send it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.server.conftest import Running, pcm
from tests.support.calls import CONNECTED, alone, of_channel, opened, told, voice


def test_raw_audio_after_query_parameters(running: Running, classifier: OnnxClassifier) -> None:
    first, second = voice(2.0, 1), voice(2.0, 2)
    both = np.stack([np.frombuffer(one, np.uint8) for one in (first, second)], 1).tobytes()
    query = "encoding=mulaw&sample_rate=8000&channels=2&multichannel=true&turns=true&vad=false"
    with opened(running, f"/v1/listen?{query}&model=nova-3") as socket:
        pieces = [both[at : at + 777] for at in range(0, len(both), 777)]
        control = [{"type": "KeepAlive"}, {"type": "Finalize"}, {"type": "CloseStream"}]
        events, code = told(socket, *pieces, *control)
    assert code == 1000
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("finalized")) == ("ready", "summary", 1)
    assert {tuple(e["channel_index"]) for e in events if "channel" in e} == {(0, 2), (1, 2)}
    for channel, samples in ((1, first), (2, second)):
        turns = [e for e in of_channel(events, channel) if e["type"] == "turn"]
        wanted = [e for e in alone(classifier, samples) if e["type"] == "turn"]
        assert [e["start"] for e in turns] == [e["start"] for e in wanted] == [0.0]


def test_raw_audio_is_mixed_unless_told_otherwise(running: Running) -> None:
    with opened(running, "/v1/listen?encoding=linear16&sample_rate=16000&vad=false") as socket:
        events, code = told(socket, pcm(1.5), {"type": "CloseStream"})
    assert code == 1000
    assert [event["type"] for event in events] == ["ready", "emotion", "emotion", "summary"]
    assert all("channel" not in event for event in events)


@pytest.mark.parametrize(
    ("query", "messages", "code", "words"),
    [
        ("encoding=linear16&sample_rate=16000", [{"type": "CloseStream"}], "no_audio", "without"),
        ("encoding=linear16", [], "bad_config", "sample_rate"),
        ("encoding=linear16&sample_rate=16000.5", [], "bad_config", "16000.5"),
        ("encoding=gsm&sample_rate=8000", [], "bad_config", "gsm"),
        ("encoding=mulaw&sample_rate=8000&multichannel=true", [], "bad_config", "one channel"),
        ("encoding=mulaw&sample_rate=8000&multichannel=2", [], "bad_config", "multichannel"),
        ("encoding=mulaw&sample_rate=8000&diarize=true", [], "bad_config", "diarize"),
        ("encoding=mulaw&sample_rate=8000", [CONNECTED], "bad_message", "/v1/stream"),
        ("encoding=mulaw&sample_rate=8000", [{"type": "config"}], "bad_message", "config"),
    ],
)
def test_raw_audio_that_is_not_described_is_refused(
    running: Running, query: str, messages: list[Any], code: str, words: str
) -> None:
    with opened(running, f"/v1/listen?{query}") as socket:
        events, closed = told(socket, *messages)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", code)
    assert words in events[-1]["message"]
    assert closed in {1007, 1008}
