"""`Start`: a trained network of ours that training goes on from, as a run folder or a bundle."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_rt.bundle import Bundle, built_in_bundles
from ser_rt.cli.idle import flag_of
from ser_rt.config import ModelConfig
from ser_rt.errors import CheckpointError, ConfigError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.names import printable
from ser_rt.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from ser_rt.networks.model import EmotionModel

logger = logging.getLogger(__name__)

_OF_MANIFEST = ("architecture", "emotion_labels", "sample_rate", "dimensions")
"""Settings of the network that are keys of a manifest."""
_OF_WEIGHTS = ("architecture", "encoder_config", "pooling", "projection", "weighted_layers")
"""Settings that the weights have decided."""
_STATE = "trainer_state.json"
_ORIGINS = ("teacher", "start")
"""Keys of a training under which are those that its weights also come from."""


def stored_settings(settings: ModelConfig) -> dict[str, Any]:
    """Return the settings of a network that its bundle's manifest has under `model`."""
    return {key: value for key, value in settings.to_dict().items() if key not in _OF_MANIFEST}


def trainings_of(training: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the clips of a training, of its teacher's, of what it started from, and so on."""
    yield training.get("train", {})
    for origin in _ORIGINS:
        if before := training.get(origin):
            yield from trainings_of(before)


@dataclass(frozen=True)
class Start:
    """A trained network to start from, and what is known of it."""

    name: str
    """As it was given."""
    folder: Path
    settings: ModelConfig
    sha256: str
    """Of the weights, or of the bundle's manifest, which has those of its files."""
    training: Mapping[str, Any]
    """What it was trained on and how."""
    bundle: Bundle | None

    @property
    def about(self) -> dict[str, Any]:
        """What a checkpoint and a manifest say of it: the clips that it was trained on."""
        origin = {key: self.training[key] for key in _ORIGINS if key in self.training}
        return {
            "name": printable(self.folder.resolve().name),
            "sha256": self.sha256,
            "architecture": self.settings.architecture,
            "train": self.training.get("train", {}),
            **origin,
        }

    @property
    def speakers(self) -> set[str]:
        """Those that it was trained on, or that its teacher was, and so on."""
        return {name for part in trainings_of(self.training) for name in part.get("speakers", ())}

    @property
    def licence_classes(self) -> set[str]:
        """Of all clips that it comes from."""
        parts = trainings_of(self.training)
        return {name for part in parts for name in part.get("licence_classes") or ("unknown",)}

    def settings_with(self, given: Mapping[str, Any]) -> ModelConfig:
        """Return its settings, changed by those that are given.

        Raises:
            ConfigError: one of them contradicts its weights.
        """
        changed = {name: value for name, value in given.items() if name != "model_name"}
        wanted = replace(self.settings, **changed, model_name=self.name)
        self._refuse_other_weights(wanted)
        return wanted

    def network(self, settings: ModelConfig) -> EmotionModel:
        """Return the trained network, with the labels and other settings of `settings`.

        The head has the rows of labels that it knew, and random ones for others.

        Raises:
            CheckpointError: its weights cannot be read.
            ConfigError: the settings contradict its weights.
        """
        from ser_rt.networks.transfer import transfer

        self._refuse_other_weights(settings)
        whole = self._load()
        settings = replace(settings, model_name=self.settings.model_name)
        if settings.to_dict() == self.settings.to_dict():
            logger.info("starting from %s, head included", printable(self.name))
            return whole
        return transfer(whole, settings, printable(self.name))

    def _load(self) -> EmotionModel:
        if self.bundle is None:
            from ser_rt.networks.checkpoint import read_network

            return read_network(self.folder)[0].train()
        from ser_rt.networks.transfer import load_bundle

        return load_bundle(self.bundle, self.settings)

    def _refuse_other_weights(self, wanted: ModelConfig) -> None:
        for name in _OF_WEIGHTS:
            own, other = getattr(self.settings, name), getattr(wanted, name)
            if own != other:
                msg = (
                    f"{name} is {other!r}, but {printable(self.name)} was trained with {own!r}, "
                    f"which its weights have decided: leave {flag_of(name)} out"
                )
                raise ConfigError(msg)
        kept = self.settings.num_layers
        if kept and not 1 <= wanted.num_layers <= kept:
            msg = f"num_layers is {wanted.num_layers}, but {printable(self.name)} has {kept}"
            raise ConfigError(msg)


def find_start(name: str) -> Start | None:
    """Return the bundle or the run folder that a name stands for; None for other checkpoints.

    A folder comes before a built-in bundle of the same name.

    Raises:
        BundleError: it is a bundle, and invalid.
        CheckpointError: its training has not ended, it is damaged, or its network is not described.
    """
    if not name:
        return None
    folder = Path(name)
    if not folder.is_dir():
        if name not in built_in_bundles():
            return None
        folder = built_in_bundles()[name]
    if (folder / MANIFEST_FILE).is_file():
        return _of_bundle(name, folder)
    if _is_run(folder):
        return _of_run(name, folder)
    if any(folder.glob("*.onnx")) and not any(folder.glob("*.safetensors")):
        msg = (
            f"{printable(name)} holds a graph, and no {MANIFEST_FILE} of ser-export: give a "
            "bundle of ser-export, a run folder, or the checkpoint that the graph was made of"
        )
        raise CheckpointError(msg)
    return None


def _is_run(folder: Path) -> bool:
    from ser_rt.networks.checkpoint import CONFIG, RUN, is_ours

    config = folder / CONFIG
    if (folder / RUN).is_file():
        return True
    return is_ours(config) if config.is_file() else (folder / _STATE).is_file()


def _of_run(name: str, folder: Path) -> Start:
    from ser_rt.networks.checkpoint import CONFIG, RUN, WEIGHTS, check_finished, read_config

    if not (folder / CONFIG).exists() and not (folder / RUN).exists():
        msg = (
            f"{printable(name)} is one to resume from, and does not say what its network is: give "
            f"the run folder, {printable(folder.parent)}, once its training has ended"
        )
        raise CheckpointError(msg)
    check_finished(folder)
    config = read_config(folder)
    try:
        settings = ModelConfig.from_dict(config["model"])
        training = dict(config["training"])
        sha256 = config.get("sha256", {}).get(WEIGHTS) or sha256_of(folder / WEIGHTS)
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        msg = f"{printable(folder / CONFIG)} is damaged ({error!r}): copy the run folder again"
        raise CheckpointError(msg) from error
    return Start(name, folder, settings, sha256, training, None)


def _of_bundle(name: str, folder: Path) -> Start:
    bundle = Bundle.load(folder)
    if bundle.model is None:
        msg = (
            f"the bundle {printable(name)} does not describe its network, as an older ser-export "
            "wrote it: give the run folder that it was exported from, or export that again"
        )
        raise CheckpointError(msg)
    labels = [label.en for label in bundle.labels]
    own: dict[str, Any] = {"architecture": bundle.architecture, "emotion_labels": labels}
    own |= {"sample_rate": bundle.sample_rate, "dimensions": list(bundle.dimensions)}
    try:
        settings = ModelConfig.from_dict({**bundle.model, **own})
    except ConfigError as error:
        msg = f"'model' in the manifest of the bundle {printable(name)} is unfit: {error}"
        raise CheckpointError(msg) from error
    return Start(name, folder, settings, bundle.sha256, bundle.training, bundle)
