"""ser-rt: real-time speech emotion recognition.

    import ser_rt

    print(ser_rt.classify("speech.wav").emotion)
    for event in ser_rt.stream("speech.wav"):
        print(event.start, event.end, event.emotion, event.confidence)

Names below are loaded when first used, so that `import ser_rt` stays quick and light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_rt.audio.chunk import AudioChunk, AudioSource
    from ser_rt.audio.sources.microphone import MicrophoneSource
    from ser_rt.audio.sources.push import PushSource
    from ser_rt.bundle import Bundle, sample_path
    from ser_rt.classifier import EmotionClassifier
    from ser_rt.errors import SerError
    from ser_rt.runtime.astream import astream
    from ser_rt.runtime.backends.providers import ProviderName
    from ser_rt.runtime.event import (
        EmotionEvent,
        EpisodeEvent,
        Event,
        NoSpeechEvent,
        TurnEvent,
        WarningEvent,
    )
    from ser_rt.runtime.stream import EmotionStream, embed, load, open_stream, stream
    from ser_rt.runtime.summary.classify import classify
    from ser_rt.runtime.summary.overall import Classification

__version__ = "0.2.0"

__all__ = [
    "load",
    "classify",
    "stream",
    "astream",
    "open_stream",
    "embed",
    "sample_path",
    "EmotionStream",
    "Event",
    "EmotionEvent",
    "NoSpeechEvent",
    "EpisodeEvent",
    "TurnEvent",
    "WarningEvent",
    "ProviderName",
    "Classification",
    "EmotionClassifier",
    "AudioChunk",
    "AudioSource",
    "MicrophoneSource",
    "PushSource",
    "Bundle",
    "SerError",
    "__version__",
]

_EVENTS = ("EmotionEvent", "NoSpeechEvent", "EpisodeEvent", "TurnEvent", "WarningEvent")
_HOME = {
    name: f"ser_rt.{module}"
    for module, names in {
        "runtime.stream": ("load", "stream", "open_stream", "embed", "EmotionStream"),
        "runtime.astream": ("astream",),
        "runtime.summary.classify": ("classify",),
        "runtime.summary.overall": ("Classification",),
        "runtime.event": ("Event", *_EVENTS),
        "runtime.backends.providers": ("ProviderName",),
        "bundle": ("Bundle", "sample_path"),
        "classifier": ("EmotionClassifier",),
        "audio.chunk": ("AudioChunk", "AudioSource"),
        "audio.sources.microphone": ("MicrophoneSource",),
        "audio.sources.push": ("PushSource",),
        "errors": ("SerError",),
    }.items()
    for name in names
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
