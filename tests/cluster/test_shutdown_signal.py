"""How a replica learns that it is to end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

pytest.importorskip("ray.serve", reason="needs Ray: pip install 'ser-rt[cluster]'")

from ser_rt.cluster import shutdown_signal as pulses
from ser_rt.cluster.shutdown_signal import Heartbeat


def test_a_pulse_is_silent_after_three_times_its_usual_time() -> None:
    now = [0.0]
    pulse = Heartbeat(clock=lambda: now[0])
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
    pulse = Heartbeat(clock=lambda: now[0])
    for at in (0.0, 1.0, 2.0, 9.0):
        now[0] = at
        pulse.beat()
    assert not pulse.is_silent


def test_a_pulse_needs_to_know_what_is_usual() -> None:
    now = [0.0]
    pulse = Heartbeat(clock=lambda: now[0])
    pulse.beat()
    now[0] = 1_000.0
    assert not pulse.is_silent


@pytest.mark.parametrize("confirmed", [True, False])
def test_silence_alone_is_no_end(
    monkeypatch: pytest.MonkeyPatch,
    confirmed: bool,  # noqa: FBT001 (a parameter of a test)
) -> None:
    monkeypatch.setattr(pulses, "PAUSE_S", 0.0)
    now, checks = [0.0], []
    pulse = Heartbeat(clock=lambda: now[0])
    for at in (0.0, 1.0, 2.0):
        now[0] = at
        pulse.beat()
    now[0] = 10.0

    async def is_stopping() -> bool:
        checks.append(now[0])
        if len(checks) == 3:
            pulse.beat()  # it was a busy moment, and no end
            now[0] = 20.0
        return confirmed or len(checks) > 3

    asyncio.run(asyncio.wait_for(pulse.until_shutdown(is_stopping), 60))
    assert len(checks) == (1 if confirmed else 4)


@pytest.mark.parametrize(
    ("proxies", "states", "expected"),
    [
        ({}, None, False),  # Serve is away, and knows of nothing
        ({"machine": "HEALTHY"}, None, True),
        ({"machine": "HEALTHY"}, {"RUNNING": 2}, False),
        ({"machine": "HEALTHY"}, {"RUNNING": 2, "STOPPING": 1}, True),
    ],
)
def test_serve_says_whether_it_stops_replicas(
    monkeypatch: pytest.MonkeyPatch,
    proxies: dict[str, str],
    states: dict[str, int] | None,
    expected: bool,  # noqa: FBT001 (a parameter of a test)
) -> None:
    deployment = None if states is None else SimpleNamespace(replica_states=states)
    app = SimpleNamespace(deployments={"Listener": deployment} if deployment else {})
    status = SimpleNamespace(proxies=proxies, applications={"ser": app})
    monkeypatch.setattr("ray.serve.status", lambda: status)
    assert asyncio.run(pulses.is_stopping("ser", "Listener")) is expected
