"""Manifest of AI-Hub dataset 637, the Korean corpus of the fifteen emotions.

`python -m ser_rt.training.data.aihub FOLDER --out manifest.csv`

Eight actors (`F0001`, `M0002`, ...) at 48 kHz. A `script.txt` has four lines for every utterance:
its id and emotion (``F0001_000001 NEUTRAL``), then the sentence in three spellings. A sixteenth
label, UNPLEASURE, is none of the fifteen and left out. One actor's labels have lost letters
(``URRY``, ``ESITATE``, ``SY``); `emotion_of` restores them.

The corpus is available from https://aihub.or.kr under its terms.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ser_rt.audio.discovery import find_audio
from ser_rt.cli.arguments import Parser, replaced_file
from ser_rt.cli.process import run_command, tell
from ser_rt.constants import EMOTIONS
from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.files.text import format_csv, read_text
from ser_rt.files.writing import write_bytes
from ser_rt.training.data.corpus import Clip

logger = logging.getLogger(__name__)

DATASET = "aihub637"
LEFT_OUT = "UNPLEASURE"
_HEADER = re.compile(r"\s*([FM]\d+)_(\d+)\s+(\S+)\s*")
_LABELS = {name.upper(): name for name in EMOTIONS} | {LEFT_OUT: LEFT_OUT}


def emotion_of(label: str) -> str:
    """Return the emotion of a label of the corpus, or `LEFT_OUT`.

    >>> emotion_of("NEUTRAL"), emotion_of("URRY"), emotion_of("SY")
    ('Neutral', 'Hurry', 'Shy')

    Raises:
        DataError: it is none of them, or, with a letter lost, could be several.
    """
    label = label.upper()
    if label in _LABELS:
        return _LABELS[label]
    found = [
        emotion
        for name, emotion in _LABELS.items()
        if label in {name[:i] + name[i + 1 :] for i in range(len(name))}
    ]
    if len(found) != 1:
        msg = f"label {label!r} is none of {', '.join(_LABELS)}: correct it in script.txt"
        raise DataError(msg)
    return found[0]


def read_script(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield id, emotion and sentence of every utterance in a `script.txt`.

    Raises:
        DataError: it is no such file, or a label in it is unknown.
    """
    try:
        lines = read_text(path).splitlines()
    except UnicodeDecodeError:
        lines = path.read_text(encoding="cp949", errors="replace").splitlines()
    except (OSError, ValueError) as error:
        msg = f"cannot read {printable(path)}: {getattr(error, 'strerror', error)}"
        raise DataError(msg) from error
    for number, line in enumerate(lines):
        if header := _HEADER.fullmatch(line):
            sentence = "".join(lines[number + 1 : number + 2]).strip()
            if _HEADER.fullmatch(sentence):
                sentence = ""
            try:
                emotion = emotion_of(header[3])
            except DataError as error:
                msg = f"{printable(path)} line {number + 1}: {error}"
                raise DataError(msg) from error
            yield f"{header[1]}_{header[2]}", emotion, sentence


def load_aihub(folder: str | Path) -> list[Clip]:
    """Return the utterances of the fifteen emotions under a folder, in the order of their ids.

    Raises:
        DataError: there is no `script.txt`, a label is unknown, an utterance is described twice
            with different emotions, or there is no recording.
    """
    folder = Path(folder)
    found = find_audio(folder)
    scripts = [path for path in map(Path, found.others) if path.name.lower() == "script.txt"]
    if not scripts:
        msg = (
            f"no script.txt under {printable(folder)}: give the folder that the archives were "
            "unpacked into"
        )
        raise DataError(msg)
    waves = {p.stem: p for p in map(Path, found.audio) if p.suffix.lower() == ".wav"}
    for path, why in found.unreadable.items():
        logger.warning("the folder %s cannot be read: %s", printable(path), why)
    clips: dict[str, Clip] = {}
    missing: list[str] = []
    for script in scripts:
        for name, emotion, sentence in read_script(script):
            if emotion == LEFT_OUT:
                continue
            if name not in waves:
                missing.append(name)
                continue
            clip = Clip(
                path=waves[name],
                emotion=emotion,
                speaker=f"{DATASET}_{name.split('_')[0]}",
                dataset=DATASET,
                language="ko",
                gender=name[0].lower(),
                sentence=sentence,
            )
            if clips.setdefault(name, clip).emotion != emotion:
                msg = f"{name} is {clips[name].emotion} and {emotion}: correct {script}"
                raise DataError(msg)
    if not clips:
        msg = (
            f"no recording of an utterance under {printable(folder)}: unpack the archives with "
            "the wav files"
        )
        raise DataError(msg)
    if missing:
        shown = ", ".join(missing[:5])
        logger.warning("%d utterances have no recording, such as %s", len(missing), shown)
    return [clips[name] for name in sorted(clips)]


def write_manifest(clips: Sequence[Clip], path: str | Path) -> Path:
    """Write a manifest for `ser-train` and `ser-evaluate`, with absolute paths."""
    columns = ("emotion", "speaker", "dataset", "language", "gender", "sentence")
    rows = [
        [printable(os.path.realpath(clip.path)), *(getattr(clip, name) for name in columns)]
        for clip in clips
    ]
    return write_bytes(path, format_csv(("file_path", *columns), rows))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; return 0, or 1 on an error."""
    return run_command("ser_rt.training.data.aihub", lambda: _write(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="ser_rt.training.data.aihub", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the unpacked archives")
    parser.add_argument(
        "--out", type=replaced_file, required=True, metavar="CSV", help="manifest to write, or -"
    )
    return parser.parse_args(argv)


def _write(options: argparse.Namespace) -> int:
    clips = load_aihub(options.folder)
    write_manifest(clips, options.out)
    speakers = len({clip.speaker for clip in clips})
    counts = Counter(clip.emotion for clip in clips).most_common()
    shown = ", ".join(f"{emotion} {count}" for emotion, count in counts)
    tell(f"{len(clips)} clips of {speakers} speakers: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
