"""`ExportSettings`, the choices of an export; their defaults are those of `ser-export`, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_rt.constants import HOP_S, WINDOW_S
from ser_rt.errors import ConfigError
from ser_rt.export.opsets import OPSET, check_opset
from ser_rt.files.text import trouble_of_line
from ser_rt.manifest import Manifest

LONGEST_WINDOW_S = 30.0
GATES = ("strict", "report")


@dataclass(frozen=True)
class ExportSettings:
    """Settings of an export; a bad value raises `ConfigError` at once.

    Attributes:
        precision: a name in `PRECISIONS`.
        layers: transformer layers to keep, from the first; None keeps all.
        window_s: default length of the bundle's windows; None is that of the bundle exported, or 3.
        hop_s: default hop of a network that streams; None is its own chunk.
        windows_only: leaves out the graph with caches of a network that streams.
        opset: of ONNX.
        gates: "strict" writes nothing if a gate fails, "report" notes it in the manifest.
        data: manifest of labelled clips for the gates; None is the bundled sample.
        clips: number of them at most.
        push_triton: Triton model repository to add the graph to.
        triton_backend: Triton's backend for it, a name in `triton.BACKENDS`.
        name: of the model; None is the bundle folder's.
        version: of the model; None is that of the bundle exported, or 1.0.0.
        temperature: divides the logits; None is the checkpoint's.
        evaluation: scores for the manifest; None are those of the bundle exported.
        notice: what user interfaces should tell users about the model; None is that of the
            bundle exported.
    """

    precision: str = "fp32"
    layers: int | None = None
    window_s: float | None = None
    hop_s: float | None = None
    windows_only: bool = False
    opset: int = OPSET
    gates: str = "strict"
    data: Path | None = None
    clips: int = 200
    push_triton: Path | None = None
    triton_backend: str = "onnxruntime"
    name: str | None = None
    version: str | None = None
    temperature: float | None = None
    evaluation: Mapping[str, Any] | None = None
    notice: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        from ser_rt.export.precision import precision_of
        from ser_rt.export.triton import check_backend

        precision_of(self.precision)
        check_opset(self.opset)
        check_backend(self.triton_backend)
        if self.gates not in GATES:
            msg = f"gates must be {' or '.join(GATES)}, not {self.gates!r}"
            raise ConfigError(msg)
        if self.window_s is not None and not HOP_S <= self.window_s <= LONGEST_WINDOW_S:
            msg = f"window must be {HOP_S} to {LONGEST_WINDOW_S:g} s, not {self.window_s:g}"
            raise ConfigError(msg)
        if self.hop_s is not None and self.windows_only:
            msg = "a hop is for a bundle that streams: leave out --hop or --windows-only"
            raise ConfigError(msg)
        if self.temperature is not None and not self.temperature > 0:
            msg = f"temperature must be greater than 0, not {self.temperature}"
            raise ConfigError(msg)
        if self.notice is not None and (trouble := trouble_of_line(self.notice)):
            msg = f"notice {trouble}"
            raise ConfigError(msg)
        if self.clips < 1:
            msg = f"clips must be 1 or more, not {self.clips}"
            raise ConfigError(msg)

    def window_of(self, source: Manifest | None) -> float:
        """Return the window of an export; ``source`` is the bundle exported, if it is one.

        Raises:
            ConfigError: the hop is longer.
        """
        own_s = source.window_s if source else WINDOW_S
        window_s = own_s if self.window_s is None else self.window_s
        if self.hop_s is not None and self.hop_s > window_s:
            msg = f"a hop of {self.hop_s:g} s is longer than the window of {window_s:g} s"
            raise ConfigError(msg)
        return window_s
