"""What was decoded and kept is whole, or decoded again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.errors import AudioDecodeError, OutputError
from ser_rt.training.data import decoded_cache
from ser_rt.training.data.decoded_cache import AudioCache
from tests.conftest import make_wave

NAMES = ("a.wav", "silent.wav", os.fsdecode("감정.wav".encode("cp949")), "two\nlines.wav")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in NAMES]
    for number, path in enumerate(found):
        wave = np.zeros(8_000) if path.name == "silent.wav" else make_wave(0.5, seed=number)
        with path.open("wb") as file:
            soundfile.write(file, wave, 16_000, format="WAV")
    return [*found, tmp_path / "none.wav"]


@pytest.fixture
def cache(tmp_path: Path, paths: list[Path]) -> Path:
    """A folder with the corpus in it."""
    AudioCache(paths, strict=False, folder=tmp_path / "cache")
    return tmp_path / "cache"


def change(**values: object) -> Callable[[Path, Path], None]:
    def work(_: Path, index: Path) -> None:
        index.write_text(json.dumps(json.loads(index.read_text()) | values), encoding="utf-8")

    return work


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "no index": lambda _, index: index.unlink(),
    "no samples": lambda data, _: data.unlink(),
    "neither": lambda data, index: [path.unlink() for path in (data, index)],  # type: ignore[func-returns-value]
    "half of the samples": lambda data, _: os.truncate(data, data.stat().st_size // 2),
    "no sample left": lambda data, _: os.truncate(data, 0),
    "half a sample": lambda data, _: os.truncate(data, data.stat().st_size - 1),
    "samples of another": lambda data, _: data.write_bytes(data.read_bytes() * 2),
    "half of the index": lambda _, index: os.truncate(index, index.stat().st_size // 2),
    "empty index": lambda _, index: os.truncate(index, 0),
    "index of bytes": lambda _, index: index.write_bytes(b"\xff\xfe\x00\xd8"),
    "index of NUL": lambda _, index: index.write_bytes(bytes(index.stat().st_size)),
    "a list": lambda _, index: index.write_text("[]"),
    "a number": lambda _, index: index.write_text("1"),
    "deep": lambda _, index: index.write_text("[" * 100_000),
    "no ends": change(ends=[]),
    "ends of words": change(ends=["a"] * 5),
    "ends that fall": change(ends=[9, 8, 7, 6, 16_000]),
    "ends of fractions": change(ends=[0.5] * 5),
    "no digests": change(digests=[]),
    "digests of numbers": change(digests=[1] * 5),
    "faults of words": change(faults=["abc", 1]),
    "faults of another length": change(faults=[["a", "b"]]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_whole_is_decoded_again(
    damage: str,
    cache: Path,
    paths: list[Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = AudioCache(paths, strict=False, folder=cache)
    clips = [whole[i].copy() for i in range(len(paths))]  # its file is about to change
    (data,), (index,) = cache.glob("*.pcm"), cache.glob("*.json")
    DAMAGES[damage](data, index)
    again = AudioCache(paths, strict=False, folder=cache)
    assert again.digests == whole.digests
    assert again.faults == whole.faults
    assert all(np.array_equal(again[i], clip) for i, clip in enumerate(clips))
    assert sorted(cache.iterdir()) == sorted((data, index))
    assert ("is not whole" in caplog.text) == (damage != "neither")
    caplog.clear()
    AudioCache(paths, strict=False, folder=cache)
    assert not caplog.records


def test_names_of_any_bytes_have_caches_of_their_own(cache: Path, paths: list[Path]) -> None:
    found = AudioCache(paths, strict=False, folder=cache)
    assert [len(found[i]) for i in range(5)] == [8_000, 0, 8_000, 8_000, 0]
    assert [fault.kind for fault in found.faults] == ["silent", "unreadable"]
    AudioCache(paths[2:3], folder=cache)
    assert len(list(cache.glob("*.pcm"))) == 2


def test_a_link_to_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    found = AudioCache([tmp_path / "loop.wav"], strict=False, folder=tmp_path / "cache")
    assert [fault.kind for fault in found.faults] == ["unreadable"]


def test_a_folder_that_is_none_is_an_error_in_words(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot keep decoded audio"):
        AudioCache(paths, strict=False, folder=tmp_path / "file" / "cache")


def test_a_clip_that_can_be_read_now_is_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, make_wave(1.0), 16_000)

    def fail(*_: object) -> None:
        msg = "no ffmpeg: pip install ser-rt[media]"
        raise AudioDecodeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(decoded_cache, "read_audio", fail)
        for _ in range(2):
            cache = AudioCache([path], strict=False, folder=tmp_path / "cache")
            assert [fault.kind for fault in cache.faults] == ["unreadable"]
    cache = AudioCache([path], strict=False, folder=tmp_path / "cache")
    assert (cache.faults, len(cache[0])) == ([], 16_000)
