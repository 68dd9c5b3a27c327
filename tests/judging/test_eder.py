"""EDER is SpeechBrain's: its published example, and its definition summed independently."""

from __future__ import annotations

import numpy as np
import pytest

from ser_rt.judging.eder import emotion_diarization_error
from ser_rt.judging.truth import Segment

TRUTH = [Segment(0, 0.39, "n"), Segment(0.39, 1.10, "a"), Segment(1.10, 1.22, "n")]


def test_the_example_of_speechbrains_documentation_has_the_same_digits() -> None:
    # speechbrain/utils/EDER.py, docstring of EDER.
    frames = ["n", "n", "n", "a", "a", "a"]
    assert emotion_diarization_error(frames, TRUTH, 1.22, 0.2, 0.2) == 0.2704918032786885


def test_an_overlap_of_frames_is_shared_equally() -> None:
    # Frames of 1 s every 0.5 s: a 0 to 1.5, b 1 to 2; each gets half of what they share, so that a
    # ends and b begins at 1.25. Of the truth (a to 1, b to 2) 1 + 0.75 s are right.
    truth = [Segment(0, 1, "a"), Segment(1, 2, "b")]
    found = emotion_diarization_error(["a", "a", "b"], truth, 2.0, 1.0, 0.5)
    assert found == pytest.approx(1 - 1.75 / 2)


def test_a_frame_beyond_the_end_counts_up_to_the_end() -> None:
    # The last frame reaches beyond the recording: only what lies in the truth counts.
    assert emotion_diarization_error(["a", "a"], [Segment(0, 1.5, "a")], 1.5, 1.0, 1.0) == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_share_of_instants_with_another_emotion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, 400), 5, replace=False)) * 0.02
    names = rng.choice(list("nahs"), 6).tolist()
    spans = zip([0.0, *edges.tolist()], [*edges.tolist(), 8.0], names, strict=True)
    truth = [Segment(*span) for span in spans]
    frames = rng.choice(list("nahs"), 400).tolist()
    instants = (np.arange(400) + 0.5) * 0.02
    spoken = [next(s.emotion for s in truth if s.start_s <= t < s.end_s) for t in instants]
    wrong = sum(a != b for a, b in zip(spoken, frames, strict=True)) / 400
    assert emotion_diarization_error(frames, truth, 8.0) == pytest.approx(wrong, abs=1e-9)


def test_nothing_named_is_an_error_and_what_is_not_in_the_truth_counts_for_nothing() -> None:
    truth = [Segment(0, 1, "a"), Segment(2, 3, "a")]
    frames = ["a"] * 50 + [""] * 50 + ["a"] * 25 + [""] * 25
    assert emotion_diarization_error(frames, truth, 2.0) == pytest.approx(0.25)


def test_frames_that_overlap_share_the_overlap_by_halves() -> None:
    truth = [Segment(0, 0.3, "n"), Segment(0.3, 0.6, "a")]
    assert emotion_diarization_error(["n", "a"], truth, 0.6, 0.4, 0.2) == pytest.approx(0)
    truth = [Segment(0, 0.2, "n"), Segment(0.2, 0.6, "a")]
    assert emotion_diarization_error(["n", "a"], truth, 0.6, 0.4, 0.2) == pytest.approx(1 / 6)
