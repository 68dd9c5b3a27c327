import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, CheckpointError, ConfigError
from ser_rt.networks.checkpoint import load_classifier, load_model, save_checkpoint
from ser_rt.networks.model import EmotionModel

CONFIG = ModelConfig(architecture="compact", emotion_labels=("Neutral", "Angry", "Joy"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(EmotionModel(CONFIG), tmp_path / "run", temperature=2.0, training={"a": 1})
    return tmp_path / "run"


def test_a_checkpoint_comes_back_whole(saved: Path) -> None:
    model, config = load_model(saved)
    assert not model.training
    assert model.settings == CONFIG
    assert config["training"] == {"a": 1}
    classifier = load_classifier(saved)
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    logits = model(torch.from_numpy(waves))["logits"]
    assert np.allclose(classifier(waves), (logits / 2).softmax(1).detach().numpy(), atol=1e-6)
    assert classifier.labels == CONFIG.emotion_labels
    with pytest.raises(AudioInputError, match=r"\[batch, samples\], not \(16000,\)"):
        classifier(waves[0])


def test_who_may_read_the_folder_may_read_the_weights(saved: Path) -> None:
    modes = {path.name: path.stat().st_mode for path in saved.iterdir()}
    assert len(set(modes.values())) == 1, modes


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_head_that_was_never_trained_is_no_classifier(saved: Path) -> None:
    change_config(saved, head="random")
    with pytest.raises(CheckpointError, match="never trained"):
        load_classifier(saved)


def test_weights_that_changed_on_the_disk_are_refused(saved: Path) -> None:
    weights = saved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model.safetensors has changed.*sha256 differs"):
        load_model(saved)
    config = json.loads((saved / "config.json").read_text())
    del config["sha256"]  # as earlier versions wrote it
    (saved / "config.json").write_text(json.dumps(config))
    load_model(saved)


def test_what_is_no_checkpoint_says_so(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="give the folder that ser-train wrote"):
        load_model(tmp_path / "none")
    (saved / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot load the weights"):
        load_model(saved)
    change_config(saved, kind="other")
    with pytest.raises(CheckpointError, match="not written by ser-train"):
        load_model(saved)
    (saved / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot read"):
        load_model(saved)


def test_weights_that_do_not_fit_their_config_are_refused(saved: Path) -> None:
    settings = CONFIG.to_dict() | {"emotion_labels": ["Neutral", "Angry"]}
    change_config(saved, model=settings)
    with pytest.raises(CheckpointError, match="cannot load the weights"):
        load_model(saved)


def test_an_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown architecture 'huge'; known: compact"):
        EmotionModel(ModelConfig(architecture="huge"))
