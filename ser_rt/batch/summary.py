"""Summary of an output, counted from its Parquet files, so that it cannot disagree with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ser_rt.batch.identity import Identity
from ser_rt.batch.parts import names_in, read_batches
from ser_rt.files.provenance import versions

_PACKAGES = ("ser-rt", "onnxruntime", "onnxruntime-gpu", "numpy", "soxr", "pyarrow", "ray")
_COLUMNS = [
    "duration_s",
    "windows",
    "speech_windows",
    "emotion",
    "error_code",
    "elapsed_s",
]


def summarize(
    folder: Path, identity: Identity, *, missing: int, run: dict[str, Any]
) -> dict[str, Any]:
    """Describe an output.

    Args:
        folder: The output.
        identity: Model and settings of the output.
        missing: How many of this run's files are not in it yet.
        run: Facts of this run alone.
    """
    files = rows = speech_rows = 0
    audio_s = work_s = 0.0
    emotions: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    parts = (folder / "files" / name for name in names_in(folder / "files"))
    for batch in chain.from_iterable(read_batches(part, _COLUMNS) for part in parts):
        files += len(batch)
        rows += pc.sum(batch["windows"]).as_py() or 0
        speech_rows += pc.sum(batch["speech_windows"]).as_py() or 0
        audio_s += pc.sum(batch["duration_s"]).as_py() or 0.0
        work_s += pc.sum(batch["elapsed_s"]).as_py() or 0.0
        emotions.update(filter(None, batch["emotion"].to_pylist()))
        errors.update(filter(None, batch["error_code"].to_pylist()))
    return {
        "complete": missing == 0,
        "files": files,
        "files_missing": missing,
        "errors": dict(sorted(errors.items())),
        "windows": rows,
        "speech_windows": speech_rows,
        "audio_s": round(audio_s, 3),
        "work_s": round(work_s, 3),
        "emotions": dict(emotions.most_common()),
        **asdict(identity),
        "run": run,
        "versions": versions(_PACKAGES),
    }
