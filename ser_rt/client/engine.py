"""`RemoteEngine`: a server in the place of model and engine, for ``ser-stream --server``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.client.blocking import EventIterator
from ser_rt.client.connection import AsyncClient
from ser_rt.client.conversation import ClientProtocol
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.files.text import read_text
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.summary.overall import Classification


class ServerModel:
    """The model of a server, as far as a display must know it.

    Attributes:
        labels: English names of the emotions.
        dimensions: What it also rates.
        notice: What to show to users about it, if anything.
        about: A line that describes it.
        window_s: Length of a full window.
        hop_s: From one result to the next.
        lag: How late its results are, with the settings of the streams.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self, url: str, token_file: str | None = None, settings: StreamSettings = DEFAULTS
    ) -> None:
        """Connect once, for the labels and the description of the model, and its streams.

        Raises:
            ServerError: It does not answer, or refuses, as it does settings that it cannot have.
            ConfigError: The file of its key cannot be read.
        """
        self._url, self._token = url, None if token_file is None else _key(Path(token_file))
        client = AsyncClient(url, token=self._token)
        ready = asyncio.run(client.ready(ClientProtocol(settings)))
        self.labels, self.notice = ready.labels, ready.notice
        self.dimensions = ready.dimensions
        self.window_s, self.hop_s = ready.window_s, ready.hop_s
        self.lag = Lag.stated(ready.half_life_s, ready.gate_threshold, streaming=ready.streaming)
        self.about = (
            f"{ready.name} {ready.version} ({len(ready.labels)} emotions, {ready.precision}, "
            f"{ready.provider}) at {url}"
        )

    def engine(self, settings: StreamSettings, *, timing: bool) -> RemoteEngine:
        """Return the engine of one stream."""
        client = AsyncClient(self._url, token=self._token)
        return RemoteEngine(client, ClientProtocol(settings, timing=timing))


class RemoteEngine:
    """A `StreamEngine` whose work a server does."""

    def __init__(self, client: AsyncClient, conversation: ClientProtocol) -> None:
        self._client, self._talk = client, conversation
        self._rest: Iterator[Event] = iter(())
        self._source: _Endable | None = None
        self.speech_now = 0.0

    @property
    def processed_s(self) -> float:
        """Seconds of audio sent so far."""
        return self._talk.sent_samples / SAMPLE_RATE

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that the server left out for want of time."""
        return self._talk.skipped_windows

    @property
    def overall(self) -> Classification:
        """The emotion of all audio, as the server has it, once the stream has ended."""
        return self._talk.overall

    def run(self, source: Iterable[AudioChunk]) -> Iterator[Event]:
        """Yield the events of a whole source, also if it fails at some point."""
        self._source = _Endable(source)
        events = EventIterator(self._client, self._source, conversation=self._talk)
        self._rest = iter(events)
        for event in self._rest:
            if event.speech is not None:
                self.speech_now = event.speech
            yield event

    def flush(self) -> Iterator[Event]:
        """End the source, yield the events that are still to come."""
        if self._source is not None:
            self._source.close()
        yield from self._rest


class _Endable(AudioSource):
    """A source that can be ended early, as after an interrupt."""

    def __init__(self, chunks: Iterable[AudioChunk]) -> None:
        self._chunks, self._is_ended = chunks, False

    def close(self) -> None:
        self._is_ended = True
        if isinstance(self._chunks, AudioSource):
            self._chunks.close()

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._chunks:
            if self._is_ended:
                return
            yield chunk


def _key(path: Path) -> str:
    try:
        text = read_text(path).strip()
    except (OSError, ValueError) as error:
        msg = f"--token-file {path} cannot be read: {error}"
        raise ConfigError(msg) from error
    if not text or len(text.split()) != 1:
        msg = f"--token-file {path} must hold one key"
        raise ConfigError(msg)
    return text
