"""Whatever is done to a file of whatever format: never silent, never endless, times right."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ser_rt.audio.decoding.decoders import FileDecoder, open_stream
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE
from tests.support.recordings import SECONDS, WRITERS, by_ffmpeg, by_libsndfile, written

FRAME_S = 0.13
"""Codecs add silence at both ends: up to some frames."""

KEEP_NO_LENGTH = {"mp3 bare", "aac", "ac3", "amr", "mpeg", "mpegts"}
"""Formats that do not say how long they are, nor end with a mark."""


class Heard(NamedTuple):
    """Spans of audio in seconds, codes of warnings, and what was wrong at the end."""

    spans: list[tuple[float, float]]
    codes: list[str]
    problem: str

    @property
    def end_s(self) -> float:
        return self.spans[-1][1] if self.spans else 0.0

    @property
    def is_told(self) -> bool:
        return bool(self.problem or self.codes)


def hear(data: bytes, name: str = "recording") -> Heard:
    """Hear bytes as a file."""
    spans: list[list[int]] = []
    codes: list[str] = []
    problem = ""

    def opened(path: str | Path, *, track: int | None) -> FileDecoder:
        return FileDecoder(io.BytesIO(data), str(path), track=track)

    try:
        with FileSource(name, open_file=opened) as source:
            for chunk in source:
                codes += [warning.code for warning in chunk.warnings]
                end = chunk.start + len(chunk.samples)
                if spans and abs(chunk.start - spans[-1][1]) < 2:
                    spans[-1][1] = end
                elif len(chunk.samples):
                    spans.append([chunk.start, end])
    except AudioDecodeError as error:
        problem = str(error)
        assert problem
        assert "\n" not in problem
    return Heard([(a / RATE, b / RATE) for a, b in spans], codes, problem)


def is_whole(heard: Heard, seconds: float = SECONDS) -> None:
    assert heard.problem == ""
    ((start_s, end_s),) = heard.spans
    assert start_s == 0.0
    assert end_s == pytest.approx(seconds, abs=FRAME_S * seconds / SECONDS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_whole_file_is_heard_whole_and_nothing_is_said(name: str) -> None:
    heard = hear(written(name))
    is_whole(heard)
    assert heard.codes == []


@pytest.mark.parametrize("name", WRITERS)
def test_two_files_end_to_end_are_heard_one_after_the_other_or_told(name: str) -> None:
    heard = hear(written(name) * 2)
    if heard.end_s < 1.5 * SECONDS:
        assert "goes on behind its end" in heard.problem
    else:
        assert heard.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)
        assert heard.problem == ""


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WRITERS)), share=st.floats(0.1, 0.9))
def test_a_file_that_was_cut_off_is_told_and_heard_so_far(name: str, share: float) -> None:
    data = written(name)
    heard = hear(data[: round(len(data) * share)])
    if name not in KEEP_NO_LENGTH:
        assert heard.is_told
    has_index_last = name in ("m4a index last", "alac")
    if not has_index_last:
        assert heard.spans or share < 0.3
        assert heard.end_s <= share * SECONDS + 1.1
    assert has_index_last or share < 0.5 or heard.end_s >= share * SECONDS - 1.3


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
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
    heard = hear(bytes(data))
    assert heard.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05) or heard.is_told
    if heard.problem == "" and name not in ("wav adpcm", "amr", "ogg flac"):  # pages of a second
        assert heard.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=4_000), st.sampled_from(sorted(WRITERS)), st.integers(0, 64))
def test_any_bytes_behind_any_beginning_are_no_traceback(junk: bytes, name: str, kept: int) -> None:
    heard = hear(written(name)[:kept] + junk)
    assert heard.is_told or heard.spans


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("before", [b"\0" * 700, b"ID3\x03\0\0\0\0\x07\x76" + bytes(1014)])
def test_zeros_or_a_tag_before_a_file_are_passed_over(name: str, before: bytes) -> None:
    for heard in (hear(before + written(name)), pipe(before + written(name))):
        assert heard.problem == ""
        assert heard.end_s == pytest.approx(SECONDS, abs=FRAME_S + 0.05)


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
    is_whole(hear(data[:at] + size.to_bytes(4, _ORDERS[name == "wav"]) + data[at + 4 :]))


_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")


def test_a_header_that_promises_much_more_is_told() -> None:
    data = written("wav")
    heard = hear(data[:40] + (256_000).to_bytes(4, "little") + data[44:])
    assert heard.spans == [(0.0, SECONDS)]
    assert "is truncated at 4.00 s: its header promises 8.00 s" in heard.problem


@pytest.mark.parametrize("kind", ["matroska", "webm", "mp4", "mpegts", "flv"])
def test_sound_is_where_its_time_stamps_say(kind: str) -> None:
    codec, rate = ("libopus", 48_000) if kind == "webm" else ("aac", 44_100)
    heard = hear(by_ffmpeg(kind, codec, rate, begins_s=3.0, gap=(2.0, 5.0)))
    begin = 3.0 if kind in ("matroska", "webm", "mp4") else 0.0  # the others begin anywhere
    assert [s for span in heard.spans for s in span] == [
        pytest.approx(begin + s, abs=0.07) for s in (0.0, 2.0, 7.0, 9.0)
    ]
    assert heard.codes == ["gap"]


def test_rate_and_channels_that_change_are_followed() -> None:
    parts = [by_libsndfile("OGG", "VORBIS", 44_100), by_libsndfile("OGG", "VORBIS", 22_050, 2)]
    is_whole(hear(b"".join(parts)), 2 * SECONDS)
    is_whole(hear(written("aac") + by_ffmpeg("adts", "aac", 22_050)), 2 * SECONDS)
    is_whole(hear(written("mp3 bare") + by_ffmpeg("mp3", "libmp3lame", 22_050)), 2 * SECONDS)


def test_one_of_several_tracks_is_heard_and_the_others_can_be_chosen() -> None:
    data = by_ffmpeg("matroska", "pcm_s16le", RATE, tracks=2)
    heard = hear(data)
    assert (heard.codes, heard.problem) == (["tracks"], "")
    peaks = []
    for track in (1, 2):
        decoder = FileDecoder(io.BytesIO(data), "two", track=track)
        blocks = [block.samples for block in decoder.blocks(1.0)]
        peaks.append(float(np.abs(np.concatenate(blocks)).max()))
        decoder.close()
    assert peaks[1] == pytest.approx(peaks[0] / 2, rel=0.01)
    with pytest.raises(Exception, match="2 audio tracks, and no track 3"):
        FileDecoder(io.BytesIO(data), "two", track=3)


class Drops:
    """A pipe that gives some bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._size))


