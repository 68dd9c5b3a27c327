"""Streams for programs: `stream` pulls, `open_stream` is pushed to, `astream` is awaited.

Three ways to the same events:

    for event in stream("speech.wav"): ...              pull from a file, a source or arrays
    events = open_stream(sample_rate=48000).push(x)     push arrays as they come
    async for event in astream(arrays): ...             await, with the model off the event loop
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import numpy.typing as npt

from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.samples import checked_rate, mono, refuse_no_samples
from ser_rt.audio.sources import make_source
from ser_rt.audio.sources.arrays import as_block
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.profiles import Profile
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import ProviderName
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.event import Event, TurnEvent
from ser_rt.runtime.settings import DEFAULTS, StreamKeywords, StreamSettings

Samples = npt.NDArray[Any]
Model = EmotionClassifier | str | Path | None
Audio = str | Path | AudioSource | Samples | Iterable[Samples]


def load(
    model: str | Path | None = None,
    provider: ProviderName = "cpu",
    threads: int | None = None,
    *,
    streaming: bool | None = None,
    settings: StreamSettings = DEFAULTS,
    profile: str | Profile | None = None,
    embedding: bool = False,
) -> OnnxClassifier:
    """Load a model once, to share between streams.

    Args:
        model: Folder of a bundle, or name of a built-in one; None for the default.
        provider: Where to run it: ``cpu``, ``cuda`` or another name in `PROVIDERS`.
        threads: Threads of one call; see `OnnxClassifier`.
        streaming: Whether streams compute each hop once, with caches (True), or classify whole
            windows (False); None for caches where bundle and settings allow them.
        settings: Those of its streams, as far as they are known.
        profile: The profile that streams have where they name none: a name in the bundle, or one.
        embedding: Whether the events of its streams hold embeddings.

    Raises:
        BundleError: The bundle is missing or invalid.
        ProviderError: The provider did not come up.
        ConfigError: The bundle cannot stream with these settings, and should, or has no such
            profile.
    """
    bundle = Bundle.load(find_bundle(model)).with_profile(profile)
    if settings.misfit(replace(bundle, streaming=bundle.streaming_if(streaming))):
        streaming = False
    if embedding or bundle.dimensions:
        from ser_rt.runtime.backends.extras import ExtrasClassifier

        return ExtrasClassifier(bundle, provider, threads, streaming=streaming, embedding=embedding)
    return OnnxClassifier(bundle, provider, threads, streaming=streaming)


def stream(
    audio: Audio,
    *,
    sample_rate: float | None = None,
    model: Model = None,
    channel: Channel = None,
    **settings: Unpack[StreamKeywords],
) -> Generator[Event, None, None]:
    """Yield the events of a recording, a source, or arrays.

    Args:
        audio: Path of a file; an `AudioSource`; or one array or an iterable of arrays
            ``[samples]`` or ``[samples, channels]``, float in [-1, 1] or int16.
        channel: Channel to classify, from 1; ``"split"`` for each of several by itself, and events
            name theirs; None for their mean. Not for an `AudioSource`, which has chosen.
        sample_rate: Rate of the arrays in Hz; not for the others.
        model: From `load`, to share it; or a folder or name to load for this stream alone.
        **settings: See `StreamSettings`.

    Raises:
        SerError: At the first event, if model, audio or settings are unfit; in between, if the
            audio breaks.

    Example:
        >>> events = list(stream(samples, sample_rate=16_000, model=model))
        >>> events[0].type, events[0].start, events[0].end
        ('emotion', 0.0, 1.0)
    """
    wanted = StreamSettings.of(channel, **settings)
    classifier = as_classifier(model, wanted)
    engine = make_engines(classifier, wanted)
    with as_source(audio, sample_rate, classifier.sample_rate, wanted.source_channel) as source:
        yield from engine.run(source)


def embed(
    audio: Audio,
    *,
    sample_rate: float | None = None,
    model: str | Path | OnnxClassifier | None = None,
    channel: Channel = None,
    **settings: Unpack[StreamKeywords],
) -> npt.NDArray[np.float32]:
    """Return what the network makes of each result with speech, float32 ``[results, size]``.

    A result is of a window, or, of a network that streams, of what is new since the one before.
    Arguments are those of `stream`; a ``model`` from `load` needs ``embedding=True``. The size is
    the network's (256 of the built-in ``base``). Of silence it is ``[0, 0]``.

    Raises:
        ConfigError: The model was loaded without embeddings.
        SerError: As of `stream`.

    Example:
        >>> embed(samples, sample_rate=16_000, model=tiny_bundle).shape
        (6, 4)
    """
    if model is None or isinstance(model, str | Path):
        model = load(model, settings=StreamSettings.of(channel, **settings), embedding=True)
    if not getattr(model, "has_embedding", False):
        msg = "this model was loaded without embeddings: load(..., embedding=True)"
        raise ConfigError(msg)
    events = stream(audio, sample_rate=sample_rate, model=model, channel=channel, **settings)
    rows = [event.embedding for event in events if event.type == "emotion"]
    return np.array(rows, np.float32).reshape(len(rows), -1 if rows else 0)


def open_stream(
    *,
    sample_rate: float,
    model: Model = None,
    channel: Channel = None,
    live: bool = False,
    **settings: Unpack[StreamKeywords],
) -> EmotionStream:
    """Open a stream to push samples into; arguments as of `stream`.

    With ``live``, windows are left out where the model cannot keep up, and a warning says so;
    without, every window has its result, however late.

    Example:
        >>> with open_stream(sample_rate=16_000, model=model) as session:
        ...     events = session.push(samples) + session.flush()
        >>> events[-1].end == len(samples) / 16_000
        True
    """
    wanted = StreamSettings.of(channel, **settings)
    return EmotionStream(as_classifier(model, wanted), sample_rate, wanted, live=live)


class EmotionStream:
    """A stream to push samples into. One thread at a time; many streams can share a model."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        sample_rate: float,
        settings: StreamSettings = DEFAULTS,
        *,
        live: bool = False,
    ) -> None:
        self._engine = make_engines(classifier, settings)
        self._rate, self._frame = checked_rate(sample_rate), 0
        self._converter = BlockConverter(
            classifier.sample_rate, channel=settings.source_channel, is_live=live
        )
        self._is_open = True
        self._busy = threading.Lock()

    @property
    def turn(self) -> TurnEvent | None:
        """The answer so far of the turn that has not ended; None where nobody speaks.

        Of channels that are split, that of the first one in which somebody does.
        """
        return self._engine.turn

    def push(self, samples: Samples, captured_at: float | None = None) -> list[Event]:
        """Take samples, return the events that they complete.

        Args:
            samples: ``[samples]`` or ``[samples, channels]``, float in [-1, 1] or int16.
            captured_at: Monotonic seconds when the last one was captured; None for now.

        Raises:
            AudioInputError: Samples are of another type, NaN, infinite or not scaled, the stream is
                closed, or another thread is pushing.
        """
        if not self._is_open:
            msg = "the stream is closed; open another one"
            raise AudioInputError(msg)
        with self._alone():
            block = as_block(samples, self._rate, self._frame)
            mono(block.samples)  # what is refused takes no time
            self._frame += len(block.samples)
            return self._events(self._converter.feed(block, captured_at))

    def flush(self) -> list[Event]:
        """End the stream, return the events of the samples that no window has covered yet.

        Raises:
            AudioInputError: Another thread is pushing.
        """
        if not self._is_open:
            return []
        with self._alone():
            self._is_open = False
            return [*self._events(self._converter.flush()), *self._engine.flush()]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            msg = "another thread is pushing: a stream belongs to one thread at a time"
            raise AudioInputError(msg)
        try:
            yield
        finally:
            self._busy.release()

    def _events(self, chunks: Iterable[AudioChunk]) -> list[Event]:
        return [event for chunk in chunks for event in self._engine.feed(chunk)]

    def close(self) -> None:
        """End the stream."""
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def as_classifier(model: Model, settings: StreamSettings) -> EmotionClassifier:
    """Return a model as it is, or load it by name for streams with some settings."""
    if model is None or isinstance(model, str | Path):
        return load(model, settings=settings)
    given: object = model
    if not callable(given) or not hasattr(given, "labels"):
        msg = f"model must be a folder, a built-in name or a classifier from load(), not {model!r}"
        raise ConfigError(msg)
    return model


def as_source(
    audio: Audio, sample_rate: float | None, to_hz: int, channel: Channel = None
) -> AudioSource:
    """Return audio as a source of chunks at a rate in Hz; arguments as of `stream`."""
    if sample_rate is not None and isinstance(audio, AudioSource | str | os.PathLike):
        msg = f"sample_rate {sample_rate!r} is for arrays; a file or source knows its own rate"
        raise AudioInputError(msg)
    if isinstance(audio, AudioSource):
        return audio
    if isinstance(audio, str | os.PathLike):
        return make_source("file", audio, to_hz, channel=channel)
    refuse_no_samples(audio)
    is_one = hasattr(audio, "__array__") or isinstance(audio, array)  # of any library
    arrays = [audio] if is_one else audio
    return make_source("arrays", arrays, to_hz, rate=given_rate(sample_rate), channel=channel)


def given_rate(sample_rate: float | None) -> float:
    """Return the rate in Hz that arrays need, or raise `AudioInputError`."""
    if sample_rate is None:
        msg = "arrays do not know their rate: give sample_rate in Hz"
        raise AudioInputError(msg)
    return sample_rate
