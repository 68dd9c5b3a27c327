"""PortAudio's devices and streams, through sounddevice, with a limit on every wait.

A wedged audio daemon blocks PortAudio's calls for ever. So each of them runs in a thread of its
own and is given a time; PortAudio is not called again until the one that hangs has returned.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np

from ser_rt.audio.sources.devices import Callback, Device, Driver, InputStream
from ser_rt.errors import DeviceError, MissingDependencyError

ANSWER_S = 5.0
"""PortAudio is given this long to answer."""

EXIT_S = 0.5
"""The program's end waits this long for PortAudio."""

Result = TypeVar("Result")


class PortAudio:
    """The `Driver` of real devices. One for the process: PortAudio has global state."""

    def __init__(self) -> None:
        self._module: Any = None
        self._hanging: threading.Thread | None = None
        self._asking = threading.Lock()
        # PortAudio's thread calls into these: one that is forgotten must not be collected.
        self._open_streams: list[Any] = []

    def devices(self) -> list[Device]:
        """Return the input devices of this machine."""
        return self._called("list its devices", self._devices)

    def restart(self) -> None:
        """Shut PortAudio down and start it again: it looks for devices only then.

        That would end the streams that are open, so while there are any it stays as it is.
        """

        def restart() -> None:
            sounddevice = self._sounddevice()
            if sounddevice._initialized:  # noqa: SLF001 (there is no public way)
                sounddevice._terminate()  # noqa: SLF001 (as above)
            sounddevice._initialize()  # noqa: SLF001 (as above)

        if not self._open_streams:
            self._called("start again", restart)

    def open(
        self, device: Device, sample_rate: int, channels: int, frames: int, callback: Callback
    ) -> InputStream:
        """Open a device and start to capture."""
        sounddevice = self._sounddevice()

        def take(samples: Any, _frames: int, _time: object, status: Any) -> None:
            callback(np.array(samples), bool(status and status.input_overflow))

        def start() -> Any:
            stream = sounddevice.InputStream(
                device=device.number,
                samplerate=sample_rate,
                channels=channels,
                dtype="float32",
                blocksize=frames,
                latency="low",
                callback=take,
            )
            try:
                stream.start()
            except BaseException:
                stream.close(ignore_errors=True)
                raise
            # One that is forgotten must not be collected while PortAudio calls into it.
            self._open_streams.append(stream)
            made.append(stream)
            if not is_wanted.is_set():  # it has come too late
                self._end(stream)
            return stream

        made: list[Any] = []
        is_wanted = threading.Event()
        is_wanted.set()
        try:
            opened = self._called(f"open {device.name!r} at {sample_rate} Hz", start)
        except BaseException:
            is_wanted.clear()
            for stream in made:
                self.close(stream)
            raise
        return _Stream(self, opened, sample_rate, channels)

    def close(self, stream: Any) -> None:
        """Abort and close; `stop` would wait for buffers that a lost device never fills."""
        self._open_streams.remove(stream)
        try:
            self._called("close", lambda: self._end(stream), EXIT_S)
        except DeviceError:
            return  # it hangs in its own thread, and is looked after when it returns

    def _end(self, stream: Any) -> None:
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)
        if stream in self._open_streams:
            self._open_streams.remove(stream)

    def _called(self, what: str, call: Callable[[], Result], limit_s: float = ANSWER_S) -> Result:
        sounddevice = self._sounddevice()
        answer: Future[Result] = Future()

        def run() -> None:
            try:
                answer.set_result(call())
            except Exception as error:  # noqa: BLE001 (handed over to the caller's thread)
                answer.set_exception(error)

        with self._asking:
            if self._hanging is not None and self._hanging.is_alive():
                msg = "the sound system does not answer"
                raise DeviceError(msg)
            self._hanging = threading.Thread(target=run, name="ser-rt PortAudio", daemon=True)
            self._hanging.start()
            self._hanging.join(limit_s)
            if self._hanging.is_alive():
                msg = f"the sound system did not {what} within {limit_s:g} s"
                raise DeviceError(msg)
        try:
            return answer.result()
        except (sounddevice.PortAudioError, ValueError) as error:
            msg = f"PortAudio did not {what}: {_plain(error)}"
            raise DeviceError(msg) from error

    def _sounddevice(self) -> Any:
        if self._module is None:
            self._module = _load()
            # sounddevice's own clean-up waits without limit for a daemon that is wedged.
            if hasattr(self._module, "_exit_handler"):
                atexit.unregister(self._module._exit_handler)  # noqa: SLF001 (as above)
                atexit.register(self._shut_down)
        return self._module

    def _shut_down(self) -> None:
        if self._hanging is None or not self._hanging.is_alive():
            shut_down = threading.Thread(target=self._module._exit_handler, daemon=True)  # noqa: SLF001 (as above)
            shut_down.start()
            shut_down.join(EXIT_S)

    def _devices(self) -> list[Device]:
        sounddevice = self._sounddevice()
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


class _Stream:
    """An open stream of `PortAudio`."""

    def __init__(self, driver: PortAudio, stream: Any, sample_rate: int, channels: int) -> None:
        self._driver, self._stream = driver, stream
        self._is_open = True
        self.sample_rate, self.channels = sample_rate, channels

    @property
    def is_active(self) -> bool:
        return bool(self._stream.active)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._driver.close(self._stream)


def _load() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        msg = "the microphone needs sounddevice: pip install sounddevice"
        raise MissingDependencyError(msg) from error
    except OSError as error:
        msg = f"the microphone needs the PortAudio library ({error}): apt install libportaudio2"
        raise DeviceError(msg) from error
    return sounddevice


def _plain(error: Exception) -> str:
    """Return a PortAudio error without its numbers."""
    text = str(error.args[0] if error.args else error)
    return text.partition("[")[0].removeprefix("Error opening InputStream: ").strip(" :")


PORTAUDIO = PortAudio()


def list_devices(driver: Driver | None = None) -> list[Device]:
    """Return the input devices of this machine.

    Raises:
        DeviceError: PortAudio is missing or does not start.
    """
    return (driver or PORTAUDIO).devices()
