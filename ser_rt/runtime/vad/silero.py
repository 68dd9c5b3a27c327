"""Speech told from all other sound, by the Silero network (https://github.com/snakers4/silero-vad).

The network file beside this is ``silero_vad_openvino_16k.onnx`` of the package silero-vad 6.2.3,
under the MIT licence beside it: plain ONNX, the smallest of those that answer as the full network
does. It needs onnxruntime alone; the package itself would bring torch.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.constants import VAD_MIN_SILENCE_S, VAD_NEGATIVE_MARGIN, VAD_PRE_ROLL_S, VAD_THRESHOLD
from ser_rt.errors import BundleInvalidError, ConfigError
from ser_rt.runtime.backends.providers import onnxruntime
from ser_rt.runtime.vad.base import FrameVad

MODEL_PATH = Path(__file__).parent / "silero_vad_16k.onnx"
MODEL_SHA256 = "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87"
RATE_HZ = 16_000
FRAME = 512
"""Samples that the network hears at once: 32 ms."""

_CONTEXT = 64
_ZERO = 1e-8
"""Mean square (-80 dBFS) below which no network is needed to hear that there is nothing."""


class SileroVad(FrameVad):
    """Follows the speech of one stream; all streams of a process share the network.

    Speech starts with a frame of at least ``threshold`` and reaches ``pre_roll_s`` back from there;
    it ends where frames have stayed below ``negative_threshold`` for ``min_silence_s``. Both look
    at the past only, so the gate adds no delay to a window.
    """

    def __init__(
        self,
        *,
        threshold: float = VAD_THRESHOLD,
        negative_threshold: float | None = None,
        min_silence_s: float = VAD_MIN_SILENCE_S,
        pre_roll_s: float = VAD_PRE_ROLL_S,
    ) -> None:
        """Set thresholds of probability, and times in seconds.

        Raises:
            ConfigError: A value is out of range.
            BundleInvalidError: The network's file is not the one that was shipped.
            MissingDependencyError: onnxruntime is not installed.
        """
        if negative_threshold is None:
            negative_threshold = max(0.0, threshold - VAD_NEGATIVE_MARGIN)
        for name, value, highest in (
            ("vad_threshold", threshold, 1.0),
            ("vad_negative_threshold", negative_threshold, threshold),
            ("vad_min_silence", min_silence_s, 60.0),
            ("vad_pre_roll", pre_roll_s, 60.0),
        ):
            if not 0 <= value <= highest:
                msg = f"{name} must be within 0 and {highest:g}, not {value!r}"
                raise ConfigError(msg)
        self._threshold, self._negative = threshold, negative_threshold
        self._min_silence = max(1, round(min_silence_s * RATE_HZ / FRAME))
        self._pre_roll = round(pre_roll_s * RATE_HZ / FRAME)
        self._session = _session()
        self._input = np.zeros((1, _CONTEXT + FRAME), np.float32)
        super().__init__(FRAME)

    def _forget(self) -> None:
        self._state: FloatArray = np.zeros((2, 1, 128), np.float32)
        self._input[:] = 0
        self._is_speaking = False
        self._quiet = 0

    def _hear(self, frames: FloatArray) -> None:
        for frame in frames:
            self._decide(self._probability(frame))

    def _probability(self, frame: FloatArray) -> float:
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = frame
        if float(frame @ frame) < _ZERO * FRAME:
            return 0.0
        feed = {"input": self._input, "state": self._state}
        output, self._state = self._session.run(None, feed)
        return float(output[0, 0])

    def _decide(self, probability: float) -> None:
        self._probabilities.append(probability)
        if self._is_speaking:
            self._quiet = self._quiet + 1 if probability < self._negative else 0
            self._is_speech.append(True)
            if self._quiet == self._min_silence:
                self._mark(self._quiet, is_speech=False)
                self._is_speaking = False
        else:
            self._is_speaking = probability >= self._threshold
            self._quiet = 0
            self._is_speech.append(False)
            if self._is_speaking:
                self._mark(self._pre_roll + 1, is_speech=True)

    def _mark(self, count: int, *, is_speech: bool) -> None:
        """Change the verdict on the last frames."""
        count = min(count, len(self._is_speech))
        self._is_speech[-count:] = [is_speech] * count


@cache
def _session() -> Any:
    content = MODEL_PATH.read_bytes() if MODEL_PATH.exists() else b""
    if hashlib.sha256(content).hexdigest() != MODEL_SHA256:
        msg = f"{MODEL_PATH} is missing or damaged; reinstall ser-rt, or listen without (--no-vad)"
        raise BundleInvalidError(msg)
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
