"""`Evaluation` and its scores, computed from labels and probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser_rt.evaluation import metrics
from ser_rt.evaluation.dimensions import Concordance
from ser_rt.evaluation.metrics import LabelIds
from ser_rt.evaluation.sounds import SoundCount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ser_rt.classifier import FloatArray

FEW_SPEAKERS = 5
"""With fewer speakers an interval over them means little; reports mark it."""

_LOG_FLOOR = 1e-12
_MOST_FOLDS = 5


@dataclass(frozen=True)
class Score:
    """Metrics of a set of clips.

    `interval_speakers` and `interval_clips` are 95 % bootstrap intervals of `uar`, from drawing
    speakers (within their dataset) and clips again. Clips of a speaker are alike: the second is
    too narrow for unseen speakers. The first is None with fewer than two speakers.
    """

    clips: int
    speakers: int
    uar: float
    interval_speakers: tuple[float, float] | None
    interval_clips: tuple[float, float] | None
    weighted_accuracy: float
    macro_f1: float
    classes: dict[str, metrics.ClassScore]
    confusion: list[list[int]]


@dataclass(frozen=True)
class Calibration:
    """Calibration of the probabilities, as they are and after temperature scaling.

    `temperature` is fitted on all clips: divide logits by it. `ece_after` and `nll_after` are
    cross-fitted: the temperature of each fold was fitted on the other folds, so that they hold
    for unseen clips. `folds_by` is "speaker" if speakers were kept together, else "clip".
    `by_dataset` is the ECE of each dataset as it is.
    """

    ece: float
    nll: float
    temperature: float
    ece_after: float | None
    nll_after: float | None
    folds_by: str
    curve: list[metrics.ReliabilityBin]
    by_dataset: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipPrediction:
    """The true emotion of a clip, and its probabilities; "" for an unknown dataset or speaker."""

    path: str
    true: str
    probabilities: dict[str, float]
    dataset: str = ""
    speaker: str = ""

    @property
    def predicted(self) -> str:
        """The most probable emotion."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True)
