"""Classifiers of features: a support vector machine, and logistic regression.

Whatever there is to choose is chosen by speakers held out of the training clips, in turns: kernel
and cost by the mean over datasets of the UAR, and the temperature of the probabilities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser_rt.errors import DataError, requires
from ser_rt.evaluation.metrics import fit_temperature, unweighted_average_recall
from ser_rt.evaluation.scores import temper

if TYPE_CHECKING:
    from ser_rt.training.data.corpus import Clip

Rows = npt.NDArray[np.floating[Any]]
LabelIds = npt.NDArray[np.int64]

FOLDS = 3
BALANCE = 0.6
"""Clips weigh ``count(dataset, emotion) ** -BALANCE``, as in training the built-in models."""
FEWEST_CLIPS = 20
"""Datasets with fewer clips choose nothing."""
MOST_DEVIATIONS = 5.0
"""A standardised feature is cut here: a single one must not decide for a corpus never met."""


@dataclass(frozen=True)
class Choice:
    """Settings of a classifier: its kernel ("" where there is none), and the cost of an error."""

    kernel: str
    cost: float

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.kernel} C={self.cost:g}".strip()


@dataclass(frozen=True)
class TrainingSet:
    """Features ``[clips, features]``, label ids and weights ``[clips]``."""

    rows: Rows
    labels: LabelIds
    weights: Rows

    def pick(self, indices: npt.NDArray[np.intp]) -> TrainingSet:
        """Return some of the clips."""
        return TrainingSet(self.rows[indices], self.labels[indices], self.weights[indices])


Score = Callable[[TrainingSet, Rows, Sequence[Choice]], Iterator[tuple[Choice, Rows]]]
"""Trains with each choice; yields it with the scores ``[tests, classes of the training set]``."""


@dataclass(frozen=True)
class Method:
    """A kind of classifier, and what it may choose from."""

    score: Score
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Trained:
    """Probabilities of the test clips ``[tests, labels]``, and what was chosen on the others."""

    probabilities: Rows
    choice: Choice
    temperature: float
    held_out_uar: float
    """Mean over the training datasets, of speakers held out."""


def train_and_classify(
    method: Method, clips: Sequence[Clip], rows: Rows, tests: Rows, labels: Sequence[str]
) -> Trained:
    """Choose settings, train on all clips, and classify the tests.

    Args:
        method: one of `METHODS`.
        clips: clips to train on.
        rows: features of each ``[clips, features]``.
        tests: features of the clips to classify ``[tests, features]``.
        labels: emotions, in the order of the probabilities.

    Raises:
        DataError: the clips have fewer than two speakers or emotions.
    """
    ids = np.array([labels.index(clip.emotion) for clip in clips], np.int64)
    data = TrainingSet(rows, ids, _weights(clips))
    held_out = _held_out_scores(method, data, clips, len(labels))
    datasets = np.array([clip.dataset for clip in clips])
    found = {
        choice: _mean_uar(ids, scores.argmax(axis=1), datasets, len(labels))
        for choice, scores in held_out.items()
    }
    best = max(found, key=found.__getitem__)
    temperature = fit_temperature(ids, held_out[best])
    ((_, scores),) = _score(method, data, tests, [best], len(labels))
    return Trained(temper(scores, temperature), best, temperature, found[best])


def _held_out_scores(
    method: Method, data: TrainingSet, clips: Sequence[Clip], count: int
) -> dict[Choice, npt.NDArray[np.float64]]:
    """Return the scores of each clip by what was trained without its speaker, for each choice."""
    with requires("scikit-learn", "peers"):
        from sklearn.model_selection import StratifiedGroupKFold
    speakers = np.array([clip.speaker or str(clip.path) for clip in clips])
    folds = min(FOLDS, len(set(speakers.tolist())))
    if folds < 2 or len(set(data.labels.tolist())) < 2:
        msg = "the clips to train on must have two speakers and two emotions at least"
        raise DataError(msg)
    found = {choice: np.zeros((len(clips), count)) for choice in method.choices}
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    for train, held in splitter.split(data.rows, data.labels, speakers):
        part = data.pick(train)
        for choice, scores in _score(method, part, data.rows[held], method.choices, count):
            found[choice][held] = scores
    return found


def _score(
    method: Method, data: TrainingSet, tests: Rows, choices: Sequence[Choice], count: int
) -> Iterator[tuple[Choice, npt.NDArray[np.float64]]]:
    """Yield scores ``[tests, count]``; a class without training clips is the last of each row."""
    train, tests = _standardised(data.rows, tests)
    present = np.unique(data.labels)
    for choice, scores in method.score(
        TrainingSet(train, data.labels, data.weights), tests, choices
    ):
        columns = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
        whole = np.repeat(columns.min(axis=1, keepdims=True) - 1.0, count, axis=1)
        whole[:, present] = columns
        yield choice, whole


def _standardised(train: Rows, tests: Rows) -> tuple[Rows, Rows]:
    """Standardise both by the first's means and deviations; an undefined value is the mean."""
    with np.errstate(invalid="ignore"):
        finite = np.where(np.isfinite(train), train, np.nan).astype(np.float64)
    known = np.isfinite(finite).any(axis=0)
    means, deviations = np.zeros(train.shape[1]), np.ones(train.shape[1])
    means[known] = np.nanmean(finite[:, known], axis=0)
    deviations[known] = np.nanstd(finite[:, known], axis=0)
    # A feature that hardly varies in training says nothing, and much of unlike clips.
    flat = deviations <= 1e-7 * np.maximum(1.0, np.abs(means))
    deviations[flat] = np.inf

    def scaled(rows: Rows) -> Rows:
        values = (rows - means) / deviations
        return np.nan_to_num(values, nan=0.0).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)

    return scaled(finite), scaled(tests.astype(np.float64))


