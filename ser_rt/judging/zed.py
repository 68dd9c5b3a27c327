"""`read_zed`: recordings whose emotions have times, as of SpeechBrain's emotion diarization.

The JSON of the Zaion Emotion Dataset is an object of recordings by name: ``wav`` (a path, or one
below ``datafolder``, which stands for the folder of the JSON), ``duration`` in seconds, and
``emotion``, a list of ``{"emo": "happy", "start": 1.94, "end": 4.48}``. All else is neutral.
Wang, Ravanelli, Nfissi, Yacoubi: Speech Emotion Diarization: Which Emotion Appears When? 2023;
``recipes/ZaionEmotionDataset/emotion_diarization/zed_prepare.py`` of SpeechBrain.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ser_rt.audio.processing import read_audio
from ser_rt.constants import NEUTRAL
from ser_rt.errors import AudioError, DataError
from ser_rt.files.names import NameFinder, printable
from ser_rt.files.text import read_text
from ser_rt.judging.truth import LabelledStream, Omissions, Segment
from ser_rt.training.data.labels import emotion_named

_NAMES = {
    "n": NEUTRAL,
    "neutral": NEUTRAL,
    "h": "Joy",
    "happy": "Joy",
    "happiness": "Joy",
    "s": "Sad",
    "sad": "Sad",
    "sadness": "Sad",
    "a": "Angry",
    "angry": "Angry",
    "anger": "Angry",
}
_FOLDER = re.compile(r"^(datafolder|\{data_root\})[\\/]?")


def read_zed(
    path: str | Path, sample_rate: int, labels: Sequence[str], left_out: Omissions
) -> Iterator[LabelledStream]:
    """Yield the recordings of a JSON file; those that cannot be used are counted.

    Raises:
        DataError: It is no such file, or no recording of it can be used.
    """
    path = Path(path)
    finder, made = NameFinder(), 0
    for name, entry in _entries(path).items():
        try:
            segments, duration_s = _segments(entry, labels)
            wav = _FOLDER.sub("", str(entry["wav"]))
            samples = read_audio(finder.find(str(path.parent / wav)), sample_rate)
        except _UnfitError as error:
            left_out.add(str(error), printable(name))
        except AudioError as error:
            left_out.add("recordings that cannot be read", printable(str(error)))
        else:
            made += 1
            yield LabelledStream(
                name=printable(name),
                samples=samples,
                sample_rate=sample_rate,
                segments=segments,
                duration_s=duration_s,
                kind="recording",
                dataset=path.stem,
                silent_as=NEUTRAL if NEUTRAL in labels else None,
            )
    if not made:
        reasons = "; ".join(f"{why}: {count}, such as {one}" for why, count, one in left_out.rows())
        msg = f"{printable(path)} has no recording that can be used ({reasons or 'it is empty'})"
        raise DataError(msg)


class _UnfitError(Exception):
    """Why a recording is left out."""


def _entries(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"cannot read {printable(path)} as JSON: {reason}"
        raise DataError(msg) from error
    if not isinstance(found, dict):
        msg = f"{printable(path)} is no object of recordings by name, as ZED.json is"
        raise DataError(msg)
    return found


def _segments(entry: Any, labels: Sequence[str]) -> tuple[tuple[Segment, ...], float]:
    """Return the segments of a recording, with neutral speech between them, and its duration."""
    if not isinstance(entry, dict) or not isinstance(entry.get("emotion"), list):
        msg = "recordings without a list under emotion"
        raise _UnfitError(msg)
    if not isinstance(entry.get("wav"), str):
        msg = "recordings without a path under wav"
        raise _UnfitError(msg)
    duration_s = _seconds(entry.get("duration"))
    at_s, segments = 0.0, []
    for label in sorted(map(_label, entry["emotion"])):
        start_s, end_s, emotion = label
        if not 0 <= start_s < end_s <= duration_s:
            msg = "recordings with labels outside of them"
            raise _UnfitError(msg)
        if start_s < at_s:
            msg = "recordings with labels that overlap"
            raise _UnfitError(msg)
        if start_s > at_s:
            segments.append(Segment(at_s, start_s, _emotion(NEUTRAL, labels)))
        segments.append(Segment(start_s, end_s, _emotion(emotion, labels)))
        at_s = end_s
    if at_s < duration_s:
        segments.append(Segment(at_s, duration_s, _emotion(NEUTRAL, labels)))
    return tuple(segments), duration_s


def _label(label: Any) -> tuple[float, float, str]:
    if not isinstance(label, dict) or not isinstance(label.get("emo"), str):
        msg = "recordings with labels without emo, start and end"
        raise _UnfitError(msg)
    return _seconds(label.get("start")), _seconds(label.get("end")), label["emo"]


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)  # the recipe writes some as text
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        msg = "recordings with times that are no seconds"
        raise _UnfitError(msg)
    return seconds


def _emotion(name: str, labels: Sequence[str]) -> str:
    emotion = emotion_named(name, labels)
    if emotion not in labels:
        emotion = _NAMES.get(name.strip().casefold(), emotion)
    if emotion not in labels:
        msg = f"recordings with an emotion that the model lacks: {emotion}"
        raise _UnfitError(msg)
    return emotion
