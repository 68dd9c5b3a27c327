"""Whatever is done to a file of whatever format: never silent, never endless, times right."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ser_rt.audio.decoding.file_decoder import FileDecoder
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, WRITERS, by_ffmpeg, by_libsndfile, written

KEEP_NO_LENGTH = {"mp3 bare", "aac", "ac3", "amr", "mpegts"}
"""Formats that do not say how long they are, nor end with a mark."""


def is_whole(decoded: Decoded, seconds: float = SECONDS) -> None:
    assert decoded.problem == ""
    ((start_s, end_s),) = decoded.spans
    assert start_s == 0.0
    assert end_s == pytest.approx(seconds, abs=FRAME_S * seconds / SECONDS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_whole_file_is_decoded_whole_and_nothing_is_reported(name: str) -> None:
    decoded = decode_file(written(name))
    is_whole(decoded)
    assert decoded.codes == []


@pytest.mark.parametrize("name", WRITERS)
def test_two_files_end_to_end_are_decoded_one_after_the_other_or_reported(name: str) -> None:
    decoded = decode_file(written(name) * 2)
    if decoded.end_s < 1.5 * SECONDS:
        assert "goes on" in decoded.problem
    else:
        assert decoded.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)
        assert decoded.problem == ""


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WRITERS)), share=st.floats(0.1, 0.9))
@example(name="mpeg", share=0.2)  # behind a pack, within a frame
def test_a_file_that_was_cut_off_is_reported_and_decoded_so_far(name: str, share: float) -> None:
    data = written(name)
    decoded = decode_file(data[: round(len(data) * share)])
    if name not in KEEP_NO_LENGTH:
        assert decoded.is_reported
    has_index_last = name in ("m4a index last", "alac")
    if not has_index_last:
        assert decoded.spans or share < 0.3
        assert decoded.end_s <= share * SECONDS + 1.1
    assert has_index_last or share < 0.5 or decoded.end_s >= share * SECONDS - 1.3


@pytest.mark.parametrize("name", ["mp3 bare", "ac3", "aac", "mpeg"])
@pytest.mark.parametrize("missing", [1, 40, 100])
def test_a_last_frame_that_is_incomplete_is_reported(name: str, missing: int) -> None:
    assert decode_file(written(name)[:-missing]).is_reported


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(WRITERS)),
    share=st.floats(0.15, 0.85),
    length=st.integers(1, 400),
    seed=st.integers(0, 9),
)
@example(name="ogg opus", share=0.75, length=1, seed=0)  # the last page but one
@example(name="flv", share=0.3356851518780536, length=1, seed=0)  # a time stamp
@example(name="flv", share=0.3356851518780536, length=7, seed=2)  # a codec
def test_damage_in_the_middle_ends_no_file_and_moves_nothing(
    name: str, share: float, length: int, seed: int
) -> None:
    data = bytearray(written(name))
    at = round(len(data) * share)
    data[at : at + length] = np.random.default_rng(seed).bytes(len(data[at : at + length]))
    decoded = decode_file(bytes(data))
    assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05) or decoded.is_reported
    if decoded.problem == "" and name != "wav adpcm":
        assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=4_000), st.sampled_from(sorted(WRITERS)), st.integers(0, 64))
def test_any_bytes_behind_any_beginning_are_no_traceback(junk: bytes, name: str, kept: int) -> None:
    decoded = decode_file(written(name)[:kept] + junk)
    assert decoded.is_reported or decoded.spans


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("before", [b"\0" * 700, b"ID3\x03\0\0\0\0\x07\x76" + bytes(1014)])
def test_zeros_or_a_tag_before_a_file_are_passed_over(name: str, before: bytes) -> None:
    for decoded in (decode_file(before + written(name)), decode_pipe(before + written(name))):
        assert decoded.problem == ""
        assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05)


def test_a_file_is_known_by_what_is_in_it_and_not_by_its_name(tmp_path: Path) -> None:
    for name, suffix in (("m4a", ".wav"), ("wav", ".mp3"), ("webm", ".flac"), ("mp3", ".raw")):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(written(name))
        with FileSource(path) as source:
            assert sum(len(chunk.samples) for chunk in source) > 3.8 * RATE


@pytest.mark.parametrize("size", [0, 10, 64_000, 127_998, 128_044, 0x7FFF_FFFF, 0xFFFF_FFFF])
@pytest.mark.parametrize("name", ["wav", "aiff", "au"])
def test_the_length_in_a_header_neither_cuts_a_file_off_nor_condemns_it(
    name: str, size: int
) -> None:
    data = written(name)
    at = {"wav": 40, "aiff": data.find(b"SSND") + 4, "au": 8}[name]
    is_whole(decode_file(data[:at] + size.to_bytes(4, _ORDERS[name == "wav"]) + data[at + 4 :]))


_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")


def test_a_header_that_promises_much_more_is_reported() -> None:
    data = written("wav")
    decoded = decode_file(data[:40] + (256_000).to_bytes(4, "little") + data[44:])
    assert decoded.spans == [(0.0, SECONDS)]
    assert "is truncated at 4.00 s: its header promises 8.00 s" in decoded.problem


@pytest.mark.parametrize("kind", ["matroska", "webm", "mp4", "mpegts", "flv"])
def test_sound_is_where_its_time_stamps_say(kind: str) -> None:
    codec, rate = ("libopus", 48_000) if kind == "webm" else ("aac", 44_100)
    decoded = decode_file(by_ffmpeg(kind, codec, rate, begins_s=3.0, gap=(2.0, 5.0)))
    begin = 3.0 if kind in ("matroska", "webm", "mp4") else 0.0  # the others begin anywhere
    assert [s for span in decoded.spans for s in span] == [
        pytest.approx(begin + s, abs=0.07) for s in (0.0, 2.0, 7.0, 9.0)
    ]
    assert decoded.codes == ["gap"]


def test_rate_and_channels_that_change_are_followed() -> None:
    parts = [by_libsndfile("OGG", "VORBIS", 44_100), by_libsndfile("OGG", "VORBIS", 22_050, 2)]
    is_whole(decode_file(b"".join(parts)), 2 * SECONDS)
    is_whole(decode_file(written("aac") + by_ffmpeg("adts", "aac", 22_050)), 2 * SECONDS)
    is_whole(decode_file(written("mp3 bare") + by_ffmpeg("mp3", "libmp3lame", 22_050)), 2 * SECONDS)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000])
def test_decoders_write_nothing_of_their_own(
    rate: int, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number, data in enumerate(
        (by_ffmpeg("mp3", "libmp3lame", rate), by_libsndfile("MP3", "MPEG_LAYER_III", rate))
    ):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(data[: len(data) * 2 // 3] if number else data)
        heard = 0
        with FileSource(path, RATE) as source, suppress(AudioDecodeError):
            for chunk in source:
                heard += len(chunk.samples)
        assert heard > RATE
    assert capfd.readouterr().err == ""


def test_one_of_several_tracks_is_decoded_and_the_others_can_be_chosen() -> None:
    data = by_ffmpeg("matroska", "pcm_s16le", RATE, tracks=2)
    decoded = decode_file(data)
    assert (decoded.codes, decoded.problem) == (["tracks"], "")
    peaks = []
    for track in (1, 2):
        decoder = FileDecoder(io.BytesIO(data), "two", track=track)
        blocks = [block.samples for block in decoder.blocks(1.0)]
        peaks.append(float(np.abs(np.concatenate(blocks)).max()))
        decoder.close()
    assert peaks[1] == pytest.approx(peaks[0] / 2, rel=0.01)
    with pytest.raises(Exception, match="no track 3"):
        FileDecoder(io.BytesIO(data), "two", track=3)


@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_is_decoded_as_a_file_is(name: str) -> None:
    for data in (written(name), written(name) * 2, written(name)[: len(written(name)) // 2]):
        of_file, of_pipe = decode_file(data), decode_pipe(data)
        assert of_pipe.end_s == pytest.approx(of_file.end_s, abs=0.06)
        assert bool(of_pipe.problem) == bool(of_file.problem)
        assert of_pipe.is_reported == of_file.is_reported


@pytest.mark.parametrize("size", [1, 7, 300, 100_000])
def test_a_chain_from_a_pipe_is_followed_however_it_is_cut(size: int) -> None:
    parts = [
        by_libsndfile("OGG", "VORBIS", 44_100),
        by_libsndfile("OGG", "VORBIS", 22_050, 2),
        by_libsndfile("OGG", "OPUS", 48_000),
    ]
    for data, seconds in ((b"".join(parts), 3 * SECONDS), (written("webm live") * 2, 2 * SECONDS)):
        decoded = decode_pipe(data, size)
        assert (decoded.problem, decoded.codes) == ("", [])
        assert decoded.end_s == pytest.approx(seconds, abs=FRAME_S)


def test_a_header_of_no_length_is_found_once() -> None:
    decoded = decode_file(b".snd" + bytes(20) + written("au"))
    assert decoded.is_reported or decoded.spans
