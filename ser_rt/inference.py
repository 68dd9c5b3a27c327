"""`EmotionInference` and `ser-predict`: emotions of audio files, one, a list, or a folder.

`python -m ser_rt.inference FILE` prints a line, and with `--audio-path FILE` JSON.
"""

from __future__ import annotations

import argparse
import logging
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TypedDict

import numpy as np

from ser_rt.audio.discovery import find_audio
from ser_rt.audio.sources.file import FileSource
from ser_rt.classifier import EmotionClassifier
from ser_rt.cli.arguments import Parser, replaced_file
from ser_rt.cli.idle import given_in, refuse_idle, stream_rules
from ser_rt.cli.patience import ProgressLine
from ser_rt.cli.process import code_of, run_command, tell, tell_replaced
from ser_rt.cli.signals import uninterrupted
from ser_rt.errors import AudioError, ConfigError, DataError
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE
from ser_rt.files.names import printable
from ser_rt.files.writing import write_json
from ser_rt.loading import add_classifier_flags, open_model
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.flags import add_window_flags, window_settings
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.sinks.text import clock_time
from ser_rt.runtime.summary.overall import Classification

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
    """Predicts emotions of audio files with one classifier, as `ser_rt.classify` does.

    A file that breaks off has the emotion of its readable part, and a `status` that says where it
    ends; one without speech has none. A file gets the same probabilities alone and in a batch.

    Args:
        classifier: turns samples into probabilities.
        batch_size: largest number of windows, of as many files, in one call of the classifier.
        settings: of the windows, and of what counts as speech.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        batch_size: int = DEFAULT_BATCH_SIZE,
        settings: StreamSettings = DEFAULTS,
    ) -> None:
        """Refuse a batch size that leaves nothing to classify, and settings that do not fit."""
        if batch_size < 1:
            msg = f"batch_size must be 1 or more, not {batch_size}"
            raise ConfigError(msg)
        self.classifier = classifier
        self._batch_size, self._settings = batch_size, settings
        make_engines(classifier, settings)

    def predict_single(self, audio_path: str | Path) -> Prediction:
        """Predict one file; one that cannot be read has the reason in its `status`."""
        return self.predict_batch([audio_path])[0]

    def predict_batch(self, audio_paths: Sequence[str | Path]) -> list[Prediction]:
        """Predict many files, in their order; a bad one does not stop the others."""
        if isinstance(audio_paths, str | Path):
            msg = f"a list of files is wanted, not {printable(audio_paths)}: see predict_single"
            raise DataError(msg)
        return list(self.predictions(audio_paths))

    def predictions(
        self,
        audio_paths: Iterable[str | Path],
        on_progress: Callable[[str, float], None] = lambda _path, _end_s: None,
    ) -> Generator[Prediction, None, None]:
        """Yield the predictions of many files, in their order, as they are done.

        ``on_progress`` is told a file and how far it is in seconds, from several threads. If this
        ends early, as at an interrupt, files that are being read are left at their next chunk.
        """
        is_over = threading.Event()
        with (
            Batcher(self.classifier, max_batch=self._batch_size) as batcher,
            ThreadPoolExecutor(self._batch_size) as pool,
        ):
            try:
                predict = partial(self._predict, batcher, on_progress, is_over)
                yield from pool.map(predict, audio_paths)
            finally:
                is_over.set()

    def _predict(
        self,
        batcher: Batcher,
        on_progress: Callable[[str, float], None],
        is_over: threading.Event,
        path: str | Path,
    ) -> Prediction:
        engine = make_engines(batcher.open(), self._settings)
        error = None
        try:
            with FileSource(path, self.classifier.sample_rate) as source:
                chunks = takewhile(lambda _: not is_over.is_set(), source)
                for event in engine.run(chunks):
                    on_progress(printable(path), event.end)
                    if event.type == "warning":
                        logger.warning("%s: %s", printable(path), event.message)
        except AudioError as fault:
            error = str(fault)
        found = engine.overall
        if error is None and found.emotion is None:
            error = f"{printable(path)} holds no speech: --gate-threshold 0 classifies all sound"
        return _prediction(path, found, error)

    def predict_directory(self, directory: str | Path) -> list[Prediction]:
        """Predict every audio file under a folder, subfolders too, in the order of their paths.

        Hidden, unreadable and other files are logged once.

        Raises:
            DataError: there is no such folder, or it cannot be read.
        """
        return self.predict_batch(find_files(directory))

    def analyze_emotions_distribution(self, results: Sequence[Prediction]) -> Distribution:
        """Count the emotions of the predictions that succeeded; percentages are 0 to 100."""
        found = [r for r in results if r["status"] == "success"]
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


def find_files(directory: str | Path) -> list[str]:
    """Return every audio file under a folder; remarks and errors as of `predict_directory`."""
    if not Path(directory).is_dir():
        msg = f"no folder at {printable(directory)}: give a folder of audio files"
        raise DataError(msg)
    found = find_audio(directory)
    for remark in found.remarks():
        logger.warning("%s", remark)
    return list(found.audio)


def _prediction(path: str | Path, found: Classification, error: str | None) -> Prediction:
    return {
        "audio_path": str(path),
        "predicted_emotion": found.emotion,
        "confidence": found.confidence or 0.0,
        "probabilities": dict(found.probabilities),
        "status": "success" if error is None else f"error: {error}",
    }


def create_inference_engine(
    model_dir: str | Path | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    settings: StreamSettings = DEFAULTS,
) -> EmotionInference:
    """Open a model (see `open_model`) for prediction.

    Raises:
        BundleError: there is no such model, or it is a bundle that cannot be used.
        CheckpointError: the folder is no bundle, and no checkpoint with a trained head either.
    """
    return EmotionInference(open_model(model_dir, streaming=None), batch_size, settings)


def main(argv: Sequence[str] | None = None) -> int:
    """Predict files or a folder and print lines or JSON; return 0, or 1 if none was predicted."""
    return run_command("ser-predict", lambda: _predict(_parse(argv)))


def _predict(options: argparse.Namespace) -> int:
    settings = window_settings(options)
    classifier = open_model(options.model_path, options.provider, streaming=None)
    engine = EmotionInference(classifier, options.batch_size, settings)
    paths = [options.audio_path] if options.audio_path is not None else options.files
    paths = paths or find_files(options.directory)
    if not paths:
        msg = f"no audio files under {printable(options.directory)}"
        raise DataError(msg)
    results, interrupt = [], None
    with ProgressLine() as waiting:
        predictions = engine.predictions(
            paths, lambda path, end_s: waiting.update(f"{path}: {clock_time(end_s)}")
        )
        try:
            for result in predictions:
                with uninterrupted():
                    results.append(_shown(result))
                    if options.files and options.output_path is None:
                        _print(result)
        except KeyboardInterrupt as error:
            interrupt = error
            predictions.close()
    if results and (options.output_path is not None or not options.files):
        _write(results, options, engine)
    failed = [result for result in results if result["status"] != "success"]
    for result in failed:
        tell(f"ser-predict: {result['status']}")
    if interrupt is not None:
        tell(f"ser-predict: interrupted, {len(results)} of {len(paths)} files are done")
        return code_of(interrupt)
    return int(len(failed) == len(results))


def _shown(result: Prediction) -> Prediction:
    result["audio_path"] = printable(result["audio_path"])
    result["status"] = printable(result["status"])
    return result


def _print(result: Prediction) -> None:
    if (emotion := result["predicted_emotion"]) is not None:
        print(f"{result['audio_path']}: {emotion} {result['confidence']:.0%}", flush=True)


def _write(
    results: list[Prediction], options: argparse.Namespace, engine: EmotionInference
) -> None:
    distribution = engine.analyze_emotions_distribution(results)
    if options.no_probabilities:
        for result in results:
            del result["probabilities"]  # type: ignore[misc]  # --no-probabilities
    answer: Prediction | dict[str, object] = results[0]
    if options.audio_path is None:
        answer = {"predictions": results, "distribution": distribution}
    tell_replaced(options.output_path)
    write_json(answer, options.output_path)


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
        "--output-path", type=replaced_file, metavar="FILE", help="write the JSON here; - prints it"
    )
    parser.add_argument("--no-probabilities", action="store_true", help="JSON without them")
    add_window_flags(parser)
    options = parser.parse_intermixed_args(argv)
    refuse_idle(given_in(parser, argv), stream_rules(options))
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
