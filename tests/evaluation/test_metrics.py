"""Measures agree with scikit-learn where it has them, and with their definitions elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.errors import DataError
from ser_rt.evaluation import metrics

CLASSES = 5
label_ids = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60
)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Split (true, predicted) pairs into two arrays."""
    both = np.array(pairs)
    return both[:, 0], both[:, 1]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


@given(label_ids)
@settings(deadline=None)
def test_measures_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """UAR, WA, macro-F1, per class figures and confusion equal the reference implementation."""
    from sklearn import metrics as sk

    true, predicted = columns(pairs)
    occurs = sorted(set(true.tolist()))
    everything = list(range(CLASSES))

    assert (
        metrics.confusion_matrix(true, predicted, CLASSES)
        == sk.confusion_matrix(true, predicted, labels=everything)
    ).all()
    recalls = sk.recall_score(true, predicted, labels=occurs, average="macro", zero_division=0)
    assert metrics.unweighted_average_recall(true, predicted, CLASSES) == pytest.approx(recalls)
    f1 = sk.f1_score(true, predicted, labels=occurs, average="macro", zero_division=0)
    assert metrics.macro_f1(true, predicted, CLASSES) == pytest.approx(f1)
    assert metrics.weighted_accuracy(true, predicted, CLASSES) == pytest.approx(
        sk.accuracy_score(true, predicted)
    )
    precision, recall, f1s, support = sk.precision_recall_fscore_support(
        true, predicted, labels=everything, zero_division=0
    )
    scores = metrics.per_class(true, predicted, CLASSES)
    assert [s.support for s in scores] == support.tolist()
    np.testing.assert_allclose([s.precision for s in scores], precision)
    np.testing.assert_allclose([s.f1 for s in scores], f1s)
    np.testing.assert_allclose([0.0 if not s.support else s.recall for s in scores], recall)


def test_unsupported_class_is_left_out_but_its_predictions_are_errors() -> None:
    """A clip predicted as a class that never occurs counts against its own class only."""
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert metrics.unweighted_average_recall(true, predicted, 3) == 0.75
    assert math.isnan(metrics.per_class(true, predicted, 3)[2].recall)


@pytest.mark.parametrize(
    ("true", "predicted"), [([], []), ([0, 1], [0]), ([0, 9], [0, 1]), ([-1], [0])]
)
def test_unfit_labels_are_refused(true: list[int], predicted: list[int]) -> None:
    """Empty, unequal and out of range label lists raise, with the reason."""
    with pytest.raises(DataError):
        metrics.confusion_matrix(np.array(true, int), np.array(predicted, int), 3)


def test_calibration_error_of_a_worked_example() -> None:
    """Two bins: 0.6 confident and half right, 0.9 confident and all right."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
    true = np.array([0, 1, 0, 0])
    assert metrics.expected_calibration_error(true, probabilities) == pytest.approx(0.1)
    curve = metrics.reliability_curve(true, probabilities)
    assert [(b.count, b.accuracy) for b in curve] == [(2, 0.5), (2, 1.0)]
    assert all(b.low < b.confidence <= b.high + 1e-12 for b in curve)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=30)
def test_calibration_error_lies_between_zero_and_one(seed: int, bins: int) -> None:
    """It is also at least the distance of mean confidence from accuracy."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 50)
    true = rng.integers(0, 4, 50)
    error = metrics.expected_calibration_error(true, probabilities, bins)
    accuracy = (probabilities.argmax(axis=1) == true).mean()
    assert abs(probabilities.max(axis=1).mean() - accuracy) - 1e-12 <= error <= 1
    assert sum(b.count for b in metrics.reliability_curve(true, probabilities, bins)) == 50


def test_likelihood_loss_equals_scikit_learn() -> None:
    """The same number of nats as `log_loss`."""
    from sklearn import metrics as sk

    rng = np.random.default_rng(1)
    probabilities, true = rng.dirichlet(np.ones(3), 40), rng.integers(0, 3, 40)
    expected = sk.log_loss(true, probabilities, labels=[0, 1, 2])
    assert metrics.negative_log_likelihood(true, probabilities) == pytest.approx(expected)
    assert math.isfinite(metrics.negative_log_likelihood(np.array([0]), np.array([[0.0, 1.0]])))


@pytest.mark.parametrize("stretch", [0.3, 1.0, 4.0])
def test_temperature_undoes_a_known_stretch(stretch: float) -> None:
    """Labels drawn from the softmax of logits; the stretched logits need the stretch back."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    true = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert metrics.fit_temperature(true, logits * stretch) == pytest.approx(stretch, rel=0.05)
    logs = np.log(softmax(logits * stretch))
    assert metrics.fit_temperature(true, logs) == pytest.approx(
        metrics.fit_temperature(true, logits * stretch), rel=1e-4
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_temperature_is_the_lowest_loss(seed: int) -> None:
    """No temperature near the fitted one does better, and it beats leaving logits as they are."""
    rng = np.random.default_rng(seed)
    logits, true = rng.normal(0, 3, (60, 3)), rng.integers(0, 3, 60)
    fitted = metrics.fit_temperature(true, logits)

    def loss(temperature: float) -> float:
        return metrics.negative_log_likelihood(true, softmax(logits / temperature))

    assert (
        loss(fitted) <= min(loss(1.0), *(loss(min(fitted * k, 50.0)) for k in (1.05, 0.95))) + 1e-6
    )


def test_scores_that_cannot_be_are_refused() -> None:
    """NaN, unequal lengths and label ids without a column raise."""
    for true, scores in (
        ([0], [[float("nan"), 0.0]]),
        ([0, 1], [[0.5, 0.5]]),
        ([2], [[0.5, 0.5]]),
    ):
        with pytest.raises(DataError):
            metrics.negative_log_likelihood(np.array(true), np.array(scores))


def test_bootstrap_draws_whole_groups_within_strata() -> None:
    """Two strata of one group each cannot vary; clips can; a seed gives the same interval again."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, 3, 200)
    predicted = np.where(rng.random(200) < 0.7, true, rng.integers(0, 3, 200))
    speaker = np.repeat(["a", "b"], 100)
    uar = metrics.unweighted_average_recall(true, predicted, 3)

    fixed = metrics.bootstrap_interval(true, predicted, speaker, 3, draws=50, strata=speaker)
    assert fixed == pytest.approx((uar, uar))
    clips = metrics.bootstrap_interval(true, predicted, None, 3, draws=200)
    assert clips[0] < uar < clips[1]
    assert clips == metrics.bootstrap_interval(true, predicted, None, 3, draws=200)
    assert clips != metrics.bootstrap_interval(true, predicted, None, 3, draws=200, seed=1)


def test_bootstrap_over_speakers_is_wider_when_speakers_differ() -> None:
    """One speaker always right, one always wrong: clips alone would hide it."""
    true = np.tile([0, 1], 100)
    predicted = np.concatenate([true[:100], 1 - true[100:]])
    speaker = np.repeat([1, 2], 100)
    assert metrics.bootstrap_interval(true, predicted, speaker, 2, metrics.macro_f1) == (0.0, 1.0)
    low, high = metrics.bootstrap_interval(true, predicted, None, 2, metrics.macro_f1)
    assert high - low < 0.2
    with pytest.raises(DataError):
        metrics.bootstrap_interval(true, predicted, speaker[:3], 2)
