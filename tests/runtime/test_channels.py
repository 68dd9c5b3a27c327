"""Channels: one of them, each by itself, and those that cancel each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import ser_rt
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioInputError, NoChannelError
from ser_rt.runtime.event import Event, TurnEvent
from ser_rt.runtime.stream import stream
from tests.conftest import RATE, Run, Wave, make_wave

LEFT, RIGHT = make_wave(3, seed=1), make_wave(3, seed=2)


@pytest.fixture
def call(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([LEFT, RIGHT], axis=1), RATE, subtype="FLOAT")
    return path


def decoded(path: Path, **wanted: int | None) -> Wave:
    with FileSource(path, **wanted) as source:  # type: ignore[arg-type]  # values of several types
        return np.concatenate([chunk.samples for chunk in source])


def test_a_channel_is_decoded_as_it_is(call: Path) -> None:
    np.testing.assert_array_equal(decoded(call, channel=1), LEFT)
    np.testing.assert_array_equal(decoded(call, channel=2), RIGHT)
    np.testing.assert_allclose(decoded(call), (LEFT + RIGHT) / 2, atol=1e-7)
    with pytest.raises(AudioInputError, match="channel 3"):
        decoded(call, channel=3)


def test_each_channel_has_the_events_that_it_has_alone(
    run: Run, call: Path, tmp_path: Path
) -> None:
    flags = ("--no-vad", "--no-timing", "--format", "jsonl", "-q")
    events = [json.loads(line) for line in run(call, "--channel", "all", *flags)[1]]
    assert [event["seq"] for event in events[:-1]] == list(range(len(events) - 1))
    for channel, samples in ((1, LEFT), (2, RIGHT)):
        alone = tmp_path / f"{channel}.wav"
        soundfile.write(alone, samples, RATE, subtype="FLOAT")
        expected = [json.loads(line) for line in run(alone, *flags)[1]][:-1]
        of_channel = [event for event in events[:-1] if event.get("channel") == channel]
        for event in (*expected, *of_channel):
            del event["seq"]
            event.pop("channel", None)
        assert of_channel == expected
    assert events[-1]["audio_s"] == 3.0


def test_programs_choose_channels_too(tiny_bundle: Path, call: Path) -> None:
    both = np.stack([LEFT, RIGHT], axis=1)
    for audio, rate in ((call, None), (both, RATE)):
        events = list(stream(audio, sample_rate=rate, model=tiny_bundle, channel="all", vad=False))
        assert {event.channel for event in events} == {1, 2}
    with pytest.raises(AudioInputError, match="channel"):
        list(stream(call, model=tiny_bundle, channel=0))


@pytest.mark.parametrize("others", [(-1.0,), (-0.95,), (-1.0, 1.0, -1.0)])
def test_channels_that_cancel_each_other_are_told_once(
    tmp_path: Path, others: tuple[float, ...]
) -> None:
    path = tmp_path / "crossed.wav"
    soundfile.write(path, np.stack([gain * LEFT for gain in (1.0, *others)], axis=1), RATE)
    with FileSource(path) as source:
        codes = [warning.code for chunk in source for warning in chunk.warnings]
    assert codes == ["opposite_channels"]
    np.testing.assert_allclose(decoded(path, channel=1), LEFT, atol=1e-4)


def test_other_channels_are_no_news(tmp_path: Path, call: Path) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.stack([LEFT, 0 * LEFT], axis=1), RATE)
    for path in (call, silent):
        with FileSource(path) as source:
            assert not any(chunk.warnings for chunk in source)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--channel", "0"], "or all"),
        (["--channel", "x"], "or all"),
        (["--channel", "all", "--save-input", "a.flac"], "--channel"),
        (["--channels", "split", "--channel-names", "agent, agent"], "share a name"),
        (["--channels", "split", "--channel-names", "agent,"], "no name"),
        (["--channel-names", "agent,customer"], "split"),
        (["--channels", "2.5"], "split, mix"),
        (["--channels", "2"], "standard input"),
        (["--track", "0"], "track"),
    ],
)
def test_choices_that_make_no_sense(
    run: Run, call: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    try:
        code, _, errors = run(call, *flags)
    except SystemExit as stop:
        code, errors = int(stop.code or 0), capsys.readouterr().err.splitlines()
    assert code == 2
    assert words in errors[-1]


def test_channels_are_split_and_named(run: Run, call: Path) -> None:
    flags = ("--no-vad", "--no-timing", "--format", "jsonl", "-q", "--turns")
    split = run(call, "--channels", "split", *flags)[1]
    assert split == run(call, "--channel", "all", *flags)[1]
    named = run(call, "--channels", "split", "--channel-names", "agent,customer", *flags)[1]
    events = [json.loads(line) for line in named][:-1]
    assert {(event["channel"], event["channel_name"]) for event in events} == {
        (1, "agent"),
        (2, "customer"),
    }
    for event in events:
        del event["channel_name"]
    assert events == [json.loads(line) for line in split][:-1]
    assert run(call, "--channels", "mix", *flags)[1] == run(call, *flags)[1]


def test_each_channel_has_the_turns_of_its_clip_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    import ser_rt

    voice, _ = soundfile.read(ser_rt.sample_path(), dtype="float32", frames=10 * RATE)
    other, _ = soundfile.read(ser_rt.sample_path(), dtype="float32", start=17 * RATE)
    other = other[: len(voice)]
    model = ser_rt.load(tiny_bundle)
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([voice, other], axis=1), RATE, subtype="FLOAT")
    how: Any = {"model": model, "turns": True, "turn_updates": True}
    both = list(ser_rt.stream(path, channel="split", channel_names=["agent", "customer"], **how))
    assert sum(isinstance(event, TurnEvent) and event.final for event in both) > 2
    for channel, name, samples in ((1, "agent", voice), (2, "customer", other)):
        alone = [e.to_dict(timing=False) for e in ser_rt.stream(samples, sample_rate=RATE, **how)]
        found = [e.to_dict(timing=False) for e in both if e.channel == channel]
        expected = [event | {"channel": channel, "channel_name": name} for event in alone]
        for event in (*found, *expected):
            del event["seq"]
        assert found == expected


@pytest.mark.parametrize("format_", [["--format=srt"], ["--format=jsonl", "--episodes"]])
def test_episodes_have_the_names_of_channels(run: Run, call: Path, format_: list[str]) -> None:
    names = ("--channels", "split", "--channel-names", "agent,customer")
    code, lines, _ = run(call, *names, "--no-vad", *format_)
    assert code == 0
    found = [line for line in lines if line.startswith("[") or '"type": "episode"' in line]
    assert any("agent" in line for line in found)
    assert all("agent" in line or "customer" in line for line in found)


@pytest.mark.parametrize("channel", [None, 1, 2, "split", "all"])
def test_channels_are_the_same_pulled_pushed_and_awaited(
    tiny_bundle: Path, channel: int | str | None
) -> None:
    samples = np.stack([LEFT, RIGHT], axis=1)
    parts = np.array_split(samples, 7)
    how: Any = {"model": ser_rt.load(tiny_bundle), "sample_rate": RATE, "vad": False}
    how |= {"channel": channel, "turns": True}

    async def arrays() -> AsyncIterator[Wave]:
        for part in parts:
            yield part

    async def awaited() -> list[Event]:
        return [event async for event in ser_rt.astream(arrays(), **how)]

    def lines(events: list[Event]) -> list[dict[str, Any]]:
        """Return the events channel by channel: which of two comes first is the blocks' matter."""
        found = [event.to_dict(timing=False) | {"seq": 0} for event in events]
        return sorted(found, key=lambda event: event.get("channel", 0))

    pulled = lines(list(stream(samples, **how)))
    session = ser_rt.open_stream(**how)
    assert lines([e for part in parts for e in session.push(part)] + session.flush()) == pulled
    assert lines(asyncio.run(awaited())) == pulled
    assert {event.get("channel") for event in pulled} == (
        {1, 2} if isinstance(channel, str) else {None}
    )


