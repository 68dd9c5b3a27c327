"""Embeddings beside probabilities: the same however windows are classified."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.commands.stream_options import parse
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.event import Event
from ser_rt.runtime.stream import embed, load, open_stream, stream
from tests.conftest import RATE, Run, make_wave

WAVE = make_wave(6.2)


def rows(events: list[Event]) -> np.ndarray:
    return np.array([event.embedding for event in events if event.type == "emotion"])


@pytest.mark.parametrize("kind", ["tiny_bundle", "two_part_bundle", "streaming_bundle"])
def test_a_window_has_the_embedding_of_the_network(
    kind: str, request: pytest.FixtureRequest
) -> None:
    bundle = request.getfixturevalue(kind)
    plain = OnnxClassifier(load(bundle).bundle, streaming=False)
    how = {"sample_rate": RATE, "vad": False}
    events = list(stream(WAVE, model=load(bundle, embedding=True), turns=True, **how))  # type: ignore[arg-type]
    found = rows(events)
    for event, row in zip([e for e in events if e.type == "emotion"], found, strict=True):
        window = WAVE[round(event.start * RATE) : round(event.end * RATE)]
        (right,) = plain.outputs(window[np.newaxis], "embedding")
        assert row == pytest.approx(right[0], abs=1e-3)
        assert set(event.probabilities) == set(plain.labels)
    assert [len(e.embedding or ()) for e in events if e.type == "turn"] == [found.shape[1]]
    assert np.array_equal(embed(WAVE, model=bundle, **how), found.astype(np.float32))  # type: ignore[arg-type]


def test_embeddings_change_nothing_else(tiny_bundle: Path) -> None:
    how = {"sample_rate": RATE, "vad": False, "turns": True}
    with_them = list(stream(WAVE, model=load(tiny_bundle, embedding=True), **how))  # type: ignore[arg-type]
    without = [e.to_dict(timing=False) for e in stream(WAVE, model=tiny_bundle, **how)]  # type: ignore[arg-type]
    found = [e.to_dict(timing=False) for e in with_them]
    assert all("embedding" in e for e in found if e["type"] in ("emotion", "turn"))
    assert [{k: v for k, v in e.items() if k != "embedding"} for e in found] == without


def test_streams_that_share_calls_have_their_own(tiny_bundle: Path) -> None:
    alone = rows(list(stream(WAVE, sample_rate=RATE, model=load(tiny_bundle, embedding=True))))
    with Batcher(load(tiny_bundle, embedding=True)) as batcher:
        session = open_stream(sample_rate=RATE, model=batcher.open())
        shared = rows(session.push(WAVE) + session.flush())
    assert np.array_equal(alone, shared)


def test_silence_has_none_and_a_model_without_them_is_refused(tiny_bundle: Path) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    assert ser_rt.embed(silence, sample_rate=RATE, model=tiny_bundle).shape == (0, 0)
    with pytest.raises(ConfigError, match="embedding=True"):
        embed(WAVE, sample_rate=RATE, model=load(tiny_bundle))


def test_the_command_writes_them(run: Run, speech: Path) -> None:
    events = [json.loads(line) for line in run(speech, "--format=jsonl", "--embedding")[1]]
    found = [event for event in events if event["type"] == "emotion"]
    assert found
    assert all(len(event["embedding"]) == 4 for event in found)
    with pytest.raises(ConfigError, match="--embedding is the server's choice"):
        parse(
            [str(speech), "--embedding", "--format=jsonl", "--server", "ws://127.0.0.1:1/v1/stream"]
        )
    with pytest.raises(ConfigError, match="--embedding does nothing with --format csv"):
        parse([str(speech), "--embedding", "--format=csv"])
