"""What is wrong with a corpus is found before training, and named."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile
import torch

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.errors import DataError, OutputError
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip, load_manifest
from ser_rt.training.data.dataset import SpeechEmotionDataset, label_of
from ser_rt.training.data.decoded_cache import AudioCache, cache_folder
from ser_rt.training.data.prepare import prepare
from ser_rt.training.data.sampler import Draw, draw_window
from ser_rt.training.data.validation import (
    decode_clips,
    find_leaks,
    refuse_empty_classes,
    refuse_leaks,
)
from tests.conftest import make_wave
from tests.support.pulses import RHYTHM_HZ, write_corpus

LABELS = tuple(RHYTHM_HZ)


@pytest.fixture(autouse=True)
def _small_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_RT_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return load_manifest(write_corpus(tmp_path / "corpus", speakers=3, takes=2), LABELS)


@pytest.fixture
def bad(tmp_path: Path, clips: list[Clip]) -> list[Clip]:
    """One of each fault, and a clip that is fit."""
    short, silent, text = (tmp_path / f"{name}.wav" for name in ("short", "silent", "text"))
    soundfile.write(short, make_wave(0.1), 16_000)
    soundfile.write(silent, np.zeros(16_000), 16_000)
    text.write_text("hello")
    found = [Clip(path, "Joy") for path in (short, silent, text, tmp_path / "none.wav")]
    return [*found, replace(clips[0], emotion="Hapy"), clips[1], clips[1]]


def train(run: Path, clips: list[Clip], val: list[Clip] | None = None, **data: object) -> None:
    create_trainer(
        ModelConfig(architecture="compact", emotion_labels=LABELS),
        TrainingConfig(
            output_dir=str(run),
            batch_size=4,
            gradient_accumulation_steps=1,
            num_epochs=1,
            report_to="none",
        ),
        DataConfig.from_dict({"max_crop_s": 1.1, "num_workers": 0, **data}),
    ).train(clips, val)


def test_every_fault_is_a_row_of_a_table(bad: list[Clip]) -> None:
    with pytest.raises(DataError) as error:
        decode_clips(bad, LABELS, skip_bad=False)
    table = str(error.value)
    assert table.startswith("6 of 7 clips are unfit for training:")
    for row in (
        "too short     ",
        "silent        ",
        "unreadable    ",
        "wrong label   ",
        "listed twice  ",
        "none.wav",
        "(0.10 s, under 0.2 s)",
        "(Hapy is none of Neutral, Angry, Joy)",
        "leave them out with --skip-bad",
    ):
        assert row in table


def test_bad_clips_may_be_skipped_and_are_listed(
    tmp_path: Path, clips: list[Clip], bad: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    decoded, faults = decode_clips(bad, LABELS, skip_bad=True)
    assert decoded.clips == [clips[1]]
    assert len(faults) == 6
    assert len(decoded.audio) == 1
    assert np.array_equal(decoded.audio[0], AudioCache([clips[1].path])[0])
    with pytest.raises(DataError, match="4 of 4 clips are unfit"):
        decode_clips(bad[:4], LABELS, skip_bad=True)
    train(tmp_path / "run", [*clips, *bad[:4]], skip_bad=True)
    rows = (tmp_path / "run/skipped.csv").read_text().splitlines()
    assert rows[0] == "path,kind,detail"
    assert [row.split(",")[1] for row in rows[1:]] == ["too short", "silent"] + 2 * ["unreadable"]
    assert "skipping: 4 of 22 clips" in caplog.text
    assert not (tmp_path / "other").exists()
    with pytest.raises(DataError, match="unfit"):
        train(tmp_path / "other", bad)
    assert not (tmp_path / "other").exists()


def test_an_emotion_without_clips_names_those_that_have_some(
    tmp_path: Path, clips: list[Clip]
) -> None:
    refuse_empty_classes(clips, LABELS)
    joyless = [clip for clip in clips if clip.emotion != "Joy"]
    with pytest.raises(DataError, match=r"Joy.*--emotion-labels Neutral Ang"):
        train(tmp_path / "run", joyless)


def test_one_speaker_cannot_be_split(tmp_path: Path, clips: list[Clip]) -> None:
    alone = [clip for clip in clips if clip.speaker == "s0"]
    with pytest.raises(DataError, match="one speaker 's0', so none can be held out: give a split"):
        train(tmp_path / "run", alone)
    train(tmp_path / "run", alone, val_share=0.0)


def test_shared_speakers_sentences_and_audio_are_leaks(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.wav"
    shutil.copy(clips[0].path, copy)
    first = [replace(clip, sentence=f"a {i}") for i, clip in enumerate(clips)]
    kept = [clip for clip in first if clip.speaker != "s2"]
    held = [clip for clip in first if clip.speaker == "s2"]
    val = [replace(held[0], speaker="s0"), replace(held[1], sentence="a 3"), *held[2:]]
    val.append(Clip(copy, "Neutral", "s9"))
    decoded, _ = decode_clips([*kept, *val], LABELS, skip_bad=False)
    leaks = find_leaks(decoded.pick(kept), decoded.pick(val))
    assert leaks == {
        "speakers": ["pulses/s0"],
        "sentences": ["a 3"],
        "audio": [f"{copy} = {clips[0].path}"],
    }
    with pytest.raises(DataError, match="--allow-leaks speakers audio"):
        refuse_leaks(leaks, ["sentences"])
    assert "allowed leak: 1 sentences are in training and validation: a 3" in caplog.text
    refuse_leaks(leaks, ["speakers", "sentences", "audio"])
    assert find_leaks(decoded.pick(kept), decoded.pick(held[2:])) == {}
    with pytest.raises(DataError, match="1 speakers are in training and validation: pulses/s0"):
        train(tmp_path / "run", kept, val)
    train(tmp_path / "run", kept, val, allow_leaks=["speakers", "sentences", "audio"])


def test_clips_to_validate_on_are_those_that_were_given(clips: list[Clip]) -> None:
    given = [replace(clip, emotion="Boredom") for clip in clips if clip.speaker == "s0"]
    others = [clip for clip in clips if clip.speaker != "s0"]
    settings = DataConfig(val_share=0.5, skip_bad=True)
    with pytest.raises(DataError, match="to validate on none is left"):
        prepare(others, given, LABELS, settings, seed=0)


def test_clips_without_an_emotion_are_not_held_out(tmp_path: Path, clips: list[Clip]) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for number in range(6):
        soundfile.write(more / f"{number}.wav", make_wave(1.0, seed=number), 16_000)
    settings = DataConfig(val_share=0.34, unlabelled=str(more))
    prepared = prepare(clips, [], LABELS, settings, seed=0, has_teacher=True)
    assert sum(not clip.emotion for clip in prepared.train.clips) == 6
    assert {clip.speaker for clip in prepared.validation.clips}.isdisjoint(
        {clip.speaker for clip in prepared.train.clips if clip.speaker}
    )


def test_two_corpora_may_call_people_by_one_name(tmp_path: Path, clips: list[Clip]) -> None:
    other = load_manifest(write_corpus(tmp_path / "mine", speakers=2, takes=2), LABELS)
    mine = [replace(clip, dataset="mine") for clip in other]
    decoded, _ = decode_clips([*clips, *mine], LABELS, skip_bad=False)
    theirs = [clip for clip in clips if clip.speaker != "s0"]
    held = [clip for clip in mine if clip.speaker == "s0"]
    others = [clip for clip in mine if clip.speaker == "s1"]
    assert "speakers" not in find_leaks(decoded.pick(theirs), decoded.pick(others))
    shared = find_leaks(decoded.pick(mine), decoded.pick(held))
    assert shared["speakers"] == ["mine/s0"]
    for known, leaks in ({"mine/s0"}, ["mine/s0"]), ({"s0"}, ["s0"]), ({"yours/s0"}, []):
        found = find_leaks(decoded.pick(theirs), decoded.pick(held), known)
        assert found.get("start", []) == leaks


def test_a_full_disk_is_named_and_nothing_half_written_stays(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    class Full:
        def __init__(self, file: object) -> None:
            self.file, self.room = file, 100_000

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, content: bytes) -> None:
            self.file.write(content[: self.room])  # type: ignore[attr-defined]
            self.room -= len(content)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")

    def fill(path: Path, mode: str = "r", *args: object, **how: object) -> object:
        file = real(path, mode, *args, **how)  # type: ignore[call-overload]
        return Full(file) if path.suffix == ".partial" else file

    paths = [clip.path for clip in clips]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fill)
        with pytest.raises(OutputError, match=r"No space left.*SER_RT_CACHE name another folder"):
            AudioCache(paths)
    assert list(cache_folder().iterdir()) == []
    assert len(AudioCache(paths)) == len(paths)


def test_soft_labels_are_shares_of_emotions(tmp_path: Path, clips: list[Clip]) -> None:
    soft = replace(clips[0], soft_label="Joy:3 Neutral:1")
    assert label_of(soft) == {"Joy": 3.0, "Neutral": 1.0}
    assert label_of(clips[1]) == clips[1].emotion
    paths, labels = [c.path for c in clips[:2]], [label_of(soft), "Angry"]
    dataset = SpeechEmotionDataset(paths, labels, emotion_labels=LABELS)
    assert dataset.labels.tolist() == [[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]
    for wrong in ("Joy", "Joy:x", "Joy:1:2"):
        with pytest.raises(DataError, match="must read like Joy"):
            label_of(replace(soft, soft_label=wrong))
    for shares in ({"Joy": -1.0, "Angry": 2.0}, {"Joy": 0.0}, {"Hapy": 1.0}):
        with pytest.raises(DataError, match=r"soft label|unknown emotion"):
            SpeechEmotionDataset(paths[:1], [shares], emotion_labels=LABELS)
    train(tmp_path / "run", [soft, *clips[1:]])


def test_every_other_window_is_cleaned_when_asked_for() -> None:
    wave = make_wave(2.0)
    for seed in (1, 2):
        draw = Draw(0, seed, 16_000)
        plain = draw_window(wave, draw, vary=None).samples
        cleaned = draw_window(wave, draw, vary=None, clean=True).samples
        assert plain.shape == cleaned.shape
        assert np.array_equal(plain, cleaned) == (seed % 2 == 0)
