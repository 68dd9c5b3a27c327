"""WAV files that are laid out unusually, from files and pipes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, by_libsndfile, written

WAYS = (decode_file, decode_pipe)
Decode = Callable[[bytes], Decoded]


def test_a_wav_file_may_have_several_chunks_of_sound() -> None:
    data = written("wav")
    decoded = decode_file(data + b"data" + data[40:])
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=0.01)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("rf64", [False, True])
@pytest.mark.parametrize("valid", [20, 24, 32])
def test_samples_of_wav_may_have_wider_places(decode: Decode, valid: int, *, rf64: bool) -> None:
    """A shorter chunk gives one number of bits, a longer one that of the places, too."""
    rate = RATE
    sound = bytes(4 * rate)
    plain = struct.pack("<HHIIHH", 1, 1, rate, 4 * rate, 4, min(valid, 24))
    kind = bytes.fromhex("0100000000001000800000aa00389b71")
    longer = struct.pack("<HHIIHHHHI", 0xFFFE, 1, rate, 4 * rate, 4, valid, 22, 24, 4) + kind
    for form in (plain, longer):
        chunks = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
        if rf64:
            chunks = b"WAVEds64" + struct.pack("<I3QI", 28, 0, len(sound), 0, 0) + chunks[4:]
        size = len(chunks) + 8 + len(sound)
        head = struct.pack("<4sI", b"RF64" if rf64 else b"RIFF", 0xFFFF_FFFF if rf64 else size)
        stated = 0xFFFF_FFFF if rf64 else len(sound)
        decoded = decode(head + chunks + struct.pack("<4sI", b"data", stated) + sound)
        assert (decoded.codes, decoded.problem) == ([], "")
        assert decoded.end_s == pytest.approx(1.0)


@pytest.mark.parametrize("decode", WAYS)
def test_a_codec_that_ffmpeg_takes_for_another_is_decoded(decode: Decode) -> None:
    decoded = decode(by_libsndfile("WAV", "NMS_ADPCM_16", 8_000))
    assert (decoded.codes, decoded.problem) == ([], "")
    assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("stated", [0, 36, 1_000, 32_000, 64_000])
@pytest.mark.parametrize("silent_s", [0.0, 0.5])
def test_what_is_behind_the_stated_length_is_heard(
    decode: Decode, stated: int, silent_s: float
) -> None:
    """Also where it begins with silence, which is like padding."""
    data = bytearray(written("wav"))
    data[40:44] = struct.pack("<I", stated)
    begin = 44 + stated
    data[begin : begin + round(2 * RATE * silent_s)] = bytes(round(2 * RATE * silent_s))
    decoded = decode(bytes(data))
    assert decoded.end_s == pytest.approx(SECONDS, abs=0.01)
    assert (decoded.codes, decoded.problem) == (["header"] if stated else [], "")
