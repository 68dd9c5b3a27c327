import itertools
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.channels import Split
from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.sources import microphone
from ser_rt.audio.sources.devices import Device, find_device
from ser_rt.audio.sources.microphone import MicrophoneSource
from ser_rt.errors import AudioInputError, ConfigError, DeviceError, NoChannelError
from tests.conftest import RATE, make_wave
from tests.support.fake_driver import BUILT_IN, HEADSET, FakeDriver

Wave = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "POLL_S", 0.001)


def open_mic(driver: FakeDriver, *args: Any, **settings: Any) -> MicrophoneSource:
    settings.setdefault("waits", lambda: repeat(0.001))
    return MicrophoneSource(*args, driver=driver, clock=driver.clock, **settings)


def blocks(wave: Wave, size: int) -> Iterator[Wave]:
    return (wave[i : i + size] for i in range(0, len(wave), size))


def codes(chunks: list[AudioChunk]) -> list[str]:
    return [warning.code for chunk in chunks for warning in chunk.warnings]


def samples(chunks: list[AudioChunk]) -> Wave:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize(
    ("wanted", "found"), [(None, BUILT_IN), (0, HEADSET), ("3", BUILT_IN), ("headset", HEADSET)]
)
def test_a_device_is_found_by_number_or_part_of_its_name(wanted: Any, found: Device) -> None:
    assert find_device([HEADSET, BUILT_IN], wanted) == found


def test_a_device_that_is_not_there_is_an_error_that_names_the_others() -> None:
    with pytest.raises(DeviceError, match="USB Headset"):
        find_device([HEADSET], "x")
    with pytest.raises(DeviceError, match="PortAudio"):
        find_device([], None)


def test_the_models_rate_is_asked_for_and_every_sample_arrives() -> None:
    driver, wave = FakeDriver(), make_wave(2)
    with open_mic(driver) as source:
        assert (driver.stream.sample_rate, driver.stream.channels) == (RATE, 2)
        for block in blocks(wave, 320):
            driver.stream.deliver(block)
        chunks = list(itertools.islice(source, 100))
    assert driver.stream.closed
    assert samples(chunks).tobytes() == wave.tobytes()
    assert all(chunk.is_live for chunk in chunks)
    assert chunks[-1].captured_at == driver.now_s


def test_a_device_that_refuses_is_opened_at_its_own_rate() -> None:
    driver = FakeDriver(rates=(44_100,))
    with open_mic(driver) as source:
        for _ in range(100):
            driver.stream.deliver(np.full(441, 0.25))
        chunks = list(itertools.islice(source, 100))
    assert driver.stream.sample_rate == 44_100
    assert 15_000 < len(samples(chunks)) <= RATE
    np.testing.assert_allclose(samples(chunks)[2_000:], 0.25, atol=1e-3)


def test_one_channel_may_be_chosen_and_must_exist() -> None:
    driver = FakeDriver()
    stereo = np.stack([np.full(320, 0.5), np.full(320, -0.1)], axis=1)
    for channel, level in ((None, 0.2), (1, 0.5), (2, -0.1)):
        with open_mic(driver, channel=channel) as source:
            driver.stream.deliver(stereo)
            np.testing.assert_allclose(next(iter(source)).samples, level, atol=1e-6)
    with pytest.raises(DeviceError, match="2 channels"):
        open_mic(driver, channel=3).__enter__()
    with pytest.raises(ConfigError, match="not 0"):
        open_mic(driver, channel=0)


def test_channels_are_split_and_the_device_must_have_them() -> None:
    driver = FakeDriver()
    stereo = np.stack([np.full(320, 0.5), np.full(320, -0.1)], axis=1)
    with open_mic(driver, channel=Split(("agent", "customer"))) as source:
        driver.stream.deliver(stereo)
        driver.stream.deliver(stereo, has_lost=True)
        chunks = list(itertools.islice(source, 6))
    found = [
        (c.channel_name, c.start, round(float(c.samples.mean()), 3))
        for c in chunks
        if len(c.samples)
    ]
    both = [("agent", 0.5), ("customer", -0.1)]
    assert found == [(name, start, level) for start in (0, 320) for name, level in both]
    assert [c.channel for c in chunks if c.warnings] == [1, 2]  # both have lost audio
    with pytest.raises(NoChannelError, match="one channel"):
        open_mic(driver, "headset", channel="split").__enter__()
    with pytest.raises(NoChannelError, match="3 names"):
        open_mic(driver, channel=Split(("a", "b", "c"))).__enter__()
    with open_mic(driver, "headset", channel="all") as source:
        driver.stream.deliver(np.full(320, 0.25))
        assert next(iter(source)).channel == 1


def test_one_sound_on_both_channels_is_told() -> None:
    driver = FakeDriver()
    with open_mic(driver, channel="split") as source:
        for block in blocks(make_wave(4), 800):
            driver.stream.deliver(block)
        chunks = list(itertools.islice(source, 160))
    assert codes(chunks) == ["identical_channels"]


