"""A student learns from its teacher, resumes as it began, and says whose answers it learned."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, ConfigError, DataError, TrainingError
from ser_rt.networks.checkpoint import load_classifier, load_model
from ser_rt.train import main
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.validation import decode_clips
from ser_rt.training.teacher import Teacher
from tests.support.killing import killed, same_weights
from tests.support.pulses import RHYTHM_HZ, pulses, write_corpus
from tests.support.small_training import COMPACT, DATA, corpus, training
from tests.support.small_whisper import ENCODER

pytestmark = pytest.mark.usefixtures("small_and_alone")

ALL = replace(DATA, val_share=0.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip]) -> Path:
    run = tmp_path_factory.mktemp("runs") / "teacher"
    torch.set_num_threads(1)
    create_trainer(COMPACT, training(run, num_epochs=8), ALL).train(clips)
    return run


def teach(run: Path, teacher: Path, data: Any = ALL, **changes: Any) -> Any:
    settings = training(run, **({"teacher": str(teacher), "ema_decay": 0.5} | changes))
    return create_trainer(COMPACT, settings, data)


def share_right(run: Path) -> float:
    classifier = load_classifier(run)
    waves = np.stack([pulses(emotion, 9, take) for emotion in RHYTHM_HZ for take in range(5)])
    return float((classifier(waves).argmax(axis=1) == np.repeat(range(3), 5)).mean())


def test_a_student_believes_its_teacher_where_labels_are_wrong(
    tmp_path: Path, clips: list[Clip], teacher: Path
) -> None:
    names = [*RHYTHM_HZ]
    wrong = [
        replace(clip, emotion=names[(names.index(clip.emotion) + 1) % 3], soft_label="")
        for clip in clips
    ]
    teach(tmp_path / "run", teacher, num_epochs=8, teacher_share=1.0, ema_decay=0.0).train(wrong)
    assert share_right(teacher) > 0.6  # chance is 0.33
    assert share_right(tmp_path / "run") > 0.6
    assert not [name for name in load_file(tmp_path / "run/model.safetensors") if "imit" in name]


def test_speech_without_labels_carries_the_teachers_answer(
    tmp_path: Path, clips: list[Clip], teacher: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more/a.wav", pulses("Joy", 5, 0), 16_000)
    some = [replace(c, emotion="Bored") if c.speaker == "s0" else c for c in clips]
    data = replace(DATA, unlabelled=str(tmp_path / "more"), val_share=0.3)
    caplog.set_level("INFO")
    teach(tmp_path / "run", teacher, data).train(some)
    assert "clips with the teacher's answer alone" in caplog.text
    trained = json.loads((tmp_path / "run/config.json").read_text())["training"]
    assert trained["train"]["clips"] + trained["validation"]["clips"] >= len(clips)
    assert trained["train"]["emotions"][""] == 1
    assert "Bored" not in trained["validation"]["emotions"]
    assert "unknown" in trained["train"]["licence_classes"]


def test_a_killed_student_resumes_to_the_same_weights(
    tmp_path: Path, clips: list[Clip], teacher: Path
) -> None:
    held = [clip for clip in clips if clip.speaker == "s3"][:6]
    kept = [clip for clip in clips if clip.speaker != "s3"]
    teach(tmp_path / "whole", teacher).train(kept, held)
    with killed(lambda state: state.global_step == 9):
        teach(tmp_path / "killed", teacher).train(kept, held)
    moved = shutil.copytree(teacher, tmp_path / "moved")
    teach(tmp_path / "killed", moved).train(kept, held, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_run_is_not_resumed_with_another_teacher(
    tmp_path: Path, clips: list[Clip], teacher: Path
) -> None:
    teach(tmp_path / "run", teacher, num_epochs=1).train(clips)
    with pytest.raises(TrainingError, match="teacher_sha256 was"):
        teach(tmp_path / "run", tmp_path / "run", num_epochs=1).train(clips, resume=True)


def test_the_manifest_names_the_teacher(tmp_path: Path, clips: list[Clip], teacher: Path) -> None:
    bought = [replace(clip, licence_class="nc") for clip in clips]
    first, second = tmp_path / "first", tmp_path / "second"
    teach(first, teacher, num_epochs=1).train(bought)
    teach(second, first, num_epochs=1).train(clips)
    about = json.loads((second / "config.json").read_text())["training"]["teacher"]
    assert about["name"] == "first"
    assert (
        about["sha256"]
        == json.loads((first / "config.json").read_text())["sha256"]["model.safetensors"]
    )
    assert about["train"]["licence_classes"] == ["nc"]
    assert about["teacher"]["name"] == "teacher"


def test_answers_are_computed_once_and_are_those_of_the_window(
    tmp_path: Path, clips: list[Clip], teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, _ = decode_clips(clips, tuple(RHYTHM_HZ), skip_bad=False)
    one = Teacher(str(teacher), COMPACT)
    answers = one.run(decoded, ALL)
    model, _ = load_model(teacher)
    with torch.no_grad():
        wave = torch.from_numpy(decoded.audio[70])[None]  # of the second file
        frames = model.encoder.frames(wave)
    places = (np.arange(frames.shape[2]) + 0.5) / frames.shape[2]
    kept = torch.from_numpy(answers.at(70, places)).float().T[None]
    assert torch.allclose(kept, frames, rtol=1e-3, atol=1e-3)
    assert torch.allclose(one.answer(kept)[0], model(wave)["logits"], atol=0.02)

    computed = 0
    of = Teacher._frames

    def counted(self: Teacher, samples: Any) -> Any:
        nonlocal computed
        computed += 1
        return of(self, samples)

    monkeypatch.setattr(Teacher, "_frames", counted)
    files = sorted((tmp_path / "cache/teacher").iterdir())
    assert len(files) == 2  # 64 clips, and 8
    files[0].write_bytes(files[0].read_bytes()[:-5])  # as of a full disk
    again = Teacher(str(teacher), COMPACT).run(decoded, ALL)
    assert computed in {64, 8}
    assert np.array_equal(again.at(70, places), answers.at(70, places))
    Teacher(str(teacher), COMPACT).run(decoded, replace(ALL, trim_silence=True))
    assert computed >= 72


def test_unfit_teachers_are_refused_before_anything_is_decoded(
    tmp_path: Path,
    clips: list[Clip],
    teacher: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ser_rt.trainer.prepare", lambda *_, **__: pytest.fail("decoded"))
    slow = shutil.copytree(teacher, tmp_path / "slow")
    config = json.loads((slow / "config.json").read_text())
    config["model"]["sample_rate"] = 8000
    (slow / "config.json").write_text(json.dumps(config))
    for folder, message in (
        (tmp_path / "none", "no teacher .*none"),
        (tiny_bundle, "is a bundle.*run folder"),
        (tmp_path, "config.json"),
        (slow, "sample_rate must be 16000 Hz, not 8000"),
    ):
        with pytest.raises(CheckpointError, match=message):
            teach(tmp_path / "run", folder).train(clips)
    other = replace(COMPACT, emotion_labels=("Neutral", "Sad"))
    with pytest.raises(ConfigError, match=r"has no Sad.*--emotion-labels Neutral Angry Joy"):
        create_trainer(other, training(tmp_path / "run", teacher=str(teacher)), ALL).train(clips)
    longer = replace(COMPACT, max_duration=12.0)
    with pytest.raises(ConfigError, match=r"max_duration is 12 s.*at most 10 s"):
        create_trainer(longer, training(tmp_path / "run", teacher=str(teacher)), ALL).train(clips)
    with pytest.raises(ConfigError, match="--teacher"):
        create_trainer(
            COMPACT, training(tmp_path / "run"), replace(ALL, unlabelled=str(tmp_path))
        ).train(clips)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_speech_is_an_error(
    tmp_path: Path, clips: list[Clip], teacher: Path
) -> None:
    for name in ("empty", "missing"):
        folder = tmp_path / name
        if name == "empty":
            folder.mkdir()
        with pytest.raises(DataError, match=f"no audio under .*{name}"):
            teach(tmp_path / "run", teacher, replace(ALL, unlabelled=str(folder))).train(clips)


def test_a_streaming_network_learns_from_one_that_hears_everything(
    tmp_path: Path, clips: list[Clip], teacher: Path
) -> None:
    student = ModelConfig(
        architecture="whisper",
        emotion_labels=tuple(RHYTHM_HZ),
        streaming=True,
        chunk_frames=5,
        model_name="",
        encoder_config=ENCODER,
    )
    run = tmp_path / "run"
    how = training(run, teacher=str(teacher), num_epochs=1, layer_decay=0.8)
    history = create_trainer(student, how, ALL).train(clips)
    assert np.isfinite(history["train_loss"]).all()
    assert load_classifier(run)(pulses("Joy", 5, 0)[None]).shape == (1, 3)


def test_the_command_takes_a_teacher(
    tmp_path: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_corpus(tmp_path / "corpus", speakers=2, takes=4)
    flags = "--preset compact --emotion-labels Neutral Angry Joy --num-epochs 1 --batch-size 8"
    given = ["--manifest", str(manifest), *flags.split(), "--output-dir", str(tmp_path / "run")]
    assert main([*given, "--teacher", str(tmp_path / "none")]) == 1
    assert "ser-train: " in capsys.readouterr().err
    assert (
        main([*given, "--teacher", str(teacher), "--min-crop-s", "0.5", "--max-crop-s", "1"]) == 0
    )
    assert (tmp_path / "run/model.safetensors").exists()
