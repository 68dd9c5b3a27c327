"""`ModelEvaluator` and `ser-evaluate`: metrics of a model on labelled clips.

`python -m ser_rt.evaluate --model-path RUN_OR_BUNDLE --manifest clips.csv --split val`
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.checks import add_flags
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.cli.arguments import Parser, new_folder
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.cli.process import run_command, tell, tell_replaced
from ser_rt.config import DataConfig, model_config
from ser_rt.errors import DataError
from ser_rt.evaluation import left_out, scores
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE, classify
from ser_rt.evaluation.dimensions import rate_clips
from ser_rt.evaluation.files import classify_files
from ser_rt.evaluation.plots import class_figure, confusion_figure, png
from ser_rt.evaluation.report import to_text, write_report
from ser_rt.evaluation.robustness import RobustnessTest
from ser_rt.evaluation.scores import ClipPrediction, Evaluation, calibrate, score, score_groups
from ser_rt.evaluation.sounds import SoundCount, count_alarms, find_sounds
from ser_rt.evaluation.verdict import verdict_of
from ser_rt.files.names import printable
from ser_rt.files.provenance import about_run
from ser_rt.files.writing import write_bytes
from ser_rt.judging.command import add_judging_flags, check_flags, judge_streams
from ser_rt.judging.idle import idle_rules
from ser_rt.loading import add_classifier_flags, open_model, temperature_of
from ser_rt.tables import text_table
from ser_rt.training.data.corpus import label_id
from ser_rt.training.data.selection import Selection, select_clips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP_COLUMNS = ("dataset", "speaker", "language", "gender")
_TESTED_TOGETHER = 64


class ModelEvaluator:
    """Evaluates one model and keeps the last `Evaluation` in `evaluation` for plots and reports.

    Args:
        model: a bundle, a training run or checkpoint folder, the name of a built-in bundle, None
            for the built-in default, or any `EmotionClassifier`.
        batch_size: largest number of windows in one call of the model.
        max_duration: longest window in seconds; longer clips get the mean of their windows. None
            takes `model_config.max_duration`.
        trim_silence: whether to leave silence at both ends of a clip out, as a stream does.
    """

    def __init__(
        self,
        model: str | Path | EmotionClassifier | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        max_duration: float | None = None,
        trim_silence: bool = False,
    ) -> None:
        opened = open_model(model) if model is None or isinstance(model, str | Path) else model
        self.classifier: EmotionClassifier = opened
        self._batch_size = batch_size
        self._max_duration = max_duration or model_config.max_duration
        self._trim_silence = trim_silence
        self._evaluation: Evaluation | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The last evaluation.

        Raises:
            DataError: there was none yet.
        """
        if self._evaluation is None:
            msg = "nothing evaluated yet: call evaluate_dataset first"
            raise DataError(msg)
        return self._evaluation

    def evaluate_dataset(
        self,
        audio_paths: Sequence[str | Path],
        true_labels: Sequence[str | int],
        groups: Mapping[str, Sequence[str]] | None = None,
        *,
        stress: bool = False,
        left_out: Mapping[str, int] | None = None,
    ) -> Evaluation:
        """Classify every clip whole and compare with its label.

        Clips that cannot be read are listed in `failed` and are in no metric.

        Args:
            audio_paths: files ``[clips]``.
            true_labels: the emotion of each, as a name or as an id of the model.
            groups: more columns of each clip: `speaker` and `dataset` (which the intervals need),
                `language`, `gender`, or any other; unknown values are "".
            stress: also classify 3 s and 1 s windows, and clips with noise, telephone, codec, level
                and clipping.
            left_out: clips per emotion that the caller left out, for the report.

        Raises:
            DataError: lengths differ, a label is unknown to the model, or no clip can be read.
        """
        labels = self.classifier.labels
        groups = {name: values for name, values in (groups or {}).items() if any(values)}
        for name, values in {"true_labels": true_labels, **groups}.items():
            if len(values) != len(audio_paths):
                msg = f"{len(values)} {name} for {len(audio_paths)} audio_paths: give one each"
                raise DataError(msg)
        if {"speaker", "dataset"} <= groups.keys():
            groups["speaker"] = scores.distinct_speakers(groups["speaker"], groups["dataset"])
        ids = np.array([label_id(label, labels) for label in true_labels], np.int64)
        stressed = RobustnessTest(self._classify, self.classifier.sample_rate) if stress else None
        rows, failed = self._classify_files(audio_paths, stressed)
        true, table = ids[list(rows)], np.stack(list(rows.values()))
        known = {name: [values[i] for i in rows] for name, values in groups.items()}
        speakers, datasets = known.get("speaker"), known.get("dataset")
        predicted = table.argmax(axis=1)
        self._evaluation = Evaluation(
            labels=tuple(labels),
            overall=score(true, predicted, labels, speakers, datasets),
            calibration=calibrate(true, table, speakers, datasets),
            groups=score_groups(true, predicted, labels, known),
            windows=stressed.windows(ids, groups.get("dataset")) if stressed else {},
            robustness=stressed.robustness(ids, groups.get("dataset")) if stressed else {},
            failed=failed,
            left_out=dict(left_out or {}),
            predictions=[
                ClipPrediction(
                    path=printable(audio_paths[i]),
                    true=labels[ids[i]],
                    probabilities=dict(zip(labels, row.tolist(), strict=True)),
                    **{name: groups[name][i] for name in ("dataset", "speaker") if name in groups},
                )
                for i, row in rows.items()
            ],
            temperature=temperature_of(self.classifier),
        )
        return self._evaluation

    def plot_confusion_matrix(self, save_path: str | Path | None = None) -> Figure:
        """Draw the confusion matrix; write a PNG to `save_path` if it is given."""
        return _draw(
            confusion_figure(self.evaluation.overall.confusion, self.evaluation.labels), save_path
        )

    def plot_class_metrics(self, save_path: str | Path | None = None) -> Figure:
        """Draw precision, recall and F1 of every class; write a PNG to `save_path` if given."""
        return _draw(class_figure(self.evaluation.overall.classes), save_path)

    def generate_evaluation_report(self, save_path: str | Path | None = None) -> str:
        """Return the metrics as text; write them to `save_path` if it is given."""
        text = to_text(self.evaluation)
        if save_path is not None:
            write_bytes(save_path, text.encode())
        return text

    def _classify_files(
        self, paths: Sequence[str | Path], stressed: RobustnessTest | None
    ) -> tuple[dict[int, FloatArray], dict[str, str]]:
        """Return probabilities by the place of the clip, and the reasons of failures by path."""
        rows: dict[int, FloatArray] = {}
        failed: dict[str, str] = {}
        how = (self._max_duration, self._batch_size)
        results = enumerate(classify_files(self.classifier, paths, *how, trim=self._trim_silence))
        while together := list(islice(results, _TESTED_TOGETHER)):
            clips: dict[int, FloatArray] = {}
            for place, file in together:
                if file.error is not None or file.probabilities is None:
                    failed[printable(file.path)] = printable(str(file.error))
                else:
                    clips[place], rows[place] = file.samples, file.probabilities
            if stressed and clips:
                stressed.add(clips, rows)
        if not rows:
            reason = next(iter(failed.values()), "the list is empty")
            msg = f"none of {len(paths)} clips can be classified: {reason}"
            raise DataError(msg)
        return rows, failed

    def _classify(self, clips: Sequence[FloatArray]) -> FloatArray:
        return classify(self.classifier, clips, self._max_duration, self._batch_size)


