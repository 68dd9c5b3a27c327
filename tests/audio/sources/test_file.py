import io
import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.decoding.ffmpeg import FfmpegDecoder
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioDecodeError, AudioNotFoundError
from tests.conftest import Wave, make_wave

Writer = Callable[..., Path]


def read(path: Path, sample_rate: int = 16_000) -> Wave:
    with FileSource(path, sample_rate) as source:
        return np.concatenate([chunk.samples for chunk in source])


def read_until_it_breaks(path: Path) -> tuple[int, str]:
    count = 0

    def read_on() -> None:
        nonlocal count
        with FileSource(path) as source:
            for chunk in source:
                count += len(chunk.samples)

    with pytest.raises(AudioDecodeError) as caught:
        read_on()
    assert "\n" not in str(caught.value)
    return count, str(caught.value)


def tone(seconds: float, rate: int) -> Wave:
    return (0.5 * np.sin(2 * np.pi * 330 * np.arange(round(seconds * rate)) / rate)).astype("f4")


def is_the_same_tone(decoded: Wave) -> None:
    """Compare spectra: a codec may shift the tone in time."""
    assert len(decoded) == pytest.approx(16_000, abs=2_000)
    spectrum = np.abs(np.fft.rfft(decoded[2_000:12_000]))
    assert abs(int(spectrum.argmax()) * 16_000 / 10_000 - 330) < 4


