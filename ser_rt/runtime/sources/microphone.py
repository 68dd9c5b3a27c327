"""A microphone, through PortAudio."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import DeviceError, MissingDependencyError
from ser_rt.runtime.audio import AudioChunk, AudioSource, ChunkMaker

BLOCK_S = 0.02
QUEUE_S = 5.0
SILENT_S = 1.0
"""A device that delivers nothing for this long is lost."""


class Device(NamedTuple):
    """An input device."""

    number: int
    name: str
    channels: int
    sample_rate: int
    is_default: bool


class _Block(NamedTuple):
    first_frame: int
    samples: FloatArray
    captured_at: float


def _sounddevice() -> Any:  # noqa: ANN401 (it ships no types)
    try:
        import sounddevice  # noqa: PLC0415 (the only place that may need PortAudio)
    except ImportError as error:
        msg = "the microphone needs sounddevice: pip install sounddevice"
        raise MissingDependencyError(msg) from error
    except OSError as error:
        msg = f"the microphone needs the PortAudio library ({error}): apt install libportaudio2"
        raise DeviceError(msg) from error
    return sounddevice


def list_devices() -> list[Device]:
    """Return the input devices of this machine.

    Raises:
        DeviceError: PortAudio is missing or does not start.
    """
    sounddevice = _sounddevice()
    try:
        default = sounddevice.default.device[0]
        return [
            Device(
                entry["index"],
                entry["name"],
                entry["max_input_channels"],
                round(entry["default_samplerate"]),
                entry["index"] == default,
            )
            for entry in sounddevice.query_devices()
            if entry["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        msg = f"PortAudio does not list its devices: {error}"
        raise DeviceError(msg) from error


def find_device(devices: list[Device], wanted: str | int | None) -> Device:
    """Return the device of that number, or whose name contains the text, or the default one.

    Raises:
        DeviceError: There is no such device.
    """
    if not devices:
        msg = "this machine has no microphone that PortAudio can see"
        raise DeviceError(msg)
    if wanted is None:
        return next((d for d in devices if d.is_default), devices[0])
    text = str(wanted)
    for device in devices:
        if str(device.number) == text or (
            not text.isdigit() and text.lower() in device.name.lower()
        ):
            return device
    names = ", ".join(f"{d.number} {d.name}" for d in devices)
    msg = f"no microphone {text!r}; there are: {names}"
    raise DeviceError(msg)


class MicrophoneSource(AudioSource):
    """Listens to a device at its own rate until the device is lost.

    PortAudio's thread only copies and queues. When the queue is full its oldest block is dropped
    and counted; the chunks after it keep their place in time.

    Raises:
        DeviceError: No PortAudio, no such device, or it does not open or falls silent.
    """

    def __init__(self, device: str | int | None = None, sample_rate: int = SAMPLE_RATE) -> None:
        """Name the device by number or part of its name, and the rate in Hz to convert to."""
        self._wanted, self._sample_rate = device, sample_rate
        self._blocks: queue.Queue[_Block] = queue.Queue(maxsize=round(QUEUE_S / BLOCK_S))
        self._frames = 0
        self._stream: Any = None
        self.device: Device | None = None

    def __enter__(self) -> Self:
        """Open the device and start listening."""
        sounddevice = _sounddevice()
        device = self.device = find_device(list_devices(), self._wanted)
        try:
            self._stream = sounddevice.InputStream(
                device=device.number,
                samplerate=device.sample_rate,
                channels=min(device.channels, 2),
                dtype="float32",
                blocksize=round(BLOCK_S * device.sample_rate),
                callback=self._take,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self.__exit__()
            msg = f"microphone {device.name!r} does not open: {error}"
            raise DeviceError(msg) from error
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop at once: `stop` would wait for buffers that a lost device never fills."""
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
            self._stream = None

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks as they are captured."""
        if self._stream is None or self.device is None:
            self.__enter__()
        assert self.device is not None  # noqa: S101 (for the type checker)
        rate = self.device.sample_rate
        maker = ChunkMaker(rate, self._sample_rate, is_live=True)
        expected_frame = 0
        while True:
            block = self._next_block()
            lost = block.first_frame - expected_frame
            if lost:
                self.dropped_samples += round(lost * self._sample_rate / rate)
                maker.jump(block.first_frame)
                maker.warn("overflow", f"{1e3 * lost / rate:.0f} ms of audio were dropped")
            expected_frame = block.first_frame + len(block.samples)
            queue_s = time.monotonic() - block.captured_at
            yield maker.feed(block.samples, block.captured_at, queue_s)

    def _next_block(self) -> _Block:
        before = time.monotonic()
        try:
            return self._blocks.get(timeout=SILENT_S)
        except queue.Empty as error:
            name = self.device.name if self.device else self._wanted
            msg = f"microphone {name!r} is lost: it delivered nothing for {SILENT_S:g} s"
            raise DeviceError(msg) from error
        finally:
            self.waited_s += time.monotonic() - before

    def _take(self, samples: FloatArray, frames: int, _time: object, _status: object) -> None:
        block = _Block(self._frames, np.array(samples), time.monotonic())
        self._frames += frames
        while True:
            try:
                self._blocks.put_nowait(block)
            except queue.Full:
                try:
                    self._blocks.get_nowait()
                except queue.Empty:
                    continue
            else:
                return
