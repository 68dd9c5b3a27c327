"""Damage of each format is reported, with times right, of files and of pipes alike."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from ser_rt.audio.decoding import nut
from ser_rt.audio.decoding.frames import filtered
from ser_rt.audio.decoding.passing import PutBack
from ser_rt.audio.decoding.stream_decoder import StreamDecoder
from ser_rt.audio.decoding.timeline import Timeline
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, Drops, decode_file, decode_pipe
from tests.support.recordings import SECONDS, by_libsndfile, written

WAYS = (decode_file, decode_pipe)
Decode = Callable[[bytes], Decoded]


def damaged(name: str, share: float, length: int, seed: int = 0) -> bytes:
    data = bytearray(written(name))
    at = round(len(data) * share)
    noise = np.random.default_rng(seed).bytes(length)
    data[at : at + length] = noise[: len(data) - at]
    return bytes(data)


def with_hole(name: str, share: float, length: int) -> bytes:
    data = written(name)
    at = round(len(data) * share)
    return data[:at] + data[at + length :]


@pytest.mark.parametrize("name", ["ogg opus", "ogg vorbis", "ogg flac"])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("length", [1, 3_000])
def test_a_damaged_page_is_reported_whichever_way_it_comes(
    name: str, share: float, length: int
) -> None:
    of_file, of_pipe = (decode(damaged(name, share, length)) for decode in WAYS)
    assert of_pipe.codes == of_file.codes
    assert bool(of_pipe.problem) == bool(of_file.problem)
    assert "damaged" in of_file.codes or of_file.problem
    assert of_file.problem or of_file.end_s == pytest.approx(SECONDS, abs=FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
def test_chunks_lost_from_avi_are_reported(decode: Decode) -> None:
    for data in (damaged("avi", 0.5, 3_000), damaged("avi", 0.75, 3_000)):
        decoded = decode(data)
        assert "damaged" in decoded.codes
        assert "promises 4.05 s" in decoded.problem
    assert decode(with_hole("avi", 0.5, 200)).is_reported


@pytest.mark.parametrize("decode", WAYS)
def test_times_and_index_of_avi_may_be_damaged(decode: Decode) -> None:
    data = written("avi")
    rate = data.find(b"auds") + 20
    for at in (rate, rate + 4, rate + 8, rate + 12, len(data) - 1_500, len(data) - 2_475):
        noise = b"\x07\x03\0\x01"
        assert decode(data[:at] + noise + data[at + 4 :]).end_s == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["aac", "amr"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_lost_frames_leave_the_rest_in_its_place(decode: Decode, name: str, share: float) -> None:
    length = 3_000 if name == "aac" else 300
    decoded = decode(damaged(name, share, length))
    assert (set(decoded.codes), decoded.problem) == ({"damaged"}, "")
    assert decoded.end_s == pytest.approx(decode(written(name)).end_s, abs=0.05)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("other", ["ac3", "caf", "mpeg", "wav"])
def test_bytes_behind_amr_are_no_frames_of_it(decode: Decode, other: str) -> None:
    decoded = decode(written("amr") + written(other))
    is_whole = decoded.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)
    assert is_whole or decoded.problem
    assert decoded.end_s == pytest.approx((2 if is_whole else 1) * SECONDS, abs=2 * FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
def test_pauses_of_amr_and_tags_are_no_damage(decode: Decode) -> None:
    data, paused = written("amr"), 6 + 13 * 100
    assert data[6] >> 3 == 0  # frames of 13 bytes
    decoded = decode(data[:paused] + b"\x7c" * 10 + data[paused:] + b"TAG" + bytes([1] * 125))
    assert (decoded.codes, decoded.problem) == ([], "")
    assert decoded.end_s == pytest.approx(decode(data).end_s + 0.2, abs=0.01)
    assert decode(data * 2).codes == []


@pytest.mark.parametrize("size", [1, 7, 1_000, 100_000])
@pytest.mark.parametrize("name", ["aac", "amr"])
def test_frames_are_the_same_however_their_bytes_come(name: str, size: int) -> None:
    data = damaged(name, 0.4, 200) + damaged("wav", 0.5, 100)[100:]
    whole, drops = (filtered(Drops(data, count), data[:16]) for count in (len(data), size))
    assert whole is not None
    assert drops is not None
    frames = [b"".join(iter(partial(stream.read, 512), b"")) for stream in (whole, drops)]
    assert frames[0] == frames[1]
    assert whole.lost_before() == drops.lost_before() == len(data) - len(frames[0]) > 127_900


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("rate", ["ffff", "7fff", "0000", "8000", "4100"])
def test_no_rate_in_a_header_is_a_traceback(decode: Decode, rate: str) -> None:
    data = written("aiff")
    at = data.find(b"COMM") + 16
    decode(data[:at] + bytes.fromhex(rate) + data[at + 2 :])
    decode(data[:at] + bytes.fromhex(rate) + b"\xff" * 8 + data[at + 10 :])
    data = written("caf")
    at = data.find(b"desc") + 12
    for bad in ("7ff0000000000000", "7ff8000000000000", "fff0000000000000", "ffefffffffffffff"):
        decode(data[:at] + bytes.fromhex(bad) + data[at + 8 :])


@pytest.mark.parametrize("decode", WAYS)
def test_a_frame_that_ffmpeg_gives_twice_is_decoded_once(decode: Decode) -> None:
    data = damaged("flac", 0.918946161925332, 1, seed=874025)
    assert decode(data).end_s == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("decode", WAYS)
def test_damage_at_the_end_of_a_live_webm_is_reported(decode: Decode) -> None:
    assert "last blocks" in decode(damaged("webm live", 0.937, 3_000)).problem
    assert decode(written("webm live") + bytes(500)).problem == ""


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["mpeg", "mpegts"])
def test_a_stream_that_ends_within_a_packet_is_reported(decode: Decode, name: str) -> None:
    data = written(name)
    assert set(decode(data[: round(0.3 * len(data))]).codes) == {"truncated"}


def test_au_of_unknown_length_is_decoded_from_a_pipe() -> None:
    data = written("au")
    decoded = decode_pipe(data[:8] + bytes(4) + data[12:])
    assert decoded.end_s == pytest.approx(SECONDS)
    assert decoded.problem == ""


def test_a_filter_gives_frames_without_waiting_for_the_next() -> None:
    data = written("amr")
    stream = io.BytesIO(data[:100])
    frames = filtered(stream, data[:16])
    assert frames is not None
    assert len(frames.read(4_096)) == 6 + 13 * 7


@pytest.mark.parametrize(
    ("jump_s", "confirmed_s", "end_s"),
    [
        (5.0, 0.2, 7.2),
        (5_000.0, 0.6, 2.6),
        (5_000.0, 1.5, 5_003.5),
        (5_000.0, 0.0, 2.0),
    ],
)
def test_a_long_jump_of_time_needs_a_second_of_audio(
    jump_s: float, confirmed_s: float, end_s: float
) -> None:
    line, frame = Timeline(0.1), np.zeros((1_600, 1), np.float32)
    stamps = [n / 10 for n in range(20)]
    stamps += [2.0 + jump_s + n / 10 for n in range(round(10 * confirmed_s))]
    blocks = [block for stamp_s in stamps for block in line.add(frame, 16_000, stamp_s)]
    blocks += line.flush()
    assert line.end_s == pytest.approx(end_s)
    assert sum(len(block.samples) for block in blocks) == len(stamps) * 1_600


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


def test_a_wav_file_may_have_several_chunks_of_sound() -> None:
    data = written("wav")
    decoded = decode_file(data + b"data" + data[40:])
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=0.01)


def test_frames_of_mp3_behind_flac_in_a_pipe_are_reported() -> None:
    assert decode_pipe(written("flac") + written("mp3")).is_reported
    assert decode_file(written("flac") + written("mp3")).end_s > 1.9 * SECONDS


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["3gp amr", "amr", "caf alac", "tta"])
def test_zeros_in_the_middle_are_lost_sound_and_move_nothing(decode: Decode, name: str) -> None:
    data = written(name)
    begin, end = round(0.4 * len(data)), round(0.6 * len(data))
    decoded = decode(data[:begin] + bytes(end - begin) + data[end:])
    assert (decoded.codes[0], decoded.problem) == ("damaged", "")
    assert decoded.end_s == pytest.approx(decode(data).end_s, abs=0.05)


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
