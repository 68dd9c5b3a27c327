"""The gate of a graph that was cut in two: features made in pieces must serve as well."""

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
    verdict: GateResult,
    whole: Path,
    pair: tuple[Path, Path],
    frames: Frames,
    speech: ReferenceSpeech,
    limits: Tolerances,
) -> None:
    """Compare the whole graph with its parts, the features computed in pieces of half a second.

    What is measured, and any failure, is added to a verdict.
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
    verdict.measured["max_feature_difference"] = feature_gap
    verdict.measured["max_pair_difference"] = worst
    verdict.limit("max_pair_difference", limits.pair, where)


def _pieces(waveforms: FloatArray, count: int, frames: Frames) -> list[FloatArray]:
    """Cut the samples of every 25 frames out of waveforms that give `count` of them."""
    starts = range(0, count, _FRAMES_A_PIECE)
    sizes = [min(_FRAMES_A_PIECE, count - start) for start in starts]
    return [
        waveforms[:, start * frames.stride : start * frames.stride + frames.samples(size)]
        for start, size in zip(starts, sizes, strict=True)
    ]
