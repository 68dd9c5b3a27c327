"""The part of ``ser-evaluate`` that judges streams: its flags, and what it does with them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from typing import Any

from ser_rt.checks import add_flags, from_flags
from ser_rt.classifier import EmotionClassifier
from ser_rt.cli.process import tell
from ser_rt.cli.profile_flags import Group
from ser_rt.constants import EMOTIONS
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.judging.conditions import Conditions
from ser_rt.judging.protocol import VERSION, Protocol, make_streams
from ser_rt.judging.truth import LabelledStream, Omissions
from ser_rt.judging.zed import read_zed
from ser_rt.runtime.flags import add_settings_flags, stream_settings
from ser_rt.runtime.settings import StreamSettings
from ser_rt.training.data.selection import Selection, select_clips

_OF_STREAMS = (Protocol, Conditions)


def add_source_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which streams: those of `streams_of`."""
    group = parser.add_argument_group("streams, made of the clips of speakers")
    for cls in _OF_STREAMS:
        add_flags(group.add_argument, cls)


def add_judging_flags(parser: argparse.ArgumentParser, clips: Group) -> None:
    """Add the flags of `judge_streams`; ``clips`` is the group of those that say which clips."""
    clips.add_argument(
        "--zed", metavar="JSON", help="recordings with times, as of ZED.json (needs --streams)"
    )
    parser.add_argument(
        "--streams",
        action="store_true",
        help="judge streams instead of clips: delay, flicker, false changes, ...",
    )
    add_source_flags(parser)
    group = parser.add_argument_group("the stream of the model (needs --streams)")
    group.add_argument(
        "--streaming",
        action=argparse.BooleanOptionalAction,
        help="compute each hop once, with caches; without, whole windows (what the bundle can)",
    )
    group.add_argument(
        "--online-checks",
        type=int,
        default=10,
        metavar="N",
        help="compare events of odd chunks with those of even ones on N streams: on every seventh, "
        "or with more than 10 on the first N (%(default)s)",
    )
    group.add_argument(
        "--hosted",
        metavar="NAME",
        help="slide an audio-classification model of transformers over windows instead: its name "
        "on the hub, or its folder",
    )
    group.add_argument(
        "--hosted-labels", metavar="LABEL=EMOTION,...", help="what its labels stand for"
    )
    add_settings_flags(parser)


def hosted_of(options: argparse.Namespace) -> EmotionClassifier | None:
    """Return the model of transformers that flags name, if they do.

    Raises:
        CheckpointError: There is none.
        ConfigError: Labels are not given as they must be.
    """
    if options.hosted is None:
        return None
    from ser_rt.judging.hosted import (
        HostedClassifier,
        MergedClassifier,
        check_meanings,
        parse_meanings,
    )

    flag = "--hosted-labels"
    meanings = parse_meanings(options.hosted_labels or "", flag)
    model = HostedClassifier(options.hosted, meanings)
    check_meanings({options.hosted: model}, meanings, tuple(EMOTIONS), flag)
    return MergedClassifier(model)


def check_flags(
    parser: argparse.ArgumentParser, options: argparse.Namespace, given: Collection[str]
) -> None:
    """Refuse flags that do nothing with ``--streams``, or without it; end with 2."""
    if not options.streams:
        known = argparse.ArgumentParser()
        add_judging_flags(known, known)
        idle = sorted(vars(known.parse_args([])).keys() & set(given))
        if idle:
            parser.error(f"{_flag(idle[0])} needs --streams")
        return
    if options.hosted_labels and not options.hosted:
        parser.error("--hosted-labels needs --hosted")
    if options.hosted and options.model_path:
        parser.error("--hosted is another model than --model-path: give one of them")
    for name in ("data_dir", "compare", "sounds", "no_stress"):
        if name in given:
            parser.error(
                f"{_flag(name)} does nothing with --streams: they are made of a --manifest with "
                "speakers, or read from a --zed"
            )
    for name in vars(from_flags(Protocol, options)) | asdict(Conditions()):
        if options.zed and name in given:
            parser.error(f"{_flag(name)} makes streams; those of --zed are recordings")


def streams_of(
    options: argparse.Namespace, classifier: EmotionClassifier, omissions: Omissions
) -> tuple[Iterator[LabelledStream], dict[str, Any]]:
    """Return the streams that flags name, made one by one, and the words of a report about them.

    Raises:
        DataError: The manifest or the recordings are unfit.
    """
    labels, rate = classifier.labels, classifier.sample_rate
    if getattr(options, "zed", None):
        about: dict[str, Any] = {"recordings": printable(options.zed)}
        return read_zed(options.zed, rate, labels, omissions), about
    protocol, conditions = from_flags(Protocol, options), from_flags(Conditions, options)
    selection = Selection(options.split, options.dataset, options.same_labels)
    clips, unused = select_clips(options.manifest, labels, selection)
    lacking = Counter(row.emotion for row in unused if not row.not_selected)
    for emotion, count in lacking.items():
        omissions.add(f"clips of an emotion that the model lacks: {emotion}", f"{count} clips")
        omissions.counts[f"clips of an emotion that the model lacks: {emotion}"] = count
    about = {
        "manifest": printable(options.manifest),
        "split": options.split,
        "protocol": {"version": VERSION, **asdict(protocol)},
        "conditions": asdict(conditions),
    }
    return make_streams(clips, rate, protocol, conditions, omissions), about


def judge_streams(options: argparse.Namespace, opened: Callable[..., EmotionClassifier]) -> int:
    """Judge a model, which ``opened`` opens, on streams and write a report; return 0.

    Raises:
        ConfigError: Settings do not fit the model.
        DataError: There is no stream to judge it on.
    """
    from ser_rt.judging.report import to_text, write_report
    from ser_rt.judging.verdict import judge

    if options.online_checks < 0:
        msg = f"online-checks must be 0 or more, not {options.online_checks}"
        raise ConfigError(msg)
    settings = stream_settings(options)
    classifier = hosted_of(options) or opened(
        options.model_path, options.provider, streaming=options.streaming
    )
    omissions = Omissions()
    streams, about = streams_of(options, classifier, omissions)
    model = printable(options.hosted or options.model_path or "built-in model")
    verdict = judge(
        classifier,
        streams,
        settings,
        omissions,
        online_checks=options.online_checks,
        about={"model": model, **about, "settings": settings_of(settings, classifier)},
    )
    where = about.get("manifest") or about.get("recordings")
    title = f"{model} on streams of {where} {options.split or ''}".strip()
    written = write_report(verdict, options.output_dir, title)
    print(to_text(verdict), end="")
    tell(f"ser-evaluate: wrote {', '.join(map(printable, written))}")
    return 0


def settings_of(settings: StreamSettings, classifier: EmotionClassifier) -> dict[str, Any]:
    """Return settings as a report has them, with the windows that the model makes of them."""
    naming = settings.naming_for(classifier)
    detects = settings.vad and (naming.gate_threshold != 0 or settings.speaker_change)
    return {
        **settings.windows_for(classifier)._asdict(),
        "streaming": settings.streaming_for(classifier) is not None,
        "profile": settings.profile,
        **naming._asdict(),
        "vad": "silero" if detects else "level",
    }


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
