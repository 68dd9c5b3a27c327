"""`open_model`: a classifier from a bundle or a checkpoint, and the flags that choose it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from ser_rt.classifier import EmotionClassifier
from ser_rt.cli.arguments import positive_int
from ser_rt.errors import ConfigError
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.runtime.backends.providers import PROVIDERS, ProviderName


def add_classifier_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that classify files: model, provider and batch size."""
    add = parser.add_argument
    add("--model-path", help="bundle, training run or checkpoint; default: built in")
    add(
        "--provider",
        choices=tuple(PROVIDERS),
        default="cpu",
        help="where a bundle runs, default: %(default)s; a checkpoint runs on the cpu",
    )
    add(
        "--batch-size",
        type=positive_int,
        default=DEFAULT_BATCH_SIZE,
        help="most windows in one call of the model, default: %(default)s",
    )


def temperature_of(classifier: EmotionClassifier) -> float:
    """Return what the logits of a classifier have been divided by; 1 where it is not known."""
    bundle = getattr(classifier, "bundle", None)
    return float(getattr(bundle or classifier, "temperature", 1.0))


def open_model(
    model: str | Path | None = None,
    provider: ProviderName = "cpu",
    *,
    streaming: bool | None = False,
) -> EmotionClassifier:
    """Open a bundle (needs no torch), or a training run or checkpoint (needs torch).

    Args:
        model: a folder, or the name of a built-in bundle; None is the built-in default.
        provider: where a bundle runs: a name in `ser_rt.runtime.backends.providers.PROVIDERS`.
        streaming: as of `ser_rt.load`; of clips, each is a whole.

    Raises:
        BundleError: there is no such model, or it is a bundle that cannot be used.
        CheckpointError: the folder is no bundle, and no checkpoint with a trained head either.
        ConfigError: the provider runs bundles only, and the model is a checkpoint.
        ProviderError: the provider does not start.
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

    return load(model, provider, streaming=streaming)
