"""`TurnWindows`, the windows of one turn from its own audio: the first ones, until one is full.

The stream's windows reach back behind the start of a turn, to what was said before it. From the
first that lies within the turn those of the stream serve as well, and no others are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.runtime.recognizers.window_classifier import window_classifier
from ser_rt.runtime.recognizers.windower import Window, Windower
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.turns.segmenter import Span

Classified = tuple[Window, FloatArray]
"""A window, and its probabilities ``[labels]``."""


class TurnWindows:
    """Classifies the audio of one span hop by hop, as far as its speech goes.

    Pauses are classified once speech has followed them, so a turn that has ended ends with speech.
    """

    def __init__(
        self, span: Span, window: int, hop: int, classify: Callable[[Window], FloatArray]
    ) -> None:
        """Begin with a span that keeps its audio; lengths are in samples."""
        self._span, self._window = span, window
        self._windower = Windower(window=window, hop=hop, first=hop)
        self._classify = classify
        self._frames = self._fed = 0

    def feed(self) -> Iterator[Classified]:
        """Yield what the speech so far completes."""
        frames = self._span.heard()[self._frames :]
        self._frames += len(frames)
        if frames:
            samples = np.concatenate(frames)[: self._window - self._fed]
            start, self._fed = self._span.start + self._fed, self._fed + len(samples)
            yield from map(self._classified, self._windower.feed(samples, start))

    def flush(self) -> Iterator[Classified]:
        """Yield the rest, the turn being over."""
        yield from self.feed()
        if self._fed < self._window:
            yield from map(self._classified, self._windower.flush())

    def _classified(self, window: Window) -> Classified:
        return window, self._classify(window)


def windows_of_turns(
    classifier: EmotionClassifier, settings: StreamSettings
) -> Callable[[Span], TurnWindows]:
    """Return what makes the windows of each turn of one stream."""
    lengths, rate = settings.windows_for(classifier), classifier.sample_rate
    window, hop = round(lengths.window_s * rate), round(lengths.hop_s * rate)
    streaming = settings.streaming_for(classifier)

    def windows(span: Span) -> TurnWindows:
        return TurnWindows(span, window, hop, window_classifier(classifier, hop, streaming))

    return windows
