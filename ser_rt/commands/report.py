"""``ser-report``: the emotions of a recording as a page or a picture; of many, with an index."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.cli.arguments import Parser
from ser_rt.cli.help_text import HelpFormatter
from ser_rt.cli.idle import given_in, refuse_idle, stream_rules
from ser_rt.cli.process import EXIT_FAILED, EXIT_OK, run_command, tell, tell_replaced
from ser_rt.errors import AudioError, ConfigError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT
from ser_rt.files.writing import check_writable
from ser_rt.runtime.flags import add_model_flags, add_stream_flags, stream_settings
from ser_rt.runtime.sinks.words import LANGUAGES

if TYPE_CHECKING:
    from ser_rt.report.recording import RecordingReport
    from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
    from ser_rt.runtime.settings import StreamSettings

INDEX = "index.html"
_USAGE = """\
ser-report [flags] FILE -o FILE.html|FILE.png     a recording
       ser-report [flags] FILE|FOLDER... -o FOLDER      many, with an index"""
_EPILOG = """\
examples:
  ser-report call.wav -o call.html --channels split --channel-names agent,customer
  ser-report calls/ -o reports --lang ko

A page needs no network. It plays the recording from where it is, or from within the page with
--embed-audio. Of a live stream: ser-stream --mic --session-report FILE.html. The exit code is 0;
1 if a recording could not be read to its end; 2 if the command makes no sense.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-report``."""
    parser = Parser(
        prog="ser-report",
        usage=_USAGE,
        description="Show the emotions of a recording: as a page, or as a picture.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument_group("input and output").add_argument
    add("files", nargs="+", metavar="FILE", help="recordings, by URL too, or folders of them")
    add(
        "--output",
        "-o",
        required=True,
        type=Path,
        metavar="OUT",
        help="a page (.html), a picture (.png; needs the extra 'report'), or a folder for many",
    )
    add("--lang", choices=LANGUAGES, default="en", help="(%(default)s)")
    add("--png", action="store_true", help="write a picture beside each page, too")
    add("--embed-audio", action="store_true", help="put the sound into the page, as MP3")
    add("--quiet", "-q", action="store_true", help="no status on standard error")
    add_model_flags(parser.add_argument_group("model"))
    add_stream_flags(parser)
    parser.set_defaults(turns=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-report``; return 0, 1 (a recording failed) or 2 (usage)."""
    return run_command("ser-report", lambda: _report(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser()
    flags = parser.parse_args(argv)
    refuse_idle(given_in(parser, argv), stream_rules(flags))
    return flags


def _report(flags: argparse.Namespace) -> int:
    files = list(_files(flags.files))
    is_one = len(files) == 1 and not Path(flags.files[0]).is_dir() and not _is_folder(flags.output)
    _check(flags, files, is_one=is_one)
    from ser_rt.runtime.stream import load

    settings = stream_settings(flags)
    model = load(
        flags.model, flags.provider, flags.threads, streaming=flags.streaming, settings=settings
    )
    run = _one if is_one else _many
    return run(flags, files, model, settings)


def _one(
    flags: argparse.Namespace, files: list[str], model: OnnxClassifier, settings: StreamSettings
) -> int:
    from ser_rt.report.write import write_report

    recording = _gathered(flags, files[0], flags.output, model, settings)
    if not flags.quiet:
        tell_replaced(flags.output)
    write_report(recording, flags.output, flags.lang)
    _picture(flags, recording, flags.output)
    _tell(flags, recording)
    return EXIT_OK if recording.error is None else EXIT_FAILED


def _many(
    flags: argparse.Namespace, files: list[str], model: OnnxClassifier, settings: StreamSettings
) -> int:
    from ser_rt.files.writing import write_text
    from ser_rt.report.gather import name_of
    from ser_rt.report.index import IndexRow, index_page, row_of
    from ser_rt.report.page import page
    from ser_rt.runtime.event import UNSURE

    rows: list[IndexRow] = []
    used, failed = {INDEX}, 0
    try:
        for file in files:
            path = flags.output / _page_name(file, used)
            try:
                recording = _gathered(flags, file, path, model, settings)
            except AudioError as error:
                failed += 1
                tell(f"ser-report: {error}")
                rows.append(IndexRow(name_of(file), error=printable(str(error))))
                continue
            failed += recording.error is not None
            write_text(path, page(recording, flags.lang, INDEX))
            _picture(flags, recording, path)
            rows.append(row_of(recording, path.name))
            _tell(flags, recording)
    finally:  # an interrupt leaves an index of what is there
        if rows:
            title = printable(flags.output.resolve().name)
            index = index_page(rows, (*model.labels, UNSURE), title, flags.lang)
            write_text(flags.output / INDEX, index)
    return EXIT_FAILED if failed else EXIT_OK


def _gathered(
    flags: argparse.Namespace,
    file: str,
    output: Path,
    model: OnnxClassifier,
    settings: StreamSettings,
) -> RecordingReport:
    from ser_rt.report.gather import gather, is_url, link_to

    recording = gather(file, model, settings, track=flags.track, with_audio=flags.embed_audio)
    if not (flags.embed_audio or is_url(file) or str(output) == STANDARD_OUTPUT):
        recording.link = link_to(file, output)
    return recording


def _picture(flags: argparse.Namespace, recording: RecordingReport, page: Path) -> None:
    """Write the picture that lies beside a page, if it is wanted."""
    if flags.png:
        from ser_rt.report.write import write_report

        write_report(recording, page.with_suffix(".png"), flags.lang)


def _tell(flags: argparse.Namespace, recording: RecordingReport) -> None:
    from ser_rt.report.words import Words

    if recording.error is not None:
        tell(f"ser-report: {recording.error}")
    if not flags.quiet:
        tell(f"{recording.name}: {Words(flags.lang).summary(recording)}")


def _files(inputs: Sequence[str]) -> Iterator[str]:
    """Yield recordings, those of folders too.

    Raises:
        ConfigError: An input is no file.
    """
    from ser_rt.audio.discovery import find_audio

    for path in inputs:
        is_url = "://" in path
        if path == STANDARD_OUTPUT or (is_url and not path.startswith(("http://", "https://"))):
            what = printable(path) if is_url else "standard input"
            msg = f"{what} is no recording: use ser-stream with --session-report"
            raise ConfigError(msg)
        if is_url or not Path(path).is_dir():
            yield path
            continue
        found = find_audio(path)
        for remark in found.remarks():
            tell(f"ser-report: {remark}")
        if not found.audio:
            msg = f"no audio files under {printable(path)}"
            raise ConfigError(msg)
        yield from found.audio


def _check(flags: argparse.Namespace, files: Sequence[str], *, is_one: bool) -> None:
    """Refuse outputs that are of another kind, or would overwrite an input."""
    output = flags.output
    if flags.channels is not None:
        msg = f"--channels {flags.channels} is of raw PCM; a recording knows its own: split, or mix"
        raise ConfigError(msg)
    if flags.channel_names and flags.channel != "split":
        msg = "--channel-names needs --channels split"
        raise ConfigError(msg)
    from ser_rt.report.write import kind_of, prepare

    if is_one:
        if flags.png and (kind_of(output) == ".png" or str(output) == STANDARD_OUTPUT):
            msg = "--png is of pages in files: name the page, and the picture is beside it"
            raise ConfigError(msg)
        if flags.embed_audio and kind_of(output) == ".png":
            msg = "--embed-audio needs a page: a picture makes no sound"
            raise ConfigError(msg)
        prepare(output, flags.lang)
        if output.exists() and any(Path(f).exists() and output.samefile(f) for f in files):
            msg = f"--output {printable(output)} is an input; it would be overwritten"
            raise ConfigError(msg)
    elif not _is_folder(output):
        msg = f"--output {printable(output)} is a file: name a folder for {len(files)} recordings"
        raise ConfigError(msg)
    else:
        check_writable(output / INDEX)
    if flags.png:
        prepare(output.with_suffix(".png") if is_one else output / "index.png", flags.lang)


def _is_folder(path: Path) -> bool:
    """Return whether a name stands for a folder: it is one, or could become one."""
    if path.exists():
        return path.is_dir()
    return not path.suffix and str(path) != STANDARD_OUTPUT


def _page_name(file: str, used: set[str]) -> str:
    """Return the name of a recording's page that no other one has."""
    from ser_rt.report.gather import name_of

    stem = Path(name_of(file)).stem.replace("/", "_")[:100]
    name, number = f"{stem}.html", 2
    while name.lower() in used:
        name, number = f"{stem}-{number}.html", number + 1
    used.add(name.lower())
    return name


if __name__ == "__main__":
    sys.exit(main())
