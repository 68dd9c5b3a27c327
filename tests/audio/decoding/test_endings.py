"""What follows a recording, or takes the place of its end, is decoded or reported."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest

from ser_rt.audio.decoding import nut
from ser_rt.audio.decoding.passing import PutBack
from ser_rt.audio.decoding.stream_decoder import StreamDecoder
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, by_libsndfile, written

WAYS = (decode_file, decode_pipe)
Decode = Callable[[bytes], Decoded]


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mp3", "wav"),
        ("mp3", "ogg opus"),
        ("flac", "flac"),
        ("flac", "webm"),
        ("wav", "mp3"),
        ("au", "au"),
        ("ogg vorbis", "wav"),
        ("m4a", "webm"),
        ("aac", "mp3 bare"),
        ("wavpack", "wavpack"),
    ],
)
def test_another_format_behind_a_recording_is_decoded(
    decode: Decode, first: str, second: str
) -> None:
    decoded = decode(written(first) + written(second))
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize(
    "name",
    [
        *("mp3 bare", "avi", "amr", "webm", "flac", "wavpack"),
        *("tta", "caf alac", "3gp amr", "nut", "realmedia", "wav mu-law", "wav adpcm"),
    ],
)
def test_a_download_whose_end_is_zeros_is_reported(decode: Decode, name: str) -> None:
    data = written(name)
    half = len(data) // 2
    decoded = decode(data[:half] + bytes(len(data) - half))
    assert decoded.is_reported
    assert decoded.end_s >= 0.25 * SECONDS


def test_frames_of_mp3_behind_flac_in_a_pipe_are_reported() -> None:
    assert decode_pipe(written("flac") + written("mp3")).is_reported
    assert decode_file(written("flac") + written("mp3")).end_s > 1.9 * SECONDS


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["3gp amr", "amr", "mp4 opus", "caf alac", "tta"])
def test_zeros_in_the_middle_are_lost_sound_and_move_nothing(decode: Decode, name: str) -> None:
    data = written(name)
    begin, end = round(0.4 * len(data)), round(0.6 * len(data))
    decoded = decode(data[:begin] + bytes(end - begin) + data[end:])
    assert (decoded.codes[0], decoded.problem) == ("damaged", "")
    assert decoded.end_s == pytest.approx(decode(data).end_s, abs=0.05)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "CAF", "W64"])
def test_zeros_are_silence_in_plain_samples_alone(decode: Decode, kind: str) -> None:
    for subtype, codes in (("PCM_16", []), ("ULAW", ["truncated"])):
        data = by_libsndfile(kind, subtype)
        half = len(data) // 2
        decoded = decode(data[:half] + bytes(len(data) - half))
        assert (decoded.codes, decoded.problem) == (codes, "")
        assert decoded.end_s == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["voc", "nut"])
def test_a_file_without_the_mark_of_its_end_is_reported(decode: Decode, name: str) -> None:
    data = written(name)
    end = -1 if name == "voc" else data.rfind(nut.INDEX)
    decoded = decode(data[:end])
    assert (decoded.codes, decoded.problem) == (["truncated"], "")
    assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
def test_sound_behind_a_damaged_block_of_voc_is_reported(decode: Decode) -> None:
    data = written("voc of blocks")
    at = data.find(b"\x02\x00\x08\x00", len(data) // 2)
    decoded = decode(data[:at] + b"\xaa" * 4 + data[at + 4 :])
    assert "is truncated at 2.0" in decoded.problem
    decoded = decode(data + bytes(9) + data + b"behind its end")
    assert (decoded.codes, decoded.problem) == ([], "")
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
def test_half_of_a_dsf_file_is_reported(decode: Decode) -> None:
    sound = bytes(range(256)) * 64
    form = struct.pack("<4sQ6IQ2I", b"fmt ", 52, 1, 0, 1, 1, 2_822_400, 1, 8 * len(sound), 4096, 0)
    data = b"data" + (12 + len(sound)).to_bytes(8, "little") + sound
    size = 28 + len(form) + len(data)
    whole = b"DSD " + struct.pack("<3Q", 28, size, 0) + form + data
    assert not decode(whole).is_reported
    assert "its header" in decode(whole[: size // 2]).problem


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["mp3", "mp3 vbr", "mp3 bare"])
def test_samples_behind_mp3_are_no_frames_of_it_whatever_they_look_like(
    decode: Decode, name: str
) -> None:
    samples = written("mp3 bare")
    head = struct.pack(
        "<4sI8sIHHIIHH4sI",
        *(b"RIFF", 36 + len(samples), b"WAVEfmt ", 16, 1, 1, RATE, RATE, 1, 8),
        *(b"data", len(samples)),
    )
    decoded = decode(written(name) + head + samples)
    assert (decoded.codes, decoded.problem) == ([], "")
    assert decoded.end_s == pytest.approx(SECONDS + len(samples) / RATE, abs=FRAME_S)


@pytest.mark.parametrize("name", ["m4a index last", "caf"])
def test_a_stream_whose_index_is_last_says_so(name: str) -> None:
    with pytest.raises(AudioDecodeError, match="index at its end"):
        list(StreamDecoder(PutBack(written(name), io.BytesIO()), "it").blocks(0.1))
