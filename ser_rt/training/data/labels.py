"""`emotion_named`: the emotion that a table or a folder names, in any case or in Korean."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ser_rt.constants import EMOTIONS

_ENGLISH = {korean: english for english, korean in EMOTIONS.items()}


_LIKELY = {
    "Neutral": ("calm", "normal", "none"),
    "Angry": ("anger", "ang", "rage", "annoyed"),
    "Joy": ("happy", "happiness", "hap", "joyful", "excited", "amusement"),
    "Sad": ("sadness", "sorrow"),
    "Fear": ("fearful", "afraid", "scared"),
    "Anxious": ("anxiety", "nervous"),
    "Surprise": ("surprised", "ps", "pleasant_surprise"),
    "Shy": ("shyness", "embarrassed"),
}
"""Names that corpora have for an emotion; a hint only, since who named them decides."""


def hint(unknown: Iterable[str], labels: Sequence[str]) -> str:
    """Return what to add to an error about unknown labels: those that likely are an emotion.

    >>> hint(["happy", "disgust"], ["Joy", "Sad"])
    '. If happy means Joy: --same-labels happy=Joy'
    """
    pairs = [
        (name, emotion)
        for name in unknown
        for emotion, others in _LIKELY.items()
        if name.casefold() in others and emotion in labels
    ]
    if not pairs:
        return ""
    name, emotion = pairs[0]
    flags = " ".join(f"{name}={emotion}" for name, emotion in pairs)
    return f". If {name} means {emotion}: --same-labels {flags}"


def emotion_named(text: str, labels: Sequence[str] = ()) -> str:
    """Return the emotion that a text names: one of `labels`, else one of the fifteen, else itself.

    Case and spaces around do not matter, and the Korean names of the fifteen count.

    >>> emotion_named(" ANGRY"), emotion_named("분노"), emotion_named("angry", ("anger", "angry"))
    ('Angry', 'Angry', 'angry')
    """
    return _emotion_named(text, tuple(labels))


@lru_cache(maxsize=4096)
def _emotion_named(text: str, labels: tuple[str, ...]) -> str:
    given = unicodedata.normalize("NFC", text).strip()
    for names in (labels, tuple(EMOTIONS)):
        if given in names:
            return given
        for wanted in (given, _ENGLISH.get(given)):
            alike = [name for name in names if wanted and name.casefold() == wanted.casefold()]
            if len(alike) == 1:
                return alike[0]
    return given
