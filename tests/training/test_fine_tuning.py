"""A small wav2vec2 is fine-tuned in every way that settings offer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from ser_rt.config import ModelConfig, TrainingConfig
from ser_rt.errors import CheckpointError, ConfigError, OutputError
from ser_rt.networks.checkpoint import load_classifier, load_model
from ser_rt.networks.creation import create_model
from ser_rt.networks.model import EmotionModel
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import Clip
from ser_rt.training.fine_tuning import merge_adapters, parameter_groups, prepare_network
from tests.support import small_training
from tests.support.killing import killed, same_weights
from tests.support.pulses import RHYTHM_HZ, pulses
from tests.support.small_speech import write_base
from tests.support.small_training import COMPACT, DATA, corpus

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2 import Wav2Vec2

training = partial(small_training.training, batch_size=2, num_epochs=1)

pytestmark = pytest.mark.usefixtures("small_and_alone")


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return corpus(tmp_path / "corpus", speakers=2, takes=2)


@pytest.fixture
def model(tmp_path: Path) -> ModelConfig:
    return ModelConfig(
        model_name=str(write_base(tmp_path / "base")), emotion_labels=tuple(RHYTHM_HZ)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_rank": 2},
        {"layer_decay": 0.5, "loss": "weighted"},
        {"gradient_checkpointing": True, "freeze_feature_encoder": False, "ema_decay": 0.5},
        {"bf16": True, "gradient_accumulation_steps": 3, "loss": "logit_adjusted"},
    ],
    ids="-".join,
)
def test_a_run_needs_nothing_but_its_folder(
    tmp_path: Path, clips: list[Clip], model: ModelConfig, changes: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    history = create_trainer(model, training(run, **changes), DATA).train(clips)
    assert np.isfinite(history["train_loss"]).all()
    assert model.encoder_config == {}  # the caller's settings are not touched
    (tmp_path / "base").rename(tmp_path / "gone")
    classifier = load_classifier(run)
    probabilities = classifier(pulses("Joy", 5, 0)[None])
    assert probabilities.shape == (1, 3)
    assert not [name for name in load_file(run / "model.safetensors") if "lora" in name]


@pytest.mark.parametrize("kind", ["wav2vec2", "wavlm"])
def test_adapters_are_trained_alone_and_merged_without_a_change(tmp_path: Path, kind: str) -> None:
    base = write_base(tmp_path / "base", kind)
    network = create_model(ModelConfig(model_name=str(base), emotion_labels=tuple(RHYTHM_HZ)))
    prepare_network(network, TrainingConfig(lora_rank=2))
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("head.") for name in trained)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 1.0)
    waves = torch.from_numpy(np.stack([pulses("Joy", 1, take) for take in range(2)]))
    network.train()(waves)["logits"].square().sum().backward()
    assert all(
        p.grad is not None and bool(p.grad.any())
        for name, p in network.named_parameters()
        if "lora_B" in name
    )
    optimizer.step()
    with torch.no_grad():
        before = network.eval()(waves)["logits"]
        merge_adapters(network)
        after = network(waves)["logits"]
    assert torch.allclose(before, after, atol=1e-5)
    assert network.state_dict().keys() == EmotionModel(network.settings).state_dict().keys()


def test_lower_layers_learn_slower(model: ModelConfig) -> None:
    settings = TrainingConfig(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1)
    network = create_model(model)
    prepare_network(network, settings)
    decayed = {"head.weight"}
    groups = parameter_groups(network, settings, decayed)
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    encoder = cast("Wav2Vec2", network.encoder)
    inner: Any = encoder.network
    layers = inner.encoder.layers
    found = [rate[id(layer.feed_forward.output_dense.weight)] for layer in layers]
    assert found == [1 / 8, 1 / 4, 1 / 2]
    assert rate[id(network.head.weight)] == 1.0
    assert [g["weight_decay"] for g in groups if network.head.weight in set(g["params"])] == [0.1]
    frozen = inner.feature_extractor.parameters()
    assert not {id(p) for p in frozen} & rate.keys()
    assert sum(len(g["params"]) for g in groups) == sum(
        p.requires_grad for p in network.parameters()
    )


def test_it_resumes_with_adapters_and_slow_layers(
    tmp_path: Path, clips: list[Clip], model: ModelConfig
) -> None:
    how: dict[str, Any] = {"num_epochs": 3, "lora_rank": 2, "layer_decay": 0.7}
    create_trainer(model, training(tmp_path / "whole", **how), DATA).train(clips)
    with killed(lambda state: state.global_step == 5):
        create_trainer(model, training(tmp_path / "killed", **how), DATA).train(clips)
    create_trainer(model, training(tmp_path / "killed", **how), DATA).train(clips, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_accumulated_batches_are_as_good_as_large_ones(
    tmp_path: Path, clips: list[Clip], model: ModelConfig
) -> None:
    """Without dropout and blanked frames, two batches of two are one of four."""
    still: dict[str, Any] = {
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "feat_proj_dropout": 0.0,
    }
    write_base(Path(model.model_name), activation_dropout=0.0, **still)
    quiet = replace(model, head_dropout=0.0, mask_time_prob=0.0)
    data = replace(DATA, min_crop_s=0.5, max_crop_s=0.5, val_share=0.0)
    weights, losses = [], []
    for batch_size, steps in ((4, 1), (2, 2)):
        settings = training(
            tmp_path / str(steps), batch_size=batch_size, gradient_accumulation_steps=steps
        )
        losses.append(create_trainer(quiet, settings, data).train(clips)["train_loss"])
        weights.append(load_file(tmp_path / str(steps) / "model.safetensors")["head.weight"])
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    assert np.median(np.abs(weights[0] - weights[1])) < 1e-5  # three updates of up to 1e-3 each


def test_settings_that_cannot_be_are_refused(
    tmp_path: Path, clips: list[Clip], model: ModelConfig
) -> None:
    def train(**changes: Any) -> None:
        create_trainer(model, training(tmp_path / "run", **changes), DATA).train(clips)

    with pytest.raises(ConfigError, match="fp16 and bf16 are both on"):
        train(fp16=True, bf16=True)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="fp16 needs a GPU"):
            train(fp16=True)
    with pytest.raises(ConfigError, match="no loss 'hinge'"):
        train(loss="hinge")
    (tmp_path / "notes.txt").touch()
    trainer = create_trainer(model, training(tmp_path / "notes.txt/run"), DATA)
    with pytest.raises(OutputError, match="is no folder"):
        trainer.train([])
    nowhere = replace(model, model_name=str(tmp_path / "none"))
    with pytest.raises(CheckpointError, match="cannot load"):
        create_trainer(nowhere, training(tmp_path / "run"), DATA).train(clips)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="lora_rank, layer_decay is for the architectures wav2"):
        prepare_network(EmotionModel(COMPACT), TrainingConfig(lora_rank=1, layer_decay=0.5))


def test_a_trained_run_says_what_it_is(
    tmp_path: Path, clips: list[Clip], model: ModelConfig
) -> None:
    settings = training(tmp_path / "run", best_metric="f1", report_to="tensorboard")
    create_trainer(replace(model, pooling="attentive"), settings, DATA).train(clips)
    loaded, config = load_model(tmp_path / "run")
    assert loaded.settings.model_name == model.model_name
    assert loaded.settings.input_normalization == "window"
    assert config["training"]["settings"]["best_metric"] == "f1"
    assert list((tmp_path / "run/runs").rglob("events*"))
