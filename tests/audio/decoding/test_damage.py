"""Damage of each format is reported, with times right, of files and of pipes alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from ser_rt.audio.decoding.frames import filtered
from ser_rt.audio.decoding.timeline import Timeline
from tests.support.decoding import FRAME_S, Decoded, Drops, decode_file, decode_pipe
from tests.support.recordings import SECONDS, written

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
