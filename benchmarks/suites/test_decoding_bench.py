"""Decoding a recording to the model's input, beside libsndfile alone with the same resampler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import ser_rt
from ser_rt.audio.sources.file import FileSource

RATE = 44_100
BLOCK = RATE // 10


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two minutes of the sample at 44.1 kHz in each format."""
    folder = tmp_path_factory.mktemp("recordings")
    samples, rate = soundfile.read(ser_rt.sample_path(), dtype="float32")
    samples = np.tile(soxr.resample(samples, rate, RATE), 4)[: 120 * RATE]
    for suffix in ("wav", "flac", "mp3"):
        soundfile.write(folder / f"a.{suffix}", samples, RATE)
    return {path.suffix: path for path in folder.iterdir()}


def by_ser_rt(path: Path) -> int:
    with FileSource(path) as source:
        return sum(len(chunk.samples) for chunk in source)


def by_libsndfile(path: Path) -> int:
    """Decode as ser-rt did before it looked at containers."""
    resampler = soxr.ResampleStream(RATE, 16_000, 1, dtype="float32", quality="HQ")
    count = 0
    with soundfile.SoundFile(path) as file:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            assert np.abs(block).max() <= 10
            count += len(resampler.resample_chunk(block.mean(axis=1, dtype=np.float32)))
    return count + len(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


@pytest.mark.benchmark(group="decoding")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
@pytest.mark.parametrize("decode", [by_ser_rt, by_libsndfile])
def test_decoding(
    benchmark: Callable[..., int],
    minutes: dict[str, Path],
    suffix: str,
    decode: Callable[[Path], int],
) -> None:
    count = benchmark(decode, minutes[suffix])
    assert count == pytest.approx(120 * 16_000, abs=1_600)