def pipe(data: bytes, size: int = 4_000) -> Heard:
    """Hear bytes as they come."""
    spans: list[tuple[float, float]] = []
    codes: list[str] = []
    problem, end_s = "", 0.0
    try:
        decoder = open_stream(Drops(data, size), "the pipe")
        try:
            for block in decoder.blocks(0.1):
                codes += [warning.code for warning in block.warnings]
                end_s = max(end_s, block.start_s + len(block.samples) / block.sample_rate)
        finally:
            decoder.close()
    except AudioDecodeError as error:
        problem = str(error)
    spans = [(0.0, end_s)]
    return Heard(spans, codes, problem)


@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_is_heard_as_a_file_is(name: str) -> None:
    for data in (written(name), written(name) * 2, written(name)[: len(written(name)) // 2]):
        of_file, of_pipe = hear(data), pipe(data)
        assert of_pipe.end_s == pytest.approx(of_file.end_s, abs=0.06)
        if name not in ("mpegts", "amr"):  # a file's size says a little more of these
            assert bool(of_pipe.problem) == bool(of_file.problem)
            assert of_pipe.is_told == of_file.is_told


@pytest.mark.parametrize("size", [1, 7, 300, 100_000])
def test_a_chain_from_a_pipe_is_followed_however_it_is_cut(size: int) -> None:
    parts = [
        by_libsndfile("OGG", "VORBIS", 44_100),
        by_libsndfile("OGG", "VORBIS", 22_050, 2),
        by_libsndfile("OGG", "OPUS", 48_000),
    ]
    for data, seconds in ((b"".join(parts), 3 * SECONDS), (written("webm live") * 2, 2 * SECONDS)):
        heard = pipe(data, size)
        assert (heard.problem, heard.codes) == ("", [])
        assert heard.end_s == pytest.approx(seconds, abs=FRAME_S)


def test_a_header_of_no_length_is_found_once() -> None:
    heard = hear(b".snd" + bytes(20) + written("au"))
    assert heard.is_told or heard.spans