def _svm(
    data: TrainingSet, tests: Rows, choices: Sequence[Choice]
) -> Iterator[tuple[Choice, Rows]]:
    """Support vector machine, one against one; both kernels from one matrix product.

    The linear kernel is the mean, not the sum, over features, and the radial one has
    ``gamma = 1 / features``, so that the same costs suit 88 features and 6,373.
    """
    with requires("scikit-learn", "peers"):
        from sklearn.svm import SVC
    size = data.rows.shape[1]
    within, across = data.rows @ data.rows.T / size, tests @ data.rows.T / size
    own, others = np.diag(within).copy(), (tests**2).mean(axis=1)
    for kernel in dict.fromkeys(choice.kernel for choice in choices):
        train, test = within, across
        if kernel == "rbf":
            train = np.exp(2 * within - own[:, None] - own)
            test = np.exp(2 * across - others[:, None] - own)
        for choice in (each for each in choices if each.kernel == kernel):
            machine = SVC(C=choice.cost, kernel="precomputed", cache_size=1000)
            machine.fit(train, data.labels, sample_weight=data.weights)
            yield choice, machine.decision_function(test)


def _logistic(
    data: TrainingSet, tests: Rows, choices: Sequence[Choice]
) -> Iterator[tuple[Choice, Rows]]:
    """Multinomial logistic regression."""
    with requires("scikit-learn", "peers"):
        from sklearn.linear_model import LogisticRegression
    for choice in choices:
        machine = LogisticRegression(C=choice.cost, max_iter=2000)
        machine.fit(data.rows, data.labels, sample_weight=data.weights)
        yield choice, machine.decision_function(tests)


METHODS = {
    "SVM": Method(
        _svm,
        (
            *(Choice("linear", cost) for cost in (0.1, 1, 10)),
            *(Choice("rbf", cost) for cost in (1, 10, 100)),
        ),
    ),
    "logistic regression": Method(
        _logistic, tuple(Choice("", cost) for cost in (0.001, 0.01, 0.1, 1, 10))
    ),
}


def _weights(clips: Sequence[Clip]) -> Rows:
    groups = [(clip.dataset, clip.emotion) for clip in clips]
    counts = Counter(groups)
    weights: Rows = np.array([counts[group] ** -BALANCE for group in groups])
    weights /= weights.mean()
    return weights


def _mean_uar(true: LabelIds, predicted: LabelIds, datasets: npt.NDArray[Any], count: int) -> float:
    """Return the mean of the UAR over datasets that have clips enough for one."""
    parts = [datasets == name for name in np.unique(datasets)]
    parts = [part for part in parts if part.sum() >= FEWEST_CLIPS] or [np.ones(len(true), bool)]
    uars = [unweighted_average_recall(true[part], predicted[part], count) for part in parts]
    return float(np.mean(uars))
