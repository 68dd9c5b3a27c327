"""`make_vad`: the detector of speech that a stream's settings give it."""

from __future__ import annotations

from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import ConfigError
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.vad.base import FrameFollower, FrameVad, LevelDetector, Vad
from ser_rt.runtime.vad.settings import VadSettings


def make_vad(
    classifier: EmotionClassifier, settings: StreamSettings, follower: FrameFollower | None = None
) -> Vad:
    """Return the detector of one stream; ``follower`` follows its frames.

    Raises:
        ConfigError: Speech is not detected at the model's rate, or turns or speaker changes are
            wanted of a detector that has no frames.
    """
    vad, rate = settings.vad, classifier.sample_rate
    if not isinstance(vad, bool | VadSettings):
        if follower is not None:
            msg = (
                "turns and speaker changes need the frames of a detector: "
                "give vad=True, False or VadSettings"
            )
            raise ConfigError(msg)
        return vad
    is_open = settings.naming_for(classifier).gate_threshold == 0
    if vad is False or (is_open and follower is None):
        return FrameVad(LevelDetector(rate), follower)
    from ser_rt.runtime.vad.silero import RATE_HZ, SileroDetector

    if rate != RATE_HZ:
        msg = f"speech is detected at {RATE_HZ} Hz, the model takes {rate} Hz: use vad=False"
        raise ConfigError(msg)
    return FrameVad(SileroDetector(VadSettings() if vad is True else vad), follower)
