"""Input devices, and the interface of the sound system that has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ser_rt.errors import DeviceError

Callback = Callable[[Any, bool], None]
"""Takes samples float32 ``[frames, channels]`` and whether audio was lost before them."""


class Device(NamedTuple):
    """An input device."""

    number: int
    name: str
    channels: int
    sample_rate: int
    is_default: bool


class InputStream(Protocol):
    """A running capture."""

    sample_rate: int
    channels: int

    @property
    def is_active(self) -> bool:
        """Whether the device still reports that it captures."""

    def close(self) -> None:
        """End at once, whatever state the device is in; never raises, never hangs."""


class Driver(Protocol):
    """The sound system, as a microphone needs it."""

    def devices(self) -> list[Device]:
        """Return the input devices, or raise `DeviceError`."""

    def open(
        self, device: Device, sample_rate: int, channels: int, frames: int, callback: Callback
    ) -> InputStream:
        """Capture blocks of so many frames, or raise `DeviceError`."""

    def restart(self) -> None:
        """Look for devices anew, or raise `DeviceError`."""


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
        named = not text.isdigit() and text.lower() in device.name.lower()
        if named or str(device.number) == text:
            return device
    names = ", ".join(f"{d.number} {d.name}" for d in devices)
    msg = f"no microphone {text!r}; there are: {names}"
    raise DeviceError(msg)
