"""`BalancedSampler`: draws training windows, of one length per batch, balanced and reproducible.

Training uses windows like those of a stream: without padding and so without masks. A longer clip
is cropped, a shorter one is repeated or set into silence. Everything random about a window follows
from the seed in its `Draw`, never from a worker's state, so that a run resumed after a kill
continues exactly as if it had not been killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from ser_rt.audio.processing import reduce_noise
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.training.data.augmentation import Augmenter
from ser_rt.training.data.changes import Followers

_CROP_LENGTHS = 13
STEP = SAMPLE_RATE // 50
"""Samples from one of a window's places to the next: 20 ms, as most networks' frames."""


class Draw(NamedTuple):
    """A training window to make: the index of its clip, its seed, its length in samples."""

    clip: int
    seed: int
    samples: int
    then: int | None = None
    """Index of the clip that follows, where the emotion changes."""


class TrainingWindow(NamedTuple):
    """A training window, and what of its clip is in it."""

    samples: FloatArray
    """``[samples]``."""
    places: npt.NDArray[np.int64]
    """Where in the clip the middle of every 20 ms was, in samples; of added silence, anywhere."""
    is_clip: npt.NDArray[np.bool_]
    """Which of them were there, and are not added silence."""


def draw_window(
    samples: FloatArray, draw: Draw, *, vary: Augmenter | None, clean: bool = False
) -> TrainingWindow:
    """Make one training window ``[draw.samples]`` of a clip; without an augmenter it is not varied.

    With `clean`, noise is reduced in every other window, as some microphones do.
    """
    rng = np.random.default_rng(draw.seed)
    start = 0
    if samples.size > draw.samples:
        # Resampling may shorten by 8 %: take that much more if there is more.
        spare = max(0, samples.size - round(draw.samples * 1.1))
        start = int(rng.integers(0, spare + 1))
        samples = samples[start : start + round(draw.samples * 1.1)]
    if clean and draw.seed % 2:
        samples = reduce_noise(samples)
    size = samples.size
    if vary:
        samples = vary(samples, rng)
    speed = size / samples.size
    samples = samples[: draw.samples]
    missing = draw.samples - samples.size
    times = np.arange(STEP // 2, draw.samples, STEP)
    is_clip = np.ones(times.size, np.bool_)
    if missing and rng.random() < 0.5:
        before = int(rng.integers(0, missing + 1))
        times -= before
        is_clip = (times >= 0) & (times < samples.size)
        window = np.pad(samples, (before, missing - before))
    else:
        window = np.resize(samples, draw.samples)
    places = start + (times % samples.size * speed).astype(np.int64)
    return TrainingWindow(window, places, is_clip)


class BalancedSampler(Sampler[Draw]):
    """Draws windows so that small classes and datasets come often enough.

    A clip is drawn with the weight ``count(dataset, emotion) ** -balance``: 0 takes clips as they
    come, 1 gives every emotion of every dataset the same share.
    """

    def __init__(
        self,
        groups: Sequence[tuple[str, str]],
        *,
        batch_size: int,
        crop_s: tuple[float, float],
        balance: float,
        seed: int,
        followers: Followers | None = None,
    ) -> None:
        counts = Counter(groups)
        weights = np.array([counts[group] ** -balance for group in groups])
        self._weights = weights / weights.sum()
        # A few lengths only: kernels are compiled or chosen for every length.
        self._lengths_s = np.linspace(*crop_s, _CROP_LENGTHS)
        self._batch_size, self._seed, self._followers = batch_size, seed, followers
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws per epoch, which is the number of clips."""
        return len(self._weights)

    def __iter__(self) -> Iterator[Draw]:
        """Yield the draws of one epoch; those of one batch have one length."""
        rng = np.random.default_rng((self._seed, self._epoch))
        clips = rng.choice(len(self), len(self), p=self._weights)
        if not np.ptp(self._weights):
            clips = rng.permutation(len(self))
        seeds = rng.integers(0, 2**62, len(self))
        for start in range(0, len(self), self._batch_size):
            samples = round(rng.choice(self._lengths_s) * SAMPLE_RATE)
            for i in range(start, min(start + self._batch_size, len(self))):
                clip, drawn = int(clips[i]), int(seeds[i])
                then = self._followers.draw(clip, drawn) if self._followers else None
                yield Draw(clip, drawn, samples, then)
