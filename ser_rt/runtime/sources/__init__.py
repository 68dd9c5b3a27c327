"""Where audio comes from: one file per source, one entry each in `SOURCES`."""

from importlib import import_module
from typing import Any

from ser_rt.runtime.audio import AudioSource

SOURCES: dict[str, str] = {
    "file": "ser_rt.runtime.sources.file:FileSource",
    "microphone": "ser_rt.runtime.sources.microphone:MicrophoneSource",
    "pcm": "ser_rt.runtime.sources.pcm:PcmSource",
    "wav": "ser_rt.runtime.sources.wav:WavStreamSource",
    "network": "ser_rt.runtime.sources.network:NetworkSource",
    "push": "ser_rt.runtime.sources.push:PushSource",
    "arrays": "ser_rt.runtime.sources.arrays:ArraySource",
}
"""Class of each source, loaded when it is used: they need different libraries."""


def make_source(name: str, *args: Any, **settings: Any) -> AudioSource:
    """Make the source of that name; it opens when it is entered."""
    module, _, attribute = SOURCES[name].partition(":")
    source: AudioSource = getattr(import_module(module), attribute)(*args, **settings)
    return source
