"""A cluster speaks the protocol of ``ser-serve``: the server's tests, and its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

import ser_rt
from ser_rt.bundle import Bundle
from ser_rt.client import Client
from ser_rt.cluster.settings import ClusterSettings
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.stream import load
from ser_rt.server.protocol import check
from tests.cluster.conftest import KEY, SMALL, Cluster
from tests.conftest import RATE, make_wave
from tests.server.conftest import CONFIG, pcm, receive, rest, send
from tests.server.test_stream import (  # noqa: F401 (they are run here too)
    test_a_gap_is_skipped_and_no_window_spans_it,
    test_a_stream_may_begin_later_than_zero,
    test_a_stream_without_audio_ends_with_an_empty_summary,
    test_events_are_those_of_ser_stream_byte_for_byte,
    test_finalize_gives_what_is_there_and_goes_on,
    test_half_a_sample_at_the_end_is_a_warning,
    test_keepalive_is_answered_if_it_has_an_id,
    test_ready_describes_the_model,
    test_reset_starts_anew,
    test_settings_reach_the_engine,
)
from tests.support.waiting import wait_until

Connected = Callable[..., ClientConnection]


def test_the_python_client_has_the_events_of_this_machine(
    cluster: Cluster, classifier: OnnxClassifier
) -> None:
    here = list(ser_rt.stream(ser_rt.sample_path(), model=classifier))
    there = list(Client(cluster.ws).stream(ser_rt.sample_path()))
    assert [e.to_json(timing=False) for e in there] == [e.to_json(timing=False) for e in here]
    assert {"network", "inference"} <= there[0].latency_ms.keys()


@pytest.mark.parametrize(
    ("first", "code", "close_code"),
    [
        ("nonsense", "bad_json", 1007),
        (b"\0\0", "config_expected", 1008),
        (json.dumps(CONFIG | {"window_s": 99}), "bad_message", 1008),
        (json.dumps(CONFIG | {"window_s": 1, "hop_s": 2}), "bad_config", 1008),
    ],
)
def test_what_is_wrong_is_said(
    cluster: Cluster, first: str | bytes, code: str, close_code: int
) -> None:
    with connect(cluster.ws, open_timeout=60) as socket:
        socket.send(first)
        messages, closed_with, reason = rest(socket)
    assert [message["code"] for message in messages] == [code]
    assert (closed_with, reason) == (close_code, code)


def test_over_http(cluster: Cluster, tiny_bundle: Path, write_audio: Callable[..., Path]) -> None:
    get = partial(httpx.get, timeout=60)
    assert get(cluster.http("/healthz")).json() == {"status": "ok"}
    assert get(cluster.http("/readyz")).json()["status"] == "ready"
    models = get(cluster.http("/v1/models")).json()
    check(models, "models", "internal")
    assert models["models"][0]["name"] == "tiny"
    assert "ser_streams " in get(cluster.http("/metrics")).text
    assert get(cluster.http("/none")).json()["code"] == "not_found"
    path = write_audio("a.wav", make_wave(2.2))
    answer = httpx.post(
        cluster.http("/v1/classify?vad=false"), content=path.read_bytes(), timeout=60
    ).json()
    check(answer, "classification", "internal")
    here = ser_rt.stream(path, model=tiny_bundle, vad=False)
    assert answer["events"] == [json.loads(event.to_json(timing=False)) for event in here]


@pytest.fixture(scope="module")
def strict(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of another application, whose stream replicas classify themselves."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEY, encoding="utf-8")
    keys.chmod(0o600)
    cluster.deploy(
        "strict",
        "/strict",
        colocated=True,
        min_listeners=1,
        max_listeners=1,
        api_key_file=str(keys),
        max_streams=2,
        max_message_bytes=2 * RATE,
        max_unheard_bytes=400_000,
        max_session_s=100,
    )
    return cluster.ws.replace("/v1", "/strict/v1")


def strictly_connected(strict: str, **changes: Any) -> ClientConnection:
    socket: ClientConnection = connect(strict + "?token=" + KEY, open_timeout=60).__enter__()
    socket.send(json.dumps(CONFIG | changes))
    assert receive(socket)["limits"]["max_session_s"] == 100
    return socket


def test_a_stream_replica_may_have_the_model_itself(
    strict: str, cluster: Cluster, classifier: OnnxClassifier
) -> None:
    assert cluster.replicas("Model")
    assert not cluster.replicas("Model", "strict")
    wave = make_wave(5.2)
    here = ser_rt.stream(wave, sample_rate=RATE, model=classifier, vad=False)
    client = Client(strict, token=KEY, vad=False, timing=False)
    there = client.stream(np.array_split(wave, 20), sample_rate=RATE)  # none is too big
    assert [e.to_json(timing=False) for e in there] == [e.to_json(timing=False) for e in here]


@pytest.mark.parametrize("colocated", [True, False])
def test_caches_stay_with_their_stream_or_windows_are_whole(
    cluster: Cluster, streaming_bundle: Path, *, colocated: bool
) -> None:
    name = f"streaming-{colocated}".lower()
    one = {"min_listeners": 1, "max_listeners": 1, "colocated": colocated}
    cluster.deploy(name, f"/{name}", model=str(streaming_bundle), **one)
    wave = make_wave(5.2)
    model = load(streaming_bundle, streaming=colocated)
    here = ser_rt.stream(wave, sample_rate=RATE, model=model, vad=False)
    client = Client(cluster.ws.replace("/v1", f"/{name}/v1"), vad=False, timing=False)
    there = client.stream([wave], sample_rate=RATE)
    assert [e.to_json(timing=False) for e in there] == [e.to_json(timing=False) for e in here]


def test_keys_are_asked_for(strict: str) -> None:
    with pytest.raises(InvalidStatus) as refusal, connect(strict, open_timeout=60):
        pass
    body: Any = refusal.value.response.body
    assert (refusal.value.response.status_code, json.loads(body)["code"]) == (401, "unauthorized")


def test_a_full_stream_replica_refuses(strict: str) -> None:
    first, second = strictly_connected(strict), strictly_connected(strict)
    with pytest.raises(InvalidStatus) as refusal:
        strictly_connected(strict)
    body: Any = refusal.value.response.body
    assert (refusal.value.response.status_code, json.loads(body)["code"]) == (503, "server_full")
    for socket in (first, second):
        socket.send('{"type": "close"}')
        assert rest(socket)[1] == 1000


def test_a_message_that_is_too_big_ends_the_stream(strict: str) -> None:
    socket = strictly_connected(strict)
    socket.send(bytes(2 * RATE + 2))
    messages, code, _ = rest(socket)
    assert (messages[-1]["code"], code) == ("message_too_big", 1009)


def test_a_client_that_is_much_too_fast_is_ended(strict: str) -> None:
    socket = strictly_connected(strict, hop_s=0.1)  # it takes longer to classify than to send
    send(socket, *[pcm(1.0)] * 2_000)  # half an hour
    messages, code, _ = rest(socket)
    assert (messages[-1]["code"], code) == ("too_fast", 1008)


@pytest.mark.usefixtures("cluster")
def test_windows_of_several_replicas_share_a_call(tiny_bundle: Path) -> None:
    from ray import serve

    from ser_rt.cluster.application import model_replicas

    arguments = SMALL | {"model": str(tiny_bundle), "max_batch": 4, "max_wait_ms": 60_000}
    handle = serve.run(
        model_replicas(ClusterSettings.of(arguments)), name="batched", route_prefix=None
    )
    wanted = Bundle.load(tiny_bundle).sha256
    windows = [make_wave(1, seed=seed) for seed in range(4)]
    assert handle.classify.remote("another", windows[0]).result() is None
    asked = [handle.classify.remote(wanted, window) for window in windows[:3]]
    with pytest.raises(TimeoutError):  # they wait for a fourth
        asked[0].result(timeout_s=1)
    asked.append(handle.classify.remote(wanted, windows[3]))
    here = load(tiny_bundle)(np.stack(windows))
    there = [one.result(timeout_s=60) for one in asked]
    np.testing.assert_allclose(there, here, atol=1e-6)
    serve.delete("batched")


def test_ray_exports_the_counters_of_replicas(cluster: Cluster) -> None:
    import ray

    client = Client(cluster.ws, vad=False)
    assert list(client.stream(make_wave(2), sample_rate=RATE))
    port = ray.nodes()[0]["MetricsExportPort"]
    wanted = {"ray_ser_windows_total", "ray_ser_latency_seconds_count"}
    wanted |= {"ray_serve_replica_processing_queries", "ray_serve_deployment_request_counter_total"}

    def missing() -> set[str]:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text.splitlines()
        return wanted - {line.partition("{")[0] for line in lines}

    wait_until(lambda: not missing())
