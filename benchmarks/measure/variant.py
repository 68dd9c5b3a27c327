"""One thing to measure: which model, run by what, where and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ser_rt.runtime.backends.providers import PROVIDERS, ProviderName

RATE_HZ = 16_000


@dataclass(frozen=True)
class Variant:
    """One model and the way to run it.

    Attributes:
        runner: A name in `runners.RUNNERS`.
        model: Folder of a bundle or run, or name of a built-in bundle; empty where none is needed.
        precision: Of the arithmetic, for people to read.
        device: An execution provider of ser-rt, or ``cpu`` or ``cuda`` for others.
        threads: Threads of one call.
        window_s: Length of a window in seconds.
        hop_s: Time from one window to the next in seconds.
        chunk_s: Length in seconds of the chunks that a stream is fed with.
        batch: Windows in one call.
        streaming: Whether a bundle computes each hop once, with caches.
        label: Name in tables; `labelled` gives it.
        unfit: Why it cannot be run here; empty where it can be tried.
    """

    runner: str
    model: str = ""
    precision: str = ""
    device: ProviderName = "cpu"
    threads: int = 1
    window_s: float = 3.0
    hop_s: float = 0.5
    chunk_s: float = 0.1
    batch: int = 1
    streaming: bool = False
    label: str = ""
    unfit: str = ""

    @property
    def is_on_cpu(self) -> bool:
        """Whether it runs on the processor, and so can be compared with others that do."""
        return PROVIDERS[self.device].device == "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


_WORDS = {
    "device": "{}",
    "threads": "{} threads",
    "window_s": "window {:g} s",
    "hop_s": "hop {:g} s",
    "chunk_s": "chunks {:g} s",
    "batch": "batch {}",
}


def labelled(variants: Sequence[Variant], names: Sequence[str]) -> list[Variant]:
    """Return variants with labels: a name for each, and what differs between them."""
    varies = {
        field.name
        for field in fields(Variant)
        if field.name in _WORDS and len({getattr(v, field.name) for v in variants}) > 1
    }
    found = []
    for variant, name in zip(variants, names, strict=True):
        parts = [
            words.format(getattr(variant, key)) for key, words in _WORDS.items() if key in varies
        ]
        label = ", ".join([name, *parts]).replace(" 1 threads", " 1 thread")
        found.append(replace(variant, label=label))
    return found
