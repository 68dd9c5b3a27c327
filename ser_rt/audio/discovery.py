"""Recordings in a folder, and a report of the other files in it."""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from ser_rt.errors import DataError
from ser_rt.files.names import printable

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".aac", ".webm", ".mp4", ".m4b"),
    *(".oga", ".mka", ".mkv", ".mov", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64"),
    *(".rf64", ".amr", ".3gp", ".3g2", ".wma", ".ac3", ".eac3", ".mp2", ".mpga", ".ts", ".wv"),
)
"""Ends of the names of files that may hold audio, in any case of their letters."""

_OF_SYSTEMS = frozenset(
    {
        *("__macosx", "icon\r", "network trash folder", "temporary items", "desktop db"),
        *("desktop df", "thevolumesettingsfolder"),  # macOS
        *("$recycle.bin", "recycler", "recycled", "system volume information", "$extend"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),  # Windows
        *("lost+found", "lost.dir"),  # Linux, Android
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@recycle", "@recently-snapshot"),  # storage
    }
)

_COMPANIONS = frozenset(
    {
        *(".txt", ".md", ".pdf", ".doc", ".docx", ".html", ".log", ".rtf"),
        *(".csv", ".tsv", ".json", ".jsonl", ".xml", ".xlsx", ".parquet", ".yaml", ".yml"),
        *(".lab", ".textgrid", ".eaf", ".rttm", ".srt", ".vtt", ".lrc", ".ctm", ".stm", ".trn"),
        *(".png", ".jpg", ".jpeg", ".svg"),
    }
)
"""Files that lie beside recordings and surely are none; other kinds are reported."""

HIDDEN, SYSTEM, NO_FILE = "hidden", "of a system", "neither file nor folder"
OTHER = "of other kinds"


def kind_of_clutter(name: str) -> str | None:
    """Return the kind of a name that systems leave in folders; None for others.

    >>> kind_of_clutter("._1.wav"), kind_of_clutter("Thumbs.db"), kind_of_clutter("1.wav")
    ('hidden', 'of a system', None)
    """
    if name.startswith("."):
        return HIDDEN
    return SYSTEM if name.casefold() in _OF_SYSTEMS else None


@dataclass
class FoundFiles:
    """Contents of a folder, in the order of the paths.

    Attributes:
        folder: Which.
        audio: Paths of the files whose names end as audio's do.
        others: Paths of all other files that were put there.
        folders: Paths of the folders that were searched, without the first.
        unreadable: Paths of folders that could not be searched, and why.
        passed_over: How much is hidden, or was made by a system.
    """

    folder: str
    audio: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    _examples: dict[str, str] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """Return how many things there are that are no audio, by kind."""
        return self.passed_over + Counter({OTHER: len(self.others)})

    def remarks(self) -> list[str]:
        """Report files that may have been meant as audio but were left out, or cannot be read."""
        kinds_left_out = [
            f"{count} {kind} (such as {printable(self._examples[kind])})"
            for kind, count in self.passed_over.items()
        ]
        kinds = Counter(Path(path).suffix.lower() for path in self.others)
        kinds = Counter(
            {kind or "no suffix": kinds[kind] for kind in sorted(kinds.keys() - _COMPANIONS)}
        )
        if kinds:
            shown = ", ".join(f"{count} {printable(kind)}" for kind, count in kinds.most_common(5))
            shown += ", ..." if len(kinds) > 5 else ""
            kinds_left_out.append(f"{kinds.total()} {OTHER} ({shown})")
        where = printable(self.folder)
        remarks = [f"{where}: passed over {', '.join(kinds_left_out)}"] if kinds_left_out else []
        remarks += [
            f"{where}: the folder {printable(path)} cannot be read: {why}"
            for path, why in self.unreadable.items()
        ]
        return remarks

    def take(self, entry: os.DirEntry[str]) -> None:
        """Sort a file in, or pass over it if it is no data."""
        if kind := kind_of_clutter(entry.name) or (None if _may_be_read(entry) else NO_FILE):
            self.passed_over[kind] += 1
            self._examples.setdefault(kind, entry.name)
        elif entry.name.lower().endswith(AUDIO_SUFFIXES):
            self.audio.append(entry.path)
        else:
            self.others.append(entry.path)


def find_audio(folder: str | Path) -> FoundFiles:
    """Search a folder to its bottom. Linked folders count, each folder once.

    Hidden names, and what systems leave between files, are passed over.

    Raises:
        DataError: it is no folder, or cannot be read.
    """
    found = FoundFiles(os.fspath(folder))
    # Folders by their own names come before those that links lead to.
    own, linked = deque([found.folder]), deque[str]()
    seen: set[object] = set()
    while own or linked:
        path = own.popleft() if own else linked.popleft()
        try:
            identity = _identity(path)
            entries = [] if identity in seen else _listing(path)
        except OSError as error:
            if path == found.folder:
                msg = f"folder {printable(path)} cannot be read: {error.strerror}"
                raise DataError(msg) from error
            found.unreadable[path] = str(error.strerror)
            continue
        if identity not in seen and path != found.folder:
            found.folders.append(path)
        seen.add(identity)
        for entry in entries:
            if kind_of_clutter(entry.name) or not _is_folder(entry):
                found.take(entry)
            else:
                (linked if entry.is_symlink() else own).append(entry.path)
    for paths in (found.audio, found.others):
        paths.sort(key=lambda path: Path(path).parts)
    return found


def _listing(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _identity(path: str) -> object:
    stat = os.stat(path)  # noqa: PTH116 (a million of them)
    return (stat.st_dev, stat.st_ino) if stat.st_ino else os.path.realpath(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a file, or a broken link, which is reported; a pipe would wait."""
    try:
        return entry.is_file() or not os.path.exists(entry.path)  # noqa: PTH110 (as above)
    except OSError:
        return True
