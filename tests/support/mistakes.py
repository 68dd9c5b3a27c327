"""What a command says of a mistake: one line, that begins with its name."""

import pytest


def assert_one_line(capsys: pytest.CaptureFixture[str], command: str, words: str) -> None:
    """Check that a command has printed one line of error, with some words in it, and no more."""
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"{command}: ")
    assert words in err
