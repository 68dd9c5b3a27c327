"""`run_batch`: one run, which classifies the files that the output lacks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from ser_rt.batch.classify_file import BatchConfig
from ser_rt.batch.discovery import Corpus, Item, find_inputs
from ser_rt.batch.engines import Resources, find_engine
from ser_rt.batch.identity import Identity
from ser_rt.batch.output import Output
from ser_rt.batch.parts import SUMMARY
from ser_rt.batch.progress import Meter, ProgressDisplay, report
from ser_rt.batch.summary import summarize
from ser_rt.bundle import Bundle, find_bundle
from ser_rt.cli.process import EXIT_FAILED, EXIT_OK, code_of
from ser_rt.files.names import printable
from ser_rt.files.writing import write_json
from ser_rt.runtime.flags import stream_flags, stream_settings


def run_batch(flags: argparse.Namespace) -> int:
    """Classify the inputs that are not in the output yet; return the exit code."""
    bundle = Bundle.load(find_bundle(flags.model))
    corpus = find_inputs(flags.inputs)
    identity = identity_of(flags, bundle, corpus)
    code = EXIT_OK
    with Output(
        flags.out, identity, commit_every_s=flags.commit_every, overwrite=flags.overwrite
    ) as output:
        if flags.retry_errors:
            output.forget_errors(printable(item.path) for item in corpus.items)
        shown = _shown(flags, corpus, output)
        why = stream_settings(flags).misfit(bundle) if flags.streaming is None else None
        if why and not flags.quiet:
            report(f"whole windows: {why}")
        try:
            with shown:
                _classify(flags, bundle, corpus, output, shown)
        except KeyboardInterrupt as interrupt:
            code = code_of(interrupt)
        output.commit()
        missing = sum(printable(item.path) not in output.done for item in corpus.items)
        run = _describe(flags, corpus, shown.meter)
        summary = summarize(output.folder, identity, missing=missing, run=run)
        write_json(summary, output.folder / SUMMARY)
    if not flags.quiet:
        _report(summary, shown.meter)
    all_failed = sum(summary["errors"].values()) == summary["files"]
    return EXIT_FAILED if code == EXIT_OK and all_failed else code


def identity_of(flags: argparse.Namespace, bundle: Bundle, corpus: Corpus) -> Identity:
    """Return the model, settings and columns that decide the rows."""
    asked = stream_settings(flags)
    form = replace(bundle, streaming=bundle.streaming_if(flags.streaming))
    window_s, hop_s, min_window_s = asked.windows_for(form)
    windows = {"window": window_s, "hop": hop_s, "min_window": min_window_s}
    naming = {key.removesuffix("_s"): x for key, x in asked.naming_for(form)._asdict().items()}
    settings = stream_flags(flags) | windows | naming | {"max_duration": flags.max_duration}
    for key in ("profile", "channels"):  # put into what it stands for; --channel
        del settings[key]
    for key in ("turns", "turn_pause", "longest_turn", "channel_names"):
        if not (asked.turns if "turn" in key else asked.channel_names):
            del settings[key]  # keys that runs without them never had
    if not asked.speaker_change:
        del settings["speaker_change"]
    if flags.embedding:
        settings["embedding"] = True
    if bundle.dimensions:
        settings["dimensions"] = list(bundle.dimensions)
    settings["overall"] = "by speech"  # the definition of a file's emotion: rows of others differ
    if asked.streaming_for(form) is not None:  # a key that runs of whole windows never had
        settings["streaming"] = True
    return Identity(
        model=bundle.name,
        version=bundle.version,
        model_sha256=bundle.sha256,
        precision=bundle.precision,
        labels=tuple(label.en for label in bundle.labels),
        settings=settings,
        columns=corpus.columns,
    )


def job_of(flags: argparse.Namespace, bundle: Bundle) -> BatchConfig:
    """Return the model and settings for worker processes."""
    return BatchConfig(
        model=str(bundle.folder.resolve()),
        model_sha256=bundle.sha256,
        provider=flags.provider,
        threads=flags.threads or 1,
        settings=stream_settings(flags),
        streaming=flags.streaming,
        track=flags.track,
        max_duration_s=flags.max_duration,
        stall_s=flags.stall_timeout,
        embedding=flags.embedding,
    )


def _classify(
    flags: argparse.Namespace,
    bundle: Bundle,
    corpus: Corpus,
    output: Output,
    shown: ProgressDisplay,
) -> None:
    by_path = {item.path: item for item in _todo(corpus, output)}
    if not by_path:
        return
    output.begin()
    labels, size_of = tuple(label.en for label in bundle.labels), _sizes(corpus)
    resources = Resources(flags.workers, flags.address)
    engine = find_engine(flags.engine)
    with closing(engine(list(by_path.values()), job_of(flags, bundle), labels, resources)) as found:
        for result in found:
            item = by_path[result.path]
            output.add(result, item.extra)
            shown.add(
                result.file["duration_s"],
                size_of(item),
                result.file["elapsed_s"],
                is_error=result.file["error_code"] is not None,
            )


def _todo(corpus: Corpus, output: Output) -> list[Item]:
    return [item for item in corpus.items if printable(item.path) not in output.done]


def _shown(flags: argparse.Namespace, corpus: Corpus, output: Output) -> ProgressDisplay:
    todo = _todo(corpus, output)
    size = sum(map(_sizes(corpus), todo))
    if not flags.quiet:
        done = len(corpus.items) - len(todo)
        already = f", {done} of them done before" if done else ""
        twice = f" ({corpus.duplicates} named twice)" if corpus.duplicates else ""
        report(f"{len(corpus.items)} files{twice}{already}")
        for remark in corpus.remarks:
            report(remark)
    return ProgressDisplay(Meter(len(todo), size), quiet=flags.quiet)


def _sizes(corpus: Corpus) -> Callable[[Item], float]:
    """Return a function from an item to its size in bytes; the mean size where unknown."""
    known = [item.size for item in corpus.items if item.size is not None]
    mean = sum(known) / len(known) if known else 1.0
    return lambda item: mean if item.size is None else item.size


def _describe(flags: argparse.Namespace, corpus: Corpus, meter: Meter) -> dict[str, Any]:
    return {
        "inputs": [printable(name) for name in flags.inputs],
        "engine": flags.engine,
        "provider": flags.provider,
        "files": meter.done,
        "duplicates": corpus.duplicates,
        "passed_over": dict(corpus.passed_over),
        "audio_s": round(meter.audio_s, 3),
        "elapsed_s": round(meter.elapsed_s, 3),
        "real_time_factor": round(meter.elapsed_s / meter.audio_s, 6) if meter.audio_s else None,
    }


def _report(summary: dict[str, Any], meter: Meter) -> None:
    lines = [
        f"{meter.done} files classified, {meter.audio_s / 3600:.2f} h in {meter.elapsed_s:.1f} s"
    ]
    if not meter.files:
        lines = ["nothing is left to classify"]
    if meter.speed:
        lines[0] += f" ({meter.speed:.0f} × real time)"
    if summary["errors"]:
        errors = ", ".join(f"{count} {code}" for code, count in summary["errors"].items())
        lines.append(f"errors: {errors} (see files/)")
    if summary["files_missing"]:
        lines.append(f"{summary['files_missing']} files are left; run again to go on")
    for line in lines:
        report(line)