def test_a_rate_that_no_device_has_is_an_error() -> None:
    with pytest.raises(DeviceError, match="12345 Hz"):
        open_mic(FakeDriver(), rate=12_345).__enter__()
    with pytest.raises(AudioInputError, match="-5"):
        open_mic(FakeDriver(), rate=-5)


def test_a_slow_reader_loses_the_oldest_and_a_warning_says_so() -> None:
    driver = FakeDriver()
    with open_mic(driver, "headset") as source:
        for i in range(210):  # ten more than the queue holds
            driver.stream.deliver(np.full(800, i / 1e5))
        chunks = list(itertools.islice(source, 201))
    assert source.dropped_samples == 10 * 800
    assert codes(chunks) == ["overflow"]
    first = next(chunk for chunk in chunks if len(chunk.samples))
    assert first.start == 10 * 800
    assert first.warnings[0].message == "500 ms of audio were dropped"
    assert first.queue_s == pytest.approx(199 * 0.05)
    assert len(samples(chunks)) + source.dropped_samples == driver.stream.frames


def test_what_the_device_itself_lost_is_a_gap_and_no_shift() -> None:
    driver = FakeDriver()
    with open_mic(driver) as source:
        for _ in range(10):
            driver.stream.deliver(np.full(320, 0.1))
        driver.now_s += 0.3
        driver.stream.deliver(np.full(320, 0.1), has_lost=True)
        chunks = [c for c in itertools.islice(source, 12) if len(c.samples)]
    assert chunks[-1].start == 11 * 320 - 320 + 0.3 * RATE
    assert codes(chunks) == ["overflow"]
    assert source.dropped_samples == 0.3 * RATE


def test_a_device_that_stops_is_lost_and_comes_back_in_its_place() -> None:
    driver = FakeDriver()

    def script() -> Iterator[object]:
        yield False  # the first stream has ended
        yield None  # the second one delivers nothing yet
        driver.stream.deliver(np.full(320, 0.2))
        yield None

    driver.script = script()
    with open_mic(driver) as source:
        driver.stream.deliver(np.full(320, 0.1))
        chunks = []
        for chunk in source:
            chunks.append(chunk)
            if "device_back" in codes(chunks):
                break
        assert driver.opened[0].closed
    assert codes(chunks) == ["device_lost", "device_back"]
    assert len(driver.opened) == 2
    away = chunks[-1]
    assert away.start / RATE == pytest.approx(driver.now_s - 100 - 0.02)
    assert "is back after" in away.warnings[0].message


def test_a_device_that_falls_silent_is_lost_after_a_second() -> None:
    driver = FakeDriver()
    with open_mic(driver) as source:
        driver.stream.deliver(np.full(320, 0.1))
        chunks = list(itertools.islice(source, 3))
    assert codes(chunks) == ["device_lost"]
    assert "delivered nothing for 1 s" in chunks[-1].warnings[0].message
    assert 1.0 <= chunks[-1].captured_at - 100.02 <= 1.5


def test_without_reconnecting_a_lost_device_ends_the_stream() -> None:
    driver = FakeDriver(script=iter([False]))
    with (
        open_mic(driver, reconnect=False) as source,
        pytest.raises(DeviceError, match="stopped"),
    ):
        list(source)


def test_it_tries_until_the_device_is_there_again() -> None:
    driver = FakeDriver()

    def script() -> Iterator[object]:
        yield False
        driver.stream.deliver(np.full(320, 0.2))
        yield None

    def restarted() -> None:
        driver.found = [BUILT_IN] if driver.restarts > 5 else []

    driver.script, driver.on_restart = script(), restarted
    with open_mic(driver) as source:
        for chunk in source:
            if codes([chunk]) == ["device_back"]:
                break
    assert driver.restarts == 6


def test_closing_from_another_thread_ends_it_while_it_waits_for_the_device() -> None:
    driver = FakeDriver(script=iter([False]))
    source = open_mic(driver)

    def restarted() -> None:
        driver.found = []
        if driver.restarts == 3:
            source.close()

    driver.on_restart = restarted
    with source:
        assert codes(list(source)) == ["device_lost"]


def test_samples_that_are_no_numbers_are_a_warning_and_silence() -> None:
    driver = FakeDriver()
    with open_mic(driver) as source:
        driver.stream.deliver(np.array([0.1, np.nan, np.inf, 99.0]))
        chunk = next(iter(source))
    assert codes([chunk]) == ["bad_samples"]
    np.testing.assert_allclose(chunk.samples, [0.1, 0, 0, 10])


def test_a_device_that_vanishes_before_opening_is_an_error() -> None:
    with pytest.raises(DeviceError, match="PortAudio"):
        open_mic(FakeDriver(found=[])).__enter__()


def test_a_source_that_is_open_is_not_opened_twice() -> None:
    driver = FakeDriver()
    with open_mic(driver) as source, source:
        assert len(driver.opened) == 1
