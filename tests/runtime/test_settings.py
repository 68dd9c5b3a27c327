"""One `StreamSettings`, whatever it is made from."""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

import pytest

from ser_rt.commands.stream_flags import make_parser
from ser_rt.errors import ConfigError
from ser_rt.runtime.flags import stream_flags, stream_settings
from ser_rt.runtime.settings import (
    DEFAULTS,
    HysteresisSettings,
    StreamKeywords,
    StreamSettings,
)
from ser_rt.runtime.vad.settings import VadSettings
from ser_rt.server.protocol import StreamConfig

FLAGS = ["x.wav", "--window", "2", "--hold", "1", "--no-vad", "--no-partial", "--channel", "2"]
WANTED = StreamSettings(
    window_s=2.0,
    hysteresis=HysteresisSettings(hold_s=1.0),
    vad=False,
    partial=False,
    channel=2,
)


def test_flags_keywords_and_messages_make_the_same_settings() -> None:
    assert stream_settings(make_parser().parse_args(FLAGS)) == WANTED
    keywords: Any = {"window_s": 2.0, "vad": False, "partial": False}
    held = HysteresisSettings(hold_s=1.0)
    assert StreamSettings.of(2, **keywords, hysteresis=held) == WANTED
    assert StreamSettings.of(2, **keywords, steadiness=held, gate=None) == WANTED
    message = WANTED.to_message()
    assert message["steadiness"]["hold_s"] == 1.0
    assert "channel" not in message
    assert StreamConfig.of(message | {"channel": 2.0}).settings == WANTED


def test_flags_without_values_are_the_defaults() -> None:
    flags = make_parser().parse_args(["x.wav"])
    assert stream_settings(flags) == StreamSettings(vad=VadSettings())
    assert stream_flags(flags)["half_life"] == DEFAULTS.half_life_s
    assert DEFAULTS.to_message() == {}
    left_out: Any = {"hop_s": None, "half_life_s": None}
    assert StreamSettings.of(**left_out) == DEFAULTS


def test_keywords_are_the_fields() -> None:
    names = {field.name for field in fields(StreamSettings)} - {"channel"}
    assert set(StreamKeywords.__annotations__) == names | {"steadiness", "gate"}


def test_settings_travel_between_processes() -> None:
    assert pickle.loads(pickle.dumps(WANTED)) == WANTED  # noqa: S301 (our own bytes)
    assert hash(WANTED) == hash(pickle.loads(pickle.dumps(WANTED)))  # noqa: S301 (our own bytes)


def test_windows_are_the_models_where_none_is_wanted() -> None:
    class Model:
        window_s, hop_s, min_window_s = 1.5, 0.25, 0.75

    assert DEFAULTS.windows_for(Model()) == (1.5, 0.25, 0.75)
    assert StreamSettings(window_s=0.5).windows_for(Model()) == (0.5, 0.25, 0.5)
    assert StreamSettings(hop_s=1.0).windows_for(object()) == (3.0, 1.0, 1.0)


def test_parameters_of_speech_detection_stay_here() -> None:
    with pytest.raises(ConfigError, match="vad"):
        StreamSettings(vad=VadSettings()).to_message()


@pytest.mark.parametrize("bad", [{"window_s": 4000}, {"gate_threshold": 1.5}, {"half_life_s": "x"}])
def test_values_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        StreamSettings(**bad)
