"""`Capture`: one opening of a device, with its stream, queue and signal monitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ser_rt.audio.sources.block_queue import BlockQueue, QueuedBlock
from ser_rt.audio.sources.devices import Device, Driver, InputStream
from ser_rt.audio.sources.signal_monitor import SignalMonitor
from ser_rt.errors import DeviceError

BLOCK_S = 0.05
"""Each block wakes the processor up, so they are long; but hops are whole numbers of them, and then
the end of a window is the end of a block and waits for nothing."""

RESAMPLED_BLOCK_S = 0.01
"""Where the resampler holds samples back, a window ends within a block: short ones add less."""

QUEUE_S = 10.0


class Capture:
    """A device that delivers into a queue.

    Attributes:
        stream: The stream of the sound system.
        queue: Captured blocks that were not read yet.
        monitor: Finds faults of the signal.
        last_at: When the last block came, in monotonic seconds.
        fault: Why the device is lost, once it is.
    """

    stream: InputStream

    def __init__(self, rate: int, target_rate: int, clock: Callable[[], float]) -> None:
        """Prepare to capture at a rate in Hz for a reader at another."""
        self.sample_rate = rate
        block_s = BLOCK_S if rate == target_rate else RESAMPLED_BLOCK_S
        self._frames_per_block = round(block_s * rate)
        self.queue = BlockQueue(round(QUEUE_S / block_s))
        self.monitor = SignalMonitor(rate)
        self.last_at = clock()
        self.fault = ""
        self._clock, self._frames = clock, 0

    def start(self, driver: Driver, device: Device, channels: int) -> None:
        """Open the device, or raise `DeviceError`."""
        count = self._frames_per_block
        self.stream = driver.open(device, self.sample_rate, channels, count, self._take)

    def _take(self, samples: npt.NDArray[np.float32], has_lost: bool) -> None:  # noqa: FBT001 (private)
        self.last_at = self._clock()
        self.queue.put(QueuedBlock(self._frames, samples, self.last_at, has_lost))
        self._frames += len(samples)


def open_capture(
    driver: Driver,
    device: Device,
    rates: Sequence[int],
    fewest: int,
    target_rate: int,
    clock: Callable[[], float],
) -> Capture:
    """Open a device at the first of some rates, with ``fewest`` channels or all that it has.

    Raises:
        DeviceError: It has not so many channels, or does not open in any of these ways.
    """
    if fewest > device.channels:
        msg = f"microphone {device.name!r} has {device.channels} channels, not {fewest}"
        raise DeviceError(msg)
    problem: DeviceError | None = None
    for rate, channels in dict.fromkeys((r, c) for r in rates for c in (fewest, device.channels)):
        capture = Capture(rate, target_rate, clock)
        try:
            capture.start(driver, device, channels)
        except DeviceError as error:
            problem = error
        else:
            return capture
    msg = f"microphone {device.name!r} does not open: {problem}"
    raise DeviceError(msg) from problem
