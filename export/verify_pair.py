"""The gate of a split graph: features computed in pieces must give the same probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.export.files import open_session
from ser_rt.export.precision import Tolerances
from ser_rt.export.speech import ReferenceSpeech
from ser_rt.export.split import Frames
from ser_rt.export.verify import GateResult

_FRAMES_A_PIECE = 25
"""Half a second, with the usual strides."""


def verify_pair(
    result: GateResult,
    whole: Path,
    pair: tuple[Path, Path],
    frames: Frames,
    speech: ReferenceSpeech,
    limits: Tolerances,
) -> None:
    """Compare the whole graph with its parts, the features computed in pieces of half a second.

    The measures, and any failure, are added to a result.
    """
    session, (frontend, encoder) = open_session(whole), (open_session(path) for path in pair)
    worst, where, feature_gap = 0.0, "", 0.0
    for probe in [probe for probe in speech.probes if probe.label is None]:
        right = session.run(["probabilities"], {"input_values": probe.waveforms})[0]
        at_once = frontend.run(None, {"input_values": probe.waveforms})[0]
        pieces = [
            frontend.run(None, {"input_values": piece})[0]
            for piece in _pieces(probe.waveforms, at_once.shape[1], frames)
        ]
        features = np.concatenate(pieces, axis=1)
        feature_gap = max(feature_gap, float(np.abs(features - at_once).max()))
        got = encoder.run(["probabilities"], {"features": features})[0]
        gap = float(np.abs(got - right).max())
        if gap >= worst:
            worst, where = gap, probe.name
    result.measured["max_feature_difference"] = feature_gap
    result.measured["max_pair_difference"] = worst
    result.limit("max_pair_difference", limits.pair, where)


def _pieces(waveforms: FloatArray, count: int, frames: Frames) -> list[FloatArray]:
    """Return the samples of every 25 frames of waveforms that give `count` of them."""
    starts = range(0, count, _FRAMES_A_PIECE)
    sizes = [min(_FRAMES_A_PIECE, count - start) for start in starts]
    return [
        waveforms[:, start * frames.stride : start * frames.stride + frames.samples(size)]
        for start, size in zip(starts, sizes, strict=True)
    ]
