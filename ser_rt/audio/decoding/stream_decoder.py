"""`StreamDecoder`: the recordings of a stream, decoded as their bytes come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ser_rt.audio.block import Block
from ser_rt.audio.decoding.containers import needs_end
from ser_rt.audio.decoding.ending import check_end
from ser_rt.audio.decoding.ffmpeg import FfmpegDecoder
from ser_rt.audio.decoding.formats import sniff
from ser_rt.audio.decoding.frames import filtered
from ser_rt.audio.decoding.passing import Passing, Prompt, PutBack
from ser_rt.errors import AudioDecodeError

if TYPE_CHECKING:
    from ser_rt.audio.decoding.http import HttpFile


class StreamDecoder:
    """Bytes that come once, in order: a pipe, a connection, a file that is still being written."""

    def __init__(
        self, stream: PutBack | Prompt | HttpFile, name: str, *, track: int | None = None
    ) -> None:
        """Wait for the first bytes and open their format; the stream is closed with this.

        Raises:
            AudioDecodeError: They are not audio.
            NoTrackError: There is no such track.
        """
        self._bytes, self._name, self._track = Passing(stream), name, track
        self._stream = stream
        try:
            self._decoder = self._open()
        except AudioDecodeError as error:
            if not (self._bytes.is_bare and self._go_on([])):
                raise self._explained(error) from error
        self.sample_rate: int = self._decoder.sample_rate
        self.is_endless = self._decoder.is_endless

    def _open(self) -> FfmpegDecoder:
        head = self._bytes.peek()
        source = filtered(self._bytes, head) or self._bytes
        # Of others with video there is audio from the start, and nothing is waited for.
        is_patient = sniff(head) in ("MPEG-TS", "MPEG")
        return FfmpegDecoder(source, self._name, track=self._track, is_patient=is_patient)

    def _explained(self, error: AudioDecodeError) -> AudioDecodeError:
        """Return why nothing can be decoded."""
        if not needs_end(self._bytes.head):
            return error
        msg = f"{self._name} has its index at its end, and cannot be decoded as it comes"
        return AudioDecodeError(msg)

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes to come."""
        return self._bytes.waited_s

    def blocks(self, block_s: float) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds, of all recordings that follow each other.

        Raises:
            AudioDecodeError: Behind the last block, if something is missing.
        """
        problems: list[AudioDecodeError] = []
        end_s, is_more = 0.0, True
        while is_more:
            bytes_, decoder = self._bytes, self._decoder
            try:
                yield from decoder.blocks(block_s, origin_s=end_s, recording=bytes_)
                if decoder.rest:
                    bytes_.put_back(decoder.rest)
                bytes_.drain()
            except AudioDecodeError as error:
                problems.append(error if decoder.end_s > end_s else self._explained(error))
            end_s = max(end_s, decoder.end_s)
            is_alone = not bytes_.is_followed
            yield from check_end(
                *(bytes_, self._name, end_s, self.sample_rate, problems, bytes_.ending),
                decoder.end_byte if is_alone else None,
            )
            decoder.close()
            is_more = self._go_on(problems)
        if problems:
            raise problems[0]

    def _go_on(self, problems: list[AudioDecodeError]) -> bool:
        """Open the next recording, past those without sound; return whether there is one."""
        while self._bytes.go_on():
            try:
                self._decoder = self._open()
            except AudioDecodeError as error:
                if not self._bytes.is_bare:
                    problems.append(error)
            else:
                return True
        return False

    def close(self) -> None:
        """Close the decoder and the stream."""
        self._decoder.close()
        self._stream.close()
