from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.sources.pcm import PcmSource
from ser_rt.errors import AudioDecodeError, AudioInputError, ConfigError
from tests.conftest import make_wave


class Pipe:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])

    def read1(self, _size: int, /) -> bytes:
        return next(self._pieces, b"")


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start, turn = [], 0, 0
    while start < len(data):
        pieces.append(data[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    return pieces


def samples(chunks: Iterable[AudioChunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


@given(
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=5),
    encoding=st.sampled_from(["s16le", "f32le"]),
    channels=st.integers(1, 3),
)
def test_bytes_may_be_cut_anywhere(sizes: list[int], encoding: str, channels: int) -> None:
    wave = make_wave(0.06)[: 300 * channels].reshape(-1, channels)
    ints = (wave * 32767).astype("<i2")
    data = ints.tobytes() if encoding == "s16le" else wave.tobytes()
    expected = ints / np.float32(32768) if encoding == "s16le" else wave
    source = PcmSource(Pipe(cut(data, sizes)), encoding=encoding, channels=channels)
    np.testing.assert_allclose(samples(source), expected.mean(axis=1), atol=1e-7)


def test_other_rates_are_converted() -> None:
    data = (make_wave(1, 48_000) * 32767).astype("<i2").tobytes()
    assert len(samples(PcmSource(Pipe(cut(data, [333])), rate=48_000))) == 16_000


def test_half_a_sample_at_the_end_is_a_warning() -> None:
    chunks = list(PcmSource(Pipe([bytes(32_001)])))
    assert chunks[-1].warnings[0].code == "trailing_bytes"
    assert "last 1 bytes" in chunks[-1].warnings[0].message


@pytest.mark.parametrize("data", [b"", b"\0"])
def test_no_audio_is_an_error(data: bytes) -> None:
    with pytest.raises(AudioDecodeError, match="no audio"):
        list(PcmSource(Pipe([data])))


def test_values_that_are_no_samples_are_named() -> None:
    data = np.array([0, np.nan], "<f4").tobytes()
    with pytest.raises(AudioInputError, match="nan"):
        list(PcmSource(Pipe([data]), encoding="f32le"))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="mp3"):
        PcmSource(Pipe([]), encoding="mp3")
    with pytest.raises(ConfigError, match="channels"):
        PcmSource(Pipe([]), channels=0)
    with pytest.raises(AudioInputError, match="rate 0"):
        PcmSource(Pipe([]), rate=0)
