"""Whole numbers of callers, libraries and files, and settings as dataclasses."""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.sources.arrays import ArraySource
from ser_rt.audio.sources.microphone import MicrophoneSource
from ser_rt.audio.sources.pcm import PcmSource
from ser_rt.checks import (
    above,
    add_flags,
    at_least,
    check_settings,
    from_flags,
    from_mapping,
    one_of,
    setting,
    typed,
    whole,
    whole_number,
)
from ser_rt.config import ModelConfig, TrainingConfig
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.preprocessing import AudioPreprocessor
from tests.conftest import make_wave

NUMBERS: tuple[Any, ...] = (
    *(2, 2.0, np.int64(2), np.int16(2), np.uint8(2), np.float32(2), np.float64(2)),
    Fraction(4, 2),
)
NONE: tuple[Any, ...] = (
    *(2.5, np.float32(2.5), float("nan"), float("inf"), True, np.True_, "2", b"2", None, [2]),
    *(Decimal(2), np.array([2]), 2j, Fraction(1, 2)),
)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_whole_is_an_int(number: Any) -> None:
    assert whole(number) == 2
    assert type(whole(number)) is int


@pytest.mark.parametrize("value", NONE)
def test_what_is_not_is_none(value: Any) -> None:
    assert whole(value) is None


def test_a_large_number_keeps_every_digit() -> None:
    assert whole(2**60 + 1) == 2**60 + 1


@pytest.mark.parametrize("number", NUMBERS)
def test_settings_take_it(number: Any) -> None:
    settings = TrainingConfig(batch_size=number, learning_rate=number)
    assert (settings.batch_size, settings.learning_rate) == (2, 2.0)
    assert (type(settings.batch_size), type(settings.learning_rate)) == (int, float)
    assert ModelConfig.from_dict({"sample_rate": np.float64(16_000)}).sample_rate == 16_000


@pytest.mark.parametrize("number", NUMBERS)
def test_sources_and_preprocessing_take_it(number: Any) -> None:
    stream = io.BytesIO(np.zeros(3_200, "<i2").tobytes())
    assert sum(len(c.samples) for c in PcmSource(stream, channels=number)) == 1_600
    assert AudioPreprocessor(target_sr=number).target_sr == 2
    assert type(AudioPreprocessor(target_sr=number).target_sr) is int
    MicrophoneSource(channel=number)


@pytest.mark.parametrize("value", [v for v in NONE if v is not None])
def test_neither_takes_anything_else(value: Any) -> None:
    with pytest.raises(ConfigError, match="channels"):
        PcmSource(io.BytesIO(), channels=value)
    with pytest.raises(ConfigError, match="channels"):
        MicrophoneSource(channel=value)
    with pytest.raises(ConfigError, match="target_sr"):
        AudioPreprocessor(target_sr=value)
    with pytest.raises(ConfigError, match="batch_size"):
        TrainingConfig(batch_size=value)
    with pytest.raises(AudioInputError, match="sample rate"):
        ArraySource([make_wave(0.1)], rate=value)


def test_flags_and_queries_may_write_it_with_a_point() -> None:
    assert whole_number("44100") == whole_number("44100.0") == whole_number("4.41e4") == 44_100
    for text in ("44100.5", "nan", "inf", "", "x", "0x10"):
        with pytest.raises(ValueError, match=r"."):
            whole_number(text)


@dataclass(frozen=True)
class Settings:
    """Settings of every type."""

    name: str | None = setting(None, "a name")
    kind: str = setting("a", "a kind", one_of(("a", "b")))
    count: int = setting(1, "a count", at_least(1))
    wait_s: float = setting(0.5, "a time", above(0))
    is_on: bool = setting(default=False, help_="a switch")
    hosts: tuple[str, ...] = setting((), "hosts")

    def __post_init__(self) -> None:
        """Check all."""
        check_settings(self)


def test_settings_come_from_text_and_from_values() -> None:
    text = {"name": "x", "count": "2", "wait_s": "1", "is_on": "True", "hosts": "a, b"}
    values = {"name": "x", "count": 2.0, "wait_s": 1, "is_on": True, "hosts": ["a", "b"]}
    found = from_mapping(Settings, text)
    assert (
        found
        == from_mapping(Settings, values)
        == Settings(name="x", count=2, wait_s=1.0, is_on=True, hosts=("a", "b"))
    )
    assert type(from_mapping(Settings, values).count) is int
    assert from_mapping(Settings, {"name": None}) == Settings()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"naem": "x"}, "'naem'"),
        ({"name": 3}, "name must be text, not 3"),
        ({"kind": None}, "kind must be text, not None"),
        ({"kind": "c"}, "kind"),
        ({"count": "1.5"}, "1.5"),
        ({"count": True}, "True"),
        ({"count": 0}, "not 0"),
        ({"count": -1}, "not -1"),
        ({"wait_s": "nan"}, "nan"),
        ({"wait_s": float("inf")}, "inf"),
        ({"is_on": 1}, "is_on"),
        ({"hosts": [1]}, "hosts must be names"),
    ],
)
def test_unfit_settings_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_mapping(Settings, values)
    assert words in str(refusal.value)


def test_typed_takes_no_text_for_a_number() -> None:
    assert typed("count", int, 2.0) == 2
    with pytest.raises(ConfigError, match="count"):
        typed("count", int, "2")


def test_settings_are_flags() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser.add_argument, Settings)
    assert from_flags(Settings, parser.parse_args([])) == Settings()
    flags = parser.parse_args(["--wait-s", "2", "--is-on", "--hosts", "a", "b"])
    assert from_flags(Settings, flags) == Settings(wait_s=2.0, is_on=True, hosts=("a", "b"))
    assert "a time (0.5)" in " ".join(parser.format_help().split())
    unset = argparse.ArgumentParser()
    add_flags(unset.add_argument, Settings, leave_out={"name"}, with_defaults=False)
    assert set(vars(unset.parse_args([])).values()) == {None}
