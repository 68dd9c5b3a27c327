"""Tags, empty parts, beginnings and time stamps around a recording that take none of its sound."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.decoding.ffmpeg import FfmpegDecoder
from ser_rt.audio.decoding.mp3 import frame_bytes
from ser_rt.audio.decoding.ogg import page_bytes
from ser_rt.audio.decoding.timeline import Timeline
from ser_rt.audio.sources.stdin import open_bytes
from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, voice, written

WAYS = (decode_file, decode_pipe)
Decode = Callable[[bytes], Decoded]

_APE = b"APETAGEX" + struct.pack("<4I", 2000, 60, 1, 0x8000_0000) + bytes(8)
TAGS = {
    "ID3v2": b"ID3\x03\0\0\0\0\x03\x68" + b"TIT2\0\0\0\x06\0\0\0hello" + b"PRIV" * 118,
    "APE": _APE + struct.pack("<II", 20, 0) + b"Title\0" + b"x" * 20 + _APE,
    "ID3v1": b"TAG" + b"title".ljust(125),
    "Lyrics3": b"LYRICSBEGIN" + b"LYR00500" + b"la la la " * 60 + b"000600LYRICS200",
}


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize(
    ("name", "tag"),
    [
        *(("wav", "ID3v2"), ("aiff", "ID3v2"), ("flv", "ID3v2"), ("voc", "ID3v2")),
        *(("webm", "APE"), ("webm", "ID3v1"), ("m4a", "APE"), ("m4a", "Lyrics3")),
        *(("amr", "ID3v2"), ("amr", "Lyrics3"), ("avi", "ID3v2")),
    ],
)
def test_a_tag_behind_a_recording_is_no_part_of_it(decode: Decode, name: str, tag: str) -> None:
    decoded = decode(written(name) + TAGS[tag])
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S)


def test_tags_behind_ac3_are_no_recording() -> None:
    decoded = decode_file(written("ac3") + TAGS["ID3v1"])
    assert (decoded.problem, decoded.codes) == ("", ["damaged"])


class _WithLateTrack:
    """A container in which a track was added while it was read, as PyAV ends that."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def demux(self, stream: Any) -> Iterator[Any]:
        yield from self._container.demux(stream)
        msg = "list index out of range"
        raise IndexError(msg)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)


def test_a_track_that_begins_late_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = FfmpegDecoder(io.BytesIO(written("flv")), "late")
    monkeypatch.setattr(decoder, "_container", _WithLateTrack(decoder._container))
    assert len(list(decoder.blocks(0.5))) >= 2 * SECONDS
    decoder.close()


@pytest.mark.parametrize("decode", WAYS)
def test_a_stream_behind_flv_is_decoded(decode: Decode) -> None:
    decoded = decode(written("flv") + written("mpegts"))
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)


@pytest.mark.parametrize("decode", WAYS)
@pytest.mark.parametrize("name", ["ogg opus", "ogg vorbis"])
def test_an_empty_link_of_a_chain_is_no_recording(decode: Decode, name: str) -> None:
    data, size = written(name), 0
    for _ in range(2):
        size += page_bytes(data, size) or 0
    decoded = decode(data[:size] + data + data[:size] + data)
    assert (decoded.problem, decoded.codes) == ("", [])
    assert decoded.end_s == pytest.approx(2 * SECONDS, abs=2 * FRAME_S)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_wav_of_the_other_byte_order_is_decoded(subtype: str) -> None:
    samples = voice(RATE)[:, 0].astype(">f4" if subtype == "FLOAT" else ">f8")
    width = samples.itemsize
    head = struct.pack(">IHHIIHH", 16, 3, 1, RATE, RATE * width, width, 8 * width)
    head = b"RIFX" + bytes(4) + b"WAVEfmt " + head + b"data" + struct.pack(">I", samples.nbytes)
    chunks = list(open_bytes(io.BytesIO(head + samples.tobytes())))
    decoded = np.concatenate([chunk.samples for chunk in chunks])
    assert np.allclose(decoded, voice(RATE)[:, 0], atol=1e-4)


@pytest.mark.parametrize("decode", WAYS)
def test_mpeg_audio_in_wav_has_no_length_by_a_guess(decode: Decode) -> None:
    data = written("mp3 vbr")
    data = data[frame_bytes(data) :]  # the one with the length
    format_ = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 44_100, 8_000, 1, 0, 12, 1, 2, 417, 1, 1393)
    head = b"RIFF" + struct.pack("<I", len(data) + 50) + b"WAVEfmt " + struct.pack("<I", 30)
    decoded = decode(head + format_ + b"data" + struct.pack("<I", len(data)) + data)
    assert decoded.problem == ""
    assert decoded.end_s == pytest.approx(SECONDS, abs=FRAME_S)


def test_mp3_that_begins_within_a_frame_is_known_from_a_pipe() -> None:
    chunks = list(open_bytes(io.BytesIO(written("mp3 bare")[200:])))
    end_s = sum(len(chunk.samples) for chunk in chunks) / RATE
    assert end_s == pytest.approx(SECONDS, abs=FRAME_S)


def test_time_stamps_that_went_back_by_damage_move_nothing() -> None:
    line = Timeline(1.0)
    block = np.zeros((100, 1), np.float32)
    stamps = [*range(10), 0, 1, 2, *range(13, 20)]
    blocks = [b for at in stamps for b in line.add(block, 1_000, at / 10)] + list(line.flush())
    assert [warning for b in blocks for warning in b.warnings] == []
    assert line.end_s == pytest.approx(2.0)
