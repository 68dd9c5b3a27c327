"""`ser-bench quality`: what is right on the same clips, of our models and of others."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_rt.benchmarks.quality.corpus import CorpusPart, Indices, SplitCorpus, read_corpus
from ser_rt.benchmarks.quality.judging import aligned, judge
from ser_rt.benchmarks.quality.ours import Ours, open_ours
from ser_rt.benchmarks.quality.peers import PEERS, TrainedPeer, check_names, packages, trained
from ser_rt.benchmarks.report import results
from ser_rt.bundle import DEFAULT_BUNDLE, Bundle, built_in_bundles, find_bundle
from ser_rt.config import DataConfig, model_config
from ser_rt.errors import MissingDependencyError
from ser_rt.evaluation.batching import classify
from ser_rt.judging.hosted import HostedClassifier, check_meanings, parse_meanings

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier

Row = dict[str, Any]
Report = Callable[[str], None]


def compare(flags: argparse.Namespace, report: Report) -> Row:
    """Judge all on the same clips, one after the other; return the result.

    Raises:
        ConfigError: a flag names something that there is not.
        DataError: the corpus is unfit.
        SerError: a model cannot be opened.
    """
    check_names(flags.peer)
    same_labels = DataConfig(same_labels=tuple(flags.same_labels)).same_labels
    known = [label.en for label in Bundle.load(find_bundle(DEFAULT_BUNDLE)).labels]
    labels = tuple(flags.emotion_labels or known)
    meanings = parse_meanings(flags.labels, "--labels")
    hosted = {name: HostedClassifier(name, meanings) for name in flags.model}
    check_meanings(hosted, meanings, labels, "--labels")
    ours = [open_ours(name) for name in flags.bundle or built_in_bundles()]
    corpus = read_corpus(flags.corpus, labels, same_labels, flags.split, flags.val_split, report)
    new_corpora = {} if flags.no_new_corpora else corpus.new_corpora()
    session = QualityComparison(corpus, labels, new_corpora, report)
    rows = [
        *map(session.ours, ours),
        *(session.peer(name, PEERS[name]) for name in flags.peer or PEERS),
        *(session.hosted(name, model) for name, model in hosted.items()),
    ]
    return results.document(flags, labels=labels, chance=session.chance(), rows=rows)


class QualityComparison:
    """The clips to judge on, and the rows of each kind of recognizer."""

    def __init__(
        self,
        corpus: SplitCorpus,
        labels: tuple[str, ...],
        new_corpora: Mapping[str, CorpusPart],
        report: Report,
    ) -> None:
        self._corpus, self._labels, self._report = corpus, labels, report
        self._new_speakers = corpus.new_speakers()
        self._new_corpora = new_corpora

    def ours(self, model: Ours) -> Row:
        """Judge a model of ser-rt: on corpora as new ones only if it was trained without them."""
        judged = self._new_speakers.judged
        row = _row(model.name, model.label)
        known = model.known_among(name for clip in self._corpus.pick(judged) for name in clip.names)
        if known:
            problem = f"its training has seen {len(known)} of these speakers, such as {known[0]}"
            return row | {"status": "failed", "problem": problem}
        new = {name: part.judged for name, part in self._new_corpora.items() if model.is_new(name)}
        self._report(f"classifying with {model.label}")
        return row | self._classified(model.classifier, judged, new)

    def hosted(self, name: str, model: HostedClassifier) -> Row:
        """Judge a transformers model as it is; nobody knows here what it was trained on."""
        self._report(f"classifying with {name}")
        named = dict(zip(model.own_labels, model.labels, strict=True))
        row = _row(name, f"{name} (as it is)") | {"labels": named}
        return row | self._classified(model, self._new_speakers.judged, {})

    def peer(self, name: str, peer: TrainedPeer) -> Row:
        """Train a peer and judge it, then again for each corpus without that corpus."""
        row = _row(name, peer.label)
        try:
            classify_part = trained(peer, self._corpus, self._labels, self._report)
        except MissingDependencyError as error:
            return row | {"status": "failed", "problem": str(error)}
        self._report(f"training {peer.label}")
        found = classify_part(self._new_speakers)
        chosen = {"new speakers": found.chosen}
        new = {}
        for dataset, part in self._new_corpora.items():
            self._report(f"training {peer.label} without {dataset}")
            outcome = classify_part(part)
            new[dataset] = (part.judged, outcome.probabilities)
            chosen[f"new corpus {dataset}"] = outcome.chosen
        return row | {
            "packages": packages(peer),
            "chosen": chosen,
            "new_speakers": self._judge([(self._new_speakers.judged, found.probabilities)]),
            "new_corpora": self._judge(new.values()) if new else None,
        }

    def chance(self) -> dict[str, dict[str, float]]:
        """Return the UAR of guessing: one over the emotions that occur, by part and dataset."""
        parts = {"new_speakers": [self._new_speakers.judged]}
        if self._new_corpora:
            parts["new_corpora"] = [part.judged for part in self._new_corpora.values()]
        return {name: _chance(self._corpus, indices) for name, indices in parts.items()}

    def _classified(
        self, classifier: EmotionClassifier, judged: Indices, new: Mapping[str, Indices]
    ) -> Row:
        wanted = np.unique(np.concatenate([judged, *new.values()]))
        probabilities = aligned(
            classify(
                classifier,
                [self._corpus.audio[i] for i in wanted.tolist()],
                model_config.max_duration,
            ),
            classifier.labels,
            self._labels,
        )
        found = np.zeros((len(self._corpus.clips), len(self._labels)))
        found[wanted] = probabilities
        parts = [(indices, found[indices]) for indices in new.values()]
        return {
            "new_speakers": self._judge([(judged, found[judged])]),
            "new_corpora": self._judge(parts) if parts else None,
        }

    def _judge(self, parts: Iterable[tuple[Indices, Any]]) -> Row:
        indices, probabilities = map(np.concatenate, zip(*parts, strict=True))
        return judge(self._corpus.pick(indices), probabilities, self._labels)


def _row(model: str, label: str) -> Row:
    variant = {"runner": "quality", "model": model, "label": label}
    return {"variant": variant, "status": "ok", "problem": ""}


def _chance(corpus: SplitCorpus, parts: Sequence[Indices]) -> dict[str, float]:
    emotions: dict[str, set[str]] = {}
    for clip in corpus.pick(np.concatenate(parts)):
        emotions.setdefault(clip.dataset, set()).add(clip.emotion)
    return {name: 1 / len(found) for name, found in emotions.items()}
