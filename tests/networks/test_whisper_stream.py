"""A streaming Whisper keeps caches: its answers are those of the whole network under its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError
from ser_rt.export.stream_graph import describe
from ser_rt.networks.hop_stream import HopStream, fresh
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import POOLED_FRAMES, STRIDE, AttentionContext
from ser_rt.networks.streams import stream_of
from ser_rt.networks.whisper import Whisper
from ser_rt.networks.whisper_stream import WhisperStream
from tests.support.small_whisper import ENCODER

SETTINGS = ModelConfig(
    architecture="whisper",
    model_name="",
    streaming=True,
    chunk_frames=25,
    left_frames=30,
    pooling="attentive",
    projection=8,
    weighted_layers=True,
    encoder_config=ENCODER,
)
Caches = Sequence[Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make(**changes: object) -> tuple[EmotionModel, WhisperStream]:
    torch.manual_seed(3)
    model = EmotionModel(replace(SETTINGS, **changes)).eval()  # type: ignore[arg-type]
    return model, WhisperStream(model).eval()


def noise(frames: int, batch: int = 1, seed: int = 5) -> Tensor:
    rng = np.random.default_rng(seed)
    wave = rng.normal(0, 0.1, (batch, frames * STRIDE))
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
    encoder = model.encoder
    assert isinstance(encoder, Whisper)
    context = AttentionContext(left=encoder.context.left, hops=tuple(hops))
    frames = encoder.mix(encoder.network(encoder.features(wave), context)).transpose(1, 2)
    found = []
    for end in np.cumsum(hops):
        pooled = encoder.pooling(frames[..., max(0, end - POOLED_FRAMES) : end])
        found.append(model.head(encoder.projection(pooled)))
    return torch.stack(found)


@pytest.mark.parametrize(
    ("hops", "changes"),
    [
        ([25] * 12, {}),
        ([1, 50, 7, 25, 31, 2, 64, 5, 40, 33, 12, 30], {}),
        ([5] * 50, {"left_frames": 3, "pooling": "mean", "weighted_layers": False}),
        ([40] * 6, {"left_frames": 7, "projection": 0}),
    ],
    ids=["default", "mixed", "short, mean", "longer than what is left"],
)
def test_cached_equals_whole(hops: list[int], changes: dict[str, object]) -> None:
    model, stream = make(**changes)
    wave = noise(sum(hops))
    assert sum(hops) > POOLED_FRAMES
    found, _ = run(stream, wave, hops)
    expected = whole(model, wave, hops)
    assert expected.std(dim=0).max() > 1e-4
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["attentive", "mean"])
@torch.no_grad()
def test_with_nothing_pooled_an_answer_is_of_its_hop_alone(pooling: str) -> None:
    model, stream = make(pooling=pooling)
    encoder = model.encoder
    assert isinstance(encoder, Whisper)
    hops = [25, 40, 5, 25, 25, 30, 25]
    wave = noise(sum(hops))
    context = AttentionContext(left=encoder.context.left, hops=tuple(hops))
    frames = encoder.mix(encoder.network(encoder.features(wave), context)).transpose(1, 2)
    nothing = describe(stream, 16_000).nothing_pooled()
    assert set(nothing) == {"pooled_frames", "pooled_scores"}
    names = [cache.name for cache in stream.caches()]
    caches: Caches = fresh(stream.caches(), 1)
    start = 0
    for part, end in zip(
        wave.split([n * STRIDE for n in hops], dim=1), np.cumsum(hops), strict=True
    ):
        logits, _, caches = stream(part, caches)
        alone = model.head(encoder.projection(encoder.pooling(frames[..., start:end])))
        assert torch.allclose(logits, alone, atol=1e-5)
        start = end
        caches = [
            torch.from_numpy(nothing[name]) if name in nothing else cache
            for name, cache in zip(names, caches, strict=True)
        ]


def test_a_window_is_what_the_network_says_of_it() -> None:
    model, stream = make()
    wave = noise(POOLED_FRAMES)
    with torch.no_grad():
        expected = model(wave)["logits"]
    assert torch.allclose(run(stream, wave, [25] * 6)[0][-1], expected, atol=1e-5)


def test_streams_of_any_age_share_a_call() -> None:
    _, stream = make()
    old, young = noise(100, seed=1), noise(50, seed=2)
    _, aged = run(stream, old[:, : 50 * STRIDE], [25, 25])
    mixed = [torch.cat(pair) for pair in zip(aged, fresh(stream.caches(), 1), strict=True)]
    later = old[:, 50 * STRIDE :]
    found, _ = run(stream, torch.cat([later, young]), [25, 25], mixed)
    assert torch.allclose(found[:, :1], run(stream, later, [25, 25], aged)[0], atol=1e-5)
    assert torch.allclose(found[:, 1:], run(stream, young, [25, 25])[0], atol=1e-5)


def test_caches_keep_their_shapes_and_positions_wrap() -> None:
    _, stream = make()
    first, caches = run(stream, noise(175), [25] * 7)
    for cache, value in zip(stream.caches(), caches, strict=True):
        assert value.shape == (1, *cache.shape)
        assert str(value.dtype) == f"torch.{cache.dtype}"
    assert int(caches[-1]) == 175
    table = len(stream.encoder.network.embed_positions.weight)
    older = [*caches[:-1], caches[-1] + 1_200 * table]
    half = [*caches[:-1], caches[-1] + table // 2]
    wave = noise(25, seed=9)
    after, *others = (run(stream, wave, [25], given)[0] for given in (caches, older, half))
    assert torch.equal(after, others[0])
    assert not torch.allclose(after, others[1], atol=1e-4)
    assert not torch.allclose(after, first[-1], atol=1e-4)


def test_layers_that_are_left_out_have_no_caches() -> None:
    model, _ = make()
    assert isinstance(model.encoder, Whisper)
    model.encoder.keep_layers(2)
    stream = WhisperStream(model).eval()
    names = [cache.name for cache in stream.caches()]
    assert [name for name in names if name.startswith("keys")] == ["keys_0", "keys_1"]
    wave = noise(50)
    assert torch.allclose(run(stream, wave, [25, 25])[0], whole(model, wave, [25, 25]), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"streaming": False, "chunk_frames": 0}, "--streaming"),
        ({"left_frames": 0}, "left_frames"),
        ({"left_frames": 1_501}, "left_frames"),
    ],
)
def test_a_network_without_caches_is_refused(changes: dict[str, object], reason: str) -> None:
    model = EmotionModel(replace(SETTINGS, **changes))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=reason):
        stream_of(model)
