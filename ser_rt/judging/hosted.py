"""`HostedClassifier`: an audio classifier of transformers, from the hub or a folder, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import CheckpointError, ConfigError, requires
from ser_rt.training.data.labels import emotion_named

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray


class HostedClassifier:
    """An `EmotionClassifier` that runs a transformers audio-classification model in PyTorch.

    Its labels are the emotions that its own stand for; one that stands for none keeps its name.

    Args:
        name: name on the hub, or a folder.
        meanings: emotion that a label stands for; without one, the emotion that it names.

    Raises:
        CheckpointError: there is no such model, or it has no trained classifier of audio.
        ConfigError: no label stands for an emotion.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, name: str, meanings: Mapping[str, str]) -> None:
        """Load the model."""
        with requires("transformers", "train"):
            import torch
            from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
        try:
            extractor = AutoFeatureExtractor.from_pretrained(name)
            network, info = AutoModelForAudioClassification.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True
            )
        # What is damaged or of another kind raises errors of many libraries.
        except Exception as error:
            lines = str(error).strip().splitlines() or [repr(error)]
            msg = (
                f"cannot load {name!r} as a transformers audio-classification model: {lines[0]} "
                "Check the name and the connection to the hub, or give the folder of one"
            )
            raise CheckpointError(msg) from error
        # A pooling of old versions and masks of pre-training are in no figure.
        if missing := sorted(set(info["missing_keys"]) - {"masked_spec_embed"}):
            msg = (
                f"{name} lacks {len(missing)} weights, such as {missing[0]}, which would be "
                "random: it was never trained to classify, or is of another architecture"
            )
            raise CheckpointError(msg)
        self.own_labels = tuple(
            network.config.id2label[i] for i in range(network.config.num_labels)
        )
        self.labels = tuple(meanings.get(label, emotion_named(label)) for label in self.own_labels)
        self._network, self._extractor = network.eval(), extractor

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        import soxr
        import torch

        rate = self._extractor.sampling_rate
        clips = [soxr.resample(one, SAMPLE_RATE, rate) for one in waveforms]
        inputs: Any = self._extractor(clips, sampling_rate=rate, return_tensors="pt")
        with torch.inference_mode():
            found: FloatArray = self._network(**inputs).logits.softmax(dim=1).numpy()
        return found


class MergedClassifier:
    """A `HostedClassifier` in which labels that stand for one emotion are one, for streams."""

    sample_rate = SAMPLE_RATE

    def __init__(self, hosted: HostedClassifier) -> None:
        """Share its network."""
        self._hosted = hosted
        self.labels = tuple(dict.fromkeys(hosted.labels))
        self._place = [self.labels.index(label) for label in hosted.labels]

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        found = self._hosted(waveforms)
        sums = np.zeros((len(found), len(self.labels)), np.float32)
        np.add.at(sums.T, self._place, found.T)
        return sums


def parse_meanings(text: str, flag: str) -> dict[str, str]:
    """Return the emotion of each label in ``happy=Joy,sad=Sad``, the value of a flag.

    Raises:
        ConfigError: it is written otherwise, or a label stands twice.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        label, equals, emotion = (part.strip() for part in pair.rpartition("="))
        if not (label and equals and emotion) or label in found:
            msg = f"{flag} {pair!r} must be a label and its emotion, each label once: happy=Joy"
            raise ConfigError(msg)
        found[label] = emotion_named(emotion)
    return found


def check_meanings(
    models: Mapping[str, HostedClassifier],
    meanings: Mapping[str, str],
    labels: tuple[str, ...],
    flag: str,
) -> None:
    """Raise `ConfigError` for a meaning of no label or emotion, or a model without any.

    Args:
        models: by their names.
        meanings: as `parse_meanings` read them.
        labels: the emotions judged.
        flag: that gave the meanings.
    """
    own = {label for model in models.values() for label in model.own_labels}
    for label, emotion in meanings.items():
        if label not in own:
            there = ", ".join(sorted(own))
            msg = f"{flag} {label!r} is no label of the models, which have {there}"
            raise ConfigError(msg)
        if emotion not in labels:
            msg = f"{flag} {label}={emotion}: the emotions judged are {', '.join(labels)}"
            raise ConfigError(msg)
    for name, model in models.items():
        if not set(model.labels) & set(labels):
            msg = (
                f"{name} has the labels {', '.join(model.own_labels)}, none of which names an "
                f"emotion judged ({', '.join(labels)}): map them with {flag} LABEL=EMOTION,..."
            )
            raise ConfigError(msg)
