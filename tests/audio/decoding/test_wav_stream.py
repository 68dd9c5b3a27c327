import io

import numpy as np
import pytest
import soundfile

from ser_rt.audio.sources.stdin import open_bytes
from ser_rt.errors import AudioDecodeError, AudioError
from tests.conftest import RATE, make_wave


def wav(subtype: str, rate: int = RATE, file_format: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, make_wave(0.5, rate), rate, format=file_format, subtype=subtype)
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.concatenate([c.samples for c in open_bytes(io.BufferedReader(io.BytesIO(data)))])


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 0.01), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("PCM_32", 1e-6), ("FLOAT", 0)],
)
@pytest.mark.parametrize("file_format", ["WAV", "WAVEX"])
def test_every_encoding_is_the_same_wave(subtype: str, tolerance: float, file_format: str) -> None:
    samples = decoded(wav(subtype, file_format=file_format))
    np.testing.assert_allclose(samples, make_wave(0.5), atol=tolerance)


def test_the_header_names_the_rate() -> None:
    assert len(decoded(wav("PCM_16", 48_000))) == RATE // 2


def test_a_length_that_the_writer_did_not_know_is_no_length() -> None:
    data = bytearray(wav("PCM_16"))
    where = data.index(b"data") + 4
    for size in (0, 0xFFFFFFFF):
        data[where : where + 4] = size.to_bytes(4, "little")
        assert len(decoded(bytes(data))) == RATE // 2


def test_what_follows_the_samples_is_no_audio() -> None:
    assert len(decoded(wav("PCM_16") + b"LIST\x08\0\0\0whatever")) == RATE // 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"RIFF", "no format"),
        (b"RIFF\0\0\0\0WAVX", "no format"),
        (wav("PCM_16")[:30], "ends within"),
        (wav("PCM_16")[:22] + b"\0\0" + wav("PCM_16")[24:], "of 0 channels"),
    ],
)
def test_what_is_no_wav_stream_is_an_error(data: bytes, words: str) -> None:
    with pytest.raises(AudioDecodeError, match=words):
        decoded(data)


def test_a_stream_shorter_than_its_header_promised_is_an_error() -> None:
    data, chunks = wav("PCM_16"), list[np.ndarray]()
    with pytest.raises(AudioDecodeError, match=r"truncated at 0\.25 s"):
        chunks.extend(c.samples for c in open_bytes(io.BytesIO(data[: -RATE // 2])))
    assert sum(map(len, chunks)) == RATE // 4


def test_a_header_without_a_rate_is_an_error() -> None:
    data = bytearray(wav("PCM_16"))
    data[24:28] = bytes(4)
    with pytest.raises(AudioError, match="rate 0"):
        decoded(bytes(data))
