"""Slow: how a cluster grows, and what it adds to a window's way.

pytest -m slow -s tests/cluster/test_load.py
"""

from __future__ import annotations

import json
import random
import time
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile
from websockets.sync.client import ClientConnection, connect

import ser_rt
from tests.cluster.conftest import Cluster
from tests.conftest import RATE
from tests.server.conftest import CONFIG, receive, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

HOPS, WARM_UP = 60, 5
DICE = random.Random(0)  # noqa: S311 (no secret)


def test_another_replica_comes_when_there_are_more_streams(cluster: Cluster) -> None:
    more = {"max_listeners": 2, "streams_per_listener": 1, "colocated": True}
    cluster.deploy("growing", "/growing", min_listeners=1, **more)
    address = cluster.ws.replace("/v1", "/growing/v1")
    assert len(cluster.replicas("Listener", "growing")) == 1
    with ExitStack() as opened:
        sockets = [opened.enter_context(connect(address, open_timeout=60)) for _ in range(3)]
        for socket in sockets:
            socket.send(json.dumps(CONFIG))
            assert receive(socket)["type"] == "ready"

        def has_grown() -> bool:
            for socket in sockets:  # they live on
                socket.send('{"type": "keepalive", "id": 1}')
                assert receive(socket)["type"] == "alive"
            return len(cluster.replicas("Listener", "growing")) == 2

        wait_until(has_grown, 150)


def test_what_a_cluster_adds_to_a_window(cluster: Cluster) -> None:
    """In turn, the same half seconds: to ser-serve, to a colocated replica, and to models."""
    cluster.deploy("together", "/together", model="compact", colocated=True)
    cluster.deploy("apart", "/apart", model="compact")
    samples, _ = soundfile.read(ser_rt.sample_path(), dtype="int16")
    hop = RATE // 2
    latency_ms: dict[str, list[float]] = {"ser-serve": [], "together": [], "apart": []}
    with ExitStack() as opened:
        sockets: dict[str, ClientConnection] = {}
        for name in latency_ms:
            if name == "ser-serve":
                address = opened.enter_context(serving(ser_rt.load())).ws
            else:
                address = cluster.ws.replace("/v1", f"/{name}/v1")
            sockets[name] = opened.enter_context(
                connect(address, compression=None, open_timeout=60)
            )
            sockets[name].send(json.dumps(CONFIG | {"gate_threshold": 0}))
            assert receive(sockets[name])["type"] == "ready"
            sockets[name].send(samples[: 6 * hop].tobytes())
            for _ in range(5):
                receive(sockets[name])
        for number in range(HOPS):
            at = (6 + number) * hop % (len(samples) - hop)
            for name in DICE.sample(list(sockets), 3):
                began = time.perf_counter()
                sockets[name].send(samples[at : at + hop].tobytes())
                assert receive(sockets[name])["type"] == "emotion"
                latency_ms[name].append((time.perf_counter() - began) * 1e3)
    for name, values in latency_ms.items():
        p50, p95 = np.percentile(values[WARM_UP:], (50, 95))
        print(f"\n{name}: p50 {p50:.1f}, p95 {p95:.1f} ms", end="")  # noqa: T201 (-s shows it)