def test_an_open_stream_has_the_turn_of_a_channel(tiny_bundle: Path) -> None:
    how: Any = {"vad": False, "turns": True, "channel": "split", "channel_names": ["a", "b"]}
    session = ser_rt.open_stream(model=tiny_bundle, sample_rate=RATE, **how)
    session.push(np.stack([0 * LEFT, RIGHT], axis=1))
    assert session.turn is not None
    assert (session.turn.channel, session.turn.channel_name) == (2, "b")


@pytest.mark.parametrize("channel", [3, "split"])
def test_channels_that_are_not_there_are_refused_where_samples_are_pushed(
    tiny_bundle: Path, channel: int | str
) -> None:
    session = ser_rt.open_stream(model=tiny_bundle, sample_rate=RATE, channel=channel)  # type: ignore[arg-type]  # a parameter
    with pytest.raises(NoChannelError):
        session.push(np.stack([LEFT, RIGHT], axis=1)[:, : 2 if channel == 3 else 1])


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a"]])
def test_another_number_of_names_is_refused(
    run: Run, call: Path, tiny_bundle: Path, names: list[str]
) -> None:
    for ask in (lambda *how, **more: list(stream(*how, **more)), ser_rt.classify):
        with pytest.raises(NoChannelError, match=f"{len(names)} names.* 2 channels"):
            ask(call, model=tiny_bundle, channel="split", channel_names=names)
    code, out, errors = run(call, "--channels", "split", "--channel-names", ",".join(names))
    assert (code, out) == (1, [])
    assert "for 2 channels" in errors[-1]
    assert "damaged" not in errors[-1]


def test_one_channel_cannot_be_split(run: Run, tmp_path: Path, tiny_bundle: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, LEFT, RATE)
    code, out, errors = run(path, "--channels", "split", "-q")
    assert (code, out) == (1, [])
    assert "one channel" in errors[-1]
    for audio in (LEFT, LEFT[:, np.newaxis]):
        with pytest.raises(NoChannelError, match="one channel"):
            list(stream(audio, sample_rate=RATE, model=tiny_bundle, channel="split"))
    # All of one is that one.
    assert run(path, "--channel", "all", "-q")[0] == 0


def test_channels_without_a_speaker_of_their_own_are_told(tmp_path: Path) -> None:
    for other, code in ((LEFT, "identical"), (-LEFT, "opposite"), (0 * LEFT, "silent")):
        path = tmp_path / f"{code}.wav"
        soundfile.write(path, np.stack([np.tile(LEFT, 2), np.tile(other, 2)], axis=1), RATE)
        with FileSource(path, channel="split") as source:
            codes = [warning.code for chunk in source for warning in chunk.warnings]
        assert [found.split("_")[0] for found in codes] == [code]
