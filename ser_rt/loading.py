"""A classifier from a folder, whichever side of the house made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.bundle import MANIFEST_FILE

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier


def open_model(model: str | Path | None = None) -> EmotionClassifier:
    """Open a bundle (needs no torch), or a training run or checkpoint (needs torch).

    Args:
        model: a folder, or the name of a built-in bundle; None is the built-in default.

    Raises:
        BundleError: there is no such model, or it is a bundle that cannot be used.
        CheckpointError: the folder is no bundle, and no checkpoint with a trained head either.
    """
    if model is not None and Path(model).is_dir() and not Path(model, MANIFEST_FILE).is_file():
        from ser_rt.checkpoint import load_classifier  # noqa: PLC0415 (torch)

        return load_classifier(Path(model))
    from ser_rt.runtime.stream import load  # noqa: PLC0415 (onnxruntime)

    return load(model)
