"""Decoders from the bytes of a client to audio blocks, one for each encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from ser_rt.audio.block import Block
from ser_rt.audio.sources.pcm import decoded
from ser_rt.constants import PCM_ENCODINGS
from ser_rt.server.container import ContainerDecoder
from ser_rt.server.protocol import StreamConfig

PIECE_S = 0.5
"""Longest block; between blocks, other streams get their turn."""


class AudioDecoder(Protocol):
    """Decoder of one stream; where its bytes are cut does not matter."""

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield the blocks that the bytes complete."""
        ...

    def flush(self) -> Iterator[Block]:
        """Yield the rest of the audio at the end of the stream."""
        ...

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes at the end that are less than a sample."""
        ...

    def close(self) -> None:
        """Release threads and memory."""
        ...


class PcmDecoder:
    """Decoder of raw samples, channels interleaved."""

    def __init__(self, config: StreamConfig) -> None:
        self._rate = config.sample_rate
        self._frame = 0
        self._encoding = config.encoding.removeprefix("pcm_")
        self._channels = config.channels
        self._frame_bytes = PCM_ENCODINGS[self._encoding] * config.channels
        self._piece_bytes = round(PIECE_S * self._rate) * self._frame_bytes
        self._rest = b""

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes at the end that are less than a sample."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield blocks of at most `PIECE_S`."""
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        for start in range(0, whole, self._piece_bytes):
            piece = decoded(data[start : min(whole, start + self._piece_bytes)], self._encoding)
            samples = piece.reshape(-1, self._channels)
            yield Block(samples, self._rate, self._frame / self._rate)
            self._frame += len(samples)

    def skip(self, seconds: float) -> None:
        """Advance the time of the next block past a gap."""
        self._frame += round(seconds * self._rate)

    def flush(self) -> Iterator[Block]:
        """Yield nothing: every whole sample has been yielded."""
        return iter(())

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


LATENCY_S = 0.1
"""Longest block of a container; shorter blocks cost calls, longer ones latency."""

DECODERS: dict[str, Callable[[StreamConfig], AudioDecoder]] = {
    "pcm_s16le": PcmDecoder,
    "pcm_f32le": PcmDecoder,
    "pcm_mulaw": PcmDecoder,
    "pcm_alaw": PcmDecoder,
    "mulaw": PcmDecoder,
    "alaw": PcmDecoder,
    "opus": lambda _config: ContainerDecoder(LATENCY_S),
}
"""Decoder of each encoding of the protocol; telephone services omit the ``pcm_``."""
