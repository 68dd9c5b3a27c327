"""Profiles: read from a manifest, under the settings that are given, by name or by default."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.bundle import Bundle, write_profile
from ser_rt.errors import BundleInvalidError, ConfigError
from ser_rt.profiles import Profile, read_profiles, read_temperature, read_temperatures
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings
from ser_rt.runtime.smoother import tempered
from ser_rt.testing import tiny_bundle, tiny_streaming_bundle
from tests.conftest import RATE, make_wave

CALM = Profile(hop_s=1.0, half_life_s=2.0, enter=0.5, unsure=0.4, gate_threshold=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_streaming_bundle(
        tmp_path / "tiny", profiles={"calm": CALM, "default": Profile(half_life_s=0.2)}
    )


def test_settings_win_over_the_profile_and_the_profile_over_defaults(folder: Path) -> None:
    model = ser_rt.load(folder)
    calm = StreamSettings(profile="calm", hysteresis=HysteresisSettings(enter=0.1))
    naming = calm.naming_for(model)
    assert (naming.half_life_s, naming.enter, naming.unsure, naming.leave) == (2.0, 0.1, 0.4, 1.0)
    assert calm.windows_for(model).hop_s == 1.0
    assert StreamSettings(profile="calm", hop_s=0.5).windows_for(model).hop_s == 0.5
    assert StreamSettings().naming_for(model).half_life_s == 0.2
    assert StreamSettings().naming_for(object()).half_life_s == 0.7


def test_a_stream_has_the_hop_of_its_profile_and_a_loaded_model_another_default(
    folder: Path,
) -> None:
    samples = np.full(48_000, 0.1, np.float32)
    how = {"sample_rate": 16_000, "vad": False}

    def ends(model: object, **more: object) -> list[float]:
        return [e.end for e in ser_rt.stream(samples, model=model, **how, **more)]  # type: ignore[arg-type]  # by name

    model = ser_rt.load(folder)
    assert ends(model, profile="calm") == [1.0, 2.0, 3.0]
    assert ends(model) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert ends(ser_rt.load(folder, profile="calm")) == [1.0, 2.0, 3.0]


def test_a_model_loaded_with_a_profile_keeps_its_own(folder: Path) -> None:
    plain, loaded = ser_rt.load(folder), ser_rt.load(folder, profile="calm")
    for name in ("default", "calm"):
        wanted = StreamSettings(profile=name)
        assert wanted.naming_for(loaded) == wanted.naming_for(plain), name
    assert StreamSettings().naming_for(loaded) == StreamSettings(profile="calm").naming_for(plain)


def test_a_name_that_the_model_lacks_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="it has calm, default"):
        StreamSettings(profile="quick").naming_for(ser_rt.load(folder))
    with pytest.raises(ConfigError, match="quick"):
        ser_rt.load(folder, profile="quick")


def test_a_profile_is_stored_and_read_again(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "tiny")
    before = Bundle.load(folder)
    assert "profiles" not in before.manifest
    write_profile(folder, "calm", CALM, {0.5: 2.0, 2.5: 1.0})
    write_profile(folder, "quick", Profile(half_life_s=0.0), {0.5: 2.0, 2.5: 1.0})
    bundle = Bundle.load(folder)
    assert bundle.profiles == {"calm": CALM, "quick": Profile(half_life_s=0.0)}
    assert bundle.temperature_by_speech == {0.5: 2.0, 2.5: 1.0}
    assert replace(bundle, profiles={}, temperature_by_speech={}) == before
    assert json.loads((folder / "manifest.json").read_bytes()) == json.loads(
        json.dumps(bundle.manifest)
    )


@pytest.mark.parametrize(
    "entry",
    [[], {"calm": 3}, {"calm": {"half_life": 1}}, {"calm": {"enter": 2}}, {"calm": {"enter": "1"}}],
)
def test_a_manifest_with_other_profiles_is_invalid(entry: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="profile"):
        read_profiles(entry)
    folder = tiny_bundle(tmp_path / "tiny")
    manifest = json.loads((folder / "manifest.json").read_bytes()) | {"profiles": entry}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleInvalidError, match="profile"):
        Bundle.load(folder)


@pytest.mark.parametrize("entry", [[], {"x": 1}, {"1": 0}, {"-1": 1}, {"1": None}, 3])
def test_other_temperatures_are_invalid(entry: object) -> None:
    with pytest.raises(ValueError, match="temperature_by_speech"):
        read_temperatures(entry)


@pytest.mark.parametrize(("heard_s", "temperature"), [(0.2, 4.0), (1.5, 2.5), (2.0, 1.0)])
def test_a_short_answer_is_less_sure(heard_s: float, temperature: float) -> None:
    row = np.array([0.7, 0.2, 0.1], np.float32)
    found = tempered(row, heard_s, {1.0: 4.0, 2.0: 1.0})
    powers = row ** (1 / temperature)
    assert found == pytest.approx(powers / powers.sum(), rel=1e-5)


def test_a_message_to_a_server_names_the_profile() -> None:
    settings = StreamSettings(profile="calm", hysteresis=HysteresisSettings(enter=0.5))
    assert settings.to_message() == {"profile": "calm", "steadiness": {"enter": 0.5}}


def test_turns_have_a_temperature_of_their_own(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "cold", turn_temperature=0.5)
    wave = make_wave(2.0)

    def turn(bundle: Path) -> ser_rt.TurnEvent:
        events = ser_rt.stream(wave, sample_rate=RATE, model=bundle, vad=False, turns=True)
        return [event for event in events if isinstance(event, ser_rt.TurnEvent)][-1]

    plain, cold = turn(tiny_bundle(tmp_path / "plain")), turn(folder)
    powers = {label: p**2 for label, p in plain.probabilities.items()}
    total = sum(powers.values())
    assert cold.probabilities == pytest.approx({k: v / total for k, v in powers.items()}, abs=1e-5)
    for bad in (0, -1.0, True, "1", [1.0]):
        with pytest.raises(ValueError, match="turn_temperature"):
            read_temperature(bad)
