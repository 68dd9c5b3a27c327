"""A real microphone as far as PortAudio knows, and what goes wrong with one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import ser_rt
from ser_rt.bundle import sample_path
from tests.conftest import RATE, Wave
from tests.support.microphone_client import Event, MicrophoneClient
from tests.support.pulse_server import STEREO, Pulse, why_not

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=f"no virtual microphone: {why_not()}"),
]


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    with Pulse(tmp_path / "pulse") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def speech() -> Wave:
    samples: Wave = soundfile.read(sample_path(), dtype="float32", stop=4 * RATE)[0]
    return samples


@pytest.fixture
def speech_file(speech: Wave, tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "speech.wav", soxr.resample(speech, RATE, 48_000), 48_000)
    return tmp_path / "speech.wav"


def correlation(recorded: Wave, played: Wave) -> float:
    """Correlation at the lag where it is highest."""
    count = len(recorded) + len(played)
    spectrum = np.fft.rfft(recorded, count) * np.conj(np.fft.rfft(played, count))
    lag = int(np.fft.irfft(spectrum, count)[: len(recorded)].argmax())
    piece = recorded[lag : lag + len(played)]
    played = played[: len(piece)]
    return float(piece @ played / (np.linalg.norm(piece) * np.linalg.norm(played)))


def is_result(event: Event) -> bool:
    return event["type"] in ("emotion", "no_speech")


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_known_speech_is_captured(
    pulse: Pulse, tiny_bundle: Path, speech: Wave, speech_file: Path, tmp_path: Path, rate: int
) -> None:
    saved = tmp_path / "saved.flac"
    with MicrophoneClient(pulse, tiny_bundle, f"--rate={rate}", f"--save-input={saved}") as client:
        client.wait_for(is_result)
        pulse.play(speech_file)
        played_s = client.events[-1]["end"]
        client.wait_for(lambda event: is_result(event) and event["end"] > played_s + 0.5)
        code, errors = client.end(signal.SIGINT)
    assert (code, len(errors.splitlines())) == (130, 1)
    recorded, recorded_rate = soundfile.read(saved, dtype="float32")
    assert recorded_rate == RATE
    assert correlation(recorded, speech) > 0.99
    summary = client.events[-1]
    assert summary["type"] == "summary"
    assert summary["dropped_samples"] == 0
    assert any(event["type"] == "emotion" for event in client.events)
    assert any(event["type"] == "no_speech" for event in client.events)
    # A benchmark holds it to 60 ms, where nothing else runs.
    assert 0 < summary["latency_ms"]["total"]["p50"] < 5_000
    for event in filter(is_result, client.events):
        parts = dict(event["latency_ms"])
        assert parts.pop("total") == pytest.approx(sum(parts.values()), abs=1)
    offline = [e.end for e in ser_rt.stream(saved, model=tiny_bundle)]
    live = [event["end"] for event in filter(is_result, client.events)]
    assert offline[: len(live)] == pytest.approx(live)


@pytest.mark.parametrize(
    ("away", "again"),
    [
        pytest.param(Pulse.unload, Pulse.load, id="unloaded"),
        pytest.param(Pulse.stop, Pulse.start, id="killed"),
        pytest.param(
            lambda pulse: pulse.send(signal.SIGSTOP),
            lambda pulse: pulse.send(signal.SIGCONT),
            id="wedged",
        ),
        pytest.param(
            lambda pulse: pulse.suspend(is_suspended=True),
            lambda pulse: pulse.suspend(is_suspended=False),
            id="suspended",
        ),
    ],
)
def test_a_microphone_that_was_away_is_captured_again(
    pulse: Pulse, tiny_bundle: Path, away: Callable[[Pulse], None], again: Callable[[Pulse], None]
) -> None:
    with MicrophoneClient(pulse, tiny_bundle) as client:
        before = client.wait_for(is_result)
        away(pulse)
        lost = client.warning("device_lost")
        again(pulse)
        back = client.warning("device_back")
        after = client.wait_for(lambda event: is_result(event) and event["start"] >= back["end"])
        code, _ = client.end(signal.SIGINT)
    assert code == 130
    assert before["end"] <= lost["end"] < back["end"] <= after["start"]


def test_two_microphones_on_one_device_are_two_streams(
    tiny_bundle: Path, speech: Wave, tmp_path: Path
) -> None:
    stereo = soxr.resample(np.stack([speech, np.zeros_like(speech)], axis=1), RATE, 48_000)
    soundfile.write(tmp_path / "call.wav", stereo, 48_000)
    names = ("--channels=split", "--channel-names=agent,customer")
    with (
        Pulse(tmp_path / "pulse", STEREO) as pulse,
        MicrophoneClient(pulse, tiny_bundle, *names) as client,
    ):
        client.wait_for(is_result)
        pulse.play(tmp_path / "call.wav")
        played_s = client.events[-1]["end"]
        client.wait_for(lambda event: is_result(event) and event["end"] > played_s)
        client.end(signal.SIGINT)
    results = list(filter(is_result, client.events))
    of = {n: [e for e in results if e["channel_name"] == n] for n in ("agent", "customer")}
    assert {event["channel"] for event in of["agent"]} == {1}
    assert {event["type"] for event in of["agent"]} == {"emotion", "no_speech"}
    assert {event["type"] for event in of["customer"]} == {"no_speech"}
    assert [e["end"] for e in of["agent"]][:4] == [e["end"] for e in of["customer"]][:4]


def test_without_reconnecting_a_killed_daemon_ends_it(pulse: Pulse, tiny_bundle: Path) -> None:
    with MicrophoneClient(pulse, tiny_bundle, "--no-reconnect") as client:
        client.wait_for(is_result)
        pulse.stop()
        code, errors = client.ended(60)
    assert code == 1
    assert "ser-stream: microphone 'pulse' is lost" in errors
    assert client.events[-1]["type"] == "summary"


def test_a_wedged_daemon_is_noticed_and_cannot_hang_the_exit(
    pulse: Pulse, tiny_bundle: Path
) -> None:
    with MicrophoneClient(pulse, tiny_bundle) as client:
        client.wait_for(is_result)
        pulse.send(signal.SIGSTOP)
        client.warning("device_lost")
        started = time.monotonic()
        code, _ = client.end(signal.SIGINT)
    assert code == 130
    assert time.monotonic() - started < 8
    assert client.events[-1]["type"] == "summary"


SLOW = """
import sys, time
from ser_rt.audio.sources import capture, microphone
capture.QUEUE_S = 0.5
with microphone.MicrophoneSource("pulse") as source:
    recorded, last_end = 0, 0
    for chunk in source:
        if not recorded:
            time.sleep(1.5)
        recorded, last_end = recorded + len(chunk.samples), chunk.start + len(chunk.samples)
        codes = [w.code for w in chunk.warnings]
        if codes: print(*codes, flush=True)
        if last_end > 32000: break
