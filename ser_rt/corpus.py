"""Finds labelled clips in a manifest or in folders, and splits them without leaking a speaker.

Needs no torch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_rt.errors import DataError

AUDIO_SUFFIXES = (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".aac", ".webm")
_PATH_COLUMNS = ("file_path", "file")
_SPLIT_COLUMNS = ("split", "suggested_split")


@dataclass(frozen=True)
class Clip:
    """One labelled recording; what is not known is empty."""

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
    """How much of each emotion, where listeners disagree: ``Joy:0.7 Surprise:0.3``."""


def load_manifest(
    path: str | Path, labels: Sequence[str] | None, split: str | None = None
) -> list[Clip]:
    """Read clips from a CSV with a header.

    Columns: ``file_path`` (or ``file``) and ``emotion``; optionally ``speaker``, ``dataset``,
    ``language``, ``gender``, ``split`` (or ``suggested_split``), ``licence_class``, ``sentence``
    (what is said) and ``soft_label`` (``Joy:0.7 Surprise:0.3``). A relative path starts at the
    CSV's folder. Clips whose emotion is not in `labels` (None takes all), or whose split is another
    than `split`, are left out.

    Raises:
        DataError: no such CSV, a column or a value is missing, a path leaves a relative
            manifest's folder, a file is listed twice, or nothing is left.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except UnicodeDecodeError as error:
        msg = f"manifest {path} is not UTF-8 ({error}): save it again, in Excel as 'CSV UTF-8'"
        raise DataError(msg) from error
    except (OSError, csv.Error) as error:
        msg = f"cannot read manifest {path}: {error}"
        raise DataError(msg) from error
    if not rows:
        msg = f"{path} lists no clips: it needs a row for each, under the columns file_path,emotion"
        raise DataError(msg)
    columns = set(rows[0])
    path_column = next((name for name in _PATH_COLUMNS if name in columns), None)
    split_column = next((name for name in _SPLIT_COLUMNS if name in columns), "split")
    if path_column is None or "emotion" not in columns:
        found = sorted(filter(None, columns))
        msg = f"{path} needs the columns file_path and emotion; it has {found}"
        raise DataError(msg)
    if split and split_column not in columns:
        msg = f"{path} has no split column, so split {split!r} cannot be chosen from it"
        raise DataError(msg)
    clips = [
        _clip(row, path, number, path_column, split_column)
        for number, row in enumerate(rows, start=2)
    ]
    _refuse_duplicates(clips, path)
    wanted = [
        clip
        for clip in clips
        if (labels is None or clip.emotion in labels) and (split is None or clip.split == split)
    ]
    if not wanted:
        found = sorted({c.emotion for c in clips})
        asked = ", ".join(labels or ["any emotion"])
        msg = f"{path} has no clip of {asked} in split {split or 'any'}; it has {found}"
        raise DataError(msg)
    return wanted


def _clip(
    row: dict[str, str], manifest: Path, line: int, path_column: str, split_column: str
) -> Clip:
    name, emotion = (row[path_column] or "").strip(), (row["emotion"] or "").strip()
    if not name or not emotion:
        msg = f"{manifest} line {line}: the path or the emotion is empty"
        raise DataError(msg)
    if not Path(name).is_absolute() and ".." in Path(name).parts:
        msg = f"{manifest} line {line}: {name} leaves the manifest's folder; write an absolute path"
        raise DataError(msg)
    known = ("speaker", "dataset", "language", "gender", "licence_class", "sentence", "soft_label")
    return Clip(
        path=manifest.parent / name,
        emotion=emotion,
        split=row.get(split_column) or "",
        **{column: row.get(column) or "" for column in known},
    )


def _refuse_duplicates(clips: Iterable[Clip], manifest: Path) -> None:
    seen: set[Path] = set()
    for clip in clips:
        if clip.path in seen:
            msg = f"{manifest} lists {clip.path} twice: remove a row"
            raise DataError(msg)
        seen.add(clip.path)


def label_id(label: object, names: Sequence[str]) -> int:
    """Return the id of an emotion given by its name, or by its id already.

    Raises:
        DataError: it is neither.
    """
    if isinstance(label, str) and label in names:
        return names.index(label)
    if isinstance(label, int | np.integer) and 0 <= label < len(names):
        return int(label)
    msg = f"unknown emotion {label!r}; known: {', '.join(names)}"
    raise DataError(msg)


def load_directory(folder: str | Path, labels: Sequence[str]) -> list[Clip]:
    """Find clips in a folder that has one folder for each emotion, in sorted order.

    Raises:
        DataError: no such folder, a folder that is no label, or no audio in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"no folder {folder}: it must hold one folder for each emotion"
        raise DataError(msg)
    unknown = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name not in labels)
    if unknown:
        msg = f"{folder} has folders that are no emotion: {unknown}; known: {', '.join(labels)}"
        raise DataError(msg)
    clips = [
        Clip(path, label)
        for label in labels
        for path in sorted((folder / label).rglob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
    ]
    if not clips:
        msg = f"{folder} has no audio: put {', '.join(AUDIO_SUFFIXES)} into one folder an emotion"
        raise DataError(msg)
    return clips


def hold_out_speakers(
    clips: Sequence[Clip], share: float, seed: int = 0
) -> tuple[list[Clip], list[Clip]]:
    """Split clips so that no speaker is on both sides; about `share` of them go to the second.

    In every dataset whole speakers are held out, at least one. Clips without a speaker are split
    one by one, emotion by emotion.

    Raises:
        DataError: a dataset has one speaker only.
    """
    rng = np.random.default_rng(seed)
    held: set[Clip] = set()
    for dataset in sorted({c.dataset for c in clips if c.speaker}):
        speakers = sorted({c.speaker for c in clips if c.dataset == dataset and c.speaker})
        if len(speakers) < 2:
            msg = (
                f"dataset {dataset!r} has the one speaker {speakers[0]!r}, so none can be held "
                "out: give a split column (--split, --val_split), or validate on nothing "
                "(--val_share 0)"
            )
            raise DataError(msg)
        count = min(len(speakers) - 1, max(1, round(share * len(speakers))))
        chosen = set(rng.permutation(speakers)[:count].tolist())
        held |= {c for c in clips if c.dataset == dataset and c.speaker in chosen}
    for emotion in sorted({c.emotion for c in clips if not c.speaker}):
        group = [c for c in clips if not c.speaker and c.emotion == emotion]
        order = rng.permutation(len(group))[: round(share * len(group))]
        held |= {group[i] for i in order}
    return [c for c in clips if c not in held], [c for c in clips if c in held]


def shared_speakers(first: Iterable[Clip], second: Iterable[Clip]) -> list[str]:
    """Speakers that are on both sides of a split."""
    return sorted({c.speaker for c in first if c.speaker} & {c.speaker for c in second})
