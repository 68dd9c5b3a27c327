"""Answers at every hop, and streams whose emotion changes: what is right follows the speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.errors import ConfigError, DataError
from ser_rt.networks.checkpoint import load_model
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import MOST_HOPS, STRIDE, draw_ends
from ser_rt.networks.streams import stream_of
from ser_rt.networks.whisper import Whisper
from ser_rt.trainer import create_trainer
from ser_rt.training.data.changes import Followers, join
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.dataset import SpeechEmotionDataset
from ser_rt.training.data.sampler import Draw
from ser_rt.training.fine_tuning import prepare_network
from ser_rt.training.hops import hop_shares
from tests.support.pulses import RHYTHM_HZ, pulses
from tests.support.small_speech import SHAPE, XLSR
from tests.support.small_training import COMPACT, DATA, corpus, training
from tests.support.small_whisper import ENCODER

NAMES = tuple(RHYTHM_HZ)
SMALL: dict[str, Any] = {
    "whisper": {"architecture": "whisper", "encoder_config": ENCODER},
    "wav2vec2": {
        "architecture": "wav2vec2",
        "input_normalization": "running",
        "encoder_config": {
            **(SHAPE | XLSR),
            "model_type": "wav2vec2",
            "num_hidden_layers": 1,
            "conv_dim": [16] * 7,
            "feat_proj_dropout": 0.0,
        },
    },
}
HOPS = DataConfig(
    min_crop_s=1.0, max_crop_s=2.0, num_workers=0, data_augmentation=False, change_share=0.7
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return corpus(tmp_path_factory.mktemp("corpus"))


def settings(kind: str, **changes: object) -> ModelConfig:
    how: dict[str, Any] = {
        "model_name": "",
        "emotion_labels": NAMES,
        "streaming": True,
        "chunk_frames": 10,
        "pooling": "attentive",
        **SMALL[kind],
        **changes,
    }
    return ModelConfig(**how)


def test_hops_are_drawn_with_the_last_one_and_none_before_its_first_frame() -> None:
    torch.manual_seed(0)
    assert draw_ends(30, 10, 0) == [10, 20, 30]
    assert draw_ends(27, 10, 3) == [7, 17, 27]
    assert draw_ends(30, 10, 10) == [10, 20, 30]
    assert draw_ends(33, 25, 8) == [17, 33]
    assert draw_ends(30, 0, 0) == [30]
    many = [draw_ends(200, 5, 0) for _ in range(30)]
    assert {len(ends) for ends in many} == {MOST_HOPS}
    assert all(ends == sorted(set(ends)) and ends[-1] == 200 for ends in many)
    assert len({end for ends in many for end in ends}) == 40


@pytest.mark.parametrize(("kind", "changes"), [("whisper", {}), ("wav2vec2", {"future_frames": 2})])
def test_answers_at_hops_are_those_of_the_audio_until_then(
    kind: str, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    how = {"mask_time_prob": 0.0, "head_dropout": 0.0, **changes}
    shape = SMALL[kind]["encoder_config"] | dict.fromkeys(
        ("dropout", "hidden_dropout", "attention_dropout", "activation_dropout"), 0.0
    )
    model = EmotionModel(settings(kind, encoder_config=shape, **how)).train()
    prepare_network(model, TrainingConfig(every_hop=True))
    encoder = cast("Whisper", model.encoder)
    drawn = encoder.context._replace(left=12)
    monkeypatch.setattr("ser_rt.networks.model.draw_context", lambda: drawn)
    if kind == "whisper":  # positions are drawn, too
        monkeypatch.setattr("ser_rt.networks.whisper.draw_positions", lambda _, count, __: count)
    wave = torch.from_numpy(pulses("Joy", 1, 2, seconds=0.7))[None]
    with torch.no_grad():
        found = model(wave)
        encoder.context = drawn
        expected = [model.eval()(wave[:, : end * STRIDE])["logits"] for end in (10, 20, 30, 35)]
    assert found["hop_ends"].tolist() == [10, 20, 30, 35]
    assert torch.allclose(found["hop_logits"], torch.stack(expected, dim=1), atol=1e-5)
    assert torch.equal(found["logits"], found["hop_logits"][:, -1])


def test_right_is_what_was_said_in_the_last_second() -> None:
    emotions = torch.zeros(1, 150, 3)
    emotions[:, :60, 0] = 1
    emotions[:, 80:, 1] = 1
    found = hop_shares(emotions, torch.tensor([10, 60, 90, 105, 130, 150, 151]))
    expected = [[1, 0], [1, 0], [2 / 3, 1 / 3], [1 / 6, 5 / 6], [0, 1], [0, 1], [0, 1]]
    assert torch.allclose(found[0, :, :2], torch.tensor(expected), atol=1e-4)
    assert found[0, :, 2].abs().max() == 0
    assert hop_shares(torch.zeros(1, 50, 3), torch.tensor([20, 50])).sum() == 0


def test_a_clip_is_followed_by_the_same_speaker_with_another_emotion(clips: list[Clip]) -> None:
    some = [*clips, replace(clips[0], speaker=""), replace(clips[0], speaker="alone")]
    followers = Followers(some, 0.5)
    drawn = [(clip, followers.draw(clip, seed)) for clip in range(len(some)) for seed in range(30)]
    pairs = [(some[first], some[then]) for first, then in drawn if then is not None]
    assert 0.4 < len(pairs) / (30 * len(clips)) < 0.6
    assert all(first.speaker == then.speaker != "" for first, then in pairs)
    assert all(first.emotion != then.emotion for first, then in pairs)
    assert len({(first.emotion, then.emotion) for first, then in pairs}) == 6
    assert drawn[5] == (0, followers.draw(0, 5))
    with pytest.raises(DataError, match="speakers"):
        Followers([replace(clip, speaker="") for clip in clips], 0.5)


def test_a_change_lies_within_the_window_and_its_labels_know_where(clips: list[Clip]) -> None:
    first, second = np.full(24_000, 0.1, np.float32), np.full(24_000, 0.2, np.float32)
    for seed in range(20):
        row, (before, after) = join(first, second, 16_000, seed)
        assert 4_000 <= before.end <= 12_000
        assert before.end <= after.begin <= before.end + 6_400
        assert (row[: before.end] == np.float32(0.1)).all()
        assert (row[after.begin :] == np.float32(0.2)).all()
        assert row[before.end : after.begin].sum() == 0
        assert before.start + before.end == 24_000
    data = SpeechEmotionDataset(
        [clip.path for clip in clips],
        [clip.emotion for clip in clips],
        emotion_labels=NAMES,
        every_hop=True,
    )
    then = next(i for i, clip in enumerate(clips) if clip.emotion == "Joy")
    example = data[Draw(0, 3, 32_000, then)]
    emotions = example["emotions"]
    assert example["input_values"].shape == (32_000,)
    assert emotions.shape == (100, 3)
    changes = emotions.argmax(dim=1)[emotions.sum(dim=1) > 0]
    assert set(changes.tolist()) == {data.labels[0].item(), data.labels[then].item()}
    assert torch.equal(
        data[Draw(0, 3, 32_000)]["emotions"].sum(dim=0).nonzero()[:, 0], data.labels[:1]
    )


@pytest.mark.parametrize("kind", SMALL)
def test_a_stream_learns_from_changes_and_a_teacher(
    tmp_path: Path, clips: list[Clip], kind: str
) -> None:
    run = tmp_path / "run"
    how = training(run, every_hop=True, num_epochs=1)
    history = create_trainer(settings(kind), how, HOPS).train(clips)
    assert np.isfinite(history["train_loss"]).all()
    student = training(tmp_path / "student", every_hop=True, num_epochs=1, teacher=str(run))
    taught = create_trainer(settings(kind), student, HOPS).train(clips)
    assert np.isfinite(taught["train_loss"]).all()
    model, config = load_model(tmp_path / "student")
    assert stream_of(model).caches()
    assert config["training"]["settings"]["change_share"] == 0.7


def test_settings_that_contradict_each_other_are_refused(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every_hop is for networks that stream"):
        create_trainer(COMPACT, training(tmp_path / "a", every_hop=True), DATA).train(clips)
    with pytest.raises(ConfigError, match="change_share needs answers at every hop"):
        create_trainer(settings("whisper"), training(tmp_path / "b"), HOPS).train(clips)
