"""`DecodedSource`: the opening and closing of sources that have a decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

from ser_rt.audio.block import Decoder
from ser_rt.audio.chunk import AudioChunk, AudioSource


class DecodedSource(AudioSource):
    """A source whose decoder is open while the source is entered, or iterated."""

    _decoder: Decoder | None = None

    def __enter__(self) -> Self:
        if self._decoder is None:
            self._decoder = self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __iter__(self) -> Iterator[AudioChunk]:
        if self._decoder is not None:
            yield from self._chunks(self._decoder)
        else:
            with self:
                yield from self

    @abstractmethod
    def _open(self) -> Decoder:
        """Return an open decoder."""

    @abstractmethod
    def _chunks(self, decoder: Decoder) -> Iterator[AudioChunk]:
        """Yield the chunks of a decoder."""
