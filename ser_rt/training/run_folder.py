"""The run folder of a training: settings, clips, versions, and the checkpoint to resume from."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.errors import TrainingError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.names import printable
from ser_rt.files.provenance import git_state, training_versions
from ser_rt.files.text import format_csv
from ser_rt.files.writing import write_bytes, write_json
from ser_rt.networks.checkpoint import RUN, WEIGHTS
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.decoded_cache import Fault
from ser_rt.training.data.prepare import Prepared
from ser_rt.training.ema import AVERAGE

SPLIT, SKIPPED, LABELS, HISTORY = (
    "split.csv",
    "skipped.csv",
    "labels.json",
    "history.json",
)
SEAL = "seal.json"
"""File of a checkpoint with the hashes of its weights and the loss of the epoch so far."""
_MAY_CHANGE = {
    "output_dir",
    "num_workers",
    "report_to",
    "save_steps",
    "skip_bad",
    "allow_leaks",
    "teacher",
}

logger = logging.getLogger(__name__)


def open_run(run: Path, settings: Mapping[str, Any], *, resume: bool) -> str | None:
    """Return the checkpoint to resume from in a folder, if any; check that training may use it.

    Raises:
        TrainingError: the folder holds other files, or a run with other settings.
    """
    if not run.is_dir() or not any(run.iterdir()):
        if resume:
            logger.warning("nothing to resume in %s: training from the start", run)
        return None
    if not resume:
        msg = f"{run} is not empty: resume that run (--resume), or choose another output folder"
        raise TrainingError(msg)
    if not (run / RUN).exists() and not checkpoints_of(run):
        msg = f"{run} holds no run that could be resumed: choose another output folder"
        raise TrainingError(msg)
    if (run / RUN).exists():
        # A setting added since the run was started had its default.
        ours = settings_of(ModelConfig(), TrainingConfig(), DataConfig(), "", processes=1)
        before = ours | json.loads((run / RUN).read_bytes())["settings"]
        before, now = json.loads(json.dumps([before, settings]))
        moved = now["start_sha256"] == before["start_sha256"] != ""
        may_change = _MAY_CHANGE | ({"model_name"} if moved else set())
        changed = [
            f"{name} was {before.get(name)!r}, is {value!r}"
            for name, value in now.items()
            if name not in may_change
            and value != before.get(name)
            # A run may go on for longer; its learning rate then falls to zero later.
            and not (name == "num_epochs" and value > before.get(name, value))
        ]
        if changed:
            msg = f"{run} was started with other settings: {'; '.join(changed)}"
            raise TrainingError(msg)
    return _last_whole_checkpoint(run, _files_of(settings))


def settings_of(
    model: ModelConfig,
    training: TrainingConfig,
    data: DataConfig,
    clips: str,
    *,
    processes: int,
    teacher_sha256: str = "",
    start_sha256: str = "",
) -> dict[str, Any]:
    """Return all settings, hashes of clips, teacher and start, and the number of processes.

    A resumed run must have the same ones.
    """
    more = {"clips": clips, "processes": processes, "teacher_sha256": teacher_sha256}
    more["start_sha256"] = start_sha256
    return {**model.to_dict(), **training.to_dict(), **data.to_dict(), **more}


def describe(run: Path, settings: Mapping[str, Any], clips: Prepared) -> None:
    """Write settings, versions, the state of the source, the label map and the split."""
    rows = [
        (printable(os.path.realpath(clip.path)), clip.emotion, clip.speaker, clip.dataset, name)
        for name, part in (("train", clips.train), ("val", clips.validation))
        for clip in part.clips
    ]
    header = ("file_path", "emotion", "speaker", "dataset", "split")
    write_bytes(run / SPLIT, format_csv(header, rows))
    if clips.faults:
        write_bytes(run / SKIPPED, format_csv(Fault._fields, clips.faults))
    write_json({label: i for i, label in enumerate(settings["emotion_labels"])}, run / LABELS)
    about = {"settings": settings, "source": git_state(), "versions": training_versions()}
    write_json(about, run / RUN)


def checkpoints_of(run: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    found = [path for path in run.glob("checkpoint-*") if path.name[11:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[11:]))


def _files_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that a checkpoint must have."""
    count = settings["processes"]
    random = [f"rng_state_{i}.pth" for i in range(count)] if count > 1 else ["rng_state.pth"]
    average = [AVERAGE] if settings["ema_decay"] else []
    return [WEIGHTS, "optimizer.pt", "scheduler.pt", *random, *average]


def _last_whole_checkpoint(run: Path, files: Sequence[str]) -> str | None:
    """Return the newest intact checkpoint; rename those after it to ``broken-...``."""
    for checkpoint in reversed(checkpoints_of(run)):
        fault = _fault_of(checkpoint, files)
        if not fault:
            logger.info("resuming from %s", checkpoint)
            return str(checkpoint)
        aside = run / f"broken-{checkpoint.name}"
        while aside.exists():
            aside = aside.with_name(f"{aside.name}-again")
        checkpoint.rename(aside)
        logger.warning("%s is broken (%s): renamed to %s", checkpoint, fault, aside.name)
    return None


def _fault_of(checkpoint: Path, files: Sequence[str]) -> str:
    """Return the fault of a checkpoint, if any; a kill while writing leaves it incomplete."""
    seal = checkpoint / SEAL
    try:
        hashes = json.loads(seal.read_text(encoding="utf-8"))["sha256"] if seal.exists() else {}
        for name in files:
            file = checkpoint / name
            if not file.exists():
                return f"no {name}"
            if name in hashes and hashes[name] != sha256_of(file):
                return f"{name}: its bytes have changed"
            if file.suffix == ".safetensors":
                with safe_open(file, "np"):
                    continue
            with zipfile.ZipFile(file) as archive:
                if broken := archive.testzip():
                    return f"{name}: {broken}"
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        best = checkpoint.with_name(Path(state["best_model_checkpoint"] or checkpoint).name)
        if best != checkpoint and (fault := _fault_of(best, files)):
            return f"the best before it, {best.name}, has {fault}"
    except (OSError, ValueError, KeyError, SafetensorError, zipfile.BadZipFile) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def describe_run(
    training: TrainingConfig,
    data: DataConfig,
    clips: Prepared,
    steps: int,
    teacher: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe a training run, its teacher and its start, for the checkpoint's config."""
    return {
        "settings": {**training.to_dict(), **data.to_dict()},
        "steps": steps,
        "train": _describe_clips(clips.train.clips),
        **({"teacher": teacher} if teacher else {}),
        **({"start": start} if start else {}),
        "validation": _describe_clips(clips.validation.clips),
        "source": git_state(),
        "versions": training_versions(),
    }


def _describe_clips(clips: Sequence[Clip]) -> dict[str, Any]:
    return {
        "clips": len(clips),
        "datasets": dict(sorted(Counter(clip.dataset for clip in clips).items())),
        "emotions": dict(sorted(Counter(clip.emotion for clip in clips).items())),
        "speakers": sorted({clip.voice for clip in clips if clip.voice}),
        "licence_classes": sorted({c.licence_class or "unknown" for c in clips}),
    }
