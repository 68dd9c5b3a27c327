"""`Clip`s of a manifest or of folders, and splits of them that leak no speaker.

Needs no torch.
"""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_rt.audio.discovery import AUDIO_SUFFIXES, find_audio
from ser_rt.checks import whole
from ser_rt.constants import DIMENSIONS
from ser_rt.errors import DataError
from ser_rt.files.names import NameFinder, printable
from ser_rt.files.text import PATH_COLUMNS, CsvTable, parse_csv, pick_column
from ser_rt.training.data.labels import emotion_named, hint

_SPLIT_COLUMNS = ("split", "suggested_split")
_MORE_COLUMNS = (
    *("speaker", "dataset", "language", "gender", "licence_class", "sentence", "soft_label"),
    *DIMENSIONS,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One labelled recording; unknown values are empty."""

    path: Path
    emotion: str
    speaker: str = ""
    dataset: str = ""
    language: str = ""
    gender: str = ""
    split: str = ""
    licence_class: str = ""
    sentence: str = ""
    soft_label: str = ""
    """Shares of emotions, where listeners disagree: ``Joy:0.7 Surprise:0.3``."""
    arousal: str = ""
    valence: str = ""
    dominance: str = ""

    @property
    def voice(self) -> str:
        """Who speaks: two corpora may call different people by one name.

        >>> Clip(Path("a.wav"), "Joy", speaker="03", dataset="ravdess").voice
        'ravdess/03'
        """
        return f"{self.dataset}/{self.speaker}" if self.dataset and self.speaker else self.speaker

    @property
    def names(self) -> frozenset[str]:
        """How who speaks may be called: with the dataset, or without."""
        return frozenset({self.voice, self.speaker} - {""})


def read_manifest(path: str | Path, labels: Sequence[str] = ()) -> list[Clip]:
    """Return every clip of a CSV with a header.

    Columns: ``file_path`` (or ``file``) and ``emotion``; optionally ``speaker``, ``dataset``,
    ``language``, ``gender``, ``split`` (or ``suggested_split``), ``licence_class``, ``sentence``
    (its words), ``soft_label`` (``Joy:0.7 Surprise:0.3``), and ``arousal``, ``valence`` and
    ``dominance`` (0 to 1). A relative path starts at the
    CSV's folder, and finds a file as `NameFinder` does. An emotion is that of `labels`, or of the
    fifteen, as `emotion_named` reads it; others stay as they are.

    Raises:
        DataError: no such CSV, a column or a value is missing, a path leaves a relative
            manifest's folder, or a file is listed twice.
    """
    path = Path(path)
    table = _table(path)
    if not table.rows:
        msg = (
            f"{printable(path)} lists no clips: it needs a row for each, under the columns "
            "file_path,emotion"
        )
        raise DataError(msg)
    known = {name: pick_column(table.columns, name) for name in ("emotion", *_MORE_COLUMNS)}
    known["path"] = pick_column(table.columns, *PATH_COLUMNS)
    known["split"] = pick_column(table.columns, *_SPLIT_COLUMNS)
    if known["path"] is None or known["emotion"] is None:
        found = sorted(table.columns)
        msg = f"{printable(path)} needs the columns file_path and emotion; it has {found}"
        raise DataError(msg)
    finder = NameFinder()
    clips = []
    for line, row in table.rows:
        values = {
            name: unicodedata.normalize("NFC", row[column]).strip()
            for name, column in known.items()
            if column is not None
        }
        name = row[known["path"]]
        if not values.pop("path") or not values["emotion"]:
            msg = f"{printable(path)} line {line}: the path or the emotion is empty"
            raise DataError(msg)
        if not Path(name).is_absolute() and ".." in re.split(r"[\\/]", name):
            msg = (
                f"{printable(path)} line {line}: {printable(name)} leaves the manifest's folder; "
                "write an absolute path"
            )
            raise DataError(msg)
        values["emotion"] = emotion_named(values["emotion"], labels)
        clips.append(Clip(path=Path(finder.find(str(path.parent / name))), **values))
    _refuse_duplicates(clips, path)
    return clips


def relabel(clips: Iterable[Clip], same_labels: Iterable[str]) -> list[Clip]:
    """Give clips the emotion that their label stands for, everywhere or in one dataset.

    >>> relabel([Clip(Path("a.wav"), "Calm", dataset="mine")], ["mine/Calm=Neutral"])[0].emotion
    'Neutral'
    """
    meaning = dict(pair.split("=") for pair in same_labels)
    return [
        replace(clip, emotion=meaning.get(f"{clip.dataset}/{general}", general))
        for clip in clips
        for general in [meaning.get(clip.emotion, clip.emotion)]
    ]


def load_manifest(
    path: str | Path, labels: Sequence[str] | None, split: str | None = None
) -> list[Clip]:
    """Return the clips of `read_manifest` that are in a split and have one of the labels.

    Clips of another split are left out, and so are those of other emotions, with a warning. None
    takes all splits or labels.

    Raises:
        DataError: as of `read_manifest`; or nothing is left.
    """
    clips = read_manifest(path, labels or ())
    if split:
        refuse_absent_split(clips, split, path)
    there = [clip for clip in clips if split in (None, clip.split)]
    wanted = [clip for clip in there if labels is None or clip.emotion in labels]
    if wanted and len(wanted) < len(there):
        other = Counter(clip.emotion for clip in there) - Counter(clip.emotion for clip in wanted)
        shown = ", ".join(f"{emotion} {count}" for emotion, count in other.most_common())
        logger.warning("%s: left out clips of other emotions: %s", printable(path), shown)
    if not wanted:
        found = sorted({c.emotion for c in clips})
        names = ", ".join(labels or ["any emotion"])
        msg = f"{printable(path)} has no clip of {names} in split {split or 'any'}; it has {found}"
        raise DataError(msg)
    return wanted


def refuse_absent_split(clips: Sequence[Clip], split: str, manifest: str | Path) -> None:
    """Raise `DataError` if no clip of a manifest is in a split."""
    found = sorted({clip.split for clip in clips} - {""})
    if not found:
        msg = f"{printable(manifest)} has no split column, so split {split!r} cannot be chosen"
        raise DataError(msg)
    if split not in found:
        msg = f"{printable(manifest)} has no clip in split {split!r}; it has {found}"
        raise DataError(msg)


def refuse_absent_datasets(
    clips: Sequence[Clip], datasets: Iterable[str], manifest: str | Path
) -> None:
    """Raise `DataError` if no clip of a manifest is of one of the datasets."""
    found = sorted({clip.dataset for clip in clips} - {""})
    if absent := [name for name in datasets if name not in found]:
        msg = f"{printable(manifest)} has no clip of dataset {absent[0]!r}; it has {found}"
        raise DataError(msg)


def _table(path: Path) -> CsvTable:
    try:
        return parse_csv(path.read_bytes())
    except UnicodeDecodeError as error:
        msg = (
            f"manifest {printable(path)} is not UTF-8 ({error}): save it again, in Excel as "
            "'CSV UTF-8'"
        )
        raise DataError(msg) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"cannot read manifest {printable(path)}: {reason}"
        raise DataError(msg) from error


def _refuse_duplicates(clips: Iterable[Clip], manifest: Path) -> None:
    seen: set[str] = set()
    for clip in clips:
        path = os.path.abspath(clip.path)  # noqa: PTH100 (a link stays the name that the user knows)
        if path in seen:
            msg = f"{printable(manifest)} lists {printable(clip.path)} twice: remove a row"
            raise DataError(msg)
        seen.add(path)


def label_id(label: object, names: Sequence[str]) -> int:
    """Return the id of an emotion given by its name, or by its id already.

    Raises:
        DataError: it is neither.
    """
    if isinstance(label, str) and (name := emotion_named(label, names)) in names:
        return names.index(name)
    number = whole(label)
    if number is not None and 0 <= number < len(names):
        return number
    msg = f"unknown emotion {label!r}; known: {', '.join(names)}"
    raise DataError(msg)


def load_directory(
    folder: str | Path, labels: Sequence[str], same_labels: Iterable[str] = ()
) -> list[Clip]:
    """Return the clips of a folder that has one folder for each emotion, in sorted order.

    A folder is the emotion that `emotion_named` reads in its name, or that `same_labels` give it,
    as ``Happy=Joy``. Other files are skipped, and logged once.

    Raises:
        DataError: no such folder, a folder that is no label, or no audio in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"no folder {printable(folder)}: it must hold one folder for each emotion"
        raise DataError(msg)
    found = find_audio(folder)
    meaning = dict(pair.split("=") for pair in same_labels)
    emotions = {
        path.name: meaning.get(path.name, emotion_named(path.name, labels))
        for path in map(Path, (*found.folders, *found.unreadable))
        if path.parent == folder
    }
    if unknown := sorted(name for name, emotion in emotions.items() if emotion not in labels):
        msg = (
            f"{printable(folder)} has folders that are not emotions: "
            f"{list(map(printable, unknown))}; known: {', '.join(labels)}{hint(unknown, labels)}"
        )
        raise DataError(msg)
    clips, unlabelled = [], []
    for path in map(Path, found.audio):
        emotion, *rest = path.relative_to(folder).parts
        if rest:
            clips.append(Clip(path, emotions[emotion]))
        else:
            unlabelled.append(emotion)
    for remark in found.remarks():
        logger.warning("%s", remark)
    if unlabelled:
        shown = printable(unlabelled[0])
        msg = "%s: %d audio files are in no emotion's folder and left out, such as %s"
        logger.warning(msg, printable(folder), len(unlabelled), shown)
    if not clips:
        msg = (
            f"{printable(folder)} has no audio: put {', '.join(AUDIO_SUFFIXES)} into one folder "
            "an emotion"
        )
        raise DataError(msg)
    return sorted(clips, key=lambda clip: labels.index(clip.emotion))
