"""`Teacher`: a trained network whose answers another one learns from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ser_rt.audio.processing import trim_silence
from ser_rt.config import DataConfig, ModelConfig
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import CheckpointError, ConfigError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.names import printable
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.networks.checkpoint import WEIGHTS, load_model
from ser_rt.training.data.answers import Answers, Frames
from ser_rt.training.data.validation import DecodedClips

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

_LEAST_SAMPLES = SAMPLE_RATE // 5
_LARGEST = 65504.0  # of half precision


class Teacher:
    """A trained network that answers for windows of clips.

    Args:
        run: the folder of its training.
        student: settings of the network that learns from it.

    Raises:
        CheckpointError: the folder holds no trained network.
        ConfigError: it lacks an emotion of the student's, or takes shorter windows.
    """

    def __init__(self, run: str, student: ModelConfig) -> None:
        folder = Path(run)
        if (folder / MANIFEST_FILE).is_file():
            msg = (
                f"the teacher {printable(folder)} is a bundle, which has no frames to learn from: "
                "give the run folder that it was exported from"
            )
            raise CheckpointError(msg)
        if not folder.is_dir():
            msg = f"no teacher {printable(folder)}: give the run folder that ser-train wrote"
            raise CheckpointError(msg)
        self._model, config = load_model(folder)
        self._model.requires_grad_(requires_grad=False)
        labels = self._model.settings.emotion_labels
        if missing := [name for name in student.emotion_labels if name not in labels]:
            msg = (
                f"the teacher {printable(folder)} has no {', '.join(missing)}: train on its "
                f"emotions with --emotion-labels {' '.join(labels)} (model_config.emotion_labels)"
            )
            raise ConfigError(msg)
        longest_s = self._model.settings.max_duration
        if student.max_duration > longest_s:
            msg = (
                f"max_duration is {student.max_duration:g} s, but the teacher {printable(folder)} "
                f"takes at most {longest_s:g} s: lower it"
            )
            raise ConfigError(msg)
        self._columns = [labels.index(name) for name in student.emotion_labels]
        self._longest = round(student.max_duration * SAMPLE_RATE)
        self.sha256 = sha256_of(folder / WEIGHTS)
        trained = config.get("training", {})
        self.about = {
            "name": printable(folder.resolve().name),
            "sha256": self.sha256,
            "architecture": self._model.settings.architecture,
            "train": trained.get("train", {}),
            **({"teacher": trained["teacher"]} if "teacher" in trained else {}),
        }
        """What a manifest says of it: hash, architecture, the clips that it was trained on."""
        with torch.no_grad():
            frames = self._model.encoder.frames(torch.zeros(1, SAMPLE_RATE))
            self.sizes = frames.shape[1], self._model.encoder.pool(frames).shape[1]
        """Number of values of a frame, and of an embedding."""

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._model.to(device)

    @torch.no_grad()
    def answer(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Answer for windows whose frames are ``[batch, channels, frames]``.

        Returns:
            Logits of the student's emotions, and embeddings.
        """
        embedding = self._model.encoder.pool(frames)
        return self._model.head(embedding)[:, self._columns], embedding

    def run(self, part: DecodedClips, settings: DataConfig) -> Answers:
        """Compute the frames of clips, as they are before they are varied.

        Raises:
            OutputError: the disk is full.
        """
        how = f"{self.sha256} {self._longest} {settings.trim_silence}"

        def frames_of(index: int) -> Frames:
            samples = part.audio[index][: self._longest]
            if settings.trim_silence:
                samples = trim_silence(samples, SAMPLE_RATE)
            return self._frames(samples)

        return Answers(how, part.audio.digests, frames_of)

    @torch.no_grad()
    def _frames(self, samples: FloatArray) -> Frames:
        least = np.resize(samples, max(samples.size, _LEAST_SAMPLES))
        device = self._model.head.weight.device
        frames = self._model.encoder.frames(torch.from_numpy(least)[None].to(device))
        return frames[0].T.clamp(-_LARGEST, _LARGEST).half().cpu().numpy()
