"""`LeftOutCorpora`: models judged on corpora that they were not trained on, and one temperature.

Each of several trainings leaves one corpus out, and ser-evaluate judges it on that. A temperature
fitted on all of these holds where the model is often wrong: on voices, languages and microphones
that it never met. One fitted on speakers of known corpora does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.errors import DataError
from ser_rt.evaluation.metrics import (
    expected_calibration_error,
    fit_temperature,
    unweighted_average_recall,
)
from ser_rt.evaluation.scores import log_probabilities, temper
from ser_rt.files.names import printable
from ser_rt.files.writing import write_json
from ser_rt.tables import Table

REPORT = "evaluation.json"
"""What ser-evaluate writes."""


@dataclass(frozen=True)
class CorpusLogits:
    """Labels ``[clips]`` and logits ``[clips, labels]`` of the clips of one corpus."""

    true: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]


@dataclass(frozen=True)
class CorpusFigures:
    """How a model that never met a corpus does on it.

    `ece` is the calibration error of the logits as trained, `ece_after` that with the temperature
    which the other corpora give (None if there are none), and `temperature` the one that would fit
    this corpus best.
    """

    clips: int
    uar: float
    ece: float
    ece_after: float | None
    temperature: float


@dataclass(frozen=True)
class LeftOutCorpora:
    """Figures by corpus, their means, and the temperature that fits all corpora, each alike."""

    corpora: dict[str, CorpusFigures]
    temperature: float

    @property
    def uar(self) -> float:
        """Mean UAR: what to choose a training by."""
        return float(np.mean([c.uar for c in self.corpora.values()]))

    @property
    def ece(self) -> float:
        """Mean calibration error of the logits as trained."""
        return float(np.mean([c.ece for c in self.corpora.values()]))

    @property
    def ece_after(self) -> float | None:
        """Mean calibration error with the temperature of the other corpora."""
        after = [c.ece_after for c in self.corpora.values() if c.ece_after is not None]
        return float(np.mean(after)) if after else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        means = {"uar": self.uar, "ece": self.ece, "ece_after": self.ece_after}
        return {"temperature": self.temperature, "mean": means} | asdict(self)


def judge(paths: Sequence[str | Path]) -> LeftOutCorpora:
    """Return the figures of evaluations: their files, or folders that hold them at any depth.

    Clips of a corpus in several files count together. The corpus is the dataset of the manifest,
    or, where that has none, the folder of the file.

    Raises:
        DataError: there is none, one was not written by ser-evaluate, or their labels differ.
    """
    return figures(read_corpora(paths))


def figures(corpora: Mapping[str, CorpusLogits]) -> LeftOutCorpora:
    """Return the figures of corpora by name; each counts alike in a temperature."""
    found = {}
    for name, corpus in corpora.items():
        others = [other for key, other in corpora.items() if key != name]
        found[name] = CorpusFigures(
            clips=len(corpus.true),
            uar=unweighted_average_recall(
                corpus.true, corpus.logits.argmax(axis=1), corpus.logits.shape[1]
            ),
            ece=_ece(corpus, 1.0),
            ece_after=_ece(corpus, _fit(others)) if others else None,
            temperature=_fit([corpus]),
        )
    return LeftOutCorpora(found, _fit(list(corpora.values())))


def read_corpora(paths: Sequence[str | Path]) -> dict[str, CorpusLogits]:
    """Return the clips of evaluations by corpus; it raises as `judge` does."""
    labels: list[str] | None = None
    rows: dict[str, list[tuple[int, list[float], float]]] = {}
    for path in _reports(paths):
        try:
            report = json.loads(path.read_bytes())
            own, divisor = list(report["labels"]), float(report.get("temperature", 1.0))
            clips = [
                (
                    str(clip.get("dataset") or path.parent.name),
                    own.index(clip["true"]),
                    [float(clip["probabilities"][label]) for label in own],
                )
                for clip in report["predictions"]
            ]
        except OSError as error:
            msg = f"cannot read {printable(path)}: {error.strerror}"
            raise DataError(msg) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{printable(path)} was not written by ser-evaluate: {error}"
            raise DataError(msg) from error
        if labels is not None and own != labels:
            msg = f"{printable(path)} is of a model with other labels: {own}, not {labels}"
            raise DataError(msg)
        labels = own
        for corpus, true, probabilities in clips:
            rows.setdefault(corpus, []).append((true, probabilities, divisor))
    if not rows:
        msg = f"no clip in {', '.join(map(printable, paths))}: evaluate left-out corpora first"
        raise DataError(msg)
    return {
        name: CorpusLogits(
            true=np.array([true for true, _, _ in clips], np.int64),
            # Logits up to a constant for each clip, which changes nothing.
            logits=log_probabilities([p for _, p, _ in clips])
            * np.array([divisor for _, _, divisor in clips])[:, None],
        )
        for name, clips in sorted(rows.items())
    }


def compare(paths: Sequence[str | Path], folder: str | Path) -> tuple[Table, Path]:
    """Return a table with a row for each path, judged by itself; write it as JSON into a folder.

    Raises:
        DataError: as of `judge`.
        OutputError: the folder cannot be written.
    """
    found = {printable(path): judge([path]) for path in paths}
    written = Path(folder, "left_out.json")
    write_json({name: judged.to_dict() for name, judged in found.items()}, written)
    return table(found), written


def table(candidates: Mapping[str, LeftOutCorpora]) -> Table:
    """Return a row for each candidate, the best first: a column for each corpus.

    They are ranked by their mean UAR over the corpora that every candidate has, if there are any.
    """
    names = list(dict.fromkeys(name for c in candidates.values() for name in c.corpora))
    shared = [name for name in names if all(name in c.corpora for c in candidates.values())]
    means = {
        key: float(np.mean([found.corpora[name].uar for name in shared or found.corpora]))
        for key, found in candidates.items()
    }
    ranked = sorted(candidates.items(), key=lambda item: -means[item[0]])
    rows = [
        (
            name,
            f"{means[name]:.3f}",
            *(f"{found.corpora[c].uar:.3f}" if c in found.corpora else "-" for c in names),
            f"{found.ece:.3f}",
            "-" if found.ece_after is None else f"{found.ece_after:.3f}",
            f"{found.temperature:.2f}",
        )
        for name, found in ranked
    ]
    note = (
        "UAR on corpora that the model was not trained on, and its mean over those that every row "
        "has. ECE: as trained, and with the temperature that the other corpora give, means of the "
        "row's corpora. The temperature shown fits all of these, each alike."
    )
    head = ("", "mean UAR", *names, "ECE", "ECE after", "temperature")
    return Table("Corpora left out", head, rows, note)


def _reports(paths: Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob(REPORT)) if path.is_dir() else [path]
        if not inside:
            msg = f"{printable(path)} holds no {REPORT}: give a folder that ser-evaluate wrote"
            raise DataError(msg)
        found += inside
    return list(dict.fromkeys(found))


def _ece(corpus: CorpusLogits, temperature: float) -> float:
    return expected_calibration_error(corpus.true, temper(corpus.logits, temperature))


def _fit(corpora: Sequence[CorpusLogits]) -> float:
    weights = [np.full(len(c.true), 1 / len(c.true)) for c in corpora]
    true, logits = (
        np.concatenate([getattr(c, part) for c in corpora]) for part in ("true", "logits")
    )
    return fit_temperature(true, logits, np.concatenate(weights))
