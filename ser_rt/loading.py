"""A classifier from a folder, whichever side of the house made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.errors import ConfigError
from ser_rt.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier


PROVIDER_HELP = "where a bundle runs, default: %(default)s; a checkpoint runs on the cpu"
"""Help of a command's `--provider`."""


def open_model(model: str | Path | None = None, provider: str = "cpu") -> EmotionClassifier:
    """Open a bundle (needs no torch), or a training run or checkpoint (needs torch).

    Args:
        model: a folder, or the name of a built-in bundle; None is the built-in default.
        provider: where a bundle runs: a name in `ser_rt.runtime.backends.providers.PROVIDERS`.

    Raises:
        BundleError: there is no such model, or it is a bundle that cannot be used.
        CheckpointError: the folder is no bundle, and no checkpoint with a trained head either.
        ConfigError: a checkpoint shall run where only bundles can.
        ProviderError: the provider did not come up.
    """
    if model is not None and Path(model).is_dir() and not Path(model, MANIFEST_FILE).is_file():
        if provider not in {"cpu", "auto"}:
            msg = (
                f"{model} is a checkpoint, which runs on the cpu: export it to run it on {provider}"
            )
            raise ConfigError(msg)
        from ser_rt.networks.checkpoint import load_classifier

        return load_classifier(Path(model))
    from ser_rt.runtime.stream import load

    return load(model, provider)
