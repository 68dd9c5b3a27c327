"""Writes the built-in models' figures into README and docs.

`python -m benchmarks.report.model_card`.

Every figure comes from a bundle's manifest, where ser-export put what ser-evaluate found.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from ser_rt.bundle import Bundle, built_in_bundles

ROOT = Path(__file__).resolve().parent.parent.parent
DATASETS = {
    "all": "all",
    "emodb": "EmoDB (German)",
    "emotiontts": "emotiontts (Korean)",
    "nemo": "nEMO (Polish)",
}


def scores(bundles: dict[str, Bundle]) -> str:
    """Return the table of unweighted average recall by dataset, a column a model."""
    names = list(bundles)
    found = {name: _scores(bundle) for name, bundle in bundles.items()}
    lines = [
        f"| unseen speakers of | clips | speakers | {' | '.join(f'`{name}`' for name in names)} |",
        f"| --- |{' ---: |' * (2 + len(names))}",
    ]
    first = found[names[0]]
    for key in _datasets(first):
        cells = [_uar(found[name][key]) for name in names]
        clips, speakers = first[key]["clips"], first[key]["speakers"]
        title = DATASETS.get(key, key)
        lines.append(f"| {title} | {clips:,} | {speakers} | {' | '.join(cells)} |")
    note = (
        "UAR, and in brackets its 95 % bootstrap interval over clips; speakers are too few for one."
    )
    return "\n".join([*lines, "", note]) + "\n"


def details(bundle: Bundle) -> str:
    """Return a model's tables: scores, windows, robustness, calibration, confusion."""
    evaluation = bundle.evaluation
    conditions = evaluation["windows"] | evaluation["robustness"]
    columns = [key for key in _datasets(evaluation["scores"]) if key in conditions["whole"]]
    megabytes = bundle.model_path.stat().st_size / 1e6
    size = f"{bundle.parameters / 1e6:.2f} M parameters, {megabytes:.1f} MB, {bundle.precision}"
    lines = [
        f"{size}; weights: {bundle.licence['weights']}.",
        "",
        f"| input | {' | '.join(DATASETS.get(key, key) for key in columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for name, uar in conditions.items():
        cells = [f"{uar[key]:.2f}" if key in uar else "" for key in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    calibration = evaluation["calibration"]
    found = f"{calibration['ece']:.3f} as trained"
    tempered = f"{calibration['ece_after']:.3f} with a temperature fitted on other unseen speakers"
    applied = f"The graph applies {bundle.temperature:.1f}."
    lines += ["", f"Expected calibration error: {found}, {tempered}. {applied}"]
    labels = evaluation["labels"]
    for key, matrix in evaluation["confusion"].items():
        if key == "all":
            continue
        lines += [
            "",
            f"{DATASETS.get(key, key)}: rows are true labels, columns predicted ones.",
            "",
            f"| | {' | '.join(labels)} |",
            f"| --- |{' ---: |' * len(labels)}",
        ]
        lines += [
            f"| {label} | {' | '.join(map(str, row))} |"
            for label, row in zip(labels, matrix, strict=True)
            if any(row)
        ]
    return "\n".join(lines) + "\n"


def write(path: Path, region: str, text: str) -> None:
    """Put text between a file's `<!-- region:begin -->` and `<!-- region:end -->`."""
    marks = re.compile(rf"(<!-- {region}:begin -->\n).*(<!-- {region}:end -->)", re.DOTALL)
    old = path.read_text(encoding="utf-8")
    if not marks.search(old):
        msg = f"{path} has no region {region}"
        raise SystemExit(msg)
    path.write_text(marks.sub(lambda found: found[1] + text + found[2], old), encoding="utf-8")


def _scores(bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = bundle.evaluation["scores"]
    return found


def _datasets(found: dict[str, Any]) -> list[str]:
    return [key for key in dict.fromkeys((*DATASETS, *found)) if key in found]


def _uar(score: dict[str, Any]) -> str:
    low, high = score["interval_clips"]
    return f"**{score['uar']:.2f}** ({low:.2f} to {high:.2f})"


def main() -> int:
    """Rewrite the regions of README.md and docs/models.md."""
    bundles = {name: Bundle.load(folder) for name, folder in built_in_bundles().items()}
    write(ROOT / "README.md", "figures", scores(bundles))
    for name, bundle in bundles.items():
        write(ROOT / "docs" / "models.md", name, details(bundle))
    return 0


if __name__ == "__main__":
    sys.exit(main())
