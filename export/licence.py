"""The licence of the weights, derived from the corpora that they were trained on."""

from __future__ import annotations

from typing import Any

from ser_rt.config import ModelConfig
from ser_rt.networks.start import trainings_of

CORPORA = {
    "emodb": "EmoDB (CC0-1.0): Burkhardt et al., A database of German emotional speech, 2005",
    "cremad": (
        "CREMA-D (ODbL-1.0, contents DbCL-1.0): Cao et al., 2014. Contains information from "
        "CREMA-D, which is made available under the Open Database License"
    ),
    "thorsten-emotional": "Thorsten-Voice 2021.06 emotional (CC0-1.0): Mueller, Kreutz",
    "nemo": "nEMO (CC BY-NC-SA 4.0): Christop, nEMO: Dataset of Emotional Speech in Polish, 2024",
    "emotiontts": "emotiontts open DB (CC BY-NC-SA, research only): SELVAS AI, KAIST",
    "ravdess": (
        "RAVDESS (CC BY-NC-SA 4.0): Livingstone, Russo, The Ryerson Audio-Visual Database of "
        "Emotional Speech and Song, 2018"
    ),
    "indian-emospeech": ("Indian EmoSpeech Command Dataset (CC BY-NC-SA 4.0): Rakshak team, 2019"),
}
"""Attributions of known corpora."""

WHISPER_FILE = "LICENSE.whisper"
WHISPER_LICENCE = """\
MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""The licence that weights which started from OpenAI's must keep."""


def licence_of(training: dict[str, Any], model: ModelConfig | None = None) -> dict[str, Any]:
    """Derive the licence of the weights from a checkpoint's description of its training.

    Clips of the class ``nc`` (or ``non-commercial``) make the weights non-commercial; clips of the
    class ``permissive`` alone leave them free; for anything else the person who trained them must
    decide. What its teacher was trained on counts as well, and what it started from.
    """
    runs = list(trainings_of(training))
    classes = {name for run in runs for name in run.get("licence_classes") or ("unknown",)}
    weights = "unknown: whoever trained them must say"
    if {"nc", "non-commercial"} & classes:
        weights = "CC-BY-NC-SA-4.0"
    elif classes == {"permissive"}:
        weights = "MIT"
    datasets = sorted({name for run in runs for name in run.get("datasets", ()) if name})
    attribution = [CORPORA.get(name, name) for name in datasets]
    found: dict[str, Any] = {"weights": weights, "trained_on": attribution}
    if model is not None and _is_whisper(model):
        found["encoder"] = f"started from OpenAI's Whisper (MIT): {WHISPER_FILE} goes along with it"
    return found


def notices(model: ModelConfig) -> dict[str, str]:
    """Return the files that must go along with the weights that a network started from, by name."""
    return {WHISPER_FILE: WHISPER_LICENCE} if _is_whisper(model) else {}


def _is_whisper(model: ModelConfig) -> bool:
    return model.architecture == "whisper" and bool(model.model_name)