class LeftOut:
    """A clip in no metric: of another split or dataset, or of an emotion that the model lacks."""

    path: str
    emotion: str
    split: str
    other_split: bool
    dataset: str = ""
    other_dataset: bool = False

    @property
    def not_selected(self) -> bool:
        """Whether it is left out whatever its emotion."""
        return self.other_split or self.other_dataset


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Every clip of the data is in `overall`, or in `failed` (by path), or counted in `left_out` (by
    emotion), `other_splits` (by split) or `other_datasets`. `left_out_clips` lists those of the
    last three.

    `groups` maps a column (dataset, speaker, language, gender) and a value to its score.
    `windows` and `robustness` map a window length or condition, and then "all" or a dataset, to
    the UAR. `sounds` are counts of `count_alarms` by category, and `temperature` is that which the
    probabilities have been divided by already. `about` is what was judged, when and with what.
    """

    labels: tuple[str, ...]
    overall: Score
    calibration: Calibration
    groups: dict[str, dict[str, Score]] = field(default_factory=dict)
    windows: dict[str, dict[str, float]] = field(default_factory=dict)
    robustness: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    other_splits: dict[str, int] = field(default_factory=dict)
    dimensions: dict[str, Concordance] = field(default_factory=dict)
    other_datasets: dict[str, int] = field(default_factory=dict)
    left_out_clips: list[LeftOut] = field(default_factory=list)
    predictions: list[ClipPrediction] = field(default_factory=list)
    sounds: dict[str, SoundCount] = field(default_factory=dict)
    temperature: float = 1.0
    about: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        return asdict(self)


def owners(speakers: Sequence[str]) -> list[str]:
    """Return who speaks in each clip; whom nobody knows is another person in each.

    >>> owners(["anna", "", "anna", ""])
    ['anna', '#1', 'anna', '#3']
    """
    return [name or f"#{number}" for number, name in enumerate(speakers)]


def distinct_speakers(speakers: Sequence[str], datasets: Sequence[str]) -> list[str]:
    """Return names of speakers that differ between datasets: two may have one of the same name.

    >>> distinct_speakers(["01", "01", "anna", ""], ["a", "b", "b", "b"])
    ['a/01', 'b/01', 'anna', '']
    """
    homes: dict[str, set[str]] = {}
    for speaker, dataset in zip(speakers, datasets, strict=True):
        homes.setdefault(speaker, set()).add(dataset)
    return [
        f"{dataset}/{speaker}" if speaker and len(homes[speaker]) > 1 else speaker
        for speaker, dataset in zip(speakers, datasets, strict=True)
    ]


def score(
    true: LabelIds,
    predicted: LabelIds,
    labels: Sequence[str],
    speakers: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    *,
    intervals: bool = True,
) -> Score:
    """Return the score of label ids ``[clips]``; without `intervals` it is much faster."""
    count = len(labels)
    known = len(set(speakers or ()) - {""})
    over_speakers = over_clips = None
    if intervals:
        over_clips = metrics.bootstrap_interval(true, predicted, None, count, strata=datasets)
        if known > 1:
            over_speakers = metrics.bootstrap_interval(
                true, predicted, owners(speakers or ()), count, strata=datasets
            )
    return Score(
        clips=len(true),
        speakers=known,
        uar=metrics.unweighted_average_recall(true, predicted, count),
        interval_speakers=over_speakers,
        interval_clips=over_clips,
        weighted_accuracy=metrics.weighted_accuracy(true, predicted, count),
        macro_f1=metrics.macro_f1(true, predicted, count),
        classes=dict(zip(labels, metrics.per_class(true, predicted, count), strict=True)),
        confusion=metrics.confusion_matrix(true, predicted, count).tolist(),
    )


def score_groups(
    true: LabelIds,
    predicted: LabelIds,
    labels: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, Score]]:
    """Return a score for every value of every column; empty values are left out."""
    speakers = groups.get("speaker")
    scores: dict[str, dict[str, Score]] = {}
    for column, values in groups.items():
        table = np.array(values)
        for value in sorted(set(values) - {""}):
            here = np.flatnonzero(table == value)
            scores.setdefault(column, {})[value] = score(
                true[here],
                predicted[here],
                labels,
                None if speakers is None else [speakers[i] for i in here.tolist()],
                intervals=column != "speaker",
            )
    return scores


def uar_by_dataset(
    true: LabelIds, predicted: LabelIds, datasets: Sequence[str] | None
) -> dict[str, float]:
    """Return the UAR of all clips, and of every dataset."""
    count = 1 + int(max(true.max(), predicted.max()))
    found = {"all": metrics.unweighted_average_recall(true, predicted, count)}
    table = np.array(datasets or [])
    for name in sorted(set(table.tolist()) - {""}):
        here = table == name
        found[name] = metrics.unweighted_average_recall(true[here], predicted[here], count)
    return found


def calibrate(
    true: LabelIds,
    probabilities: FloatArray,
    speakers: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> Calibration:
    """Return the calibration, with and without a fitted temperature.

    Guo et al. (ICML 2017) fit the temperature on held-out data; with one set of clips at hand,
    folds of it take turns, and speakers are never on both sides where they are known.
    """
    logits = log_probabilities(probabilities)
    by_speaker = len(set(speakers or ()) - {""}) > 1
    names = owners(speakers or ())
    owner = np.unique(np.array(names), return_inverse=True)[1] if by_speaker else None
    fold = (np.arange(len(true)) if owner is None else owner) % _MOST_FOLDS
    after = np.empty_like(logits)
    for one in np.unique(fold):
        outside = fold != one
        if outside.any():
            after[~outside] = temper(
                logits[~outside], metrics.fit_temperature(true[outside], logits[outside])
            )
    split = len(np.unique(fold)) > 1
    origin = np.array(datasets or [])
    by_dataset = {
        name: metrics.expected_calibration_error(
            true[origin == name], probabilities[origin == name]
        )
        for name in sorted(set(origin.tolist()) - {""})
    }
    return Calibration(
        ece=metrics.expected_calibration_error(true, probabilities),
        nll=metrics.negative_log_likelihood(true, probabilities),
        temperature=metrics.fit_temperature(true, logits),
        ece_after=metrics.expected_calibration_error(true, after) if split else None,
        nll_after=metrics.negative_log_likelihood(true, after) if split else None,
        folds_by="speaker" if by_speaker else "clip",
        curve=metrics.reliability_curve(true, probabilities),
        by_dataset=by_dataset,
    )


def log_probabilities(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return logarithms of probabilities ``[clips, labels]``; they will do for logits."""
    return np.asarray(np.log(np.maximum(np.asarray(probabilities, np.float64), _LOG_FLOOR)))


def temper(logits: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """Return the softmax of logits ``[clips, labels]`` divided by a temperature."""
    scaled = logits / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
