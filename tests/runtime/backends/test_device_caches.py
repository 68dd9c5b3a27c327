"""Caches that stay on a device, here the CPU's own memory, in onnxruntime's OrtValues."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ser_rt.classifier import Caches, FloatArray, Hop
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.stream import load
from tests.conftest import RATE, make_wave

HOP = RATE // 2


@pytest.fixture
def kept(streaming_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> OnnxClassifier:
    """Return a classifier that takes the CPU for a device."""
    opened = load(streaming_bundle)
    assert opened._of_hops is not None
    monkeypatch.setattr(opened._of_hops.sessions[0], "_device", "cpu")
    return opened


def stream(model: OnnxClassifier, waves: Sequence[FloatArray], caches: list[Caches]) -> list[bytes]:
    """Return the bytes of the probabilities of streams in shared calls; update their caches."""
    found = []
    for start in range(0, len(waves[0]), HOP):
        hops = [
            Hop(wave[start : start + HOP], own) for wave, own in zip(waves, caches, strict=True)
        ]
        results = model.classify_hops(hops)
        caches[:] = [result.caches for result in results]
        found += [result.probabilities.tobytes() for result in results]
    return found


def fresh(model: OnnxClassifier, count: int = 1) -> list[Caches]:
    assert model.streaming is not None
    return [model.streaming.fresh(1) for _ in range(count)]


def test_a_stream_whose_caches_stay_there_has_the_same_bytes(
    kept: OnnxClassifier, streaming_bundle: Path
) -> None:
    plain, wave = load(streaming_bundle), make_wave(30)
    caches, others = fresh(kept), fresh(plain)
    assert stream(kept, [wave], caches) == stream(plain, [wave], others)
    for name, value in caches[0].items():
        assert not isinstance(value, np.ndarray)
        np.testing.assert_array_equal(value.numpy(), others[0][name])


def test_streams_share_a_call_wherever_their_caches_are(
    kept: OnnxClassifier, streaming_bundle: Path
) -> None:
    plain, waves = load(streaming_bundle), [make_wave(2, seed=seed) for seed in (1, 2)]
    caches, others = fresh(kept, 2), fresh(plain, 2)
    for model, own in ((kept, caches), (plain, others)):
        alone = own[:1]
        stream(model, waves[:1], alone)
        own[0] = alone[0]
    assert [type(caches[n]["audio_tail"]).__name__ for n in (0, 1)] == ["OrtValue", "ndarray"]
    assert stream(kept, waves, caches) == stream(plain, waves, others)
    assert stream(kept, waves[1:], caches[1:]) == stream(plain, waves[1:], others[1:])


def test_what_a_call_was_given_is_not_changed(kept: OnnxClassifier) -> None:
    caches, wave = fresh(kept), make_wave(1)
    stream(kept, [wave], caches)
    before = list(caches)
    assert stream(kept, [wave], caches) == stream(kept, [wave], before)
