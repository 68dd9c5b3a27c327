"""`EmotionInference` and `ser-predict`: emotions of audio files, one, a list, or a folder.

`python -m ser_rt.inference FILE` prints a line, and with `--audio-path FILE` JSON.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from ser_rt.audio.discovery import find_audio
from ser_rt.audio.processing import SHORTEST_S
from ser_rt.classifier import EmotionClassifier
from ser_rt.cli.arguments import Parser, new_file
from ser_rt.cli.process import run_command, tell
from ser_rt.config import model_config
from ser_rt.errors import ConfigError, DataError
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE
from ser_rt.evaluation.files import ClassifiedFile, classify_files
from ser_rt.files.names import printable
from ser_rt.files.writing import write_json
from ser_rt.loading import add_classifier_flags, open_model

logger = logging.getLogger(__name__)


class Prediction(TypedDict):
    """Emotion of one file. `status` is "success", or "error: " and the reason."""

    audio_path: str
    predicted_emotion: str | None
    confidence: float
    probabilities: dict[str, float]
    status: str


class Distribution(TypedDict):
    """Emotions of many files; failed ones are left out, and a mean of none is None."""

    total_samples: int
    emotion_counts: dict[str, int]
    emotion_percentages: dict[str, float]
    average_confidence: float | None
    std_confidence: float | None
    min_confidence: float | None
    max_confidence: float | None


class EmotionInference:
    """Predicts emotions of audio files with one classifier.

    A file that breaks off has the emotion of its readable part, and a `status` that says where it
    ends. A file gets the same probabilities alone and in a batch. One longer than `max_duration`
    is cut into equal windows, and their probabilities are averaged: all of it counts.

    Args:
        classifier: turns samples into probabilities.
        max_duration: longest window in seconds.
        batch_size: largest number of windows in one call of the classifier.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        max_duration: float = 10.0,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Refuse a duration or batch size that leaves nothing to classify."""
        if max_duration < SHORTEST_S or batch_size < 1:
            msg = (
                f"max_duration must be {SHORTEST_S} s or more, not {max_duration}; "
                f"batch_size must be 1 or more, not {batch_size}"
            )
            raise ConfigError(msg)
        self.classifier = classifier
        self._max_duration = max_duration
        self._batch_size = batch_size

    def predict_single(self, audio_path: str | Path) -> Prediction:
        """Predict one file; one that cannot be read has the reason in its `status`."""
        return self.predict_batch([audio_path])[0]

    def predict_batch(self, audio_paths: Sequence[str | Path]) -> list[Prediction]:
        """Predict many files, in their order; a bad one does not stop the others."""
        files = classify_files(self.classifier, audio_paths, self._max_duration, self._batch_size)
        return [_prediction(file, self.classifier.labels) for file in files]

    def predict_directory(self, directory: str | Path) -> list[Prediction]:
        """Predict every audio file under a folder, subfolders too, in the order of their paths.

        Hidden, unreadable and other files are logged once.

        Raises:
            DataError: there is no such folder, or it cannot be read.
        """
        if not Path(directory).is_dir():
            msg = f"no folder at {printable(directory)}: give a folder of audio files"
            raise DataError(msg)
        found = find_audio(directory)
        for remark in found.remarks():
            logger.warning("%s", remark)
        return self.predict_batch(found.audio)

    def analyze_emotions_distribution(self, results: Sequence[Prediction]) -> Distribution:
        """Count the emotions of the predictions that succeeded; percentages are 0 to 100."""
        found = [r for r in results if r["predicted_emotion"] is not None]
        counts = Counter(str(r["predicted_emotion"]) for r in found)
        confidence = np.array([r["confidence"] for r in found])
        return {
            "total_samples": len(found),
            "emotion_counts": dict(counts.most_common()),
            "emotion_percentages": {e: 100 * n / len(found) for e, n in counts.most_common()},
            "average_confidence": float(confidence.mean()) if found else None,
            "std_confidence": float(confidence.std()) if found else None,
            "min_confidence": float(confidence.min()) if found else None,
            "max_confidence": float(confidence.max()) if found else None,
        }


def _prediction(file: ClassifiedFile, labels: Sequence[str]) -> Prediction:
    row = [] if file.probabilities is None else file.probabilities.tolist()
    return {
        "audio_path": str(file.path),
        "predicted_emotion": labels[row.index(max(row))] if row else None,
        "confidence": max(row, default=0.0),
        "probabilities": dict(zip(labels, row, strict=False)),
        "status": "success" if file.error is None else f"error: {file.error}",
    }


def create_inference_engine(
    model_dir: str | Path | None = None, batch_size: int = DEFAULT_BATCH_SIZE
) -> EmotionInference:
    """Open a model (see `open_model`) for prediction; `model_config.max_duration` is its longest.

    Raises:
        BundleError: there is no such model, or it is a bundle that cannot be used.
        CheckpointError: the folder is no bundle, and no checkpoint with a trained head either.
    """
    return EmotionInference(open_model(model_dir), model_config.max_duration, batch_size)


def main(argv: Sequence[str] | None = None) -> int:
    """Predict files or a folder and print lines or JSON; return 0, or 1 if none was predicted."""
    return run_command("ser-predict", lambda: _predict(_parse(argv)))


def _predict(options: argparse.Namespace) -> int:
    classifier = open_model(options.model_path, options.provider)
    engine = EmotionInference(classifier, model_config.max_duration, options.batch_size)
    answer: Prediction | dict[str, object]
    if options.audio_path is not None:
        answer = engine.predict_single(options.audio_path)
        results = [answer]
    else:
        results = (
            engine.predict_batch(options.files)
            if options.files
            else engine.predict_directory(options.directory)
        )
        distribution = engine.analyze_emotions_distribution(results)
        answer = {"predictions": results, "distribution": distribution}
    if not results:
        msg = f"no audio files under {printable(options.directory)}"
        raise DataError(msg)
    failed = [r for r in results if r["status"] != "success"]
    if options.no_probabilities:
        for result in results:
            del result["probabilities"]  # type: ignore[misc]  # --no-probabilities
    for result in results:
        result["audio_path"] = printable(result["audio_path"])
        result["status"] = printable(result["status"])
    if options.files and options.output_path is None:
        for result in results:
            if (emotion := result["predicted_emotion"]) is not None:
                print(f"{result['audio_path']}: {emotion} {result['confidence']:.0%}")
    else:
        write_json(answer, options.output_path)
    for result in failed:
        tell(f"ser-predict: {result['status']}")
    return int(len(failed) == len(results))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="ser-predict", description="Emotions of audio files.")
    add_classifier_flags(parser)
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="wav, mp3, m4a, flac, ogg, ...: prints a line each"
    )
    audio = parser.add_mutually_exclusive_group()
    audio.add_argument("--audio-path", metavar="FILE", help="one file: prints JSON")
    audio.add_argument("--directory", help="every audio file under this folder: prints JSON")
    parser.add_argument(
        "--output-path",
        type=new_file,
        metavar="FILE",
        help="write the JSON here instead of standard output (-)",
    )
    parser.add_argument("--no-probabilities", action="store_true", help="JSON without them")
    options = parser.parse_intermixed_args(argv)
    if (
        bool(options.files) + (options.audio_path is not None) + (options.directory is not None)
        != 1
    ):
        parser.error("name FILES, --audio-path or --directory, and one of them alone")
    if options.files and options.output_path is None and options.no_probabilities:
        parser.error("--no-probabilities is for JSON: give --output-path too, - to print it")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
