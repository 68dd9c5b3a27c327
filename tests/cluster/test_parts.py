"""The parts of a cluster without one: batches, inboxes, and how a replica learns of its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.classifier import FloatArray
from ser_rt.errors import ConfigError, InferenceError
from ser_rt.runtime.onnx_classifier import OnnxClassifier
from ser_rt.server.inbox import Audio
from ser_rt.server.protocol import ProtocolError
from tests.conftest import RATE, make_wave

pytest.importorskip("ray.serve", reason="needs Ray: pip install 'ser-rt[cluster]'")

from ser_rt.cluster.listener import StrictInbox
from ser_rt.cluster.model import Model, answers
from ser_rt.cluster.pulse import Pulse
from ser_rt.cluster.settings import ModelSettings


class Counted:
    """A model that counts its calls, and fails on silence."""

    def __init__(self, model: OnnxClassifier) -> None:
        self._model, self.calls = model, list[tuple[int, ...]]()

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.calls.append(waveforms.shape)
        if not waveforms.any(axis=1).all():
            msg = "silence"
            raise InferenceError(msg)
        return self._model(waveforms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.fixture
def counted(classifier: OnnxClassifier) -> Counted:
    return Counted(classifier)


def test_windows_of_equal_length_share_a_call(counted: Counted, classifier: OnnxClassifier) -> None:
    windows = [make_wave(seconds, seed=n) for n, seconds in enumerate((1, 2, 1, 3, 2, 1))]
    found = answers(counted, windows)  # type: ignore[arg-type]
    assert sorted(counted.calls) == [(1, 3 * RATE), (2, 2 * RATE), (3, RATE)]
    for answer, window in zip(found, windows, strict=True):
        np.testing.assert_allclose(answer, classifier(window[None])[0], atol=1e-6)  # type: ignore[arg-type]


def test_a_window_that_fails_takes_no_other_along(counted: Counted) -> None:
    windows = [make_wave(1), np.zeros(RATE, np.float32), make_wave(1, seed=1)]
    first, second, third = answers(counted, windows)  # type: ignore[arg-type]
    assert second == "silence"
    assert isinstance(first, np.ndarray)
    assert isinstance(third, np.ndarray)


def test_batches_that_make_no_sense_are_refused(tiny_bundle: Path) -> None:
    replica: Any = Model.func_or_class(ModelSettings(str(tiny_bundle)), 1)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="max_batch must be 1 or more, not 0"):
        replica.reconfigure({"max_batch": 0})


def test_a_model_that_fails_is_not_well(
    tiny_bundle: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica: Any = Model.func_or_class(ModelSettings(str(tiny_bundle)), 1)  # type: ignore[attr-defined]
    asyncio.run(replica.check_health())
    monkeypatch.setattr(replica, "_model", counted)  # it asks about silence
    with pytest.raises(InferenceError, match="silence"):
        asyncio.run(replica.check_health())


def test_a_full_inbox_lets_nobody_wait() -> None:
    async def fill() -> None:
        inbox = StrictInbox(1_000)
        await inbox.put(Audio(bytes(950), 0.0))
        with pytest.raises(ProtocolError, match="over 1000 bytes wait to be heard") as error:
            await inbox.put(Audio(b"", 0.0))
        assert error.value.code == "too_fast"
        await inbox.get()
        await inbox.put(Audio(bytes(950), 0.0))

    asyncio.run(fill())


def test_a_pulse_is_silent_after_three_times_its_usual_time() -> None:
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    assert not pulse.is_silent
    for at in (0.0, 2.0, 4.1, 6.0):
        now[0] = at
        pulse.beat()
    now[0] = 11.9
    assert not pulse.is_silent
    now[0] = 12.1
    assert pulse.is_silent


def test_a_pulse_that_comes_back_is_one() -> None:
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    for at in (0.0, 1.0, 2.0, 9.0):
        now[0] = at
        pulse.beat()
    assert not pulse.is_silent


def test_a_pulse_needs_to_know_what_is_usual() -> None:
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    pulse.beat()
    now[0] = 1_000.0
    assert not pulse.is_silent


@pytest.mark.parametrize("says", [True, False])
def test_silence_alone_is_no_end(says: bool) -> None:  # noqa: FBT001 (a parameter of a test)
    now, asked = [0.0], []
    pulse = Pulse(clock=lambda: now[0])
    for at in (0.0, 1.0, 2.0):
        now[0] = at
        pulse.beat()
    now[0] = 10.0

    async def is_stopping() -> bool:
        asked.append(now[0])
        if len(asked) == 3:
            pulse.beat()  # it was a busy moment, and no end
            now[0] = 20.0
        return says or len(asked) > 3

    asyncio.run(asyncio.wait_for(pulse.until_the_end(is_stopping), 20))
    assert len(asked) == (1 if says else 4)
