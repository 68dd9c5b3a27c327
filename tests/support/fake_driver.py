"""`FakeDriver`, a sound system under a test's control: its devices, its streams, and the time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ser_rt.audio.sources.devices import Callback, Device
from ser_rt.errors import DeviceError

HEADSET = Device(0, "USB Headset", 1, 48_000, is_default=False)
BUILT_IN = Device(3, "Built-in Audio 0", 2, 44_100, is_default=True)


class FakeStream:
    """A capture that delivers its script whenever somebody looks whether it is active."""

    def __init__(self, driver: "FakeDriver", rate: int, channels: int, callback: Callback) -> None:
        self.driver, self.sample_rate, self.channels = driver, rate, channels
        self.callback = callback
        self.closed = False
        self.frames = 0

    def deliver(self, samples: np.ndarray[Any, Any], *, has_lost: bool = False) -> None:
        self.driver.now_s += len(samples) / self.sample_rate
        self.frames += len(samples)
        columns = samples if samples.ndim == 2 else np.repeat(samples[:, None], self.channels, 1)
        self.callback(columns.astype(np.float32), has_lost)

    @property
    def is_active(self) -> bool:
        """Advance the time, and take the next step of the script."""
        self.driver.now_s += 0.25
        return next(self.driver.script, True) is not False

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeDriver:
    found: list[Device] = field(default_factory=lambda: [HEADSET, BUILT_IN])
    rates: tuple[int, ...] = (16_000, 44_100, 48_000)
    now_s: float = 100.0
    opened: list[FakeStream] = field(default_factory=list)
    restarts: int = 0
    script: Iterator[object] = field(default_factory=lambda: iter(()))
    on_restart: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now_s

    def devices(self) -> list[Device]:
        return self.found

    def open(
        self, device: Device, sample_rate: int, channels: int, _frames: int, callback: Callback
    ) -> FakeStream:
        if sample_rate not in self.rates:
            msg = f"PortAudio did not open {device.name!r} at {sample_rate} Hz: Invalid sample rate"
            raise DeviceError(msg)
        self.opened.append(FakeStream(self, sample_rate, channels, callback))
        return self.opened[-1]

    def restart(self) -> None:
        self.restarts += 1
        self.now_s += 1.0
        self.on_restart()

    @property
    def stream(self) -> FakeStream:
        return self.opened[-1]
