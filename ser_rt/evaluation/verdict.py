"""`chance_of` and `verdict_of`: whether a model knows more than guessing, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_rt.evaluation.scores import ClipPrediction, Evaluation, Score

_ONE_SIDED_95 = 1.645
_ONE_ANSWER = 0.8
WORST = 20
"""Clips that went wrong which a report shows; evaluation.json has all."""


def is_guessing(uar: float, clips: Sequence[int]) -> bool:
    """Return whether a UAR is what guessing may reach, one time in twenty.

    The normal approximation of the mean of binomials: of the recall of each emotion, with the
    chance of guessing one of them.

    Args:
        uar: Unweighted average recall.
        clips: Number of clips of each emotion that occurs.
    """
    chance = 1 / max(1, len(clips))
    deviation = math.sqrt(chance * (1 - chance) * sum(1 / each for each in clips)) * chance
    return uar <= chance + _ONE_SIDED_95 * deviation


def classes_of(score: Score) -> int:
    """Return how many emotions occur among the clips."""
    return sum(one.support > 0 for one in score.classes.values())


def chance_of(score: Score) -> float:
    """Return the UAR of guessing: one over the emotions that occur."""
    return 1 / max(1, classes_of(score))


def verdict_of(evaluation: Evaluation) -> list[str]:
    """Return what the figures say, in sentences; the first is the answer."""
    score, classes = evaluation.overall, classes_of(evaluation.overall)
    chance = f"where guessing gives {chance_of(score):.2f}"
    found = [f"UAR {score.uar:.2f} on {score.clips} clips of {classes} emotions, {chance}."]
    if classes < 2:
        return [f"All {score.clips} clips are of one emotion: this says nothing about the model."]
    supports = [one.support for one in score.classes.values() if one.support]
    if is_guessing(score.uar, supports):
        found.append("No better than guessing: the model has learned nothing that shows here.")
    if score.speakers and score.speakers < 2:
        found.append("All clips are of one speaker: others may be recognized worse.")
    answers = [sum(column) for column in zip(*score.confusion, strict=True)]
    most = max(range(len(answers)), key=answers.__getitem__)
    if answers[most] > _ONE_ANSWER * score.clips:
        share = answers[most] / score.clips
        found.append(f"{share:.0%} of the answers are {evaluation.labels[most]}.")
    never = [
        label
        for label, one in score.classes.items()
        if one.support and not answers[evaluation.labels.index(label)]
    ]
    if never:
        found.append(f"Never answered: {', '.join(never)}.")
    return found


def wrong(predictions: Sequence[ClipPrediction]) -> list[ClipPrediction]:
    """Return the clips that went wrong, the surest mistakes first."""
    mistaken = [one for one in predictions if one.predicted != one.true]
    return sorted(mistaken, key=lambda one: -one.probabilities[one.predicted])
