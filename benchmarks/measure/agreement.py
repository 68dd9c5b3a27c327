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
from ser_rt.training.data.corpus import Clip, load_manifest, relabel

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
    models = [model for name in names for model in _models(name, flags.through)]
    if len(models) < 2:
        msg = (
            "name two models at least: --bundle A B, or --reference A --bundle B, or one that "
            "streams and --through both"
        )
        raise ConfigError(msg)
    clips = _clips(flags)
    report(f"{len(clips)} clips")
    reference, *others = [(model, _classify(model, clips, flags, report)) for model in models]
    found = [_row(model, outputs, *reference, clips) for model, outputs in [reference, *others]]
    return results.document(flags, clips=len(clips), rows=found)


class ComparedModel(NamedTuple):
    """A bundle or training run, and how its windows are computed."""

    name: str
    streaming: bool | None
    """Hop by hop with caches, or whole windows; None as the bundle has it."""
    way: str = ""
    """What tells it from the same model, computed otherwise."""

    @property
    def is_bundle(self) -> bool:
        """Whether it is a bundle, no training run."""
        folder = Path(self.name)
        return not folder.is_dir() or (folder / MANIFEST_FILE).is_file()


def _models(name: str, through: str) -> list[ComparedModel]:
    if through != "both":
        return [ComparedModel(name, streaming=None if through == "stream" else False)]
    model = ComparedModel(name, streaming=False)
    if not model.is_bundle or Bundle.load(find_bundle(name)).streaming is None:
        return [model]
    return [model._replace(way="windowed"), ComparedModel(name, streaming=True, way="streaming")]


def _clips(flags: argparse.Namespace) -> list[Clip]:
    if flags.data is None:
        return [Clip(sample_path(), "")]
    clips = relabel(load_manifest(flags.data, None, flags.split), flags.same_labels)
    picked = np.linspace(0, len(clips) - 1, min(flags.clips, len(clips))).round().astype(int)
    return [clips[i] for i in picked]


def _classify(
    model: ComparedModel,
    clips: Sequence[Clip],
    flags: argparse.Namespace,
    report: Callable[[str], None],
) -> StreamOutput:
    report(f"classifying with {model.name} {model.way}".rstrip())
    classifier = _open(model, flags)
    how = _through_model if flags.through == "window" else _through_stream
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


def _open(model: ComparedModel, flags: argparse.Namespace) -> EmotionClassifier:
    if not model.is_bundle:
        from ser_rt.loading import open_model

        return open_model(model.name)
    return load(model.name, flags.provider, flags.threads, streaming=model.streaming)


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
    model: ComparedModel,
    outputs: StreamOutput,
    other: ComparedModel,
    reference: StreamOutput,
    clips: Sequence[Clip],
) -> dict[str, Any]:
    bundle = Bundle.load(find_bundle(model.name)) if model.is_bundle else None
    label = f"{bundle.name} {bundle.precision}" if bundle else f"{Path(model.name).name} PyTorch"
    variant = {
        "model": model.name,
        "label": f"{label} {model.way}".rstrip(),
        "precision": bundle.precision if bundle else "fp32",
        "streaming": model.streaming,
    }
    row: dict[str, Any] = {"variant": variant, "status": "ok", "problem": ""}
    if outputs.labels != reference.labels or outputs.clip.shape != reference.clip.shape:
        problem = f"its labels {outputs.labels} or windows are not those of {other.name}"
        return row | {"status": "failed", "problem": problem}
    row["agreement"] = differences(outputs.probabilities, reference.probabilities)
    row["agreement"]["with"] = f"{Path(other.name).name} {other.way}".rstrip()
    gaps = np.abs(outputs.probabilities - reference.probabilities).max(axis=1)
    row["agreement"]["p99_difference"] = round(float(np.percentile(gaps, 99)), 6)
    return row | _scored(outputs, clips)


def _scored(outputs: StreamOutput, clips: Sequence[Clip]) -> dict[str, Any]:
    """Return the unweighted average recall over clips whose emotion the model knows."""
    known = [i for i, clip in enumerate(clips) if clip.emotion in outputs.labels]
    if not known:
        return {}
    by_dataset: dict[str, list[int]] = {}
    for i in known:
        by_dataset.setdefault(clips[i].dataset, []).append(i)
    found = {name: round(_uar(outputs, clips, i), 4) for name, i in by_dataset.items()}
    scores: dict[str, Any] = {"uar": round(_uar(outputs, clips, known), 4)}
    if len(found) > 1:
        mean = round(float(np.mean(list(found.values()))), 4)
        scores |= {"uar_by_dataset": found, "uar_of_datasets": mean}
    return scores


def _uar(outputs: StreamOutput, clips: Sequence[Clip], of: Sequence[int]) -> float:
    true = np.array([outputs.labels.index(clips[i].emotion) for i in of])
    means = [outputs.probabilities[outputs.clip == i].mean(axis=0) for i in of]
    return unweighted_average_recall(true, np.array(means).argmax(axis=1), len(outputs.labels))
