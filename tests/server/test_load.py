"""Many live streams and idle connections against ``ser-serve`` in a process of its own.

    pytest -m slow tests/server/test_load.py            ten minutes
    SER_LOAD_S=60 pytest -m slow tests/server/test_load.py

It wants two cores to itself: the server's latency, measured at the client, is what is tested.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import psutil
import pytest
import soundfile
from websockets.asyncio.client import ClientConnection, connect

import ser_rt
from tests.server.test_lifecycle import process

DICE = random.Random(0)  # noqa: S311 (no secret)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

SECONDS = float(os.environ.get("SER_LOAD_S", "600"))
STREAMS, IDLE = 50, 200
CHUNK_S, RATE = 0.1, 16_000
P95_MS, IDLE_SHARE, GROWTH_MB = 150.0, 0.05, 30.0


@dataclass
class Measured:
    """What came back on all streams."""

    latency_ms: list[float] = field(default_factory=list)
    windows: int = 0
    wanted: int = 0
    skipped: int = 0
    warnings: int = 0
    late_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        p50, p95, p99 = np.percentile(self.latency_ms, (50, 95, 99))
        return (
            f"{self.windows} of {self.wanted} windows, {self.skipped} skipped, "
            f"{self.warnings} warnings; end to end p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} ms; "
            f"client late p99 {np.percentile(self.late_ms, 99):.1f} ms"
        )


async def speak(url: str, audio: bytes, seconds: float, measured: Measured) -> None:
    """Send audio at the pace of the clock, and note when each result comes."""
    chunk = 2 * round(CHUNK_S * RATE)
    sent_at: list[float] = []
    async with connect(url, compression=None, max_queue=None) as socket:
        await socket.send(json.dumps({"type": "config", "sample_rate": RATE, "live": True}))
        await socket.recv()
        receiving = asyncio.create_task(_receive(socket, sent_at, measured))
        offset = DICE.randrange(0, len(audio) // chunk) * chunk
        started = time.perf_counter()
        for number in range(round(seconds / CHUNK_S)):
            due_at = started + (number + 1) * CHUNK_S
            wait_s = due_at - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            measured.late_ms.append(max(0.0, -wait_s) * 1e3)
            at = (offset + number * chunk) % (len(audio) - chunk)
            sent_at.append(time.perf_counter())
            await socket.send(audio[at : at + chunk])
        measured.wanted += round((seconds - 1.0) / 0.5) + 1
        await socket.send('{"type": "close"}')
        await receiving


async def _receive(socket: ClientConnection, sent_at: list[float], measured: Measured) -> None:
    async for text in socket:
        now, message = time.perf_counter(), json.loads(text)
        if message["type"] in ("emotion", "no_speech"):
            measured.windows += 1
            number = min(len(sent_at), round(message["end"] / CHUNK_S)) - 1
            measured.latency_ms.append((now - sent_at[number]) * 1e3)
        elif message["type"] == "summary":
            measured.skipped += message["skipped_windows"]
        else:
            measured.warnings += 1


def demo() -> bytes:
    samples, _ = soundfile.read(ser_rt.sample_path(), dtype="int16")
    return bytes(samples.tobytes())


def test_fifty_live_streams() -> None:
    measured = Measured()

    async def crowd(url: str, server: psutil.Process) -> list[float]:
        audio = demo()

        async def one() -> None:
            # People do not begin at the same moment.
            await asyncio.sleep(DICE.uniform(0, 2))
            await speak(url, audio, SECONDS, measured)

        tasks = [asyncio.create_task(one()) for _ in range(STREAMS)]
        memory_mb = []
        for _ in count():
            done, waiting = await asyncio.wait(tasks, timeout=SECONDS / 20)
            memory_mb.append(server.memory_info().rss / 1e6)
            if not waiting:
                break
        await asyncio.gather(*done)
        return memory_mb

    with process("--log-level=info") as (server, port):
        memory_mb = asyncio.run(
            crowd(f"ws://127.0.0.1:{port}/v1/stream", psutil.Process(server.pid))
        )
        cpu_s = sum(psutil.Process(server.pid).cpu_times()[:2])
    growth_mb = memory_mb[-2] - memory_mb[len(memory_mb) // 3]
    figures = f"{measured}; server {cpu_s / SECONDS:.2f} cores, memory {memory_mb[-1]:.0f} MB"
    print(f"\n{figures}, grew by {growth_mb:.1f} MB")  # noqa: T201 (-s shows it)
    assert measured.windows == measured.wanted
    assert (measured.skipped, measured.warnings) == (0, 0)
    assert np.percentile(measured.latency_ms, 95) < P95_MS
    assert growth_mb < GROWTH_MB


def test_two_hundred_idle_connections() -> None:
    seconds = min(20.0, SECONDS)

    async def wait(url: str, server: psutil.Process) -> float:
        sockets = [await connect(url, compression=None) for _ in range(IDLE)]
        for socket in sockets:
            await socket.send(json.dumps({"type": "config", "sample_rate": RATE}))
            await socket.recv()
        before = sum(server.cpu_times()[:2])
        await asyncio.sleep(seconds)
        used: float = sum(server.cpu_times()[:2]) - before
        await asyncio.gather(*(socket.close() for socket in sockets))
        return used / seconds

    with process(f"--max-streams={IDLE}") as (server, port):
        share = asyncio.run(wait(f"ws://127.0.0.1:{port}/v1/stream", psutil.Process(server.pid)))
    print(f"\n{IDLE} idle connections: {share:.1%} of a core")  # noqa: T201 (-s shows it)
    assert share < IDLE_SHARE
