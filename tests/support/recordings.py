"""Recordings of one noise in every container that can be written here, and ways to hurt them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from scipy.signal import resample_poly

from tests.conftest import RATE, Wave, make_wave

SECONDS = 4.0


@cache
def voice(rate: int, channels: int = 1) -> Wave:
    """Return noise that varies, as float32 ``[samples, channels]`` at a rate in Hz."""
    at = Fraction(rate, RATE)
    wave = resample_poly(make_wave(SECONDS), at.numerator, at.denominator).astype(np.float32)
    return np.repeat(wave.clip(-1, 1)[:, np.newaxis], channels, axis=1)


def by_libsndfile(kind: str, subtype: str, rate: int = RATE, channels: int = 1) -> bytes:
    """Write with libsndfile, in pieces: some of its encoders fail on long ones."""
    file, wave = io.BytesIO(), voice(rate, channels)
    with soundfile.SoundFile(file, "w", rate, channels, subtype, format=kind) as output:
        for at in range(0, len(wave), 4_000):
            output.write(wave[at : at + 4_000])
    return file.getvalue()


class Unseekable:
    """What a muxer sees when it writes to a pipe."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def by_ffmpeg(
    kind: str,
    codec: str,
    rate: int = 44_100,
    *,
    options: dict[str, str] | None = None,
    begins_s: float = 0.0,
    gap: tuple[float, float] | None = None,
    tracks: int = 1,
    piped: bool = False,
    speed: float = 1.0,
) -> bytes:
    """Write with FFmpeg; ``gap`` is when time jumps, and by how much, ``speed`` that of stamps."""
    if options == _FAST:  # the muxer opens it again, by its name
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fast")
            _mux(str(path), kind, codec, rate, options=options)
            return path.read_bytes()
    file: Any = Unseekable() if piped else io.BytesIO()
    _mux(
        *(file, kind, codec, rate),
        options=options,
        begins_s=begins_s,
        gap=gap,
        tracks=tracks,
        speed=speed,
    )
    return bytes(file.data) if piped else bytes(file.getvalue())


def _mux(
    file: Any,
    kind: str,
    codec: str,
    rate: int,
    *,
    options: dict[str, str] | None = None,
    begins_s: float = 0.0,
    gap: tuple[float, float] | None = None,
    tracks: int = 1,
    speed: float = 1.0,
) -> None:
    with av.open(file, "w", format=kind, options=options or {}) as output:
        streams = [_track(output, codec, rate) for _ in range(tracks)]
        for number, stream in enumerate(streams):
            for frame in _frames(stream, rate, begins_s, gap, level=1.0 / (1 + number)):
                output.mux(slowed(stream.encode(frame), speed))
            output.mux(slowed(stream.encode(None), speed))


def slowed(packets: list[Any], speed: float) -> list[Any]:
    """Multiply the times of packets."""
    for packet in packets:
        if speed != 1:
            packet.pts, packet.dts = round(packet.pts * speed), round(packet.dts * speed)
    return packets


def _track(output: Any, codec: str, rate: int) -> Any:
    stream: Any = output.add_stream(codec, rate=rate)
    stream.layout = "mono"
    stream.codec_context.open()
    return stream


