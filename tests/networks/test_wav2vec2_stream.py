"""Wav2Vec2, HuBERT and WavLM as streams: with caches the same as whole, and nothing from ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.networks.attention import MaskedAttention, RelativePositions
from ser_rt.networks.creation import create_model
from ser_rt.networks.hop_stream import HopStream, fresh
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.running_level import MEMORY_S, USUAL_LEVEL, USUAL_S, RunningLevel
from ser_rt.networks.streaming import CHUNKS, POOLED_FRAMES, STRIDE, AttentionContext
from ser_rt.networks.streams import stream_of
from ser_rt.networks.wav2vec2_causal import StreamingWav2Vec2
from tests.support.small_speech import CLASSES, SHAPE, XLSR, write_base

SETTINGS = ModelConfig(
    model_name="",
    streaming=True,
    chunk_frames=25,
    left_frames=30,
    pooling="attentive",
    projection=8,
    weighted_layers=True,
    input_normalization="none",
)
MIXED = [11, 50, 7, 25, 31, 2, 64, 5]
Caches = Sequence[Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def encoder_config(kind: str = "wav2vec2", **changes: object) -> dict[str, Any]:
    shape = {**SHAPE, "conv_dim": [16] * 7, "num_hidden_layers": 2, "initializer_range": 0.2}
    return {"model_type": kind} | XLSR | shape | changes


def make(
    kind: str = "wav2vec2", shape: Mapping[str, object] | None = None, **changes: object
) -> EmotionModel:
    torch.manual_seed(3)
    config = encoder_config(kind, **(shape or {}))
    model = EmotionModel(replace(SETTINGS, encoder_config=config, **changes)).eval()  # type: ignore[arg-type]
    for name, values in model.named_parameters():
        if "gru_rel_pos_const" in name:
            values.data.normal_()
    return model


def encoder_of(model: EmotionModel) -> StreamingWav2Vec2:
    return cast("StreamingWav2Vec2", model.encoder)


def noise(frames: int, batch: int = 1, seed: int = 5) -> Tensor:
    rng = np.random.default_rng(seed)
    level = np.linspace(0.02, 0.2, frames * STRIDE)
    wave = rng.normal(0, 1, (batch, frames * STRIDE)) * level
    return torch.from_numpy(wave.astype(np.float32))


@torch.no_grad()
def run(
    stream: HopStream, wave: Tensor, hops: Sequence[int], caches: Caches | None = None
) -> tuple[Tensor, Caches]:
    """Return the logits after each hop, ``[hops, batch, labels]``, and the caches."""
    caches = fresh(stream.caches(), len(wave)) if caches is None else caches
    found = []
    for part in wave.split([frames * STRIDE for frames in hops], dim=1):
        logits, _, caches = stream(part, caches)
        found.append(logits)
    return torch.stack(found), caches


@torch.no_grad()
def whole(model: EmotionModel, wave: Tensor, hops: Sequence[int]) -> Tensor:
    """Return the logits after each hop from all frames at once, pooled over the last 150."""
    encoder = encoder_of(model)
    context = AttentionContext(left=encoder.context.left, hops=tuple(hops))
    frames = encoder.frames(wave, context)
    ends = np.cumsum(hops) - encoder.future_frames
    pooled = [encoder.pool(frames[..., max(0, end - POOLED_FRAMES) : end]) for end in ends]
    return torch.stack([model.head(each) for each in pooled])


@pytest.mark.parametrize(
    ("kind", "shape", "changes"),
    [
        ("wav2vec2", {}, {"input_normalization": "running"}),
        ("wav2vec2", {"adapter_attn_dim": 4, "num_conv_pos_embeddings": 15}, {"left_frames": 3}),
        ("hubert", {"do_stable_layer_norm": False}, {"future_frames": 4, "pooling": "mean"}),
        ("hubert", {"feat_proj_layer_norm": False}, {"weighted_layers": False}),
        ("wavlm", {"max_bucket_distance": 40, "num_buckets": 16}, {"future_frames": 7}),
        ("wavlm", {"do_stable_layer_norm": False}, {"input_normalization": "running"}),
    ],
)
def test_cached_equals_whole(
    kind: str, shape: dict[str, object], changes: dict[str, object]
) -> None:
    model = make(kind, shape, **changes)
    assert sum(MIXED) > POOLED_FRAMES
    wave = noise(sum(MIXED))
    expected = whole(model, wave, MIXED)
    found, caches = run(stream_of(model).eval(), wave, MIXED)
    assert expected.std(dim=0).max() > 1e-3
    assert torch.allclose(found, expected, atol=1e-5)
    for cache, value in zip(stream_of(model).caches(), caches, strict=True):
        assert value.shape == (1, *cache.shape)
        assert str(value.dtype) == f"torch.{cache.dtype}"


def test_a_window_is_the_end_of_a_fresh_stream_and_ages_share_a_call() -> None:
    model = make("wavlm", future_frames=3, input_normalization="running")
    stream = stream_of(model).eval()
    old, young = noise(POOLED_FRAMES + 50, seed=1), noise(50, seed=2)
    first, later = old.split([POOLED_FRAMES * STRIDE, 50 * STRIDE], dim=1)
    answers, aged = run(stream, first, [25] * 6)
    with torch.no_grad():
        assert torch.allclose(answers[-1], model(first)["logits"], atol=1e-5)
    mixed = [torch.cat(pair) for pair in zip(aged, fresh(stream.caches(), 1), strict=True)]
    found, _ = run(stream, torch.cat([later, young]), [25, 25], mixed)
    assert torch.allclose(found[:, :1], run(stream, later, [25, 25], aged)[0], atol=1e-5)
    assert torch.allclose(found[:, 1:], run(stream, young, [25, 25])[0], atol=1e-5)
    older = [*aged[:-1], aged[-1] + 10 * 3_600 * 50]
    assert torch.equal(*(run(stream, later, [25, 25], given)[0] for given in (older, aged)))


@pytest.mark.parametrize("kind", CLASSES)
def test_nothing_comes_from_behind_a_chunk(kind: str) -> None:
    """Samples of the chunks are enough; with future frames so many of them are not there yet."""
    model = make(kind, chunk_frames=10, future_frames=2, input_normalization="running")
    encoder, wave = encoder_of(model), noise(40)
    with torch.no_grad():
        every = encoder.frames(wave)
        assert every.shape[2] == 38
        for frames in (10, 20, 30):
            part = encoder.frames(wave[:, : frames * STRIDE])
            assert torch.allclose(part, every[..., : frames - 2], atol=1e-5)
        changed = encoder.frames(
            torch.cat([wave[:, : 30 * STRIDE], -wave[:, 30 * STRIDE :]], dim=1)
        )
        assert not torch.allclose(changed[..., 28:], every[..., 28:], atol=1e-2)


@pytest.mark.parametrize("kind", CLASSES)
def test_weights_mean_what_they_meant_in_the_original(kind: str) -> None:
    """With all taps ahead and one chunk the frames are those of transformers, beside the edges."""
    shape = {"num_conv_pos_embeddings": 16, "num_hidden_layers": 1}
    model = make(kind, shape, chunk_frames=0, future_frames=7)
    encoder, wave = encoder_of(model), noise(60)
    original = EmotionModel(
        replace(model.settings, streaming=False, chunk_frames=0, future_frames=0)
    )
    original.load_state_dict(model.state_dict())
    delayed = torch.nn.functional.pad(wave, (encoder.overlap, 0))
    with torch.no_grad():
        found = encoder.states(wave, encoder.context)
        inner: Any = original.eval().encoder
        expected = inner.network(delayed, output_hidden_states=True).hidden_states
        after = inner.network.encoder.layers[0](found[0])[0]
    assert torch.allclose(found[0][0], expected[0][0, :53], atol=1e-5)
    assert torch.allclose(found[1], inner.network.encoder.layer_norm(after), atol=1e-5)


def test_attention_of_wavlm_is_that_of_transformers() -> None:
    torch.manual_seed(0)
    plain = WavLMAttention(32, 2, num_buckets=16, max_distance=30).eval()
    torch.nn.init.normal_(plain.gru_rel_pos_const)
    masked = MaskedAttention(32, 2, num_buckets=16, max_distance=30).eval()
    masked.load_state_dict(plain.state_dict())
    frames = torch.randn(2, 90, 32)
    with torch.no_grad():
        bias = RelativePositions(plain)(plain.rel_attn_embed, 0, 90)
        assert torch.equal(bias[0], plain.compute_bias(90, 90))
        assert torch.allclose(masked(frames, position_bias=bias)[0], plain(frames)[0], atol=1e-5)


def test_the_level_is_that_of_what_was_heard() -> None:
    level = RunningLevel()
    steady = torch.full((1, 60 * 50 * STRIDE), 0.3)
    settled = (
        0.3
        / torch.tensor((0.09 * MEMORY_S + USUAL_LEVEL**2 * USUAL_S) / (MEMORY_S + USUAL_S)).sqrt()
    )
    assert torch.allclose(level(steady)[0, -1], settled, rtol=1e-2)
    quiet = level(torch.full((1, STRIDE), 1e-6))
    assert quiet.abs().max() < 1e-3, "a breath is not made as loud as speech"
    wave = noise(40)
    louder = wave.clone()
    louder[:, 20 * STRIDE :] *= 10
    assert torch.equal(level(wave)[:, : 20 * STRIDE], level(louder)[:, : 20 * STRIDE])


def test_training_draws_chunks_and_trains_every_part(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "wavlm", num_hidden_layers=2)
    settings = ModelConfig(
        model_name=str(base), streaming=True, weighted_layers=True, mask_time_prob=0.3
    )
    model = create_model(settings).train()
    encoder = encoder_of(model)
    assert model.settings.input_normalization == "running"
    assert isinstance(encoder.network.encoder.layers[1].attention, MaskedAttention)  # type: ignore[union-attr,index]
    encoder.network.gradient_checkpointing_enable({"use_reentrant": False})
    drawn = set()
    torch.manual_seed(0)
    for _ in range(6):
        loss = model(noise(60, batch=2))["logits"].square().sum()
        loss.backward()
        drawn.add(round(loss.item(), 5))
    assert len(drawn) == 6
    unused = {name for name, value in model.named_parameters() if value.grad is None}
    assert unused <= {"encoder.network.masked_spec_embed"}
    taps: Any = encoder.network.encoder
    gradient = taps.pos_conv_embed.conv.parametrizations.weight.original0.grad.flatten()
    assert gradient[:9].abs().min() > 0
    assert gradient[9:].abs().max() == 0, "taps ahead are not used"
    assert 25 in CHUNKS


@pytest.mark.parametrize(
    ("shape", "changes", "reason"),
    [
        ({"feat_extract_norm": "group"}, {}, "'group'.*layer norm"),
        ({}, {"input_normalization": "window"}, "running or none"),
        ({"add_adapter": True}, {"weighted_layers": False}, "weighted_layers"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, {}, "160 samples apart"),
        ({}, {"future_frames": 8}, "read 7 ahead"),
        ({}, {"future_frames": 9}, "future_frames must be"),
        ({}, {"streaming": False}, "chunk_frames and future_frames"),
        ({}, {"streaming": False, "chunk_frames": 0, "input_normalization": "running"}, "running"),
    ],
)
def test_what_cannot_stream_is_refused(
    shape: dict[str, object], changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        make("wav2vec2", shape, **changes)


def test_hubert_with_batch_norm_and_short_windows_are_refused() -> None:
    with pytest.raises(ConfigError, match="conv_pos_batch_norm"):
        make("hubert", {"conv_pos_batch_norm": True})
    with pytest.raises(AudioInputError, match="at least 1600"):
        make(future_frames=4)(noise(4))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"left_frames": 0}, "left_frames"),
        ({"left_frames": 1_501}, "left_frames"),
        ({"streaming": False, "chunk_frames": 0}, "--streaming, not this wav2vec2"),
    ],
)
def test_a_network_without_caches_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        stream_of(make(**changes))  # type: ignore[arg-type]