print(recorded + source.dropped_samples == last_end, source.dropped_samples)
"""
TWO = """
import threading, ser_rt
from ser_rt.audio.sources.microphone import MicrophoneSource
model, results = ser_rt.load(sys.argv[1]), {}
def capture(name):
    with MicrophoneSource("pulse") as source:
        events = ser_rt.stream(source, model=model, vad=False, gate_threshold=0, name=name)
        results[name] = [next(events).end for _ in range(4)]
        events.close()
threads = [threading.Thread(target=capture, args=(name,)) for name in "ab"]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sorted(results.items()))
"""


def run(pulse: Pulse, code: str, *words: str) -> str:
    command = [sys.executable, "-c", "import sys\n" + code, *words]
    env = pulse.env | {"PYTHONPATH": str(Path(ser_rt.__file__).parents[1])}
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    return out.stdout


def test_a_slow_consumer_loses_the_oldest_and_every_sample_is_accounted_for(pulse: Pulse) -> None:
    codes, account = run(pulse, SLOW).splitlines()
    assert codes == "overflow"
    is_accounted_for, dropped = account.split()
    assert is_accounted_for == "True"
    assert int(dropped) > 0.5 * RATE


def test_two_streams_at_once_share_a_microphone_and_a_model(
    pulse: Pulse, tiny_bundle: Path
) -> None:
    ends = [1.0, 1.5, 2.0, 2.5]
    assert run(pulse, TWO, str(tiny_bundle)).strip() == repr(sorted([("a", ends), ("b", ends)]))


def test_a_device_that_is_not_there_and_a_rate_that_none_has_are_one_line(
    pulse: Pulse, tiny_bundle: Path
) -> None:
    with MicrophoneClient(pulse, tiny_bundle, "--rate=999999999") as client:
        code, errors = client.ended(60)
    assert (code, len(errors.splitlines())) == (2, 1)
    assert "sample rate" in errors
    pulse.stop()
    with MicrophoneClient(pulse, tiny_bundle) as client:
        code, errors = client.ended(60)
    assert code == 1
    assert "PortAudio" in errors