def _frames(
    stream: Any, rate: int, begins_s: float, gap: tuple[float, float] | None, level: float
) -> list[Any]:
    wave, size = voice(rate)[:, 0] * level, stream.codec_context.frame_size or 1024
    convert = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate)
    frames = []
    shift = round(begins_s * rate)
    for at in range(0, len(wave), size):
        if gap is not None and at >= gap[0] * rate:
            shift, gap = shift + round(gap[1] * rate), None
        piece = wave[at : at + size]
        if stream.codec_context.name != "tta":  # its frames are a second long
            piece = np.pad(piece, (0, size - len(piece)))
        frame = av.AudioFrame.from_ndarray(piece[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate
        for converted in convert.resample(frame):
            converted.pts, converted.time_base = at + shift, Fraction(1, rate)
            frames.append(converted)
    return frames


_FAST = {"movflags": "faststart"}
_BARE = {"write_xing": "0", "id3v2_version": "0"}
_FRAGMENTS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "500000",
}

WRITERS: dict[str, Callable[[], bytes]] = {
    "wav": lambda: by_libsndfile("WAV", "PCM_16"),
    "wav float": lambda: by_libsndfile("WAV", "FLOAT", 22_050, 2),
    "wav mu-law": lambda: by_libsndfile("WAV", "ULAW", 8_000),
    "wav adpcm": lambda: by_libsndfile("WAV", "MS_ADPCM", 22_050),
    "rf64": lambda: by_libsndfile("RF64", "PCM_16"),
    "w64": lambda: by_libsndfile("W64", "PCM_16"),
    "aiff": lambda: by_libsndfile("AIFF", "PCM_16"),
    "au": lambda: by_libsndfile("AU", "PCM_16"),
    "caf": lambda: by_libsndfile("CAF", "PCM_16"),
    "flac": lambda: by_libsndfile("FLAC", "PCM_16"),
    "ogg vorbis": lambda: by_libsndfile("OGG", "VORBIS", 44_100),
    "ogg opus": lambda: by_libsndfile("OGG", "OPUS", 48_000),
    "ogg flac": lambda: by_ffmpeg("ogg", "flac", RATE),
    "mp3": lambda: by_ffmpeg("mp3", "libmp3lame"),
    "mp3 vbr": lambda: by_libsndfile("MP3", "MPEG_LAYER_III", 44_100),
    "mp3 bare": lambda: by_ffmpeg("mp3", "libmp3lame", options=_BARE),
    "aac": lambda: by_ffmpeg("adts", "aac"),
    "m4a": lambda: by_ffmpeg("mp4", "aac", options=_FAST),
    "m4a index last": lambda: by_ffmpeg("mp4", "aac"),
    "mp4 fragments": lambda: by_ffmpeg("mp4", "aac", options=_FRAGMENTS),
    "mp4 opus": lambda: by_ffmpeg("mp4", "libopus", 48_000, options=_FAST),
    "alac": lambda: by_ffmpeg("mp4", "alac"),
    "mkv": lambda: by_ffmpeg("matroska", "aac"),
    "webm": lambda: by_ffmpeg("webm", "libopus", 48_000),
    "webm live": lambda: by_ffmpeg("webm", "libopus", 48_000, piped=True),
    "mpegts": lambda: by_ffmpeg("mpegts", "aac"),
    "mpeg": lambda: by_ffmpeg("mpeg", "mp2"),
    "avi": lambda: by_ffmpeg("avi", "libmp3lame"),
    "flv": lambda: by_ffmpeg("flv", "aac"),
    "caf alac": lambda: by_libsndfile("CAF", "ALAC_16", 44_100),
    "3gp amr": lambda: by_ffmpeg("3gp", "libopencore_amrnb", 8_000, options=_FAST),
    "voc": lambda: by_libsndfile("VOC", "PCM_16"),
    "voc of blocks": lambda: by_ffmpeg("voc", "pcm_s16le", 22_050),
    "nist": lambda: by_libsndfile("NIST", "PCM_16"),
    "nut": lambda: by_ffmpeg("nut", "libopus", 48_000),
    "realmedia": lambda: by_ffmpeg("rm", "ac3", 48_000),
    "tta": lambda: by_ffmpeg("tta", "tta"),
    "wavpack": lambda: by_ffmpeg("wv", "wavpack"),
    "ac3": lambda: by_ffmpeg("ac3", "ac3", 48_000),
    "amr": lambda: by_ffmpeg("amr", "libopencore_amrnb", 8_000),
}


@cache
def written(name: str) -> bytes:
    """Return the recording of a name in `WRITERS`."""
    return WRITERS[name]()
