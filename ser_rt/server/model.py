"""`ServedModel`: the interface that the server needs of a classifier."""

from __future__ import annotations

from typing import Protocol

from ser_rt.bundle import Bundle
from ser_rt.classifier import EmotionClassifier, WindowDefaults


class ServedModel(EmotionClassifier, WindowDefaults, Protocol):
    """An `OnnxClassifier`, or a stand-in for one that runs elsewhere."""

    @property
    def bundle(self) -> Bundle:
        """Its bundle."""

    @property
    def provider(self) -> str:
        """Execution provider that it runs on."""

    def warm_up(self) -> None:
        """Run once, so that the first window is no slower than others."""
