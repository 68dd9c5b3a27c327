"""How commands begin and end, in this process; `test_standard_streams.py` has real ones."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest

from ser_rt.cli.arguments import new_file, new_folder, positive_int
from ser_rt.cli.process import run_command, tell, tell_replaced
from ser_rt.cli.signals import Terminated
from ser_rt.cli.standard_streams import Closed, standard_streams
from ser_rt.errors import ConfigError, DataError


def stop(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("no clips"), 1, "x: no clips\n"),
        (ConfigError("bad flag"), 2, "x: bad flag\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "x: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "a.wav"), 1, "x: a.wav: Permission"),
        (KeyboardInterrupt(), 130, ""),
        (Terminated(signal.SIGTERM), 143, ""),
        (Terminated(signal.SIGHUP), 129, ""),
    ],
)
def test_an_end_is_a_code_and_at_most_a_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    assert run_command("x", stop(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == (1 if line else 0)


def test_a_code_is_what_the_work_returns() -> None:
    assert run_command("x", lambda: 3) == 3


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError("no system said so")])
def test_a_fault_of_the_program_is_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_command("x", stop(error))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_any_command(number: signal.Signals) -> None:
    def work() -> int:
        os.kill(os.getpid(), number)
        return 0

    assert run_command("x", work) == 128 + number


def test_all_that_prints_does_so_without_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    logger = logging.getLogger("tests.nowhere")

    def work() -> int:
        print("감정")  # noqa: T201 (as commands do)
        tell("감정")
        Console().print("감정")
        Console(stderr=True).print("감정")
        logger.addHandler(logging.StreamHandler())
        logger.warning("감정")
        logger.handlers.clear()
        parser = ArgumentParser()
        parser.print_usage()
        parser.print_usage(sys.stderr)
        parser.print_help()
        assert isinstance(sys.stdout, Closed)
        assert not sys.stdout.isatty()
        return 0

    assert run_command("x", work) == 0
    assert (sys.stdout, sys.stderr) == (None, None)


def test_letters_that_an_output_does_not_know_are_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    for kind, encoding, wanted in (
        (io.TextIOWrapper, "cp1252", "기쁨 é \\udcff\n".encode()),  # a file is UTF-8
        (Terminal, "cp1252", b"\\uae30\\uc068 \xe9 \\udcff\n"),
        (Terminal, "cp949", "기쁨 ".encode("cp949") + b"\\xe9 \\udcff\n"),
        (Terminal, "ascii", b"\\uae30\\uc068 \\xe9 \\udcff\n"),
    ):
        held = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", kind(held, encoding))
        with standard_streams():
            print("기쁨 é \udcff")  # noqa: T201 (as commands do)
        assert held.getvalue() == wanted


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_positive_numbers(text: str) -> None:
    assert positive_int("8") == 8
    with pytest.raises(ArgumentTypeError, match="1 or more"):
        positive_int(text)


def test_names_of_outputs(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    for good in (str(file), str(tmp_path / "new"), "-", os.devnull):
        assert new_file(good) == Path(good)
    for good in (str(folder), str(tmp_path / "new")):
        assert new_folder(good) == Path(good)
    for bad in (str(folder), ""):
        with pytest.raises(ArgumentTypeError, match="name a file"):
            new_file(bad)
    for bad in (str(file), "-", "", os.devnull):
        with pytest.raises(ArgumentTypeError, match="name a folder"):
            new_folder(bad)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="files by descriptor are Linux's")
def test_an_open_file_that_is_written_on_is_not_said_to_be_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "a.txt").open("w") as file:
        tell_replaced(Path(f"/proc/self/fd/{file.fileno()}"))
        tell_replaced(None)
        assert capsys.readouterr().err == ""
        tell_replaced(tmp_path / "a.txt")
    assert capsys.readouterr().err.endswith("a.txt is replaced\n")
