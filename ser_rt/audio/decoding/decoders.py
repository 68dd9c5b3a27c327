"""Opening of files and streams: bytes in, blocks of samples at their true times out.

The result of a damaged recording is the same however it comes in: everything that can be
decoded, at its time; a warning where something was lost in between; an `AudioDecodeError` behind
the last block, if the end is missing.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from ser_rt.audio.block import Decoder, Readable
from ser_rt.audio.decoding.containers import needs_end
from ser_rt.audio.decoding.file_decoder import FileDecoder
from ser_rt.audio.decoding.formats import sniff
from ser_rt.audio.decoding.passing import Prompt, PutBack, first_bytes
from ser_rt.audio.decoding.stream_decoder import StreamDecoder
from ser_rt.audio.decoding.wav import WavDecoder, is_plain_wav
from ser_rt.errors import AudioDecodeError, AudioNotFoundError
from ser_rt.files.names import NameFinder, printable

_COPIED_BYTES = 1 << 16


def open_audio(path: str | Path, *, track: int | None = None) -> Decoder:
    """Open an audio file, or a named pipe.

    Args:
        path: The file; its name is never taken for anything but a name.
        track: Which audio track, from 1; None for the one that the container prefers.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioDecodeError: It cannot be read, or is not audio.
        NoTrackError: It has no such track.
    """
    name, path = printable(path), NameFinder().find(os.fspath(path))
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (the decoder closes it)
    except FileNotFoundError as error:
        msg = f"no audio file {name}"
        raise AudioNotFoundError(msg) from error
    except IsADirectoryError as error:
        msg = f"{name} is a folder; name a file in it"
        raise AudioDecodeError(msg) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        msg = f"{name} cannot be read: {why}"
        is_no_name = isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG
        raise (AudioNotFoundError if is_no_name else AudioDecodeError)(msg) from error
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return FileDecoder(file, name, track=track)
        return open_stream(Prompt(file.read1, file.close), name, track=track)
    except BaseException:
        file.close()
        raise


def open_stream(stream: Readable, name: str, *, track: int | None = None) -> Decoder:
    """Open bytes that come once, in order; the decoder closes the stream if that can be closed.

    A format that can only be read from its end, such as MP4 with its index there, is kept in a
    temporary file until all has come.

    Raises:
        AudioDecodeError: They are not audio.
        NoTrackError: There is no such track.
    """
    head = first_bytes(stream.read)
    whole = PutBack(head, stream)
    if sniff(head) == "WAV" and is_plain_wav(head) and track in (None, 1):
        return WavDecoder(whole, name, open_other=open_stream)
    if not needs_end(head):
        return StreamDecoder(whole, name, track=track)
    file = tempfile.TemporaryFile(prefix="ser-rt-")  # noqa: SIM115 (the decoder closes it)
    try:
        while data := whole.read(_COPIED_BYTES):
            file.write(data)
        whole.close()
        return FileDecoder(file, name, track=track)
    except OSError as error:
        file.close()
        msg = f"{name} cannot be kept until its end, where its index is: {error.strerror}"
        raise AudioDecodeError(msg) from error
    except BaseException:
        file.close()
        raise
