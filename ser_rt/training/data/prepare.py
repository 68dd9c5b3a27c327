"""`prepare`: from a list of clips to a decoded, checked split that is ready to train on."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ser_rt.audio.discovery import find_audio
from ser_rt.config import DataConfig
from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.decoded_cache import Fault
from ser_rt.training.data.splits import hold_out_speakers
from ser_rt.training.data.validation import (
    DecodedClips,
    decode_clips,
    find_leaks,
    refuse_empty_classes,
    refuse_leaks,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Decoded clips to train on and to validate on (or none), and the files that are unfit."""

    train: DecodedClips
    validation: DecodedClips
    faults: list[Fault]

    @property
    def fingerprint(self) -> str:
        """Hash of decoded audio, and all that is known of it, on both sides of the split."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation):
            for clip, audio in zip(part.clips, part.audio.digests, strict=True):
                known = asdict(replace(clip, path=Path(), split=""))  # a corpus may be moved
                digest.update(f"{audio} {known}\n".encode())
            digest.update(b"\n")
        return digest.hexdigest()[:16]


def prepare(
    train: Sequence[Clip],
    validation: Sequence[Clip],
    labels: Sequence[str],
    settings: DataConfig,
    *,
    seed: int,
    has_teacher: bool = False,
    known_speakers: Collection[str] = (),
) -> Prepared:
    """Decode clips, drop the unfit ones, split by speaker, and refuse a split that leaks.

    Without clips to validate on, `settings.val_share` of the speakers are held out for it. With a
    teacher, clips of other emotions and those of `settings.unlabelled` are trained on as well.
    `known_speakers` are those of the network that training starts from.

    Raises:
        DataError: clips are unfit, an emotion has none, or training and validation share speakers,
            sentences or audio.
        OutputError: the decoded audio does not fit on the disk.
    """
    labelled = {clip.path.resolve() for clip in (*train, *validation)}
    more = load_unlabelled(settings.unlabelled) if settings.unlabelled else []
    more = [clip for clip in more if clip.path.resolve() not in labelled]
    decoded, faults = decode_clips(
        [*train, *more, *validation], labels, skip_bad=settings.skip_bad, any_label=has_teacher
    )
    chosen = {clip.path for clip in validation}
    kept = [clip for clip in decoded.clips if clip.path not in chosen]
    held_out = [clip for clip in decoded.clips if clip.path in chosen]
    if validation and not any(clip.emotion in labels for clip in held_out):
        msg = "of the clips to validate on none is left: they are unfit, or of other emotions"
        raise DataError(msg)
    if not validation and settings.val_share:
        named = [clip for clip in kept if clip.emotion in labels]
        _, held_out = hold_out_speakers(named, settings.val_share, seed)
        paths, voices = {c.path for c in held_out}, {c.voice for c in held_out} - {""}
        kept = [c for c in kept if c.path not in paths and c.voice not in voices]
    held_out = [clip for clip in held_out if clip.emotion in labels]
    refuse_empty_classes(kept, labels)
    if other := Counter(clip.emotion for clip in kept if clip.emotion not in labels):
        shown = ", ".join(f"{name or 'unlabelled'} {count}" for name, count in other.most_common())
        logger.info("clips with the teacher's answer alone: %s", shown)
    prepared = Prepared(decoded.pick(kept), decoded.pick(held_out), faults)
    refuse_leaks(
        find_leaks(prepared.train, prepared.validation, known_speakers), settings.allow_leaks
    )
    return prepared


def load_unlabelled(folder: str | Path) -> list[Clip]:
    """Return the clips under a folder, sorted, without an emotion; their licence is unknown.

    Raises:
        DataError: no such folder, or no audio in it.
    """
    if not Path(folder).is_dir() or not (found := find_audio(folder)).audio:
        msg = f"no audio under {printable(folder)}: give a folder with recordings of speech"
        raise DataError(msg)
    for remark in found.remarks():
        logger.warning("%s", remark)
    return [
        Clip(Path(path), "", dataset="unlabelled", licence_class="unknown") for path in found.audio
    ]
