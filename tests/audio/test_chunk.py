import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.audio.chunk import ChunkMaker
from ser_rt.audio.samples import mono
from ser_rt.errors import AudioInputError
from tests.conftest import make_wave


def convert(wave: np.ndarray, rate: int, sizes: list[int]) -> np.ndarray:
    maker = ChunkMaker(rate, 16_000)
    chunks, start = [], 0
    for size in itertools.cycle(sizes):
        chunks.append(maker.feed(wave[start : start + size]))
        start += size
        if start >= len(wave):
            break
    chunks.append(maker.flush())
    converted = 0
    for chunk in chunks:
        assert chunk.start == converted
        converted += len(chunk.samples)
    return np.concatenate([chunk.samples for chunk in chunks])


@settings(max_examples=25)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
)
def test_chunking_never_changes_a_sample(rate: int, sizes: list[int]) -> None:
    wave = make_wave(0.7, rate)
    whole = convert(wave, rate, [len(wave)])
    assert len(whole) == pytest.approx(len(wave) * 16_000 / rate, abs=1)
    assert convert(wave, rate, sizes).tobytes() == whole.tobytes()


def test_a_tone_survives_resampling() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    converted = convert(tone, 48_000, [479])
    np.testing.assert_allclose(converted[500:-500], expected[500:-500], atol=1e-4)


def test_int16_is_scaled_and_channels_are_averaged() -> None:
    np.testing.assert_array_equal(mono(np.array([-32768, 16384], np.int16)), [-1.0, 0.5])
    np.testing.assert_array_equal(mono(np.array([[0.5, -0.25], [1.0, 0.0]])), [0.125, 0.5])


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.array([0.0, np.nan]), "sample 1 is nan"),
        (np.array([np.inf, 0.0]), "sample 0 is inf"),
        (np.array([0.0, 1e300]), "sample 1 is inf"),
        (np.array([0.0, 12345.0], np.float32), "sample 1 is 12345.*32768"),
        (np.array([1, 2], np.int32), "int32"),
        (np.array([1, 2], np.uint8), "uint8"),
        (np.array([True]), "bool"),
        (np.zeros((1, 48_000)), r"shape \(1, 48000\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.array(1.0), "is a number"),
        (np.zeros((5, 0)), "no channel"),
    ],
)
def test_bad_samples_are_named(samples: np.ndarray, words: str) -> None:
    with pytest.raises(AudioInputError, match=words):
        mono(samples)


@pytest.mark.parametrize("rate", [0, -16_000, 10**9, 16_000.5, True, None])
def test_bad_rates_are_named(rate: int) -> None:
    with pytest.raises(AudioInputError, match=f"rate.*{rate}"):
        ChunkMaker(rate, 16_000)


def test_a_gap_keeps_the_place_in_time() -> None:
    maker = ChunkMaker(48_000, 16_000)
    maker.feed(make_wave(0.1, 48_000))
    maker.jump(48_000)
    assert maker.feed(make_wave(0.1, 48_000)).start == 16_000


def test_what_the_filter_holds_back_counts_as_latency_of_live_audio() -> None:
    live = ChunkMaker(48_000, 16_000, is_live=True)
    chunk = live.feed(np.zeros(4_800, np.float32), captured_at=100.0)
    held_s = 0.1 - len(chunk.samples) / 16_000
    assert held_s > 0
    assert chunk.captured_at == pytest.approx(100.0 - held_s)
    assert chunk.resample_s >= held_s
