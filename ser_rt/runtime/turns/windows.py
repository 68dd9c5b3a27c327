"""`TurnWindows`, the windows of one turn, from its own audio.

The stream's windows reach back behind the start of a turn, to what was said before it, and what a
result is of depends on how the stream is smoothed. A turn's own windows are of the turn alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
        """Begin with a span; lengths are in samples."""
        self._span, self._classify = span, classify
        self._windower = Windower(window=window, hop=hop, first=hop)

    def feed(self, *, newest: bool = False) -> Iterator[Classified]:
        """Yield what the speech so far completes, or only the newest window of it."""
        yield from self._classified(self._completed(), newest=newest)

    def flush(self, *, newest: bool = False) -> Iterator[Classified]:
        """Yield the rest, the turn being over."""
        windows = [*self._completed(), *self._windower.flush()]
        yield from self._classified(windows, newest=newest)

    def _completed(self) -> list[Window]:
        start = self._span.start + self._span.taken
        frames = self._span.take()
        return list(self._windower.feed(np.concatenate(frames), start)) if frames else []

    def _classified(self, windows: Sequence[Window], *, newest: bool) -> Iterator[Classified]:
        for window in windows[-1:] if newest else windows:
            yield window, self._classify(window)


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
