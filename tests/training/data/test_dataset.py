import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ser_rt.config import model_config
from ser_rt.data_loader import load_dataset_from_csv, load_dataset_from_directory
from ser_rt.errors import DataError
from ser_rt.training.data.dataset import SpeechEmotionDataset
from ser_rt.training.data.decoded_cache import AudioCache
from ser_rt.training.data.sampler import STEP, BalancedSampler, Draw, draw_window
from tests.conftest import make_wave


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_RT_CACHE", str(tmp_path / "cache"))


def write(path: Path, seconds: float = 1.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, make_wave(seconds, seed=seed), 16_000)
    return path


def test_a_dataset_gives_whole_clips_or_windows(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.wav", 0.5 + i, seed=i) for i in range(3)]
    dataset = SpeechEmotionDataset(paths, ["Joy", "Angry", 0], None, is_training=True)
    assert len(dataset) == 3
    assert dataset[1]["input_values"].shape == (24_000,)
    wave, _ = soundfile.read(paths[1], dtype="float32")
    assert np.allclose(dataset[1]["input_values"].numpy(), wave, atol=1e-4)
    assert [int(dataset[i]["labels"]) for i in range(3)] == [2, 1, 0]
    window = dataset[Draw(2, seed=7, samples=16_000)]["input_values"]
    assert window.shape == (16_000,)
    assert (window == dataset[Draw(2, seed=7, samples=16_000)]["input_values"]).all()
    assert (window != dataset[Draw(2, seed=8, samples=16_000)]["input_values"]).any()


def test_labels_and_sample_rates_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav")
    with pytest.raises(DataError, match="unknown emotion 'Happy'; known: Neutral"):
        SpeechEmotionDataset([path], ["Happy"])
    with pytest.raises(DataError, match="2 paths and 1 labels"):
        SpeechEmotionDataset([path, path], ["Joy"])

    class Processor:
        sampling_rate = 8000

    with pytest.raises(DataError, match="8000 Hz"):
        SpeechEmotionDataset([path], ["Joy"], Processor())


def test_every_unfit_clip_is_named_before_training(tmp_path: Path) -> None:
    good, short = write(tmp_path / "good.wav"), write(tmp_path / "short.wav", 0.1)
    silent, text = tmp_path / "silent.wav", tmp_path / "text.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    text.write_text("hello")
    with pytest.raises(DataError) as error:
        AudioCache([good, short, silent, text])
    message = str(error.value)
    assert message.startswith("3 of 4 clips are unfit")
    assert all(name in message for name in ("short.wav", "silent.wav", "text.wav"))
    assert "good.wav" not in message
    with pytest.raises(DataError, match=r"unreadable .*none\.wav"):
        AudioCache([tmp_path / "none.wav"])


def test_a_clip_is_decoded_again_when_its_file_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    assert AudioCache([path])[0].size == 16_000
    write(path, 2.0)
    assert AudioCache([path])[0].size == 32_000


def test_a_spawned_worker_gets_the_file_and_not_the_samples(tmp_path: Path) -> None:
    cache = AudioCache([write(tmp_path / f"{i}.wav", 3.0, seed=i) for i in range(3)])
    for whole in (cache, cache.pick([2, 0])):
        sent = pickle.dumps(whole)
        assert len(sent) < 10_000
        received = pickle.loads(sent)  # noqa: S301 (our own)
        assert all(np.array_equal(received[i], whole[i]) for i in range(len(whole)))


def test_windows_of_short_clips_are_repeated_or_set_into_silence() -> None:
    wave = make_wave(0.5)
    kinds = set()
    for seed in range(40):
        window = draw_window(wave, Draw(0, seed, 40_000), vary=None).samples
        assert window.shape == (40_000,)
        start = int(np.flatnonzero(window)[0])
        assert np.array_equal(window[start : start + wave.size], wave)
        kinds.add("repeated" if np.array_equal(window, np.resize(wave, 40_000)) else "set")
    assert kinds == {"repeated", "set"}


def test_silence_at_both_ends_is_left_out_of_windows(tmp_path: Path) -> None:
    silence = np.zeros(24_000, np.float32)
    samples = np.concatenate([silence, make_wave(1.0), silence])
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    dataset = SpeechEmotionDataset([tmp_path / "a.wav"], ["Joy"], trim=True)
    windows = [dataset[Draw(0, seed, 14_000)]["input_values"] for seed in range(20)]
    assert all(window.abs().max() > 0.1 for window in windows)
    assert dataset[0]["input_values"].shape == samples.shape


def sampler(balance: float, batch_size: int = 8) -> BalancedSampler:
    groups = [("big", "Joy")] * 90 + [("small", "Sad")] * 10
    return BalancedSampler(
        groups, batch_size=batch_size, crop_s=(1.0, 4.0), balance=balance, seed=5
    )


def test_a_batch_has_one_length_and_epochs_differ_but_repeat() -> None:
    draws = sampler(0.0)
    first = list(draws)
    lengths = [{d.samples for d in first[i : i + 8]} for i in range(0, 100, 8)]
    assert all(len(length) == 1 for length in lengths)
    assert len(set.union(*lengths)) > 5
    assert all(16_000 <= d.samples <= 64_000 for d in first)
    assert sorted(d.clip for d in first) == list(range(100))
    draws.set_epoch(1)
    assert list(draws) != first
    draws.set_epoch(0)
    assert list(draws) == first


def test_balance_gives_small_groups_their_share() -> None:
    draws = sampler(1.0)
    counts: Counter[bool] = Counter()
    for epoch in range(20):
        draws.set_epoch(epoch)
        counts.update(draw.clip >= 90 for draw in draws)
    assert 0.45 < counts[True] / counts.total() < 0.55


def test_the_original_loaders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data/Joy/a.wav")
    (tmp_path / "m.csv").write_text("file_path,emotion\ndata/Joy/a.wav,Joy\n")
    expected = ([str(tmp_path / "data/Joy/a.wav")], ["Joy"])
    assert load_dataset_from_directory(tmp_path / "data") == expected
    assert load_dataset_from_csv(tmp_path / "m.csv") == expected
    monkeypatch.setattr(model_config, "emotion_labels", ("Neutral", "Angry"))
    with pytest.raises(DataError):
        load_dataset_from_csv(tmp_path / "m.csv")


def test_a_windows_places_are_where_its_sound_was() -> None:
    for seconds in (1.0, 3.0):
        ramp = np.linspace(0.1, 1.0, round(seconds * 16_000), dtype=np.float32)
        for seed in range(20):
            window = draw_window(ramp, Draw(0, seed, 32_000), vary=_Faster())  # type: ignore[arg-type]
            middles = window.samples[STEP // 2 :: STEP]
            assert window.places.shape == window.is_clip.shape == middles.shape == (100,)
            assert np.all((window.places >= 0) & (window.places < ramp.size))
            assert np.array_equal(window.is_clip, middles > 0)
            there = window.is_clip
            assert np.allclose(ramp[window.places[there]], middles[there], atol=0.01)


class _Faster:
    def __call__(self, samples: np.ndarray[Any, Any], _: object) -> Any:
        place = np.linspace(0, samples.size - 1, round(samples.size * 0.95))
        return np.interp(place, np.arange(samples.size), samples).astype(np.float32)
