"""WAV and AU in codecs that one library refuses and another decodes, from files on a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ser_rt.audio.sources.file import FileSource
from tests.conftest import RATE
from tests.support.decoding import FRAME_S, Decoded, decode_file, decode_pipe
from tests.support.recordings import SECONDS, by_ffmpeg, voice


def levels(wave: np.ndarray, count: int = 14) -> np.ndarray:
    """The loudness of each quarter second."""
    size = RATE // 4
    return np.array([np.square(wave[n * size : (n + 1) * size]).mean() for n in range(count)])


@pytest.mark.parametrize(
    ("kind", "codec", "rate"),
    [
        *(("wav", "adpcm_g726", 8_000), ("wav", "g722", 16_000), ("wav", "adpcm_yamaha", 16_000)),
        *(("wav", "adpcm_swf", 11_025), ("wav", "ac3", 48_000), ("wav", "adpcm_ima_wav", 16_000)),
        *(("au", "g722", 16_000), ("au", "adpcm_g726le", 8_000)),
    ],
)
def test_the_sound_of_any_codec_is_in_its_place(
    tmp_path: Path, kind: str, codec: str, rate: int
) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(by_ffmpeg(kind, codec, rate))
    with FileSource(path) as source:
        chunks = list(source)
    assert not [warning for chunk in chunks for warning in chunk.warnings]
    wave = np.concatenate([chunk.samples for chunk in chunks])
    assert len(wave) / RATE == pytest.approx(SECONDS, abs=FRAME_S)
    assert np.corrcoef(levels(wave), levels(voice(RATE)[:, 0]))[0, 1] > 0.9


@pytest.mark.parametrize("decode", [decode_file, decode_pipe])
@pytest.mark.parametrize("name", ["matroska", "webm", "mp4"])
def test_time_stamps_that_are_slower_than_the_samples_count(
    decode: Callable[[bytes], Decoded], name: str
) -> None:
    codec, rate = ("libopus", 48_000) if name == "webm" else ("aac", 44_100)
    decoded = decode(by_ffmpeg(name, codec, rate, speed=0.96))
    assert decoded.end_s == pytest.approx(0.96 * SECONDS, abs=0.09)
    assert decoded.codes == ["gap"]
