"""The public names are a promise: a change here is a change for users, and for the CHANGELOG."""

from __future__ import annotations

import ser_rt
from ser_rt import testing

PUBLIC = [
    "AudioChunk",
    "AudioSource",
    "Bundle",
    "Classification",
    "EmotionClassifier",
    "EmotionEvent",
    "EmotionStream",
    "EpisodeEvent",
    "Event",
    "MicrophoneSource",
    "NoSpeechEvent",
    "ProviderName",
    "PushSource",
    "SerError",
    "TurnEvent",
    "WarningEvent",
    "__version__",
    "astream",
    "classify",
    "embed",
    "load",
    "open_stream",
    "sample_path",
    "stream",
]


def test_public_names_are_frozen() -> None:
    assert sorted(ser_rt.__all__) == PUBLIC
    names = ["FakeClassifier", "LABELS", "tiny_bundle", "tiny_streaming_bundle"]
    assert sorted(testing.__all__) == names


def test_public_names_exist() -> None:
    for name in ser_rt.__all__:
        assert getattr(ser_rt, name) is not None
        assert name in dir(ser_rt)
