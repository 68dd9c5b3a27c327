"""`MicrophoneSource`: a microphone that is monitored, and opened again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.channel_monitor import ChannelMonitor
from ser_rt.audio.channels import Channel, Split, checked_channel, is_divided, numbers_of
from ser_rt.audio.chunk import SILENCE, AudioChunk, AudioSource, ChunkMaker
from ser_rt.audio.retry import backoff
from ser_rt.audio.samples import MAX_PEAK, checked_rate
from ser_rt.audio.sources.block_queue import QueuedBlock
from ser_rt.audio.sources.capture import Capture, open_capture
from ser_rt.audio.sources.devices import Device, Driver, find_device
from ser_rt.audio.sources.portaudio import PORTAUDIO
from ser_rt.checks import whole
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError, DeviceError

SILENT_S = 1.0
"""A device that delivers nothing for this long is lost."""

POLL_S = 0.25


def _waits() -> Iterator[float]:
    return backoff(0.25, 2.0, growth=1.5)


class MicrophoneSource(AudioSource):
    """Captures from a device until it is closed.

    PortAudio's thread only copies and queues. When the queue is full its oldest block is dropped
    and counted; the chunks after it keep their place in time, and so do those after the device
    was lost. The device is opened at the model's rate, or at its own if it refuses.

    Raises:
        DeviceError: No PortAudio, no such device, it does not open, or it is lost and
            ``reconnect`` is off.
        NoChannelError: The device has fewer channels than are to be split.
    """

    def __init__(
        self,
        device: str | int | None = None,
        sample_rate: int = SAMPLE_RATE,
        *,
        rate: int | None = None,
        channel: Channel = None,
        reconnect: bool = True,
        driver: Driver = PORTAUDIO,
        clock: Callable[[], float] = time.monotonic,
        waits: Callable[[], Iterator[float]] = _waits,
    ) -> None:
        """Name a device.

        Args:
            device: Its number, or part of its name; None for the default one.
            sample_rate: Rate in Hz to convert to.
            rate: Rate in Hz to open it at; None tries ``sample_rate``, then the device's own.
            channel: Which channel to use, from 1; None for the mean of the first two; ``"split"``
                or a `Split` for the first two by themselves, or as many as there are names.
            reconnect: Whether to wait for a lost device and open it again.
            driver: The sound system.
            clock: Monotonic time in seconds.
            waits: Seconds before each attempt to open a lost device again.
        """
        if not is_divided(channel) and channel is not None:
            number = whole(channel)
            if number is None or number < 1:
                msg = f"channels count from 1, not {channel!r}"
                raise ConfigError(msg)
            channel = number
        self._wanted, self._sample_rate = device, sample_rate
        self._rate = None if rate is None else checked_rate(rate)
        self._channel, self._reconnect = checked_channel(channel), reconnect
        self._driver, self._clock, self._waits = driver, clock, waits
        self._capture: Capture | None = None
        self._closing = threading.Event()
        self._origin_s: float | None = None
        self._next_sample = 0
        self._lost_at: float | None = None
        self._used = 0
        self._former: str | None = None
        self.device: Device | None = None

    def __enter__(self) -> Self:
        if self._capture is None:
            self._closing.clear()
            self._capture = self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
        if self._capture is not None:
            self._capture.stream.close()
            self._capture = None

    def close(self) -> None:
        """End the iteration; callable from any thread."""
        self._closing.set()
        if self._capture is not None:
            self._capture.queue.wake()

    def __iter__(self) -> Iterator[AudioChunk]:
        if self._capture is None:
            self.__enter__()
        while self._capture is not None and not self._closing.is_set():
            for chunk in self._chunks(self._capture):
                self._next_sample = chunk.start + len(chunk.samples)
                yield chunk
            if self._closing.is_set():
                return
            lost = f"microphone {self._name!r} is lost: {self._capture.fault}"
            if not self._reconnect:
                raise DeviceError(lost)
            if self._lost_at is None:
                self._lost_at = self._clock()
                warning = SourceWarning("device_lost", lost)
                yield AudioChunk(
                    SILENCE, self._next_sample, self._lost_at, is_live=True, warnings=(warning,)
                )
            self._capture.stream.close()
            self._capture = self._opened_again()

    @property
    def _name(self) -> str | int | None:
        return self.device.name if self.device else self._wanted

    def _chunks(self, capture: Capture) -> Iterator[AudioChunk]:
        """Yield the chunks of one capture until it is lost."""
        block = self._next_block(capture)
        if block is None:
            return
        monitor = capture.monitor
        makers = self._makers(capture, block)
        channels = ChannelMonitor(capture.sample_rate, len(makers)) if len(makers) > 1 else None
        shift, captured_at = 0, block.captured_at
        while block is not None:
            first_frame = block.first_frame + shift
            end_frame = first_frame + len(block.samples)
            if block.has_lost:
                missing = monitor.drift.lost_frames(end_frame, block.captured_at)
                shift, first_frame, end_frame = (
                    n + missing for n in (shift, first_frame, end_frame)
                )
            if block.has_lost or first_frame != makers[0].next_frame:
                self.dropped_samples += yield from _skip(makers, first_frame, captured_at)
            # A device that does not open with fewer channels has more than are used.
            samples = _checked(block.samples[:, : self._used], makers[0])
            faults = [*monitor.feed(samples, end_frame, block.captured_at)]
            if channels is not None:
                faults += channels.feed(samples[:, : len(makers)])
            for fault in faults:
                makers[0].warn(*fault)
            captured_at = block.captured_at
            queue_s = self._clock() - captured_at
            if isinstance(self._channel, int):
                samples = samples[:, self._channel - 1]
            for maker in makers:
                yield self._named(maker.feed(samples, captured_at, queue_s))
            self.drift_ppm = monitor.drift.ppm
            block = self._next_block(capture)
        for maker in makers:
            yield self._named(maker.flush(captured_at))

    def _named(self, chunk: AudioChunk) -> AudioChunk:
        if isinstance(self._channel, Split) and self._channel.names and chunk.channel:
            return replace(chunk, channel_name=self._channel.names[chunk.channel - 1])
        return chunk

    def _makers(self, capture: Capture, first: QueuedBlock) -> list[ChunkMaker]:
        """Return converters, one a channel, whose first sample has its place in time."""
        first_at = first.captured_at - len(first.samples) / capture.sample_rate
        if self._origin_s is None:
            self._origin_s = first_at
        start = round((first_at - self._origin_s) * self._sample_rate)
        numbers = numbers_of(self._channel, self._used) if is_divided(self._channel) else [None]
        makers = [
            ChunkMaker(
                capture.sample_rate,
                self._sample_rate,
                is_live=True,
                start=max(start, self._next_sample),
                channel=number,
                clock=self._clock,
            )
            for number in numbers
        ]
        if self._lost_at is not None:
            away_s = self._clock() - self._lost_at
            back = f"microphone {self._name!r} is back after {away_s:.1f} s"
            if self._former is not None:
                back = (
                    f"microphone {self._name!r} takes the place of {self._former!r} after "
                    f"{away_s:.1f} s"
                )
            makers[0].warn("device_back", back)
            self._lost_at = None
        return makers

    def _next_block(self, capture: Capture) -> QueuedBlock | None:
        """Wait for a block; None if the device is lost or the source is closed."""
        before = self._clock()
        try:
            while not self._closing.is_set():
                block = capture.queue.get(POLL_S)
                if block is not None:
                    return block
                if not capture.stream.is_active:
                    capture.fault = "it has stopped"
                    return None
                if self._clock() - capture.last_at > SILENT_S:
                    capture.fault = f"it delivered nothing for {SILENT_S:g} s"
                    return None
            return None
        finally:
            self.waited_s += self._clock() - before

    def _open(self) -> Capture:
        before, devices = self.device, self._driver.devices()
        wanted = self._wanted
        if before is not None and str(wanted).isdigit():
            wanted = _number_of(before, devices)  # they are numbered anew when one has gone
        device = self.device = find_device(devices, wanted)
        self._former = None if before is None or before.name == device.name else before.name
        rates = [self._rate] if self._rate else [self._sample_rate, device.sample_rate]
        self._used = self._used_of(device)
        return open_capture(self._driver, device, rates, self._used, self._sample_rate, self._clock)

    def _used_of(self, device: Device) -> int:
        """Return the number of channels that are needed, the first ones of the device.

        Raises:
            NoChannelError: There are not so many to split.
        """
        if isinstance(self._channel, int):
            return self._channel
        named = len(self._channel.names) if isinstance(self._channel, Split) else 0
        count = min(named or 2, device.channels)
        numbers_of(self._channel, count)
        return count

    def _opened_again(self) -> Capture | None:
        """Look for the device, less and less often, until it is back or the source is closed."""
        before = self._clock()
        try:
            for wait_s in self._waits():
                if self._closing.wait(wait_s):
                    return None
                try:
                    self._driver.restart()
                    return self._open()
                except DeviceError:
                    continue
            return None
        finally:
            self.waited_s += self._clock() - before


def _skip(
    makers: Sequence[ChunkMaker], frame: int, captured_at: float
) -> Generator[AudioChunk, None, int]:
    """Go on at an input frame in every channel; return the samples that each has lost."""
    dropped = 0
    for maker in makers:
        dropped = yield from maker.skip_to(frame, captured_at)
    return dropped


def _checked(samples: FloatArray, maker: ChunkMaker) -> FloatArray:
    """Return samples with silence in place of NaN and infinity."""
    if not np.isfinite(samples).all():
        maker.warn("bad_samples", "the device delivered samples that are no numbers")
        samples = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
    return np.clip(samples, -MAX_PEAK, MAX_PEAK)


def _number_of(device: Device, devices: Sequence[Device]) -> int:
    """Return the number that a device has now.

    Raises:
        DeviceError: It is not there.
    """
    numbers = [each.number for each in devices if each.name == device.name]
    if not numbers:
        msg = f"no microphone {device.name!r}"
        raise DeviceError(msg)
    return device.number if device.number in numbers else numbers[0]
