"""Chunk-wise masks: a whole window is what an encoder with caches computes hop by hop."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ser_rt.config import ModelConfig
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import (
    CHUNKS,
    LEFT,
    STRIDE,
    AttentionContext,
    attention_mask,
    draw_context,
    draw_positions,
)
from ser_rt.networks.whisper import Layers, Whisper, run_layer
from tests.support.small_whisper import ENCODER

SETTINGS = ModelConfig(
    architecture="whisper", model_name="", streaming=True, encoder_config=ENCODER
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def whisper(chunk: int, left: int, layers: int = 0) -> Whisper:
    torch.manual_seed(3)
    settings = replace(SETTINGS, num_layers=layers, chunk_frames=chunk, left_frames=left)
    return cast("Whisper", EmotionModel(settings).eval().encoder)


def noise(seconds: float) -> Tensor:
    rng = np.random.default_rng(5)
    return torch.from_numpy(rng.normal(0, 0.1, (1, round(16_000 * seconds))).astype(np.float32))


def frames_of(encoder: Whisper, wave: Tensor) -> Tensor:
    with torch.no_grad():
        return cast("Tensor", encoder.network(encoder.features(wave), encoder.context)[-1])


def test_a_mask_shows_a_chunk_and_what_is_left_of_it() -> None:
    mask = attention_mask(torch.arange(6), AttentionContext(chunk=2, left=1))
    assert mask is not None
    assert (mask[0, 0] == 0).int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
    ]
    assert attention_mask(torch.arange(6), AttentionContext()) is None


def test_training_draws_every_chunk_and_wrapping_positions() -> None:
    torch.manual_seed(0)
    drawn = [draw_context() for _ in range(300)]
    assert {context.chunk for context in drawn} == set(CHUNKS)
    assert LEFT[0] <= min(c.left for c in drawn) < max(c.left for c in drawn) <= LEFT[1]
    rows = draw_positions(50, torch.arange(4), 6)
    assert set(rows[:, 0].tolist()) == set(range(6))
    assert torch.equal(rows[:, 1:], (rows[:, :-1] + 1) % 6)


@pytest.mark.parametrize("frames", [5, 10, 25])
def test_no_chunk_depends_on_what_comes_after_it(frames: int) -> None:
    encoder = whisper(frames, 20)
    wave = noise(1.5)
    whole = frames_of(encoder, wave)
    samples = frames * STRIDE
    for chunks in range(1, wave.shape[1] // samples):
        # The front end does not look ahead either: the samples of the chunks are enough.
        part = frames_of(encoder, wave[:, : chunks * samples])
        assert torch.allclose(part, whole[:, : chunks * frames], atol=1e-5)


def test_streaming_is_the_original_front_end_on_delayed_audio() -> None:
    stream = whisper(0, 0)
    whole = cast("Whisper", EmotionModel(replace(SETTINGS, streaming=False)).eval().encoder)
    whole.load_state_dict(stream.state_dict())
    wave = noise(1.0)
    delayed = nn.functional.pad(wave, (200, 0))[:, : wave.shape[1]]
    with torch.no_grad():
        found = stream.network(stream.features(wave), stream.context)[0]
        expected = whole.network(whole.features(delayed), whole.context)[0]
    assert found.shape == expected.shape
    assert torch.allclose(found[:, 2:-2], expected[:, 2:-2], atol=1e-5)


def test_a_layer_depends_on_the_frames_left_of_a_chunk_and_no_earlier() -> None:
    encoder = whisper(chunk=5, left=10, layers=1)
    wave = noise(1.2)
    changed = wave.clone()
    changed[:, : 10 * STRIDE] += noise(0.2).flip(1)
    gap = (frames_of(encoder, wave) - frames_of(encoder, changed)).abs().amax(dim=2)[0]
    # Convolutions and spectrogram carry audio two frames on: frame 11 is the last one to change.
    assert gap[:12].min() > 1e-4
    assert gap[12:25].max() > 1e-4, "frames 20 to 24 attend to 10 and later"
    assert gap[25:].max() < 1e-6


class Cached:
    """One stream through an encoder: convolutions, keys and values of earlier hops are kept."""

    def __init__(self, encoder: Whisper) -> None:
        self.encoder, self.inner = encoder, cast("Layers", encoder.network)
        self.audio = torch.zeros(1, 320)
        self.mel = torch.zeros(1, self.inner.conv1.in_channels, 2)
        self.convolved = torch.zeros(1, self.inner.conv1.out_channels, 1)
        self.past = [torch.zeros(1, 0, self.inner.conv1.out_channels) for _ in self.inner.layers]
        self.done = 0

    def feed(self, wave: Tensor) -> Tensor:
        """Return the frames of one hop, ``[1, frames, d_model]``."""
        inner, left = self.inner, self.encoder.context.left
        audio = torch.cat([self.audio, wave], dim=1)
        self.audio = audio[:, -320:]
        new = self.encoder.features(audio)[..., 2:]
        mel = torch.cat([self.mel, new], dim=2)
        self.mel = mel[..., -2:]
        convolved = torch.cat([self.convolved, nn.functional.gelu(inner.conv1(mel))], dim=2)
        self.convolved = convolved[..., -1:]
        hidden = nn.functional.gelu(inner.conv2(convolved)).transpose(1, 2)
        rows = (
            torch.arange(self.done, self.done + hidden.shape[1])
            % inner.embed_positions.num_embeddings
        )
        self.done += hidden.shape[1]
        hidden = hidden + inner.embed_positions.weight[rows]
        for number, layer in enumerate(inner.layers):
            # What is left of the chunk is only attended to: its own results are not used again.
            both = torch.cat([self.past[number], hidden], dim=1)
            self.past[number] = both[:, -left:]
            hidden = run_layer(layer, both, None)[:, -hidden.shape[1] :]
        return cast("Tensor", inner.layer_norm(hidden))


@pytest.mark.parametrize(("frames", "left"), [(5, 10), (25, 50), (10, 15)])
def test_cached_equals_whole(frames: int, left: int) -> None:
    encoder = whisper(frames, left)
    wave = noise(4.0)
    stream = Cached(encoder)
    with torch.no_grad():
        parts = [stream.feed(hop) for hop in wave.split(frames * STRIDE, dim=1)]
    assert torch.allclose(torch.cat(parts, dim=1), frames_of(encoder, wave), atol=1e-5)