def _draw(figure: Figure, save_path: str | Path | None) -> Figure:
    if save_path is not None:
        write_bytes(save_path, png(figure))
    return figure


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate a model and write a report, or compare evaluations; return 0, or 1 on an error."""
    return run_command("ser-evaluate", lambda: _evaluate(_parse(argv)))


def _evaluate(options: argparse.Namespace) -> int:
    if options.compare:
        table, file = left_out.compare(options.compare, options.output_dir)
        print(text_table(table))
        tell(f"ser-evaluate: wrote {printable(file)}")
        return 0
    if options.streams:
        return judge_streams(options, open_model)
    sounds = find_sounds(options.sounds) if options.sounds else {}
    classifier = open_model(options.model_path, options.provider)
    where = options.manifest or options.data_dir
    selection = Selection(options.split, options.dataset, options.same_labels)
    clips, unused = select_clips(
        where, classifier.labels, selection, is_folder=options.manifest is None
    )
    evaluator = ModelEvaluator(
        classifier, batch_size=options.batch_size, trim_silence=options.trim_silence
    )
    evaluation = evaluator.evaluate_dataset(
        [clip.path for clip in clips],
        [clip.emotion for clip in clips],
        {column: [getattr(clip, column) for clip in clips] for column in GROUP_COLUMNS},
        stress=not options.no_stress,
        left_out=Counter(row.emotion for row in unused if not row.not_selected),
    )
    elsewhere = [row for row in unused if row.other_dataset and not row.other_split]
    counts, undecoded = _count_alarms(classifier, sounds) if sounds else ({}, {})
    evaluation = replace(
        evaluation,
        other_splits=dict(Counter(row.split for row in unused if row.other_split)),
        other_datasets=dict(Counter(row.dataset for row in elsewhere)),
        left_out_clips=unused,
        sounds=counts,
        dimensions=rate_clips(classifier, clips, options.batch_size, trim=options.trim_silence),
        failed=evaluation.failed | undecoded,
        about=about_run(classifier, printable(options.model_path or "built-in model")),
    )
    title = f"{printable(options.model_path or 'built-in model')} on {printable(where)}"
    tell_replaced(Path(options.output_dir), "evaluation.json")
    written = write_report(evaluation, options.output_dir, f"{title} {options.split or ''}".strip())
    print(to_text(evaluation), end="")
    for line in verdict_of(evaluation)[1:]:
        tell(f"ser-evaluate: {line}")
    tell(f"ser-evaluate: wrote {', '.join(map(printable, written))}")
    return 0


def _count_alarms(
    classifier: EmotionClassifier, sounds: dict[str, str]
) -> tuple[dict[str, SoundCount], dict[str, str]]:
    from ser_rt.runtime.stream import stream

    return count_alarms(sounds, lambda path: stream(path, model=classifier))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="ser-evaluate", description="Metrics of a model on clips or streams.")
    add_classifier_flags(parser)
    add = parser.add_argument
    clips = parser.add_mutually_exclusive_group(required=True)
    clips.add_argument("--data-dir", help="a folder that holds one folder for each emotion")
    clips.add_argument("--manifest", help="a CSV with file_path, emotion and perhaps speaker, ...")
    clips.add_argument(
        "--compare",
        nargs="+",
        metavar="EVALUATION",
        help="compare earlier evaluations on corpora left out of training instead: a row for each "
        "evaluation.json, or each folder of several",
    )
    add("--split", help="only the manifest's clips of this split, such as val")
    add("--dataset", nargs="+", default=(), metavar="NAME", help="only those of these datasets")
    add_flags(add, DataConfig, only=("same_labels", "trim_silence"))
    add("--sounds", metavar="FOLDER", help="count false alarms on these sounds without words")
    add("--output-dir", type=new_folder, default="./evaluation_results", help="%(default)s")
    add("--no-stress", action="store_true", help="skip windows and robustness: ten times faster")
    add_judging_flags(parser, clips)
    options = parser.parse_args(argv)
    given = given_in(parser, argv)
    check_flags(parser, options, given)
    refuse_idle(given, idle_rules(options))
    for name in ("split", "dataset"):
        if getattr(options, name) and not options.manifest:
            parser.error(f"--{name} needs --manifest")
    DataConfig(same_labels=tuple(options.same_labels))
    return options


if __name__ == "__main__":
    raise SystemExit(main())
