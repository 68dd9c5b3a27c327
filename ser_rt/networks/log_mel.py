"""Whisper's log-mel spectrogram as layers of a network, for whole windows or for streams."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from ser_rt.networks.precision import in_float32

SAMPLE_RATE = 16_000
FRAME, HOP = 400, 160
DYNAMIC_RANGE = 8.0
"""Decades of power below the loudest value of a window that `WhisperFeatureExtractor` keeps."""
STREAM_FLOOR = 1e-6
"""Least power of a band in a stream, where the loudest value is not known yet."""
BAND_COUNTS = (80, 128)


class WhisperLogMel(nn.Module):
    """Waveforms ``[batch, samples]`` to log-mel ``[batch, bands, samples // HOP]``.

    For whole windows it equals transformers' `WhisperFeatureExtractor` without padding to 30 s:
    frames are centred, both ends are reflected, and values more than eight decades below the
    loudest one of the window are raised.

    For streams nothing depends on later samples: frame ``i`` reads the 400 samples before sample
    ``160 * (i + 1)``, with zeros before the first one, and the floor is fixed.
    """

    basis: Tensor
    filters: Tensor

    def __init__(self, bands: int, *, streaming: bool = False) -> None:
        super().__init__()
        self.streaming = streaming
        nyquist_hz = SAMPLE_RATE / 2
        every = mel_filter_bank(
            FRAME // 2 + 1, bands, 0.0, nyquist_hz, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        bins = np.flatnonzero(every.any(axis=1))
        time = np.arange(FRAME)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * time / FRAME)
        phase = 2 * np.pi * np.outer(bins, time - FRAME // 2) / FRAME
        basis = np.concatenate([np.cos(phase), np.sin(phase)]) * window
        for name, value in (("basis", basis[:, None, :]), ("filters", every[bins].T)):
            tensor = torch.tensor(value, dtype=torch.float32).contiguous()
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the features of windows of more than `FRAME` / 2 samples."""
        signal = waveforms.unsqueeze(1)
        if self.streaming:
            signal = nn.functional.pad(signal, (FRAME - HOP, 0))
        else:
            # The extractor leaves the last frame out, and with it all but 40 of the right end.
            signal = nn.functional.pad(signal, (FRAME // 2, FRAME // 2 - HOP), mode="reflect")
        return self.transform(signal)

    @in_float32
    def transform(self, signal: Tensor) -> Tensor:
        """Compute the features of a padded signal ``[batch, 1, samples]``, one for each frame."""
        real, imaginary = nn.functional.conv1d(signal, self.basis, stride=HOP).chunk(2, dim=1)
        power = self.filters @ (real.square() + imaginary.square())
        # A clamp and not a summand: the ONNX exporter's optimiser drops summands this small.
        if self.streaming:
            return (power.clamp(min=STREAM_FLOOR).log10() + 4.0) / 4.0
        logmel = power.clamp(min=1e-10).log10()
        loudest = logmel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(logmel, loudest - DYNAMIC_RANGE) + 4.0) / 4.0
