"""Audio sources: one file and one entry in `SOURCES` each."""

from pkgutil import resolve_name
from typing import Any

from ser_rt.audio.chunk import AudioSource

SOURCES: dict[str, str] = {
    "file": "ser_rt.audio.sources.file:FileSource",
    "microphone": "ser_rt.audio.sources.microphone:MicrophoneSource",
    "pcm": "ser_rt.audio.sources.pcm:PcmSource",
    "network": "ser_rt.audio.sources.network:NetworkSource",
    "push": "ser_rt.audio.sources.push:PushSource",
    "arrays": "ser_rt.audio.sources.arrays:ArraySource",
}
"""Class of each source, loaded when it is used: they need different libraries."""


def make_source(name: str, *args: Any, **settings: Any) -> AudioSource:
    """Make the source of that name; it opens when it is entered."""
    source: AudioSource = resolve_name(SOURCES[name])(*args, **settings)
    return source
