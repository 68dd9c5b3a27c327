import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.errors import AudioDecodeError, ConfigError
from ser_rt.runtime.sources.byte_input import open_bytes
from tests.conftest import RATE, make_wave
from tests.runtime.conftest import Run, Writer

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


def heard(pipe: Pipe, **given: int | str) -> np.ndarray:
    chunks = open_bytes(pipe, **given)  # type: ignore[arg-type]
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 7, 8, 9, 30])
@pytest.mark.parametrize("data", [encoded("WAV", "PCM_16"), WAVE.tobytes()], ids=["wav", "raw"])
def test_where_the_writer_cuts_changes_nothing(data: bytes, cut: int) -> None:
    np.testing.assert_array_equal(heard(Pipe(data[:cut], data[cut:])), WAVE / np.float32(32768))


def test_less_than_a_head_is_heard() -> None:
    assert len(heard(Pipe(b"\0\0\0\0"))) == 2


@pytest.mark.parametrize(
    "data",
    [
        encoded("FLAC"),
        encoded("OGG", "VORBIS"),
        encoded("RF64"),
        b"ID3\x04\0\0\0\0\0\0",
        b"\x1a\x45\xdf\xa3\0\0\0\0\0\0",
        b"\0\0\0\x20ftypisom",
    ],
)
def test_compressed_audio_is_not_heard_as_noise(data: bytes) -> None:
    with pytest.raises(AudioDecodeError, match=r"ffmpeg -i - -f wav - \| ser-stream -"):
        open_bytes(Pipe(data))
    assert len(heard(Pipe(data), encoding="u8"))


@pytest.mark.parametrize("given", [{"rate": 48_000}, {"channels": 2}, {"encoding": "s16le"}])
def test_a_wav_header_is_not_overruled(given: dict[str, int | str]) -> None:
    with pytest.raises(ConfigError, match=f"--{next(iter(given))}"):
        open_bytes(Pipe(encoded("WAV")), **given)  # type: ignore[arg-type]


def test_a_stream_that_cannot_be_read_is_an_error() -> None:
    class Folder:
        def read1(self, size: int, /) -> bytes:
            raise IsADirectoryError(21, "Is a directory", size)

    with pytest.raises(AudioDecodeError, match="Is a directory"):
        open_bytes(Folder())


@pytest.mark.parametrize(
    ("name", "flags", "code", "words"),
    [("a.flac", [], 1, "the input is FLAC"), ("a.wav", ["--rate", "48000"], 2, "the input is WAV")],
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
    path: Path = write_audio(name, WAVE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    ended, out, err = run("-", *flags)
    assert (ended, out) == (code, [])
    assert words in err[0]
