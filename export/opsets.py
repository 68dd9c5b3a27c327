"""The opsets of ONNX that a network can be exported to, and what each of them lacks."""

from __future__ import annotations

from ser_rt.errors import ConfigError

OPSET = 20
OPSETS = range(18, 24)
"""Opsets that the exporter writes and onnxruntime reads."""

SINCE = {"LayerNormalization": 17, "Gelu": 20}
"""First opset that has an op. onnxruntime does not fuse what the exporter took apart."""


def check_opset(opset: int) -> None:
    """Refuse an opset that has no LayerNormalization, or that cannot be written.

    Raises:
        ConfigError: it is one of them.
    """
    if opset in OPSETS:
        return
    why = f"there are {OPSETS[0]} to {OPSETS[-1]}"
    if opset < SINCE["LayerNormalization"]:
        why = (
            f"LayerNormalization came with {SINCE['LayerNormalization']}, and in parts it "
            f"overflows in half precision; take {OPSETS[0]} or more"
        )
    msg = f"no opset {opset}: {why}"
    raise ConfigError(msg)
