"""Writes the API reference from the docstrings: `python docs/api.py FOLDER` (`make docs`)."""

import sys
import warnings
from pathlib import Path

import pdoc

MODULES = (
    "ser_rt",
    "ser_rt.errors",
    "ser_rt.bundle",
    "ser_rt.manifest",
    "ser_rt.classifier",
    "ser_rt.audio.chunk",
    *(f"ser_rt.audio.sources.{name}" for name in ("file", "microphone", "network", "push")),
    *(f"ser_rt.runtime.{name}" for name in ("stream", "astream", "event", "settings")),
    *(f"ser_rt.runtime.{name}" for name in ("hysteresis", "engine", "batcher", "sinks")),
    "ser_rt.runtime.backends.onnx_classifier",
    "ser_rt.runtime.backends.providers",
    "ser_rt.agents",
    "ser_rt.client",
    *(f"ser_rt.{name}" for name in ("config", "model", "data_loader", "preprocessing")),
    *(f"ser_rt.{name}" for name in ("trainer", "inference", "evaluate", "utils")),
    "ser_rt.evaluation.metrics",
    "ser_rt.export.bundle",
    "ser_rt.testing",
)
"""What programs import; the rest of the package is described in CONTRIBUTING.md."""


def main() -> int:
    """Write the pages into the folder that the command line names."""
    (folder,) = sys.argv[1:]
    warnings.simplefilter("error", UserWarning)
    # pdoc writes annotations of NamedTuples and of inherited fields as they stand, and warns of it.
    warnings.filterwarnings("ignore", "Error parsing type annotation")
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*MODULES, output_directory=Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
