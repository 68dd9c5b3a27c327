"""`classify`, the emotion of one recording: what `ser-predict`, `ser-batch` and a server answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from ser_rt.audio.channels import Channel
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.settings import StreamKeywords, StreamSettings
from ser_rt.runtime.stream import Audio, Model, as_classifier, as_source
from ser_rt.runtime.summary.overall import Classification


def classify(
    audio: Audio,
    *,
    sample_rate: float | None = None,
    model: Model = None,
    channel: Channel = None,
    **settings: Unpack[StreamKeywords],
) -> Classification:
    """Return the emotion of a whole recording; arguments and errors as of `stream`.

    It is the mean over windows with speech, as `Overall` has it; where no speech is found, the
    emotion is None, and ``gate_threshold=0`` classifies it all the same. With ``"all"`` for
    ``channel``, all of them count together.

    Example:
        >>> found = classify(samples, sample_rate=16_000, model=model)
        >>> found.emotion in model.labels, round(sum(found.probabilities.values()), 3)
        (True, 1.0)
    """
    wanted = StreamSettings.of(channel, **settings)
    classifier = as_classifier(model, wanted)
    engine = make_engines(classifier, wanted)
    with as_source(audio, sample_rate, classifier.sample_rate, wanted.source_channel) as source:
        found = [event.message for event in engine.run(source) if event.type == "warning"]
    return replace(engine.overall, warnings=tuple(found))
