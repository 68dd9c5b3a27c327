"""How a stream listens, and the engine that listens so."""

from __future__ import annotations

import time
from collections.abc import Callable
from numbers import Real
from typing import TypedDict, Unpack

from ser_rt.audio.converter import ALL_CHANNELS, Channel
from ser_rt.classifier import EmotionClassifier, WindowDefaults
from ser_rt.constants import GATE_THRESHOLD, HALF_LIFE_S, HOP_S, MIN_WINDOW_S, WINDOW_S
from ser_rt.errors import ConfigError
from ser_rt.runtime.channels import ChannelEngines, ChunkEngine
from ser_rt.runtime.engine import Engine
from ser_rt.runtime.hysteresis import HysteresisSettings
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.smoother import Smoother
from ser_rt.runtime.vad.base import LevelVad, Vad


class StreamSettings(TypedDict, total=False):
    """How to listen; what is left out, or None, is as the model was made for.

    Attributes:
        window_s: Length of a full window in seconds.
        hop_s: Time from one result to the next in seconds.
        min_window_s: Audio in seconds before the first, partial result.
        half_life_s: Half-life of the smoothing in seconds; 0 for none.
        steadiness: How firmly an emotion is held before another is named.
        partial: Whether to give results of windows that are not full yet.
        episodes: Whether to give an event for each stretch of one emotion when it has ended.
        vad: Whether a network tells speech from other sound; else the level does.
        gate: Tells speech instead of both; one for each stream.
        gate_threshold: Share of a window that must be speech; 0 classifies everything, and asks
            no network about speech.
        name: Put on each event as its ``source``.
    """

    window_s: float | None
    hop_s: float | None
    min_window_s: float | None
    half_life_s: float
    steadiness: HysteresisSettings
    partial: bool
    episodes: bool
    vad: bool
    gate: Vad | None
    gate_threshold: float
    name: str | None


_NUMBERS = ("window_s", "hop_s", "min_window_s", "half_life_s", "gate_threshold")


def checked_settings(settings: StreamSettings) -> StreamSettings:
    """Return settings as they are, if each exists and numbers are numbers.

    Raises:
        ConfigError: A value that should be a number is none.
        TypeError: There is no such setting.
    """
    known = StreamSettings.__annotations__
    for name, value in settings.items():
        if name not in known:
            msg = f"no setting {name!r}; there are {', '.join(known)}"
            raise TypeError(msg)
        may_be_none = name in _NUMBERS[:3]
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if name in _NUMBERS and not is_number and not (value is None and may_be_none):
            msg = f"{name} must be a number, not {value!r}"
            raise ConfigError(msg)
    return settings


def make_engine(
    classifier: EmotionClassifier,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    min_window_s: float | None = None,
    half_life_s: float = HALF_LIFE_S,
    steadiness: HysteresisSettings | None = None,
    partial: bool = True,
    episodes: bool = False,
    vad: bool = True,
    gate: Vad | None = None,
    gate_threshold: float = GATE_THRESHOLD,
    name: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    """Make the engine of one stream over a shared classifier; see `StreamSettings`.

    ``clock`` is the one that chunks were captured by.

    Raises:
        ConfigError: A setting is out of range.
    """
    made_for = classifier if isinstance(classifier, WindowDefaults) else None
    if window_s is None:
        window_s = made_for.window_s if made_for else WINDOW_S
    if hop_s is None:
        hop_s = min(made_for.hop_s if made_for else HOP_S, window_s)
    if min_window_s is None:
        min_window_s = min(made_for.min_window_s if made_for else MIN_WINDOW_S, window_s)
    if gate is None:
        gate = _gate(classifier.sample_rate, vad=vad and gate_threshold > 0)
    recognizer = WindowedRecognizer(
        classifier,
        window_s=window_s,
        hop_s=hop_s,
        min_window_s=min_window_s,
        gate=gate,
        gate_threshold=gate_threshold,
        partial=partial,
        clock=clock,
    )
    return Engine(
        classifier,
        recognizer,
        Smoother(half_life_s),
        steadiness=steadiness,
        episodes=episodes,
        name=name,
        clock=clock,
    )


def make_engines(
    classifier: EmotionClassifier,
    channel: Channel = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    **settings: Unpack[StreamSettings],
) -> ChunkEngine:
    """Make the engine of one stream, or one for each channel with ``"all"``.

    Raises:
        ConfigError: A setting is out of range.
    """

    def make() -> Engine:
        return make_engine(classifier, clock=clock, **settings)

    return ChannelEngines(make) if channel == ALL_CHANNELS else make()


def _gate(sample_rate: int, *, vad: bool) -> Vad:
    if not vad:
        return LevelVad(sample_rate)
    from ser_rt.runtime.vad.silero import RATE_HZ, SileroVad

    if sample_rate != RATE_HZ:
        msg = f"speech is told apart at {RATE_HZ} Hz, the model hears {sample_rate} Hz: vad=False"
        raise ConfigError(msg)
    return SileroVad()