def encode(path: Path, wave: Wave, rate: int, codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        for piece in fifo.read_many(stream.codec_context.frame_size or 1024, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def test_samples_at_the_models_rate_arrive_as_they_are(write_audio: Writer) -> None:
    wave = make_wave(1.234)
    assert read(write_audio("a.wav", wave, subtype="FLOAT")).tobytes() == wave.tobytes()


@pytest.mark.parametrize(
    ("name", "rate", "channels", "settings", "tolerance"),
    [
        ("a.wav", 16_000, 1, {"subtype": "PCM_U8"}, 0.01),
        ("a.wav", 16_000, 1, {"subtype": "PCM_24"}, 1e-4),
        ("a.wav", 96_000, 2, {"subtype": "PCM_16"}, 1e-3),
        ("a.wav", 44_100, 8, {"subtype": "PCM_16"}, 1e-3),
        ("a.flac", 48_000, 8, {}, 1e-3),
        ("a.ogg", 44_100, 1, {}, 0.1),
    ],
)
def test_every_kind_of_file_is_the_same_tone(
    write_audio: Writer,
    name: str,
    rate: int,
    channels: int,
    settings: dict[str, str],
    tolerance: float,
) -> None:
    wave = np.repeat(tone(1.0, rate)[:, np.newaxis], channels, axis=1)
    decoded = read(write_audio(name, wave, rate, **settings))
    assert len(decoded) == pytest.approx(16_000, abs=1_700)
    np.testing.assert_allclose(
        decoded[2_000:14_000], tone(1.0, 16_000)[2_000:14_000], atol=tolerance
    )


@pytest.mark.parametrize(
    ("name", "rate", "codec"),
    [("a.m4a", 44_100, "aac"), ("a.aac", 44_100, "aac"), ("a.webm", 48_000, "libopus")],
)
def test_what_libsndfile_does_not_know_goes_to_ffmpeg(
    tmp_path: Path, name: str, rate: int, codec: str
) -> None:
    is_the_same_tone(read(encode(tmp_path / name, tone(1.0, rate), rate, codec)))


def test_mp3(write_audio: Writer) -> None:
    is_the_same_tone(read(write_audio("a.mp3", tone(1.0, 44_100), 44_100)))


def test_files_that_are_no_audio_are_refused(tmp_path: Path) -> None:
    for name in ("a.wav", "a.m4a", "a.raw", "a"):
        (tmp_path / name).write_bytes(b"Dear diary, today I wrote a test.\n" * 40)
        read_until_it_breaks(tmp_path / name)


def test_empty_and_zero_length_files_are_refused(tmp_path: Path, write_audio: Writer) -> None:
    (tmp_path / "empty.wav").touch()
    assert "is empty" in read_until_it_breaks(tmp_path / "empty.wav")[1]
    for name in ("zero.wav", "zero.flac", "zero.ogg"):
        assert read_until_it_breaks(write_audio(name, np.zeros(0, np.float32)))[0] == 0


def test_missing_files_folders_and_unreadable_files_are_named(
    tmp_path: Path, write_audio: Writer
) -> None:
    with pytest.raises(AudioNotFoundError, match="no audio file"):
        read(tmp_path / "nowhere.wav")
    assert "is a folder" in read_until_it_breaks(tmp_path)[1]
    locked = write_audio("locked.wav", make_wave(0.1))
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root may read everything
        assert "cannot be read: Permission denied" in read_until_it_breaks(locked)[1]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_truncated_file_is_decoded_as_far_as_it_goes(write_audio: Writer, name: str) -> None:
    path = write_audio(name, make_wave(3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count, message = read_until_it_breaks(path)
    assert 8_000 < count < 25_000
    assert "is truncated at 1." in message
    assert "its header promises 3.00 s" in message


def test_a_wav_whose_writer_did_not_know_its_length_is_whole(write_audio: Writer) -> None:
    path = write_audio("pipe.wav", make_wave(1))
    data = path.read_bytes()
    at = data.index(b"data") + 4
    path.write_bytes(data[:at] + struct.pack("<I", 0xFFFFFFFF) + data[at + 4 :])
    assert len(read(path)) == 16_000


def test_samples_that_are_no_audio_are_silence_and_told(write_audio: Writer) -> None:
    wave = make_wave(1)
    wave[8_000:8_003] = np.nan, np.inf, 1e30
    with FileSource(write_audio("nan.wav", wave, subtype="FLOAT")) as source:
        chunks = list(source)
    wave[8_000:8_003] = 0
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), wave)
    (warning,) = (warning for chunk in chunks for warning in chunk.warnings)
    assert warning == ("damaged", "damaged at 0.50 s: 3 samples are no audio, the first is nan")


def test_a_file_that_was_never_scaled_is_refused(write_audio: Writer) -> None:
    path = write_audio("big.wav", make_wave(1) * 32_768, subtype="FLOAT")
    assert "int16" in read_until_it_breaks(path)[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(tmp_path: Path, write_audio: Writer) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = write_audio("a.wav", make_wave(1)).read_bytes()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, data)
        assert len(read(pipe)) == 16_000


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no audio" in read_until_it_breaks(path)[1]


def test_without_pyav_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(AudioDecodeError, match=r"ser-rt\[media\]"):
        FfmpegDecoder(io.BytesIO(b"ftyp"), "a.m4a")


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


def test_realtime_follows_the_clock_and_never_drifts(write_audio: Writer) -> None:
    time = FakeTime()
    path = write_audio("a.wav", make_wave(2))
    chunks: list[AudioChunk] = []
    with FileSource(path, realtime=True, clock=time.clock, sleep=time.sleep) as source:
        for chunk in source:
            chunks.append(chunk)
            time.now_s += 0.03  # the work of a reader
    for chunk in chunks:
        end_s = (chunk.start + len(chunk.samples)) / 16_000
        assert chunk.captured_at == pytest.approx(100 + end_s)
        assert chunk.is_live
        assert chunk.queue_s == pytest.approx(0, abs=1e-9)
    assert time.now_s == pytest.approx(102.03)
    assert source.waited_s == pytest.approx(sum(time.slept_s))


def test_a_late_reader_sees_how_late_it_is(write_audio: Writer) -> None:
    time = FakeTime()
    path = write_audio("a.wav", make_wave(1))
    with FileSource(path, realtime=True, clock=time.clock, sleep=time.sleep) as source:
        queued_s = []
        for chunk in source:
            queued_s.append(chunk.queue_s)
            time.now_s += 0.25
    assert queued_s[:3] == pytest.approx([0, 0.15, 0.3])
