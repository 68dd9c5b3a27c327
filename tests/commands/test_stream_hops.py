"""``ser-stream`` with a network that has caches: in that form, in whole windows, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.commands.stream import main
from tests.conftest import RATE, Run, Writer, make_wave


def test_a_bundle_that_streams_does_so_unless_told_otherwise(
    run: Run, speech: Path, streaming_bundle: Path
) -> None:
    found = {}
    for flags in ((), ("--streaming",), ("--no-streaming",)):
        code, lines, status = run(
            *(speech, "--format", "jsonl", "--no-timing"), *flags, model=streaming_bundle
        )
        assert code == 0
        assert ("streaming)" in status[0]) == ("--no-streaming" not in flags)
        found[flags] = lines
    assert found[()] == found["--streaming",]
    streamed, windowed = (map(json.loads, found[key][:-1]) for key in ((), ("--no-streaming",)))
    ends = [[event["end"] for event in events] for events in (streamed, windowed)]
    assert ends[0] == ends[1]
    assert found[()] != found["--no-streaming",]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--hop", "0.05"], "hop must be within 0.1 and 1 s, not 0.05 s"),
        (["--hop", "2"], "hop must be within 0.1 and 1 s"),
        (["--window", "2"], "window must be 3 s, not 2 s"),
    ],
)
def test_streaming_that_the_network_cannot_do_is_refused_before_the_file_is_opened(
    run: Run, streaming_bundle: Path, flags: list[str], words: str
) -> None:
    code, lines, status = run("nowhere.wav", "--streaming", *flags, model=streaming_bundle)
    assert (code, lines) == (2, [])
    assert words in status[-1]
    assert run("nowhere.wav", *flags, model=streaming_bundle)[0] == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--hop", "1.5"), "whole windows: hop must be within 0.1 and 1 s, not 1.5 s"),
        (("--window", "2"), "whole windows: window must be 3 s, not 2 s"),
    ],
)
def test_what_the_network_cannot_stream_it_classifies_whole_and_says_so(
    run: Run, speech: Path, streaming_bundle: Path, flags: tuple[str, ...], words: str
) -> None:
    flags = (*flags, "--format", "jsonl", "--no-timing")
    code, lines, status = run(speech, *flags, model=streaming_bundle)
    assert code == 0
    assert words in status[0]
    windowed = run(speech, "--no-streaming", *flags, model=streaming_bundle)
    assert lines == windowed[1]
    assert words not in windowed[2][0]


def test_a_bundle_without_caches_cannot_be_told_to_stream(run: Run, speech: Path) -> None:
    code, lines, status = run(speech, "--streaming")
    assert (code, lines) == (2, [])
    assert "tiny has no graph with caches: leave streaming out, or off" in status[-1]


def test_the_form_is_the_servers_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mic", "--server", "ws://127.0.0.1:1/v1/stream", "--no-streaming"]) == 2
    assert "--streaming is the server's choice" in capsys.readouterr().err


def test_each_channel_has_caches_of_its_own(streaming_bundle: Path, write_audio: Writer) -> None:
    left, right = make_wave(4.2, seed=1), make_wave(4.2, seed=2)
    path = write_audio("call.wav", np.stack((left, right), axis=1), subtype="FLOAT")
    model = ser_rt.load(streaming_bundle)
    both = list(ser_rt.stream(path, model=model, vad=False, channel="all"))
    for channel, wave in ((1, left), (2, right)):
        alone = ser_rt.stream(wave, sample_rate=RATE, model=model, vad=False)
        own = [event for event in both if event.channel == channel]
        assert [e.probabilities for e in own] == [e.probabilities for e in alone]
        assert len(own) == 9
