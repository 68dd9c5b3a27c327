"""A microphone without a sound card: PulseAudio's null sink, recorded through its monitor."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.support.programs import missing
from tests.support.waiting import wait_until

SCRIPT = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink norewinds=1 sink_name=sermic rate=48000 {channels}
set-default-sink sermic
set-default-source sermic.monitor
"""
MONO, STEREO = "channels=1 channel_map=mono", "channels=2"
TOOLS = ("pulseaudio", "pactl", "paplay")


def why_not() -> str | None:
    """Return why there can be no virtual microphone here, or None if there can."""
    if (lacking := missing(*TOOLS)) is not None:
        return lacking
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "needs PulseAudio for ALSA: apt install libasound2-plugins"
    try:
        import sounddevice  # noqa: F401 (whether it loads)
    except OSError as error:
        return f"needs PortAudio ({error}): apt install libportaudio2"
    return None


class Pulse:
    """One daemon of its own, started and stopped by its pid."""

    def __init__(self, folder: Path, channels: str = MONO) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700)
        (folder / "script.pa").write_text(SCRIPT.format(folder=folder, channels=channels))
        self._daemon: subprocess.Popen[bytes] | None = None
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PULSE")}
        self.env = kept | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_SOURCE": "sermic.monitor",
            "PULSE_SINK": "sermic",
        }

    def __enter__(self) -> Self:
        """Start the daemon."""
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> Self:
        """Start the daemon and wait until it is ready."""
        (self._folder / "native").unlink(missing_ok=True)
        flags = "--daemonize=no --use-pid-file=no --exit-idle-time=-1 --disable-shm=yes"
        flags += " --realtime=no --high-priority=no"
        script = ["-n", "-F", str(self._folder / "script.pa")]
        env = {key: value for key, value in self.env.items() if key != "PULSE_SERVER"}
        self._daemon = subprocess.Popen(
            ["pulseaudio", *script, *flags.split()],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self._pactl("info").returncode == 0, why="PulseAudio does not start")
        return self

    def send(self, number: int) -> None:
        """Send the daemon a signal."""
        assert self._daemon is not None
        self._daemon.send_signal(number)

    def stop(self) -> None:
        """End the daemon, whatever state it is in."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGCONT)
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def play(self, path: Path) -> None:
        """Play a file to its end."""
        subprocess.run(["paplay", "--device=sermic", path], env=self.env, check=True, timeout=60)

    def suspend(self, *, is_suspended: bool) -> None:
        """Halt the sink, or let it go on."""
        assert self._pactl("suspend-sink", "sermic", str(int(is_suspended))).returncode == 0

    def unload(self) -> None:
        """Take the microphone away."""
        assert self._pactl("unload-module", "module-null-sink").returncode == 0

    def load(self) -> None:
        """Plug the microphone in again."""
        name = ["sink_name=sermic", "rate=48000", "channels=1", "channel_map=mono"]
        assert self._pactl("load-module", "module-null-sink", "norewinds=1", *name).returncode == 0

    def _pactl(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["pactl", *words], env=self.env, check=False, capture_output=True, timeout=60
        )
