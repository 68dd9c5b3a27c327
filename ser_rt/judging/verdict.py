"""`StreamVerdict`: all that is known of a model on some streams, and `judge`, which finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ser_rt.classifier import EmotionClassifier
from ser_rt.judging.confidence import (
    Coverage,
    SpeechBin,
    by_speech_heard,
    named_coverage,
    risk_against_coverage,
)
from ser_rt.judging.lanes import answers_of
from ser_rt.judging.measures import StreamMeasures, measure
from ser_rt.judging.replay import classify_stream, is_same_in_odd_chunks
from ser_rt.judging.scores import (
    StreamScore,
    accuracy_since_change,
    group_scores,
    score_streams,
)
from ser_rt.judging.truth import LabelledStream, Omissions
from ser_rt.runtime.settings import StreamSettings


@dataclass(frozen=True)
class StreamVerdict:
    """The figures of a model on some streams.

    Attributes:
        labels: Of the model.
        about: Model, streams and settings, as JSON has them.
        overall: Over all streams.
        groups: By dataset, language, kind and speaker.
        since_change: Accuracy by time since a change.
        by_speech: Calibration by the seconds of speech.
        coverage: Risk against coverage.
        named: Coverage and risk with the settings' ``unsure``.
        online: How many streams came again in odd chunks, and how many with the same events.
        omissions: What is in no stream.
        streams: Measures of each.
    """

    labels: tuple[str, ...]
    about: Mapping[str, Any]
    overall: StreamScore
    groups: Mapping[str, Mapping[str, StreamScore]]
    since_change: Sequence[Mapping[str, float]]
    by_speech: Sequence[SpeechBin]
    coverage: Sequence[Coverage]
    named: Coverage | None
    online: Mapping[str, int]
    omissions: Omissions
    streams: Sequence[StreamMeasures] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "about": dict(self.about),
            "labels": list(self.labels),
            "overall": asdict(self.overall),
            "groups": {
                column: {name: asdict(score) for name, score in scores.items()}
                for column, scores in self.groups.items()
            },
            "accuracy_since_change": list(self.since_change),
            "calibration_by_speech_heard": [asdict(one) for one in self.by_speech],
            "risk_against_coverage": [asdict(one) for one in self.coverage],
            "named": None if self.named is None else asdict(self.named),
            "online_equals_offline": dict(self.online),
            "left_out": dict(self.omissions.counts),
            "streams": [_stream(measures) for measures in self.streams],
        }


def judge(
    classifier: EmotionClassifier,
    streams: Iterable[LabelledStream],
    settings: StreamSettings,
    omissions: Omissions,
    *,
    online_checks: int = 10,
    about: Mapping[str, Any] | None = None,
) -> StreamVerdict:
    """Run a model over streams and measure its answers.

    Args:
        classifier: The model.
        streams: With their truth; each is made, classified and measured before the next.
        settings: Of the streams.
        omissions: As the streams' maker filled it.
        online_checks: On so many streams, up to ten of them spread over all, events of odd chunks
            are compared with those of even ones.
        about: More for the report.
    """
    found, checked, same = [], 0, 0
    for number, stream in enumerate(streams):
        _, events = classify_stream(classifier, stream.samples, settings)
        found.append(measure(stream, answers_of(events), classifier.labels))
        if (online_checks > _SPREAD or number % _EVERY == 0) and checked < online_checks:
            checked += 1
            same += is_same_in_odd_chunks(classifier, stream.samples, settings, events)
    return verdict_of(
        classifier.labels,
        found,
        omissions,
        online={"streams": checked, "equal": same},
        about=about or {},
    )


_SPREAD = 10
_EVERY = 7
"""No multiple of the number of kinds, so that the streams compared are of all."""


def verdict_of(
    labels: Sequence[str],
    found: Sequence[StreamMeasures],
    omissions: Omissions,
    *,
    online: Mapping[str, int],
    about: Mapping[str, Any],
) -> StreamVerdict:
    """Return the verdict that measures give."""
    return StreamVerdict(
        labels=tuple(labels),
        about=about,
        overall=score_streams(found),
        groups=group_scores(found),
        since_change=accuracy_since_change(found),
        by_speech=by_speech_heard(found),
        coverage=risk_against_coverage(found),
        named=named_coverage(found),
        online=online,
        omissions=omissions,
        streams=found,
    )


def _stream(measures: StreamMeasures) -> dict[str, Any]:
    stream = measures.stream
    return {
        "name": stream.name,
        "kind": stream.kind,
        "dataset": stream.dataset,
        "language": stream.language,
        "speakers": list(stream.speakers),
        "length_s": stream.length_s,
        "scored_s": stream.duration_s,
        "sha256": stream.sha256,
        "truth": [list(segment) for segment in stream.segments],
        "answers": [
            [a.start_s, a.end_s, a.emotion, round(a.confidence, 6)] for a in measures.answers
        ],
        "eder": measures.eder,
        "eder_shown": measures.eder_shown,
        "flicker": measures.flicker,
        "false_changes": measures.false_changes,
        "changes": [
            {**d.change._asdict(), "delay_s": d.delay_s, "wrong_turns": d.wrong_turns}
            for d in measures.detections
        ],
    }
