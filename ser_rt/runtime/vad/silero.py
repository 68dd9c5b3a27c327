"""Voice activity detection by the Silero network (https://github.com/snakers4/silero-vad).

The network file beside this is ``silero_vad_openvino_16k.onnx`` of the package silero-vad 6.2.3,
under the MIT licence beside it: plain ONNX, the smallest of those that answer as the full network
does. It needs onnxruntime alone; the package itself would bring torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.runtime.backends.ort import shipped_session
from ser_rt.runtime.vad.settings import VadSettings

MODEL_PATH = Path(__file__).parent / "silero_vad_16k.onnx"
MODEL_SHA256 = "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87"
RATE_HZ = SAMPLE_RATE
FRAME = 512
"""Samples of a frame: 32 ms."""

DEFAULTS = VadSettings()

_CONTEXT = 64
_ZERO = 1e-8
"""Mean square (-80 dBFS) below which no network is needed."""


class SileroDetector:
    """Follows the speech of one stream; all streams of a process share the network.

    Speech starts with a frame of at least ``threshold`` and reaches ``speech_pad_s`` back from
    there; it ends where frames have stayed below ``neg_threshold`` for ``min_silence_s``. Both look
    at the past only, so a window is not delayed.
    """

    frame = FRAME

    def __init__(self, settings: VadSettings = DEFAULTS) -> None:
        """Start a stream.

        Raises:
            BundleInvalidError: The network's file is not the one that was shipped.
            MissingDependencyError: onnxruntime is not installed.
        """
        self._threshold, self._neg_threshold = settings.threshold, settings.ends_below
        self._min_silence = max(1, round(settings.min_silence_s * RATE_HZ / FRAME))
        self._speech_pad = round(settings.speech_pad_s * RATE_HZ / FRAME)
        self._session = _session()
        self._input = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self.reset()

    def reset(self) -> None:
        """Start as with a new stream."""
        self._state: FloatArray = np.zeros((2, 1, 128), np.float32)
        self._input[:] = 0
        self._is_speaking = False
        self._silent_frames = 0

    def detect(self, frames: FloatArray, is_speech: list[bool]) -> list[float]:
        """Return the probability of speech in each frame; see `FrameDetector`."""
        probabilities = [self._probability(frame) for frame in frames]
        for probability in probabilities:
            self._decide(probability, is_speech)
        return probabilities

    def _probability(self, frame: FloatArray) -> float:
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = frame
        if float(frame @ frame) < _ZERO * FRAME:
            return 0.0
        feed = {"input": self._input, "state": self._state}
        output, self._state = self._session.run(None, feed)
        return float(output[0, 0])

    def _decide(self, probability: float, is_speech: list[bool]) -> None:
        is_speech.append(self._is_speaking)
        if self._is_speaking:
            is_silent = probability < self._neg_threshold
            self._silent_frames = self._silent_frames + 1 if is_silent else 0
            if self._silent_frames == self._min_silence:
                _revise(is_speech, self._silent_frames, verdict=False)
                self._is_speaking = False
        elif probability >= self._threshold:
            self._is_speaking, self._silent_frames = True, 0
            _revise(is_speech, self._speech_pad + 1, verdict=True)


def _revise(is_speech: list[bool], count: int, *, verdict: bool) -> None:
    """Change the verdict on the last frames."""
    count = min(count, len(is_speech))
    is_speech[-count:] = [verdict] * count


def _session() -> Any:
    return shipped_session(MODEL_PATH, MODEL_SHA256, "run without (--no-vad)")
