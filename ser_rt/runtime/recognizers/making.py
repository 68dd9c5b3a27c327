"""`make_recognizer`: the recognizer of a stream, with its detector of speech, as settings say."""

from __future__ import annotations

import time
from collections.abc import Callable

from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import ConfigError
from ser_rt.runtime.recognizers.recognizer import Recognizer
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.speakers.changes import SpeakerChanges
from ser_rt.runtime.speakers.network import RATE_HZ
from ser_rt.runtime.turns.tracker import TurnTracker
from ser_rt.runtime.vad.making import make_vad
from ser_rt.runtime.vad.settings import VadSettings


def make_recognizer(
    classifier: EmotionClassifier,
    settings: StreamSettings = DEFAULTS,
    *,
    turns: TurnTracker | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Recognizer:
    """Return the recognizer of one stream; arguments as of `make_engine`.

    ``turns`` is told of the speech that it detects.

    Raises:
        ConfigError: A setting does not fit the model.
    """
    segmenter = None if turns is None else turns.segmenter
    changes = None
    if settings.speaker_change:
        if (rate := classifier.sample_rate) != RATE_HZ:
            msg = f"speakers are told apart at {RATE_HZ} Hz, the model takes {rate} Hz"
            raise ConfigError(msg)
        vad = settings.vad if isinstance(settings.vad, VadSettings) else VadSettings()
        changes = SpeakerChanges(vad.threshold, segmenter)
    detector = make_vad(classifier, settings, changes or segmenter)
    return WindowedRecognizer(classifier, settings, vad=detector, changes=changes, clock=clock)
