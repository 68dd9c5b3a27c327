"""`in_float32`: methods that mixed precision leaves as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


def in_float32(method: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """Let a method compute in float32, also where training casts to half precision.

    Spectra need it: the floors of their logarithms are 0 in float16, and 8 bits of bfloat16 are
    noise in quiet bands, which the network would not meet where it is used.
    """

    @wraps(method)
    def run(self: Any, signal: Tensor) -> Tensor:
        kind = signal.device.type
        if not torch.is_autocast_enabled(kind):
            return method(self, signal)
        with torch.autocast(kind, enabled=False):
            return method(self, signal.float())

    return run
