"""`NetworkSource`: a recording by URL, read once, or a live stream, opened again if lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np

from ser_rt.audio.block import Decoder, SourceWarning
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import SILENCE, AudioChunk
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.decoding.url import is_live, open_url
from ser_rt.audio.retry import backoff
from ser_rt.audio.sources.decoded import DecodedSource
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError, NoAudioError

TIMEOUT_S = 5.0
BLOCK_S = 0.04
COMPARED_S = 1.0
"""A stream that begins anew with the second of sound that it began with is no live stream."""


def _waits() -> Iterator[float]:
    return backoff(0.5, 10.0)


class _Beginning:
    """The silence that a stream begins with, and its first second of sound."""

    def __init__(self, enough: int) -> None:
        self._enough, self._silent, self._sound = enough, 0, SILENCE

    def add(self, samples: FloatArray) -> None:
        """Take the next samples."""
        if not len(self._sound):
            sounds = np.flatnonzero(samples)
            silent = sounds[0] if len(sounds) else len(samples)
            self._silent, samples = self._silent + int(silent), samples[silent:]
        if len(self._sound) < self._enough:
            self._sound = np.concatenate((self._sound, samples))[: self._enough]

    @property
    def is_silent(self) -> bool:
        """Whether there has been no sound yet."""
        return not len(self._sound)

    def goes_as(self, other: _Beginning) -> bool | None:
        """Return whether it is the beginning of another stream; None if that is not known yet."""
        if self.is_silent:
            return None if self._silent <= other._silent else False
        count, enough = len(self._sound), len(other._sound)
        is_same = np.array_equal(self._sound[:enough], other._sound[:count])
        if not is_same or self._silent != other._silent:
            return False
        return True if count >= enough else None


class _RepeatedError(AudioDecodeError):
    """The stream repeats its beginning."""


class NetworkSource(DecodedSource):
    """Audio of a URL. It is live where its length is not known.

    Raises:
        AudioDecodeError: It does not answer in time, or is not audio (on entering); something of a
            recording is missing; a live stream is lost and ``reconnect`` is off.
        NoTrackError: It has no such track.
        NoChannelError: It has no such channel.
    """

    def __init__(
        self,
        url: str,
        sample_rate: int = SAMPLE_RATE,
        *,
        reconnect: bool = True,
        track: int | None = None,
        channel: Channel = None,
        timeout_s: float = TIMEOUT_S,
        open_stream: Callable[..., Decoder] = open_url,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        waits: Callable[[], Iterator[float]] = _waits,
    ) -> None:
        """Name the URL, the rate in Hz to convert to, track and channel, and how long to wait."""
        self._url, self._sample_rate, self._reconnect = url, sample_rate, reconnect
        self._track, self._channel = track, channel
        self._timeout_s, self._open_stream = timeout_s, open_stream
        self._clock, self._sleep, self._waits = clock, sleep, waits
        self._origin_s: float | None = None
        self._next_sample = self._count = self._count_before = 0
        self._is_alike = False
        self._first = _Beginning(round(COMPARED_S * sample_rate))

    def _chunks(self, decoder: Decoder) -> Iterator[AudioChunk]:
        lost_at: float | None = None
        while True:
            try:
                yield from self._checked(self._converted(decoder, lost_at), decoder)
                if not is_live(self._url, decoder):
                    self._check_any()
                    return
                why = "it ended"
            except _RepeatedError:
                raise
            except AudioDecodeError as error:
                why = str(error)
                if not self._reconnect or not (decoder.is_endless or is_live(self._url, decoder)):
                    raise
            self._check_any()
            if not self._reconnect:
                msg = f"{self._url} is lost: {why}"
                raise AudioDecodeError(msg)
            self._is_alike = self._count == self._count_before
            if self._is_alike and self._first.is_silent:
                self._refuse_repeated()
            self._count_before, self._count = self._count, 0
            lost_at = self._clock()
            warning = SourceWarning("stream_lost", f"{self._url} is lost: {why}")
            yield AudioChunk(SILENCE, self._next_sample, lost_at, is_live=True, warnings=(warning,))
            decoder.close()
            decoder = self._decoder = self._opened_again()

    def _converted(self, decoder: Decoder, lost_at: float | None) -> Iterator[AudioChunk]:
        converter = BlockConverter(
            self._sample_rate,
            channel=self._channel,
            is_live=decoder.is_endless,
            start=self._start(lost_at),
            repairs=True,
            clock=self._clock,
        )
        if lost_at is not None:
            now = self._clock()
            back = SourceWarning("stream_back", f"{self._url} is back after {now - lost_at:.1f} s")
            yield AudioChunk(SILENCE, converter.next_sample, now, is_live=True, warnings=(back,))
        before = self._clock()
        try:
            for block in decoder.blocks(BLOCK_S):
                now = self._clock()
                self.waited_s += now - before
                yield from converter.feed(block, now)
                before = self._clock()
        except AudioDecodeError:
            yield from converter.flush(self._clock())
            raise
        yield from converter.flush(self._clock())

    def _check_any(self) -> None:
        if not self._next_sample:
            msg = f"{self._url} holds no audio"
            raise NoAudioError(msg)

    def _start(self, lost_at: float | None) -> int:
        """Return the sample at which the stream goes on."""
        if lost_at is None or self._origin_s is None:
            return self._next_sample
        passed_s = self._clock() - self._origin_s
        return max(self._next_sample, round(passed_s * self._sample_rate))

    def _checked(self, chunks: Iterator[AudioChunk], decoder: Decoder) -> Iterator[AudioChunk]:
        """Yield chunks; refuse a stream that repeats the first ones."""
        is_first, held = self._next_sample == 0, list[AudioChunk]()
        # A station may begin with the same words each time, but not last equally long.
        may_be = self._is_alike or not is_live(self._url, decoder)
        may_repeat = not is_first and may_be and not self._first.is_silent
        again = _Beginning(round(COMPARED_S * self._sample_rate))
        try:
            for chunk in chunks:
                if is_first:
                    self._first.add(chunk.samples)
                if not may_repeat:
                    yield self._noted(chunk)
                    continue
                held.append(chunk)
                again.add(chunk.samples)
                is_same = again.goes_as(self._first)
                if is_same:
                    self._refuse_repeated()
                if is_same is False:
                    may_repeat = False
                    yield from map(self._noted, held)
        except _RepeatedError:
            raise
        except AudioDecodeError:  # it broke before there was enough to compare
            yield from map(self._noted, held if may_repeat else ())
            raise
        yield from map(self._noted, held if may_repeat else ())

    def _refuse_repeated(self) -> NoReturn:
        at_s = self._next_sample / self._sample_rate
        msg = (
            f"{self._url} was lost at {at_s:.2f} s, and begins anew: it is a recording whose "
            "server cannot go on where it was"
        )
        raise _RepeatedError(msg)

    def _noted(self, chunk: AudioChunk) -> AudioChunk:
        self._next_sample = chunk.start + len(chunk.samples)
        self._count += len(chunk.samples)
        return chunk

    def _open(self) -> Decoder:
        decoder = self._open_stream(
            self._url, self._timeout_s, track=self._track, reconnect=self._reconnect
        )
        if self._origin_s is None:
            self._origin_s = self._clock()
        return decoder

    def _opened_again(self) -> Decoder:
        before, waits = self._clock(), self._waits()
        while True:
            self._sleep(next(waits))
            try:
                decoder = self._open()
            except AudioInputError:
                raise
            except AudioDecodeError:
                continue
            self.waited_s += self._clock() - before
            return decoder
