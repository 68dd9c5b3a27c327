"""PortAudio's calls, on a stand-in for sounddevice that a test can make fail or hang."""

import sys
import threading
import types
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.sources import portaudio
from ser_rt.audio.sources.devices import Device
from ser_rt.audio.sources.portaudio import PortAudio, list_devices
from ser_rt.errors import DeviceError, MissingDependencyError

DEVICE = Device(3, "Built-in", 2, 44_100, is_default=True)


class Stream:
    """Stands for a PortAudio stream; `hang` holds every call up that ends one."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.calls, self.active = settings, list[str](), True
        self.hang: threading.Event | None = None

    def start(self) -> None:
        self.calls.append("start")

    def abort(self, **_: bool) -> None:
        if self.hang:
            self.hang.wait()
        self.calls.append("abort")

    def close(self, **_: bool) -> None:
        self.calls.append("close")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    entries = [
        {"index": 0, "name": "USB Headset", "max_input_channels": 1, "default_samplerate": 48e3},
        {"index": 1, "name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48e3},
        {"index": 3, "name": "Built-in", "max_input_channels": 2, "default_samplerate": 44.1e3},
    ]
    module = types.SimpleNamespace(
        default=types.SimpleNamespace(device=(3, 1)),
        query_devices=lambda: entries,
        PortAudioError=type("PortAudioError", (Exception,), {}),
        InputStream=Stream,
        _initialized=1,
        calls=[],
    )
    module._terminate = lambda: module.calls.append("terminate")
    module._initialize = lambda: module.calls.append("initialize")
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(portaudio, "ANSWER_S", 0.05)
    monkeypatch.setattr(portaudio, "EXIT_S", 0.05)
    return module


def open_stream(driver: PortAudio, captured: list[Any]) -> Any:
    return driver.open(DEVICE, 16_000, 2, 320, lambda *block: captured.append(block))


@pytest.mark.usefixtures("fake")
def test_only_inputs_are_listed() -> None:
    assert [(d.number, d.name, d.is_default) for d in list_devices(PortAudio())] == [
        (0, "USB Headset", False),
        (3, "Built-in", True),
    ]


@pytest.mark.usefixtures("fake")
def test_blocks_are_copied_and_say_what_was_lost() -> None:
    captured: list[Any] = []
    stream = open_stream(PortAudio(), captured)
    buffer = np.ones((320, 2), np.float32)
    take = stream._stream.settings["callback"]
    take(buffer, 320, None, None)
    buffer[:] = 0
    take(buffer, 320, None, types.SimpleNamespace(input_overflow=True))
    assert [(float(samples.mean()), lost) for samples, lost in captured] == [(1, False), (0, True)]


@pytest.mark.usefixtures("fake")
def test_streams_are_aborted_and_closed_once() -> None:
    stream = open_stream(PortAudio(), [])
    stream.close()
    stream.close()
    assert stream._stream.calls == ["start", "abort", "close"]


def test_what_portaudio_refuses_is_one_plain_line(
    fake: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Stream) -> None:
        msg = "Error opening InputStream: Invalid sample rate [PaErrorCode -9997]"
        raise fake.PortAudioError(msg)

    monkeypatch.setattr(Stream, "start", refuse)
    with pytest.raises(DeviceError) as caught:
        open_stream(PortAudio(), [])
    expected = "PortAudio did not open 'Built-in' at 16000 Hz: Invalid sample rate"
    assert str(caught.value) == expected


def test_a_call_that_hangs_is_left_behind_and_nothing_is_asked_until_it_returns(
    fake: types.SimpleNamespace,
) -> None:
    driver = PortAudio()
    stream = open_stream(driver, [])
    stream._stream.hang = wedged = threading.Event()
    stream.close()
    with pytest.raises(DeviceError, match="does not answer"):
        driver.restart()
    assert fake.calls == []
    wedged.set()
    assert driver._hanging is not None
    driver._hanging.join()
    driver.restart()
    assert fake.calls == ["terminate", "initialize"]


def test_an_open_stream_keeps_portaudio_from_being_restarted(fake: types.SimpleNamespace) -> None:
    driver = PortAudio()
    first, second = open_stream(driver, []), open_stream(driver, [])
    first.close()
    driver.restart()
    assert fake.calls == []
    second.close()
    driver.restart()
    assert fake.calls == ["terminate", "initialize"]


@pytest.fixture
def no_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPortAudio:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                msg = "PortAudio library not found"
                raise OSError(msg)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])


@pytest.mark.usefixtures("no_portaudio")
def test_without_portaudio_the_message_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match="libportaudio2"):
        list_devices(PortAudio())


def test_without_sounddevice_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match="pip install sounddevice"):
        list_devices(PortAudio())
