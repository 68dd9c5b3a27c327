import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.recording import Recorder, Tee
from ser_rt.audio.sources.push import PushSource
from ser_rt.errors import OutputError
from tests.conftest import RATE, make_wave


def test_a_recording_has_all_samples_and_gaps_are_silence(tmp_path: Path) -> None:
    wave = (make_wave(1) * 32768).astype(np.int16)
    floats = (wave / 32768).astype(np.float32)
    path = tmp_path / "saved.flac"
    with Recorder(path, RATE) as recorder:
        recorder(AudioChunk(floats, 5_000, 0.0))
        recorder(AudioChunk(floats, 5_000 + RATE + 800, 0.0))
    saved = soundfile.read(path, dtype="int16")[0]
    silence = np.zeros(800, np.int16)
    np.testing.assert_array_equal(saved, np.concatenate([wave, silence, wave]))


def test_a_long_gap_is_as_long_as_it_was(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.flac", RATE) as recorder:
        recorder(AudioChunk(make_wave(0.1), 0, 0.0))
        recorder(AudioChunk(make_wave(0.1), 1_000 * RATE, 0.0))
    assert soundfile.info(tmp_path / "a.flac").duration == pytest.approx(1_000.1)
    assert (tmp_path / "a.flac").stat().st_size < 200_000


def test_a_recording_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        Recorder(tmp_path / "no" / "a.flac", RATE)
    with pytest.raises(OutputError, match="Is a directory"):
        Recorder(tmp_path, RATE)


@pytest.mark.parametrize(("free", "words"), [(0, "No space left"), (1 << 30, "System error")])
def test_a_recording_that_cannot_go_on_says_whether_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, words: str
) -> None:
    def refused(*_: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "write", refused)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with Recorder(tmp_path / "a.flac", RATE) as recorder, pytest.raises(OutputError, match=words):
        recorder(AudioChunk(make_wave(0.1), 0, 0.0))


def test_a_tee_shows_every_chunk_and_what_its_source_lost() -> None:
    source, seen = PushSource(RATE, max_blocks=1), list[AudioChunk]()
    for _ in range(2):
        source.push(make_wave(0.1))
    source.end()
    with Tee(source, seen.append) as tee:
        assert list(tee) == seen
    assert tee.dropped_samples == RATE // 10
