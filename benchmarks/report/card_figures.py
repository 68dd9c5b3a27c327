"""Tables of a model card, from the evaluation in a bundle's manifest.

What an older ser-evaluate did not measure is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from ser_rt.bundle import Bundle
from ser_rt.evaluation.sounds import SURE, SoundCount
from ser_rt.networks.start import trainings_of
from ser_rt.tables import Table

ENOUGH_CLIPS = 10
"""Clips of a speaker from which a figure of theirs means something."""

Evaluation = Mapping[str, Any]


def has_met(bundle: Bundle, dataset: str) -> bool:
    """Return whether a model was trained on clips of a dataset, or on some of "all"."""
    runs = trainings_of(bundle.training or {})
    return dataset == "all" or any(dataset in (run.get("datasets") or {}) for run in runs)


def about(bundle: Bundle) -> str:
    """Return a line with size and licence of a model, and its notice."""
    licence = bundle.licence
    size = f"{bundle.parameters / 1e6:.2f} M parameters, {_megabytes(bundle)}, {bundle.precision}"
    encoder = f"; {licence['encoder']}" if "encoder" in licence else ""
    notice = f"\n\n> {bundle.notice}" if bundle.notice else ""
    return f"{size}; weights: {licence['weights']}{encoder}.{notice}"


def summary(bundle: Bundle) -> dict[str, str]:
    """Return what matters in a choice, by what it is."""
    found = bundle.evaluation
    by_dataset = {name: s["uar"] for name, s in found["scores"].items() if name != "all"}
    known = [uar for name, uar in by_dataset.items() if has_met(bundle, name)]
    unknown = [uar for name, uar in by_dataset.items() if not has_met(bundle, name)]
    left_out = found.get("left_out_corpora")
    if left_out:
        unknown = [corpus["uar"] for corpus in left_out["corpora"].values()]
    whole = _mean(found["windows"]["whole"])
    chance = mean(1 / sum(map(any, found["confusion"][name])) for name in by_dataset)
    known_speakers = {name: s["uar"] for name, s in _speakers(found).items()}
    worst = min(known_speakers, key=known_speakers.__getitem__, default=None)
    total = sum(_sounds(found).values(), SoundCount())
    return {
        "size": f"{_megabytes(bundle)}, {bundle.precision}",
        "labels": ", ".join(label.en for label in bundle.labels),
        "weights": bundle.licence["weights"],
        "UAR, new voices of known corpora": _or_dash(known),
        "UAR, corpora never met": _or_dash(unknown),
        "chance": f"{chance:.2f}",
        "worst speaker": f"{known_speakers[worst]:.2f} ({worst})" if worst else "-",
        "1 s windows": _of(_mean(found["windows"]["1 s"]), whole),
        "telephone": _of(_mean(found["robustness"]["telephone"]), whole),
        "ECE, all clips": f"{_error(found, bundle.temperature):.3f}",
        "false alarms": f"{100 * total.share(total.alarms):.1f} %" if total.windows else "-",
    }


def conditions(found: Evaluation, columns: Sequence[str], titles: Sequence[str]) -> Table:
    """Return the UAR by window and condition, with its mean and share of the clean figure."""
    rows = []
    whole = _mean(found["windows"]["whole"])
    for name, uar in (found["windows"] | found["robustness"]).items():
        cells = (f"{uar[key]:.2f}" if key in uar else "" for key in columns)
        share = "" if name == "whole" else f"{_mean(uar) / whole:.2f}"
        rows.append((name, f"{_mean(uar):.2f}", share, *cells))
    head = ("input", "mean", "of whole", *titles)
    return Table("UAR by length and condition", head, rows)


def speakers(found: Evaluation, titles: Mapping[str, str]) -> Table:
    """Return the UAR of speakers by dataset: the worst, the best, and how many there are."""
    rows = []
    by_dataset: dict[str, dict[str, float]] = {}
    for name, score in _speakers(found).items():
        by_dataset.setdefault(score["dataset"], {})[name] = score["uar"]
    for dataset, uar in by_dataset.items():
        ranked = sorted(uar, key=uar.__getitem__)
        ends = (f"{name} {uar[name]:.2f}" for name in (ranked[0], ranked[-1]))
        middle = f"{mean(uar.values()):.2f}"
        rows.append((titles.get(dataset, dataset), str(len(uar)), *ends, middle))
    return Table("UAR by speaker", ("", "speakers", "worst", "best", "mean"), rows)


def languages(found: Evaluation) -> Table:
    """Return the UAR by language."""
    rows = [
        (name, str(s["clips"]), str(s["speakers"]), f"{s['uar']:.2f}")
        for name, s in found.get("languages", {}).items()
    ]
    return Table("UAR by language", ("", "clips", "speakers", "UAR"), rows)


def calibration(
    found: Evaluation, columns: Sequence[str], titles: Sequence[str], temperature: float
) -> Table:
    """Return the expected calibration error, of all clips and by dataset."""
    own = found["calibration"]
    by_dataset = own.get("by_dataset", {})
    cells = (f"{by_dataset[key]:.3f}" if key in by_dataset else "" for key in columns)
    average = f"{mean(by_dataset.values()):.3f}" if by_dataset else ""
    rows = [(f"{temperature:.2f}", f"{_error(found, temperature):.3f}", average, *cells)]
    title = "Expected calibration error, with the temperature of the graph"
    return Table(title, ("temperature", "all", "mean", *titles), rows)


def left_out_corpora(found: Evaluation, titles: Mapping[str, str]) -> Table:
    """Return figures on corpora that trainings of the same kind left out."""
    judged = found.get("left_out_corpora") or {"corpora": {}}
    rows = [
        (
            titles.get(name, name),
            f"{corpus['clips']:,}",
            f"{corpus['uar']:.2f}",
            f"{corpus['ece']:.3f}",
            "-" if corpus["ece_after"] is None else f"{corpus['ece_after']:.3f}",
        )
        for name, corpus in judged["corpora"].items()
    ]
    note = (
        "Each row is another training with the same settings that never met this corpus. The last "
        "column has the temperature that the other corpora give; the graph has that of all."
    )
    head = ("corpus left out", "clips", "UAR", "ECE as trained", "ECE with temperature")
    return Table("Corpora never met", head, rows, note)


def false_alarms(found: Evaluation) -> Table:
    """Return what a stream takes sounds without words for, by category."""
    counts = _sounds(found)
    total = sum(counts.values(), SoundCount())
    rows = [
        (
            name,
            str(count.files),
            f"{count.windows:,}",
            *(
                f"{100 * count.share(n):.1f} %"
                for n in (count.classified, count.named, count.alarms)
            ),
        )
        for name, count in {**counts, "all": total}.items()
        if count.windows
    ]
    note = (
        "Windows of sounds without words that pass the speech gate; that are then named anything "
        f"with a confidence above {SURE:g}; and that are named an emotion other than Neutral."
    )
    head = ("sounds", "files", "windows", "pass the gate", "named", "false alarms")
    return Table("False alarms", head, rows, note)


def confusion(found: Evaluation, dataset: str, title: str) -> Table:
    """Return the confusion matrix of a dataset."""
    labels = found["labels"]
    rows = [
        (label, *map(str, row))
        for label, row in zip(labels, found["confusion"][dataset], strict=True)
        if any(row)
    ]
    return Table(f"{title}: rows are true labels, columns predicted ones", ("", *labels), rows)


def _error(found: Evaluation, temperature: float) -> float:
    """Return the calibration error of all clips with the temperature of the graph."""
    own = found["calibration"]
    # Judged before the graph had its temperature, which is the one that was fitted then.
    is_of_fit = abs(own.get("temperature", 0.0) - temperature) < 0.01
    return float(own["ece_after" if is_of_fit else "ece"])


def _mean(uar: Mapping[str, float]) -> float:
    return mean([value for name, value in uar.items() if name != "all"] or uar.values())


def _of(value: float, whole: float) -> str:
    return f"{value:.2f} ({100 * value / whole:.0f} % of whole clips)"


def _or_dash(values: Sequence[float]) -> str:
    return f"**{mean(values):.2f}**" if values else "-"


def _speakers(found: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the scores of speakers with enough clips."""
    return {n: s for n, s in found.get("speakers", {}).items() if s["clips"] >= ENOUGH_CLIPS}


def _sounds(found: Evaluation) -> dict[str, SoundCount]:
    return {name: SoundCount(**count) for name, count in found.get("sounds", {}).items()}


def _megabytes(bundle: Bundle) -> str:
    # Weights may lie beside the graph.
    return f"{sum(entry['bytes'] for entry in bundle.files.values()) / 1e6:.1f} MB"
