import itertools
import sys
import types
from typing import Any

import numpy as np
import pytest

from ser_rt.errors import DeviceError, MissingDependencyError
from ser_rt.runtime.sources import microphone
from ser_rt.runtime.sources.microphone import Device, MicrophoneSource, find_device, list_devices

HEADSET = Device(0, "USB Headset", 1, 48_000, is_default=False)
BUILT_IN = Device(3, "Built-in Audio 0", 2, 44_100, is_default=True)


class FakeStream:
    """Stands for a PortAudio stream; a test plays the part of its thread."""

    last: "FakeStream"

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.closed = False
        FakeStream.last = self

    def start(self) -> None: ...

    def abort(self, **_: bool) -> None: ...

    def close(self, **_: bool) -> None:
        self.closed = True

    def deliver(self, samples: np.ndarray) -> None:
        self.settings["callback"](samples, len(samples), None, None)


@pytest.fixture
def fake_portaudio(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    entries = [
        {"index": 0, "name": "USB Headset", "max_input_channels": 1, "default_samplerate": 48e3},
        {"index": 1, "name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48e3},
        {"index": 3, "name": "Built-in", "max_input_channels": 2, "default_samplerate": 44.1e3},
    ]
    fake = types.SimpleNamespace(
        default=types.SimpleNamespace(device=(3, 1)),
        query_devices=lambda: entries,
        PortAudioError=type("PortAudioError", (Exception,), {}),
        InputStream=FakeStream,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.mark.usefixtures("fake_portaudio")
def test_only_inputs_are_listed() -> None:
    assert [(d.number, d.name, d.is_default) for d in list_devices()] == [
        (0, "USB Headset", False),
        (3, "Built-in", True),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"), [(None, BUILT_IN), (0, HEADSET), ("3", BUILT_IN), ("headset", HEADSET)]
)
def test_a_device_is_found_by_number_or_part_of_its_name(wanted: Any, found: Device) -> None:
    assert find_device([HEADSET, BUILT_IN], wanted) == found


def test_a_device_that_is_not_there_is_an_error_that_names_the_others() -> None:
    with pytest.raises(DeviceError, match="no microphone 'x'; there are: 0 USB Headset"):
        find_device([HEADSET], "x")
    with pytest.raises(DeviceError, match="no microphone that PortAudio can see"):
        find_device([], None)


@pytest.mark.usefixtures("fake_portaudio")
def test_chunks_come_at_the_models_rate_from_the_devices_own() -> None:
    with MicrophoneSource() as source:
        stream = FakeStream.last
        assert stream.settings["samplerate"] == 44_100
        assert stream.settings["channels"] == 2
        for _ in range(50):
            stream.deliver(np.full((882, 2), 0.25, np.float32))
        chunks = list(itertools.islice(source, 50))
    assert stream.closed
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert 15_000 < len(heard) <= 16_000
    np.testing.assert_allclose(heard[2_000:], 0.25, atol=1e-3)
    assert all(chunk.is_live for chunk in chunks)


@pytest.mark.usefixtures("fake_portaudio")
def test_a_slow_listener_loses_the_oldest_and_is_told() -> None:
    with MicrophoneSource("headset") as source:
        for i in range(260):  # ten more than the queue holds
            FakeStream.last.deliver(np.full((960, 1), i / 1000, np.float32))
        chunk = next(iter(source))
    assert chunk.start == 10 * 320
    assert source.dropped_samples == 10 * 320
    assert chunk.warnings[0] == ("overflow", "200 ms of audio were dropped")


@pytest.mark.usefixtures("fake_portaudio")
def test_a_device_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "SILENT_S", 0.01)
    with MicrophoneSource() as source, pytest.raises(DeviceError, match="'Built-in' is lost"):
        next(iter(source))


def test_a_device_that_does_not_open_is_an_error(
    fake_portaudio: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: FakeStream) -> None:
        msg = "Device unavailable"
        raise fake_portaudio.PortAudioError(msg)

    monkeypatch.setattr(FakeStream, "start", refuse)
    with pytest.raises(DeviceError, match="does not open: Device unavailable"):
        MicrophoneSource().__enter__()
    assert FakeStream.last.closed


def test_without_sounddevice_or_portaudio_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match="pip install sounddevice"):
        list_devices()

    class NoPortAudio:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                msg = "PortAudio library not found"
                raise OSError(msg)

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    with pytest.raises(DeviceError, match="libportaudio2"):
        list_devices()
