"""`emotion_named`: the emotion that a table or a folder names, in any case or in Korean."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ser_rt.constants import EMOTIONS

_ENGLISH = {korean: english for english, korean in EMOTIONS.items()}


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
