"""From the bytes of a client to blocks: one class per encoding, one entry each in `INPUTS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from ser_rt.audio.block import Block
from ser_rt.audio.sources.pcm import decoded
from ser_rt.constants import PCM_ENCODINGS
from ser_rt.server.container import ContainerInput
from ser_rt.server.protocol import StreamConfig

PIECE_S = 0.5
"""Audio is heard in pieces of at most this length, and other streams have their turn between."""


class AudioInput(Protocol):
    """Decodes the bytes of one stream, however they are cut."""

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield blocks as far as bytes make whole samples."""
        ...

    def flush(self) -> Iterator[Block]:
        """Yield what is left at the end."""
        ...

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes left that are no whole sample."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class PcmInput:
    """Raw samples, channels interleaved."""

    def __init__(self, config: StreamConfig) -> None:
        """Take bytes that are as a config says."""
        self._rate = config.sample_rate
        self._frame = 0
        self._encoding = config.encoding.removeprefix("pcm_")
        self._channels = config.channels
        self._frame_bytes = PCM_ENCODINGS[self._encoding] * config.channels
        self._piece_bytes = round(PIECE_S * self._rate) * self._frame_bytes
        self._rest = b""

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes left that are no whole sample."""
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
        """Go on behind a gap."""
        self._frame += round(seconds * self._rate)

    def flush(self) -> Iterator[Block]:
        """Yield nothing: every whole sample has been given."""
        return iter(())

    def close(self) -> None:
        """Hold nothing."""


LATENCY_S = 0.1
"""Decoded audio waits at most until there is so much of it."""

INPUTS: dict[str, Callable[[StreamConfig], AudioInput]] = {
    "pcm_s16le": PcmInput,
    "pcm_f32le": PcmInput,
    "pcm_mulaw": PcmInput,
    "pcm_alaw": PcmInput,
    "mulaw": PcmInput,
    "alaw": PcmInput,
    "opus": lambda _config: ContainerInput(LATENCY_S),
}
"""How to decode each encoding of the protocol; telephone services leave the ``pcm_`` out."""
