"""The peers that are trained here: features and a classifier each."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser_rt.benchmarks.quality import classical
from ser_rt.benchmarks.quality.classical import METHODS, train_and_classify
from ser_rt.benchmarks.quality.features import COMPARE, EGEMAPS, MFCC, FeatureSet, features_of
from ser_rt.benchmarks.quality.kept import kept
from ser_rt.errors import ConfigError, requires

if TYPE_CHECKING:
    from ser_rt.benchmarks.quality.corpus import CorpusPart, SplitCorpus
    from ser_rt.training.data.corpus import Clip


@dataclass(frozen=True)
class TrainedPeer:
    """A recognizer that is trained on the corpus; `method` is a name in `METHODS`."""

    label: str
    features: FeatureSet
    method: str


@dataclass(frozen=True)
class Outcome:
    """Probabilities of the judged clips ``[clips, labels]``, and what training chose."""

    probabilities: npt.NDArray[np.float64]
    chosen: dict[str, Any]


PEERS = {
    "opensmile-compare": TrainedPeer("openSMILE ComParE, SVM", COMPARE, "SVM"),
    "opensmile-egemaps": TrainedPeer("openSMILE eGeMAPS, SVM", EGEMAPS, "SVM"),
    "mfcc": TrainedPeer("MFCC, logistic regression", MFCC, "logistic regression"),
}


def check_names(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a peer that there is not."""
    for name in names:
        if name not in PEERS:
            msg = f"--peer {name!r}: there are {', '.join(PEERS)}"
            raise ConfigError(msg)


def trained(
    peer: TrainedPeer, corpus: SplitCorpus, labels: Sequence[str], report: Callable[[str], None]
) -> Callable[[CorpusPart], Outcome]:
    """Return what trains a peer on a part of a corpus and classifies the rest.

    Raises:
        MissingDependencyError: a package that it needs is not installed.
    """
    with requires("scikit-learn", "peers"):
        import sklearn
    rows = features_of(peer.features, corpus.audio, report)
    recipe = (inspect.getsource(classical), sklearn.__version__, peer.method, tuple(labels))

    def classify(part: CorpusPart) -> Outcome:
        clips = corpus.pick(part.train)
        key = (*recipe, list(map(_known, clips)), rows[part.train], rows[part.judged])

        def make() -> dict[str, npt.NDArray[Any]]:
            found = train_and_classify(
                METHODS[peer.method], clips, rows[part.train], rows[part.judged], labels
            )
            chosen = {
                "settings": str(found.choice),
                "temperature": found.temperature,
                "held_out_uar": found.held_out_uar,
            }
            return {"probabilities": found.probabilities, "chosen": np.array(json.dumps(chosen))}

        arrays = kept("trained", key, make)
        return Outcome(arrays["probabilities"], json.loads(str(arrays["chosen"])))

    return classify


def packages(peer: TrainedPeer) -> dict[str, str]:
    """Return the versions of the packages that a peer is made of."""
    return {name: version(name) for name in (peer.features.package, "scikit-learn")}


def _known(clip: Clip) -> tuple[str, str, str]:
    return clip.emotion, clip.speaker, clip.dataset
