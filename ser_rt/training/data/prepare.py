"""`prepare`: from a list of clips to a decoded, checked split that is ready to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ser_rt.config import DataConfig
from ser_rt.training.data.corpus import Clip, hold_out_speakers
from ser_rt.training.data.decoded_cache import Fault
from ser_rt.training.data.validation import (
    DecodedClips,
    decode_clips,
    find_leaks,
    refuse_empty_classes,
    refuse_leaks,
)


@dataclass(frozen=True)
class Prepared:
    """Decoded clips to train on and to validate on (or none), and the files that are unfit."""

    train: DecodedClips
    validation: DecodedClips
    faults: list[Fault]

    @property
    def fingerprint(self) -> str:
        """Hash of labels and decoded audio on both sides of the split."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation):
            for clip, audio in zip(part.clips, part.audio.digests, strict=True):
                digest.update(f"{audio} {clip.emotion} {clip.soft_label} {clip.dataset}\n".encode())
            digest.update(b"\n")
        return digest.hexdigest()[:16]


def prepare(
    train: Sequence[Clip],
    validation: Sequence[Clip],
    labels: Sequence[str],
    settings: DataConfig,
    *,
    seed: int,
) -> Prepared:
    """Decode clips, drop the unfit ones, split by speaker, and refuse a split that leaks.

    Without clips to validate on, `settings.val_share` of the speakers are held out for it.

    Raises:
        DataError: clips are unfit, an emotion has none, or training and validation share speakers,
            sentences or audio.
        OutputError: the decoded audio does not fit on the disk.
    """
    decoded, faults = decode_clips([*train, *validation], labels, skip_bad=settings.skip_bad)
    chosen = {clip.path for clip in validation}
    kept = [clip for clip in decoded.clips if clip.path not in chosen]
    held_out = [clip for clip in decoded.clips if clip.path in chosen]
    if not held_out and settings.val_share:
        kept, held_out = hold_out_speakers(kept, settings.val_share, seed)
    refuse_empty_classes(kept, labels)
    prepared = Prepared(decoded.pick(kept), decoded.pick(held_out), faults)
    refuse_leaks(find_leaks(prepared.train, prepared.validation), settings.allow_leaks)
    return prepared
