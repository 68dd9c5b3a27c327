import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.audio.sources.stdin import open_bytes
from ser_rt.errors import AudioDecodeError, ConfigError
from tests.conftest import RATE, Run, Writer, make_wave

WAVE = (make_wave(0.5) * 32767).astype("<i2")


class Pipe:
    """A pipe whose writer cut its bytes where it liked."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read1(self, size: int, /) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if piece[size:]:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def encoded(file_format: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, WAVE, rate, format=file_format, subtype=subtype)
    return file.getvalue()


def decoded(pipe: Pipe, **given: int | str) -> np.ndarray:
    chunks = open_bytes(pipe, **given)  # type: ignore[arg-type]  # values of several types
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 7, 8, 9, 30])
@pytest.mark.parametrize(
    ("data", "given"), [(encoded("WAV", "PCM_16"), {}), (WAVE.tobytes(), {"encoding": "s16le"})]
)
def test_where_the_writer_cuts_changes_nothing(
    data: bytes, given: dict[str, str], cut: int
) -> None:
    expected = WAVE / np.float32(32768)
    np.testing.assert_array_equal(decoded(Pipe(data[:cut], data[cut:]), **given), expected)


def test_less_than_a_head_is_decoded() -> None:
    assert len(decoded(Pipe(b"\0\0\0\0"), rate=RATE)) == 2


@pytest.mark.parametrize("data", [WAVE.tobytes(), b"\0" * 9_000, b"Dear diary, " * 500, b"ab"])
def test_what_is_in_no_known_format_is_no_raw_audio_unless_it_is_said(data: bytes) -> None:
    with pytest.raises(AudioDecodeError, match="--encoding s16le"):
        open_bytes(Pipe(data))
    assert len(decoded(Pipe(data), channels=1)) == len(data) // 2


def test_nothing_at_all_is_told() -> None:
    with pytest.raises(AudioDecodeError, match="holds no audio"):
        open_bytes(Pipe())


@pytest.mark.parametrize(
    "kind", ["FLAC", "OGG", "RF64", "AIFF", "AU", "CAF", "W64", "MP3", "WAVEX"]
)
def test_every_format_is_decoded_from_a_pipe(kind: str) -> None:
    data = encoded(kind)
    samples = decoded(Pipe(*(data[at : at + 700] for at in range(0, len(data), 700))))
    assert len(samples) == pytest.approx(len(WAVE), abs=0.06 * RATE)


@pytest.mark.parametrize(("subtype", "tolerance"), [("ULAW", 0.02), ("ALAW", 0.02)])
def test_telephone_codes_are_decoded(subtype: str, tolerance: float) -> None:
    data = encoded("WAV", subtype)
    expected = WAVE / np.float32(32768)
    np.testing.assert_allclose(decoded(Pipe(data)), expected, atol=tolerance)
    raw = data[data.index(b"data") + 8 :]
    encoding = {"ULAW": "mulaw", "ALAW": "alaw"}[subtype]
    np.testing.assert_array_equal(decoded(Pipe(raw), encoding=encoding), decoded(Pipe(data)))


def test_files_after_each_other_are_decoded_one_after_the_other() -> None:
    data = encoded("WAV") + encoded("WAV", rate=8_000)
    assert len(decoded(Pipe(data))) == len(WAVE) + 2 * len(WAVE)


@pytest.mark.parametrize("given", [{"rate": 48_000}, {"channels": 2}, {"encoding": "s16le"}])
def test_a_wav_header_is_not_overruled(given: dict[str, int | str]) -> None:
    with pytest.raises(ConfigError, match=f"--{next(iter(given))}"):
        open_bytes(Pipe(encoded("WAV")), **given)  # type: ignore[arg-type]  # values of several types


def test_a_stream_that_cannot_be_read_is_an_error() -> None:
    class Folder:
        def read1(self, size: int, /) -> bytes:
            raise IsADirectoryError(21, "Is a directory", size)

    with pytest.raises(AudioDecodeError, match="Is a directory"):
        open_bytes(Folder())


@pytest.mark.parametrize(
    ("name", "flags", "code", "words"),
    [("a.raw", [], 1, "no format"), ("a.wav", ["--rate", "48000"], 2, "is WAV")],
)
def test_the_command_says_so(
    run: Run,
    write_audio: Writer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    flags: list[str],
    code: int,
    words: str,
) -> None:
    settings = {"format": "RAW", "subtype": "PCM_16"} if name == "a.raw" else {}
    path: Path = write_audio(name, WAVE, **settings)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    ended, out, err = run("-", *flags)
    assert (ended, out) == (code, [])
    assert words in err[0]
