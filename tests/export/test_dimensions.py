"""A network that streams rates dimensions at every hop, as the whole network does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ser_rt.networks.checkpoint import save_checkpoint
from ser_rt.runtime.stream import load, stream
from tests.conftest import RATE, make_wave
from tests.export.conftest import TRAINING, Export, decided, whisper_settings

NAMES = ("arousal", "dominance")


def test_a_stream_rates_what_it_embeds(export_once: Export, tmp_path: Path) -> None:
    settings = whisper_settings(streaming=True)
    one_layer = {**settings.encoder_config, "encoder_layers": 1}
    network = decided(replace(settings, dimensions=NAMES, encoder_config=one_layer))
    assert network.rater is not None
    save_checkpoint(network, tmp_path / "run", temperature=1.0, training=TRAINING)
    bundle = export_once(tmp_path / "run", tmp_path / "bundle")
    model = load(bundle, embedding=True)
    assert model.streaming is not None
    assert model.bundle.gates["streaming"]["dimensions_error"] < 1e-3
    wave = make_wave(2.9)
    events = [e for e in stream(wave, sample_rate=RATE, model=model, vad=False) if e.dimensions]
    assert len(events) > 2
    for event in events:
        assert event.embedding is not None
        with torch.no_grad():
            right = network.rater(torch.tensor([event.embedding]))[0].tolist()
        found = [event.dimensions[name] for name in NAMES]
        assert found == pytest.approx(right, abs=1e-4)
        assert set(event.probabilities) == set(model.labels)
