"""The command: what it refuses, and a run of it from beginning to end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from ser_rt.cluster.cli import main, make_parser
from ser_rt.cluster.settings import known_arguments
from tests.cluster.conftest import SMALL
from tests.server.conftest import CONFIG, pcm, receive, rest
from tests.support.source_tree import ROOT


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["modl=x"], 2, "no argument 'modl'"),
        (["compact"], 2, "'compact' must be key=value"),
        (["model=a", "model=b"], 2, "model is given twice"),
        (["--port=0"], 2, "--port"),
        (["--route=ser"], 2, "--route"),
        (["--host=0.0.0.0"], 2, "--insecure"),
        (["model=nowhere"], 1, "nowhere"),
        (["streaming=true", "model=compact-free"], 2, "compact-free has no graph with caches"),
        (["streaming=perhaps"], 2, "streaming must be true or false"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], flags: list[str], code: int, words: str
) -> None:
    if code == 1:
        pytest.importorskip("ray", reason="needs Ray: pip install 'ser-rt[cluster]'")
    assert main(flags) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("ser-cluster: ")
    assert words in err


def test_every_flag_and_argument_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    for action in make_parser()._actions:
        assert action.help
        assert all(option in help_text for option in action.option_strings)
    for name in known_arguments():
        assert f"  {name}=" in help_text
        assert f"`{name}`" in page, f"docs/cluster.md has no word on {name}"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_streams_with_their_results(
    tiny_bundle: Path, number: signal.Signals
) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'ser-rt[cluster]'")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    arguments = [f"{key}={value}" for key, value in (SMALL | {"model": tiny_bundle}).items()]
    command = [sys.executable, "-m", "ser_rt.cluster", f"--port={port}", *arguments]
    command += ["--name=mine", "--route=/here"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        try:
            assert f"listening at http://127.0.0.1:{port}/here" in process.stderr.readline()
            with connect(f"ws://127.0.0.1:{port}/here/v1/stream", open_timeout=60) as client:
                client.send(json.dumps(CONFIG))
                receive(client)
                client.send(pcm(1.2))
                assert receive(client)["end"] == 1.0
                process.send_signal(number)
                messages, code, _ = rest(client)
            assert [message["type"] for message in messages] == ["emotion", "summary"]
            assert messages[0]["end"] == 1.2
            assert code == 1001
            assert process.wait(60) == 0
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def refused(*flags: str) -> str:
    """Return what the command says before it ends with 1, which is one line."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'ser-rt[cluster]'")
    arguments = [f"{key}={value}" for key, value in SMALL.items()]
    command = [sys.executable, "-m", "ser_rt.cluster", *arguments, *flags]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=200, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.slow
def test_a_model_that_does_not_come_up_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    line = refused(f"--port={port}", "provider=tensorrt", "model_gpus=0")
    assert "TensorrtExecutionProvider" in line


@pytest.mark.slow
def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(f"--port={port}")
    assert line.startswith("ser-cluster: the application does not come up: ")
    assert line.endswith(f"Failed to bind to address '127.0.0.1:{port}'.")
