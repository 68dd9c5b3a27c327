"""`ser-bench agreement`: whether models name the same emotions, with how similar probabilities."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ser_rt.audio.processing import read_audio
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.summary import differences
from ser_rt.bundle import Bundle, find_bundle, sample_path
from ser_rt.errors import ConfigError, DataError
from ser_rt.evaluation.metrics import unweighted_average_recall
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.runtime.stream import load, stream
from ser_rt.training.data.corpus import Clip, load_manifest

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier, FloatArray


class StreamOutput(NamedTuple):
    """Outputs of a model: probabilities ``[windows, labels]``, and each window's clip."""

    labels: tuple[str, ...]
    probabilities: np.ndarray[Any, Any]
    clip: np.ndarray[Any, Any]


def compare(flags: argparse.Namespace, report: Callable[[str], None]) -> dict[str, Any]:
    """Run all models over the same windows, one after the other; return the result."""
    references = [flags.reference] if flags.reference else []
    names = list(dict.fromkeys([*references, *(flags.bundle or [])]))
    if len(names) < 2:
        msg = "name two models at least: --bundle A B, or --reference A --bundle B"
        raise ConfigError(msg)
    clips = _clips(flags)
    report(f"{len(clips)} clips")
    reference, *others = [(name, _classify(name, clips, flags, report)) for name in names]
    found = [_row(name, outputs, *reference, clips) for name, outputs in [reference, *others]]
    return results.document(flags, clips=len(clips), rows=found)


def _clips(flags: argparse.Namespace) -> list[Clip]:
    if flags.data is None:
        return [Clip(sample_path(), "")]
    clips = load_manifest(flags.data, None, flags.split)
    picked = np.linspace(0, len(clips) - 1, min(flags.clips, len(clips))).round().astype(int)
    return [clips[i] for i in picked]


def _classify(
    name: str, clips: Sequence[Clip], flags: argparse.Namespace, report: Callable[[str], None]
) -> StreamOutput:
    report(f"classifying with {name}")
    classifier = _open(name, flags)
    how = _through_stream if flags.through == "stream" else _through_model
    found: list[FloatArray] = []
    owners: list[int] = []
    for number, clip in enumerate(clips):
        samples = read_audio(clip.path, classifier.sample_rate)
        rows = how(classifier, samples, flags)
        found += rows
        owners += [number] * len(rows)
    if not found:
        msg = "the clips hold no window"
        raise DataError(msg)
    return StreamOutput(classifier.labels, np.array(found, float), np.array(owners))


def _open(name: str, flags: argparse.Namespace) -> EmotionClassifier:
    if Path(name).is_dir() and not Path(name, MANIFEST_FILE).is_file():
        from ser_rt.loading import open_model

        return open_model(name)
    streaming = None if flags.through == "stream" else False
    return load(name, flags.provider, flags.threads, streaming=streaming)


def _through_model(
    classifier: EmotionClassifier, samples: FloatArray, flags: argparse.Namespace
) -> list[FloatArray]:
    window, hop = (round(s * classifier.sample_rate) for s in (flags.window, flags.hop))
    starts = range(0, max(1, len(samples) - window + 1), hop)
    return [classifier(samples[np.newaxis, start : start + window])[0] for start in starts]


def _through_stream(
    classifier: EmotionClassifier, samples: FloatArray, flags: argparse.Namespace
) -> list[FloatArray]:
    events = stream(
        samples,
        sample_rate=classifier.sample_rate,
        model=classifier,
        window_s=flags.window,
        hop_s=flags.hop,
        half_life_s=0.0,
        gate_threshold=0.0,
    )
    return [
        np.array([event.probabilities[label] for label in classifier.labels], np.float32)
        for event in events
        if event.type == "emotion"
    ]


def _row(
    name: str, outputs: StreamOutput, other: str, reference: StreamOutput, clips: Sequence[Clip]
) -> dict[str, Any]:
    folder = Path(name)
    is_bundle = not folder.is_dir() or (folder / MANIFEST_FILE).is_file()
    bundle = Bundle.load(find_bundle(name)) if is_bundle else None
    label = f"{bundle.name} {bundle.precision}" if bundle else f"{folder.name} PyTorch"
    variant = {"model": name, "label": label, "precision": bundle.precision if bundle else "fp32"}
    row: dict[str, Any] = {"variant": variant, "status": "ok", "problem": ""}
    if outputs.labels != reference.labels or outputs.clip.shape != reference.clip.shape:
        problem = f"its labels {outputs.labels} or windows are not those of {other}"
        return row | {"status": "failed", "problem": problem}
    row["agreement"] = differences(outputs.probabilities, reference.probabilities)
    row["agreement"]["with"] = Path(other).name
    gaps = np.abs(outputs.probabilities - reference.probabilities).max(axis=1)
    row["agreement"]["p99_difference"] = round(float(np.percentile(gaps, 99)), 6)
    scored = _scored(outputs, clips)
    return row | ({"uar": round(scored, 4)} if scored is not None else {})


def _scored(outputs: StreamOutput, clips: Sequence[Clip]) -> float | None:
    """Return the unweighted average recall over clips whose emotion the model knows."""
    known = [(i, clip) for i, clip in enumerate(clips) if clip.emotion in outputs.labels]
    if not known:
        return None
    true = np.array([outputs.labels.index(clip.emotion) for _, clip in known])
    means = [outputs.probabilities[outputs.clip == i].mean(axis=0) for i, _ in known]
    return unweighted_average_recall(true, np.array(means).argmax(axis=1), len(outputs.labels))
