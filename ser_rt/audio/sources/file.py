"""`FileSource`: a recording, as fast as it can be read or in real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ser_rt.audio.block import Block, Decoder
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.decoding.decoders import open_audio
from ser_rt.audio.sources.decoded import DecodedSource
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError, NoAudioError, NoChannelError
from ser_rt.files.names import printable

BLOCK_S, REALTIME_BLOCK_S = 0.25, 0.1


class FileSource(DecodedSource):
    """Reads a file block by block: an hour takes no more memory than a minute.

    Raises:
        AudioNotFoundError: There is no such file (on entering).
        AudioDecodeError: It is not audio, or holds none (on entering); something of it is missing
            (behind the last chunk).
        NoTrackError: It has no such track.
        NoChannelError: It has no such channel.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int = SAMPLE_RATE,
        *,
        realtime: bool = False,
        track: int | None = None,
        channel: Channel = None,
        open_file: Callable[..., Decoder] = open_audio,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set the file, and the track and channel to use.

        Args:
            path: The file.
            sample_rate: Rate in Hz to convert to.
            realtime: Whether to follow the clock.
            track: Which audio track, from 1; None for the one that the container prefers.
            channel: Which channel, from 1; ``"all"`` for each by itself; None for their mean.
            open_file: Returns its decoder.
            clock: Monotonic time in seconds.
            sleep: Waits for some seconds.
        """
        self._path, self._sample_rate = path, sample_rate
        self._realtime, self._track, self._channel = realtime, track, channel
        self._open_file, self._clock, self._sleep = open_file, clock, sleep

    def _open(self) -> Decoder:
        return self._open_file(self._path, track=self._track)

    def _chunks(self, decoder: Decoder) -> Iterator[AudioChunk]:
        converter = BlockConverter(
            self._sample_rate,
            channel=self._channel,
            is_live=self._realtime,
            repairs=True,
            clock=self._clock,
        )
        started_at, has_audio = self._clock(), False
        waited_s = decoder.waited_s
        try:
            block_s = REALTIME_BLOCK_S if self._realtime else BLOCK_S
            for block in decoder.blocks(block_s):
                has_audio |= len(block.samples) > 0
                yield from filter(_has_news, self._converted(block, converter, started_at))
                self.waited_s += decoder.waited_s - waited_s
                waited_s = decoder.waited_s
        except AudioDecodeError:
            yield from filter(_has_news, converter.flush())
            raise
        if not has_audio:
            msg = f"{printable(self._path)} holds no audio"
            raise NoAudioError(msg)
        yield from filter(_has_news, converter.flush())

    def _converted(
        self, block: Block, converter: BlockConverter, started_at: float
    ) -> Iterator[AudioChunk]:
        end_s = block.start_s + len(block.samples) / block.sample_rate
        due_at = self._wait_until(started_at + end_s) if self._realtime else None
        queue_s = 0.0 if due_at is None else max(0.0, self._clock() - due_at)
        try:
            yield from converter.feed(block, due_at, queue_s)
        except NoChannelError as error:
            msg = f"{printable(self._path)}: {error}"
            raise NoChannelError(msg) from error
        except AudioInputError as error:
            msg = f"{printable(self._path)} is damaged near {end_s:.2f} s: {error}"
            raise AudioDecodeError(msg) from error

    def _wait_until(self, due_at: float) -> float:
        before = self._clock()
        if before < due_at:
            self._sleep(due_at - before)
            self.waited_s += self._clock() - before
        return due_at


def _has_news(chunk: AudioChunk) -> bool:
    return bool(len(chunk.samples) or chunk.warnings)
