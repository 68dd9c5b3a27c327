from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ser_rt.benchmarks.measure.training_memory import XLSR_LARGE
from ser_rt.benchmarks.peers.flops import count, of_run
from ser_rt.errors import CheckpointError

SMALL: dict[str, Any] = XLSR_LARGE | {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 160,
    "conv_dim": [24] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.mark.parametrize(("shape", "layers"), [(SMALL, 0), (SMALL, 2), (XLSR_LARGE, 0)])
@pytest.mark.parametrize("samples", [48_000, 17_777])
def test_the_formula_counts_what_pytorch_counts(
    shape: dict[str, Any], layers: int, samples: int
) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from ser_rt.config import ModelConfig
    from ser_rt.networks.model import EmotionModel

    settings = ModelConfig(
        architecture="wav2vec2", encoder_config=shape, num_layers=layers, mask_time_prob=0.0
    )
    # The first one imports what PyTorch cannot import for "meta".
    EmotionModel(replace(settings, encoder_config=SMALL))
    with torch.device("meta"), torch.no_grad():
        model = EmotionModel(settings).eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, samples))
    operations = count(shape, samples, layers)
    assert operations.window == pytest.approx(counter.get_total_flops(), rel=1e-4)


def test_the_full_size_needs_110_giga_operations_a_window_and_97_a_hop() -> None:
    operations = count(XLSR_LARGE, 48_000)
    assert operations.window == pytest.approx(109.6e9, rel=0.01)
    assert operations.hop(0.5 / 3) == pytest.approx(97.3e9, rel=0.01)


def test_a_run_says_its_shape(tmp_path: Path) -> None:
    config = {"model": {"encoder_config": SMALL, "num_layers": 1}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert of_run(tmp_path, 48_000) == count(SMALL, 48_000, 1)
    (tmp_path / "config.json").write_text('{"model": {"architecture": "compact"}}')
    assert of_run(tmp_path, 48_000) is None
    with pytest.raises(CheckpointError, match=r"config\.json"):
        of_run(tmp_path / "none", 48_000)
