"""Recordings of more channels than most: each is heard, and is where it was."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ser_rt.audio.sources.file import FileSource
from tests.conftest import RATE, make_wave

SECONDS = 2.0
SURROUND = "7.1"


def write(path: Path, codec: str, rate: int, layout: str, channels: int) -> None:
    """Write one noise in every channel, each louder than the one before."""
    wave = make_wave(SECONDS, rate)[:, np.newaxis] * np.linspace(0.2, 1, channels)
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=rate)
        stream.layout = layout
        stream.codec_context.open()
        kind, size = stream.codec_context.format.name, stream.codec_context.frame_size or 1024
        convert = av.AudioResampler(format=kind, layout=layout, rate=rate)
        for at in range(0, len(wave), size):
            piece = wave[at : at + size].astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            for converted in convert.resample(frame):
                output.mux(stream.encode(converted))
        output.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "channels"),
    [
        ("a.m4a", "aac", 44_100, SURROUND, 8),
        ("a.aac", "aac", 44_100, SURROUND, 8),
        ("a.ts", "aac", 44_100, SURROUND, 8),
        ("a.webm", "libopus", 48_000, SURROUND, 8),
        ("a.mp4", "alac", 44_100, "7.1(wide)", 8),
        ("a.wv", "wavpack", 16_000, SURROUND, 8),
        ("a.mkv", "pcm_s16le", 16_000, "hexadecagonal", 16),
        ("a.mka", "aac", 44_100, "5.1", 6),
    ],
)
def test_each_channel_is_heard(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str, channels: int
) -> None:
    path = tmp_path / name
    write(path, codec, rate, layout, channels)
    heard: dict[int, list[np.ndarray]] = {}
    with FileSource(path, channel="all") as source:
        for chunk in source:
            assert chunk.channel is not None
            assert not chunk.warnings
            heard.setdefault(chunk.channel, []).append(chunk.samples)
    waves = {channel: np.concatenate(pieces) for channel, pieces in heard.items()}
    assert sorted(waves) == list(range(1, channels + 1))
    assert all(len(wave) / RATE == pytest.approx(SECONDS, abs=0.1) for wave in waves.values())
    loudness = [float(np.sqrt(np.mean(wave**2))) for wave in waves.values()]
    assert min(loudness) > 0
    if codec in ("alac", "wavpack", "pcm_s16le"):  # of others, the bass channel has only bass
        shares = sorted(np.array(loudness) / max(loudness))
        assert shares == pytest.approx(np.linspace(0.2, 1, channels), abs=0.02)
