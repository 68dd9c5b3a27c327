"""Replicas that die or are replaced under live streams: clients go on, every gap is reported."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from itertools import pairwise

import psutil
import pytest
from websockets.sync.client import connect

import ser_rt
from ser_rt import testing
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.client import AsyncClient, Client
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from tests.cluster.conftest import Cluster
from tests.conftest import RATE, make_wave
from tests.server.conftest import CONFIG, pcm, receive, rest
from tests.support.waiting import wait_until

CHUNK_S, SPEED = 0.1, 2
"""Live audio comes twice as fast as it would: nobody waits for it."""

Streams = list[list[Event]]


class NoiseSource(AudioSource):
    """Live noise until an event is set."""

    def __init__(self, seed: int, enough: threading.Event) -> None:
        self._wave, self._enough = make_wave(60, seed=seed), enough
        self.sent_s = 0.0

    def __iter__(self) -> Iterator[AudioChunk]:
        length = round(CHUNK_S * RATE)
        number, began = 0, time.monotonic()
        while not self._enough.is_set():
            self._enough.wait(began + number * CHUNK_S / SPEED - time.monotonic())
            at = number * length % (len(self._wave) - length)
            now = time.monotonic()
            samples = self._wave[at : at + length]
            yield AudioChunk(samples, number * length, now, is_live=True)
            number += 1
            self.sent_s = number * CHUNK_S


def stream_while(
    url: str, count: int, meanwhile: Callable[[Streams], None]
) -> tuple[Streams, list[float]]:
    """Stream live audio while something happens; return their events and lengths."""
    enough = threading.Event()
    sources = [NoiseSource(seed, enough) for seed in range(count)]
    streams: Streams = [[] for _ in sources]

    async def receive_all(number: int) -> None:
        client = AsyncClient(url, vad=False)
        async with aclosing(client.stream(sources[number])) as events:
            async for event in events:
                streams[number].append(event)

    async def all_streams() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(receive_all(number))
            try:
                await asyncio.to_thread(meanwhile, streams)
            finally:
                enough.set()

    asyncio.run(asyncio.wait_for(all_streams(), 200))
    return streams, [source.sent_s for source in sources]


def windows(events: list[Event]) -> list[Event]:
    return [event for event in events if event.type != "warning"]


def codes(events: list[Event]) -> list[str]:
    return [code for event in events if (code := event.code or "").startswith("stream_")]


def each_has(streams: Streams, more: int) -> None:
    """Wait until each stream has so many windows more than now."""
    wanted = [len(windows(events)) + more for events in streams]
    wait_until(lambda: all(len(windows(e)) >= n for e, n in zip(streams, wanted, strict=True)))


def assert_whole(events: list[Event], sent_s: float) -> None:
    """Each stretch of audio is in a window, or missing as a warning says."""
    assert events[-1].end == pytest.approx(sent_s, abs=1e-3)
    away: list[list[float]] = []
    for event in events:
        if event.code == "stream_lost":
            away.append([event.start])
        elif event.code == "stream_back":
            away[-1].append(event.start)
    late = [event.start for event in events if event.code == "stale"]
    degraded = [event.start for event in events if event.code == "degraded"]
    recovered = [event.start for event in events if event.code == "recovered"]
    for before, after in pairwise(windows(events)):
        assert after.end > before.end
        if after.start > before.end:
            was_away = any(lost <= before.end and after.start <= back for lost, back in away)
            was_late = any(before.start <= at <= after.end for at in late) or any(
                at <= after.end and not any(at < back <= before.end for back in recovered)
                for at in degraded
            )
            assert was_away or was_late, f"{before.end} to {after.start} of {away} is missing"


def kill(process: psutil.Process) -> None:
    process.kill()
    process.wait(60)


def test_a_stream_replica_killed_under_eight_live_clients(cluster: Cluster) -> None:
    def meanwhile(streams: Streams) -> None:
        each_has(streams, 3)
        one, other = cluster.replicas("Listener")
        kill(one)
        each_has(streams, 8)
        if not any(map(codes, streams)):  # all were at the other one, as of a starved machine
            kill(other)
            each_has(streams, 8)

    streams, sent_s = stream_while(cluster.ws, 8, meanwhile)
    for events, seconds in zip(streams, sent_s, strict=True):
        assert_whole(events, seconds)
    lost = [events for events in streams if "stream_lost" in codes(events)]
    assert lost, "none was at the replica that died"
    for events in lost:
        assert codes(events)[:2] == ["stream_lost", "stream_back"]
    wait_until(lambda: len(cluster.replicas("Listener")) == 2)


def test_a_model_that_dies_takes_no_window_along(
    cluster: Cluster, classifier: OnnxClassifier
) -> None:
    waves = [make_wave(60, seed=seed) for seed in range(4)]
    (model,) = cluster.replicas("Model")
    there: Streams = [[] for _ in waves]

    async def receive_all(number: int) -> None:
        client = AsyncClient(cluster.ws, vad=False, reconnect=False)
        async with aclosing(client.stream(waves[number], sample_rate=RATE)) as events:
            async for event in events:
                there[number].append(event)
                if number == 0 and len(there[0]) == 5:
                    model.kill()

    async def all_streams() -> None:
        await asyncio.gather(*(receive_all(number) for number in range(len(waves))))

    asyncio.run(asyncio.wait_for(all_streams(), 100))
    for wave, events in zip(waves, there, strict=True):
        here = ser_rt.stream(wave, sample_rate=RATE, model=classifier, vad=False)
        assert [e.to_json(timing=False) for e in events] == [e.to_json(timing=False) for e in here]


@pytest.mark.slow
def test_an_update_to_another_model_drops_no_stream(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = {process.pid for process in cluster.replicas("Listener")}
    newer = testing.tiny_bundle(tmp_path_factory.mktemp("newer") / "tiny", version="2.0")

    def meanwhile(streams: Streams) -> None:
        each_has(streams, 3)
        cluster.deploy(model=str(newer))
        wait_until(lambda: not before & {process.pid for process in cluster.replicas("Listener")})
        each_has(streams, 5)

    streams, sent_s = stream_while(cluster.ws, 4, meanwhile)
    for events, seconds in zip(streams, sent_s, strict=True):
        assert_whole(events, seconds)
        lost = [event for event in events if event.code == "stream_lost"]
        assert lost, "it was at a replica that went"
        assert all("broke" not in str(event.message) for event in lost), "its end was not announced"
    assert Client(cluster.ws).ready().version == "2.0"
    cluster.deploy()


def test_an_ending_stream_replica_gives_the_results_of_all_that_came(cluster: Cluster) -> None:
    with connect(cluster.ws, compression=None, open_timeout=60) as socket:
        socket.send(json.dumps(CONFIG))
        assert receive(socket)["type"] == "ready"
        socket.send(pcm(1.2))
        assert receive(socket)["end"] == 1.0
        cluster.deploy(max_session_s=1_000)
        messages, code, _ = rest(socket)
    assert [message["type"] for message in messages] == ["emotion", "summary"]
    assert messages[0]["end"] == 1.2
    assert (messages[1]["interrupted"], code) == (True, 1001)
