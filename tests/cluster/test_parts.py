"""The parts of a cluster without one: batches, inboxes, and how a replica learns of its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray
from ser_rt.errors import ClusterError, ConfigError, InferenceError
from ser_rt.runtime.onnx_classifier import OnnxClassifier
from ser_rt.server.inbox import Audio
from ser_rt.server.protocol import ProtocolError
from tests.conftest import RATE, make_wave

pytest.importorskip("ray.serve", reason="needs Ray: pip install 'ser-rt[cluster]'")

from ray.serve.exceptions import RayServeException

from ser_rt.cluster import remote
from ser_rt.cluster.listener import StrictInbox
from ser_rt.cluster.model import Model, answers
from ser_rt.cluster.pulse import Pulse
from ser_rt.cluster.remote import RemoteModel
from ser_rt.cluster.settings import ModelSettings

# Ray's own, from inside its packages.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")


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


class Replicas:
    """A handle whose replicas answer one thing after the other, and then the last for good."""

    def __init__(self, *answers: Any) -> None:
        self.classify, self._answers = self, list(answers)

    async def remote(self, _wanted: str, _window: FloatArray) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(tiny_bundle: Path, *replies: Any) -> tuple[RemoteModel, list[Any]]:
    """Ask replicas that answer so about a window; return who asked, and what came of it."""

    async def run() -> tuple[RemoteModel, list[Any]]:
        handle: Any = Replicas(*replies)
        model = RemoteModel(Bundle.load(tiny_bundle), "cpu", handle)
        work = asyncio.to_thread(model, make_wave(1)[None])
        return model, await asyncio.gather(work, return_exceptions=True)

    return asyncio.run(run())


def test_a_window_waits_for_a_replica_that_answers(tiny_bundle: Path) -> None:
    answer = np.ones(6, np.float32)
    gone = RayServeException("it is gone")
    model, (found,) = ask(tiny_bundle, gone, None, gone, answer)
    np.testing.assert_array_equal(found, answer[None])
    assert not model.is_superseded


def test_a_model_that_fails_says_why(tiny_bundle: Path) -> None:
    _, (error,) = ask(tiny_bundle, "silence")
    assert isinstance(error, InferenceError)
    assert str(error) == "silence"


def test_another_model_gives_no_answers(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SUPERSEDED_S", 0.3)
    model, (error,) = ask(tiny_bundle, None)
    assert isinstance(error, ClusterError)
    assert "there is another model now than tiny 1.0" in str(error)
    assert model.is_superseded


def test_no_replica_at_all_is_said_in_the_end(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.3)
    _, (error,) = ask(tiny_bundle, RayServeException("they are gone"))
    assert isinstance(error, ClusterError)
    assert "for 0.3 s: they are gone" in str(error)
