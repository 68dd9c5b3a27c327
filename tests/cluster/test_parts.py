"""The parts of a cluster without one: batches, message queues, and retries of windows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.classifier import ExtraClassifier, FloatArray
from ser_rt.errors import ClusterError, ConfigError, InferenceError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.stream import load
from ser_rt.server.message_queue import AudioMessage
from ser_rt.server.protocol import ProtocolError
from tests.conftest import RATE, make_wave

pytest.importorskip("ray.serve", reason="needs Ray: pip install 'ser-rt[cluster]'")

from ray.serve.exceptions import RayServeException

from ser_rt.cluster import remote
from ser_rt.cluster.model import Model, classify_windows
from ser_rt.cluster.remote import ModelHandle
from ser_rt.cluster.replica import ReplicaService, StrictMessageQueue
from ser_rt.cluster.settings import ModelSettings
from ser_rt.server.app import make_app
from ser_rt.server.limits import ServerLimits


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
    found = classify_windows(counted, windows)  # type: ignore[arg-type]  # a double
    assert sorted(counted.calls) == [(1, 3 * RATE), (2, 2 * RATE), (3, RATE)]
    for answer, window in zip(found, windows, strict=True):
        np.testing.assert_allclose(answer, classifier(window[None])[0], atol=1e-6)  # type: ignore[arg-type]  # narrower in fact


def test_a_window_that_fails_takes_no_other_along(counted: Counted) -> None:
    windows = [make_wave(1), np.zeros(RATE, np.float32), make_wave(1, seed=1)]
    first, second, third = classify_windows(counted, windows)  # type: ignore[arg-type]  # a double
    assert second == "silence"
    assert isinstance(first, np.ndarray)
    assert isinstance(third, np.ndarray)


def test_batches_that_make_no_sense_are_refused(tiny_bundle: Path) -> None:
    replica: Any = Model.func_or_class(ModelSettings(str(tiny_bundle)), 1)  # type: ignore[attr-defined]  # Serve's types hide it
    with pytest.raises(ConfigError, match="max_batch"):
        replica.reconfigure({"max_batch": 0})


def test_a_model_that_fails_is_not_well(
    tiny_bundle: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica: Any = Model.func_or_class(ModelSettings(str(tiny_bundle)), 1)  # type: ignore[attr-defined]  # Serve's types hide it
    asyncio.run(replica.check_health())
    monkeypatch.setattr(replica, "_model", counted)  # it asks about silence
    with pytest.raises(InferenceError, match="silence"):
        asyncio.run(replica.check_health())


def test_a_full_queue_lets_nobody_wait() -> None:
    async def fill() -> None:
        messages = StrictMessageQueue(1_000)
        await messages.put(AudioMessage(bytes(950), 0.0))
        with pytest.raises(ProtocolError, match="1000 bytes") as error:
            await messages.put(AudioMessage(b"", 0.0))
        assert error.value.code == "too_fast"
        await messages.get()
        await messages.put(AudioMessage(bytes(950), 0.0))

    asyncio.run(fill())


MUTE = "mute"


class Replicas:
    """A handle whose replicas answer one thing after the other, and then the last for good."""

    def __init__(self, *answers: Any) -> None:
        self.classify = self.about = self
        self._answers = list(answers)
        self.is_asked_in_vain = asyncio.Event()

    async def remote(self, *_asked: Any) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is MUTE:
            self.is_asked_in_vain.set()
            await asyncio.Event().wait()
        return answer


def ask(tiny_bundle: Path, *replies: Any) -> tuple[ModelHandle, list[Any]]:
    """Ask replicas that answer so about a window; return who asked, and what came of it."""

    async def run() -> tuple[ModelHandle, list[Any]]:
        handle: Any = Replicas(*replies)
        model = ModelHandle(Bundle.load(tiny_bundle), "cpu", handle)
        work = asyncio.to_thread(model, make_wave(1)[None])
        return model, await asyncio.gather(work, return_exceptions=True)

    return asyncio.run(run())


def test_a_window_waits_for_a_replica_that_answers(tiny_bundle: Path) -> None:
    answer = np.ones(6, np.float32)
    gone = RayServeException("it is gone")
    model, (found,) = ask(tiny_bundle, gone, None, gone, answer)
    np.testing.assert_array_equal(found, answer[None])
    assert not model.is_superseded


def test_embeddings_come_behind_the_probabilities(tiny_bundle: Path) -> None:
    """Of a model replica, and as a stream replica takes them."""
    window, model = make_wave(1), load(tiny_bundle, embedding=True)
    (row,) = classify_windows(model, [window])
    assert not isinstance(row, str)
    assert isinstance(model, ExtraClassifier)
    assert row.tolist() == model.rows(window[None])[0].tolist()

    async def run() -> tuple[FloatArray, FloatArray]:
        handle: Any = Replicas(row)
        remote_model = ModelHandle(Bundle.load(tiny_bundle), "cpu", handle, has_embedding=True)
        assert isinstance(remote_model, ExtraClassifier)
        one = await asyncio.to_thread(remote_model, window[None])
        return one, await asyncio.to_thread(remote_model.rows, window[None])

    probabilities, rows = asyncio.run(run())
    np.testing.assert_array_equal(rows, row[None])
    np.testing.assert_array_equal(probabilities, row[None, :6])


def test_a_model_that_fails_says_why(tiny_bundle: Path) -> None:
    _, (error,) = ask(tiny_bundle, "silence")
    assert isinstance(error, InferenceError)
    assert str(error) == "silence"


def test_another_model_gives_no_answers(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SUPERSEDED_S", 0.3)
    model, (error,) = ask(tiny_bundle, None)
    assert isinstance(error, ClusterError)
    assert "another model" in str(error)
    assert model.is_superseded


def test_no_replica_at_all_is_said_in_the_end(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.3)
    _, (error,) = ask(tiny_bundle, RayServeException("they are gone"))
    assert isinstance(error, ClusterError)
    assert "for 0.3 s: they are gone" in str(error)


def test_an_end_waits_for_windows_that_are_on_their_way(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.5)

    async def run() -> Any:
        handle: Any = Replicas(np.ones(6, np.float32), MUTE)
        model = ModelHandle(Bundle.load(tiny_bundle), "cpu", handle)
        service = ReplicaService(model, ServerLimits(), 1_000, workers=1, max_batch=1)
        app = make_app(service)
        async with app.router.lifespan_context(app):
            await service.start()
            stream = service.batcher.open()
            asked = asyncio.create_task(service.in_thread(lambda: stream(make_wave(1)[None])))
            await handle.is_asked_in_vain.wait()
        return await asyncio.gather(asked, return_exceptions=True)

    (error,) = asyncio.run(asyncio.wait_for(run(), 60))
    assert isinstance(error, ClusterError)


def test_a_stream_replica_waits_for_models_of_its_own_version(tiny_bundle: Path) -> None:
    ours = Bundle.load(tiny_bundle).sha256
    before, gone = ("cpu", "another", "/bundles/old"), RayServeException("it is gone")

    async def find() -> ModelHandle:
        handle: Any = Replicas(before, gone, before, ("cuda", ours, str(tiny_bundle)))
        return await ModelHandle.find(ModelSettings(str(tiny_bundle)), handle)

    assert asyncio.run(asyncio.wait_for(find(), 60)).provider == "cuda"


def test_machines_with_other_bundles_of_one_name_are_said(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.3)
    settings = ModelSettings(str(tiny_bundle))
    handle: Any = Replicas(("cpu", "another", settings.model))
    with pytest.raises(ClusterError, match="another bundle"):
        asyncio.run(asyncio.wait_for(ModelHandle.find(settings, handle), 60))


def test_an_update_may_be_taken_back(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)

    async def look() -> list[bool]:
        handle: Any = Replicas(
            RayServeException("it is gone"),
            ("cpu", "another", "/bundles/new"),
            ("cpu", bundle.sha256, str(tiny_bundle)),
        )
        model = ModelHandle(bundle, "cpu", handle)
        model.is_superseded = True
        found = []
        for _ in range(3):
            await model.look_again()
            found.append(model.is_superseded)
        return found

    assert asyncio.run(look()) == [True, True, False]
