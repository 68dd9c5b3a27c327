"""What a server serves."""

from __future__ import annotations

from typing import Protocol

from ser_rt.bundle import Bundle
from ser_rt.classifier import EmotionClassifier, WindowDefaults


class ServedModel(EmotionClassifier, WindowDefaults, Protocol):
    """An `OnnxClassifier`, or what stands for one that runs elsewhere."""

    @property
    def bundle(self) -> Bundle:
        """What it is."""
        ...

    @property
    def provider(self) -> str:
        """Where it runs."""
        ...

    def warm_up(self) -> None:
        """Make the first window no slower than others."""
        ...
