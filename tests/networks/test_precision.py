"""Spectra are computed in float32, also where training casts to half precision."""

from __future__ import annotations

import pytest
import torch

from ser_rt.networks.compact import LogMel as CompactLogMel
from ser_rt.networks.log_mel import WhisperLogMel


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "features", [CompactLogMel(64), WhisperLogMel(80), WhisperLogMel(80, streaming=True)]
)
def test_mixed_precision_leaves_spectra_as_they_are(
    features: torch.nn.Module, precision: torch.dtype
) -> None:
    waves = torch.stack([torch.zeros(16_000), torch.randn(16_000) * 0.01])
    exact = features(waves)
    with torch.autocast("cpu", precision):
        found = features(waves)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, exact)
