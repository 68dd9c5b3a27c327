"""What shells complete, in real shells; and the manual pages, as `man` reads them."""

from __future__ import annotations

import re
import runpy
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.programs import needs
from tests.support.source_tree import ROOT
from tests.test_packaging import PROJECT

pytest.importorskip("shtab", reason="needs ser-rt[completion]")

WIDE = {"MANWIDTH": "200", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}

COMPLETE = """
for script in ./*.bash; do source "$script"; done
complete_line() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    local function; function=$(complete -p "$1" | grep -o -- '-F [^ ]*')
    ${function#-F } "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    echo "${COMPREPLY[*]}"
}
"""


def printed(script: str, shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    module, function = PROJECT["scripts"][script].split(":")
    with pytest.raises(SystemExit) as stop:
        getattr(import_module(module), function)(["--print-completion", shell])
    assert stop.value.code == 0
    return capsys.readouterr().out


@needs("bash")
def test_bash_completes_flags_choices_commands_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for script in PROJECT["scripts"]:
        (tmp_path / f"{script}.bash").write_text(printed(script, "bash", capsys))
    (tmp_path / "call.wav").touch()
    lines = [f"complete_line {script} --vers" for script in PROJECT["scripts"]]
    lines += [
        "complete_line ser-stream --encoding mu",
        "complete_line ser-serve --log-f",
        "complete_line ser-stream cal",
        "complete_line ser-bench lat",
    ]
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE + "\n".join(lines)],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    *versions, encoding, flag, file, command = done.stdout.splitlines()
    assert [line.split() for line in versions] == [["--version"]] * len(PROJECT["scripts"])
    assert (encoding, flag, command) == ("mulaw", "--log-format", "latency")
    assert "call.wav" in file.split()
    assert done.stderr == ""


@needs("zsh")
def test_zsh_takes_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for script in PROJECT["scripts"]:
        (tmp_path / f"_{script}").write_text(printed(script, "zsh", capsys))
    code = (
        "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump;"
        "for script in _ser-*; do zsh -n $script || exit 1;"
        "print -r -- ${_comps[${script#_}]}; done"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == sorted(f"_{script}" for script in PROJECT["scripts"])


@needs("fish")
def test_fish_completes_flags_and_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ser-stream.fish").write_text(printed("ser-stream", "fish", capsys))
    code = (
        "source ser-stream.fish; complete -C 'ser-stream --enc';"
        "complete -C 'ser-stream --encoding mu'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        check=True, capture_output=True, text=True, cwd=tmp_path, env={"HOME": str(tmp_path)},
    )  # fmt: skip
    found = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert found == ["--encoding", "mulaw"]


@needs("man")
def test_man_reads_the_page_of_every_command(tmp_path: Path) -> None:
    pytest.importorskip("argparse_manpage", reason="needs the docs extra")
    script = runpy.run_path(str(ROOT / "docs" / "man.py"))
    assert script["SCRIPTS"] == PROJECT["scripts"]
    pages = []
    for name, parser in script["parsers"]():
        pages.append(tmp_path / f"{name}.1")
        text = script["manual"](parser)
        pages[-1].write_text(text, encoding="utf-8")
        flags = set(re.findall(r"--[a-z][\w-]+", parser.format_help().partition("\n\n")[0]))
        assert flags <= set(re.findall(r"--[a-z][\w-]+", text.replace("\\", ""))), name
    done = subprocess.run(
        ["man", "--warnings=w", "-P", "cat", "-l", *pages],
        check=True, capture_output=True, text=True, env=WIDE,
    )  # fmt: skip
    assert done.stderr == ""
    shown = re.findall(r"^ +(ser-\w+) +- ", done.stdout, re.MULTILINE)
    assert shown == [*PROJECT["scripts"]]
