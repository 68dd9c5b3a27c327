"""Writes the built-in models' figures into README and docs.

`python -m benchmarks.report.model_card`.

Every figure comes from a bundle's manifest, where ser-export put what ser-evaluate found.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.report import card_figures as figures
from ser_rt.bundle import Bundle, built_in_bundles
from ser_rt.errors import DataError
from ser_rt.files.writing import write_bytes
from ser_rt.tables import Table, markdown_table

ROOT = Path(__file__).resolve().parent.parent.parent
DATASETS = {
    "all": "all",
    "emodb": "EmoDB (German)",
    "emotiontts": "emotiontts (Korean)",
    "nemo": "nEMO (Polish)",
    "ravdess": "RAVDESS (English)",
    "indian-emospeech": "Indian EmoSpeech (English, Hindi)",
}
CORPORA = {
    "emodb": ("EmoDB", "German", "CC0 1.0"),
    "cremad": ("CREMA-D", "English", "ODbL 1.0, contents DbCL 1.0"),
    "thorsten-emotional": ("Thorsten-Voice", "German", "CC0 1.0"),
    "nemo": ("nEMO", "Polish", "CC BY-NC-SA 4.0"),
    "emotiontts": ("emotiontts", "Korean", "CC BY-NC-SA, research only"),
    "ravdess": ("RAVDESS", "English", "CC BY-NC-SA 4.0"),
    "indian-emospeech": ("Indian EmoSpeech", "English, Hindi", "CC BY-NC-SA 4.0"),
}
"""Name, language and licence of the corpora that models may have learned from."""


def scores(bundles: dict[str, Bundle]) -> str:
    """Return the table of unweighted average recall by dataset, a column a model."""
    names = list(bundles)
    found = {name: bundle.evaluation["scores"] for name, bundle in bundles.items()}
    every = {key: score for name in reversed(names) for key, score in found[name].items()}
    rows = [
        (
            DATASETS.get(key, key),
            f"{every[key]['clips']:,}",
            str(every[key]["speakers"]),
            *(
                _uar(found[name].get(key), met=figures.has_met(bundles[name], key))
                for name in names
            ),
        )
        for key in _datasets(every)
    ]
    note = (
        "UAR, and in brackets its 95 % bootstrap interval over clips; speakers are too few for "
        "one. †: the model was trained on nothing of this corpus."
    ) + "".join(_fewer(name, found[name], every) for name in names)
    head = ("unseen speakers of", "clips", "speakers", *(f"`{name}`" for name in names))
    return markdown_table(Table("", head, rows, note)) + "\n"


def summary(bundles: dict[str, Bundle]) -> str:
    """Return the table of all that matters in a choice, a column a model."""
    head = ("", *(f"`{name}`" for name in bundles))
    lines = {name: figures.summary(bundle) for name, bundle in bundles.items()}
    rows = [(what, *(lines[name][what] for name in bundles)) for what in next(iter(lines.values()))]
    note = (
        f"Means over the datasets of the report, each counting alike; `chance` is what guessing "
        f"reaches there. Speakers with fewer than {figures.ENOUGH_CLIPS} clips are not named."
    )
    return markdown_table(Table("", head, rows, note)) + "\n"


def data(bundles: dict[str, Bundle]) -> str:
    """Return the table of corpora and their licences, and how much of each a model learned from."""
    learned = {name: bundle.training["train"]["datasets"] for name, bundle in bundles.items()}
    names = dict.fromkeys((*CORPORA, *(key for counts in learned.values() for key in counts)))
    rows = [
        (
            *CORPORA.get(name, (name, "?", "?")),
            *(f"{learned[key][name]:,} clips" if name in learned[key] else "-" for key in bundles),
        )
        for name in names
        if name
    ]
    head = ("corpus", "language", "licence", *(f"`{name}`" for name in bundles))
    return markdown_table(Table("", head, rows)) + "\n"


def models(bundles: dict[str, Bundle]) -> str:
    """Return a section for each model."""
    return "\n".join(f"## {name}\n\n{details(bundle)}" for name, bundle in bundles.items())


def details(bundle: Bundle) -> str:
    """Return a model's tables: conditions, speakers, calibration, false alarms, confusion."""
    evaluation = bundle.evaluation
    columns = [key for key in _datasets(evaluation["scores"]) if key != "all"]
    titles = [DATASETS.get(key, key) for key in columns]
    tables = [
        figures.conditions(evaluation, columns, titles),
        figures.speakers(evaluation, DATASETS),
        figures.languages(evaluation),
        figures.calibration(evaluation, columns, titles, bundle.temperature),
        figures.left_out_corpora(evaluation, DATASETS),
        figures.false_alarms(evaluation),
        *(
            figures.confusion(evaluation, key, DATASETS.get(key, key))
            for key in evaluation["confusion"]
            if key != "all"
        ),
    ]
    parts = [figures.about(bundle), *(markdown_table(table) for table in tables if table.rows)]
    return "\n\n".join(parts) + "\n"


def write(path: Path, region: str, text: str) -> None:
    """Put text between a file's `<!-- region:begin -->` and `<!-- region:end -->`.

    Raises:
        DataError: it cannot be read, or has no such lines.
    """
    marks = re.compile(rf"(<!-- {region}:begin -->\n).*(<!-- {region}:end -->)", re.DOTALL)
    try:
        old = path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise DataError(msg) from error
    if not marks.search(old):
        msg = f"{path} has no lines <!-- {region}:begin --> and <!-- {region}:end -->"
        raise DataError(msg)
    write_bytes(path, marks.sub(lambda found: found[1] + text + found[2], old).encode())


def _fewer(name: str, scores: dict[str, Any], every: dict[str, Any]) -> str:
    """Return a sentence on the rows of which a model was judged on fewer clips."""
    fewer = {key: score for key, score in scores.items() if score["clips"] < every[key]["clips"]}
    rows = [
        f"{DATASETS.get(key, key)}, {score['clips']:,} of {score['speakers']} speakers"
        for key, score in fewer.items()
    ]
    return f" `{name}` was judged on fewer clips: {'; '.join(rows)}." if rows else ""


def _datasets(found: dict[str, Any]) -> list[str]:
    return [key for key in dict.fromkeys((*DATASETS, *found)) if key in found]


def _uar(score: dict[str, Any] | None, *, met: bool) -> str:
    if score is None:
        return "-"
    low, high = score["interval_clips"]
    return f"**{score['uar']:.2f}**{'' if met else '†'} ({low:.2f} to {high:.2f})"


def main() -> int:
    """Rewrite the regions of README.md and docs/models.md."""
    bundles = {name: Bundle.load(folder) for name, folder in built_in_bundles().items()}
    write(ROOT / "README.md", "figures", scores(bundles))
    for region, text in (("summary", summary), ("data", data), ("models", models)):
        write(ROOT / "docs" / "models.md", region, text(bundles))
    return 0


if __name__ == "__main__":
    sys.exit(main())
