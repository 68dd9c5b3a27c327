"""Bodies of uploads: the file, raw or in a multipart form; anything else is refused."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from ser_rt.server.forms import Form
from ser_rt.server.protocol import ProtocolError

logger = logging.getLogger(__name__)

HOW = "send the bytes of the file: curl --data-binary @FILE, or a form: curl -F file=@FILE"

_HEAD_BYTES = 512
_BASE64 = re.compile(rb"(data:[^,]*,)?\s*[A-Za-z0-9+/_\s-]{64,}=*\s*")
_DROPPED = b"\0\r\n"
"""Bytes that ``curl -d @FILE`` drops."""
_NEVER_WITHOUT = 4_096
"""Of so many bytes of audio some are those: that none is has a chance of 10^-21."""


async def receive(request: Request, file: BinaryIO, max_bytes: int) -> list[tuple[str, str]]:
    """Write the file of a request to a file; return the fields that stood beside it in a form.

    Raises:
        ProtocolError: There is none, it is too big, or something else was sent.
    """
    kind = _kind(request)
    fields: list[tuple[str, str]] = []
    if kind == "multipart/form-data":
        fields = await _receive_form(request, file, max_bytes)
    else:
        dropped = set(_DROPPED)
        async for data in _limited(request, max_bytes):
            file.write(data)
            dropped.difference_update(data)
        if is_of_curl(request) and len(dropped) == len(_DROPPED) and file.tell() >= _NEVER_WITHOUT:
            msg = f"the file has lost bytes on its way, as by curl -d: {HOW}"
            raise ProtocolError(msg, "bad_audio")
    if not file.tell():
        msg = f"the request holds no file: {HOW}"
        raise ProtocolError(msg, "no_audio")
    file.seek(0)
    _check_head(file.read(_HEAD_BYTES))
    return fields


def is_of_curl(request: Request) -> bool:
    """Return whether a body is declared to be fields of a form, as ``curl -d`` does with all."""
    return _kind(request) == "application/x-www-form-urlencoded"


@contextmanager
def stored() -> Iterator[None]:
    """Translate errors of the disk that holds uploads.

    Raises:
        ProtocolError: It is full or missing.
    """
    try:
        yield
    except OSError as error:
        logger.error("an upload cannot be stored: %s", error)  # noqa: TRY400 (not the server's fault)
        why = os.strerror(error.errno or errno.EIO)  # the whole names our folders
        msg = f"the server has no room for the file: {why}"
        raise ProtocolError(msg, "no_storage") from error


async def _receive_form(request: Request, file: BinaryIO, max_bytes: int) -> list[tuple[str, str]]:
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary")
    if not boundary:
        msg = "a multipart form needs a boundary in its Content-Type"
        raise ProtocolError(msg, "bad_request")
    form = Form(boundary, file)
    async for data in _limited(request, max_bytes):
        form.feed(data)
    form.finish()
    return form.fields


def _kind(request: Request) -> str:
    """Return the type of a body in small letters.

    Raises:
        ProtocolError: It is one that holds no file as it is.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        msg = f"a file is not unpacked: send it without Content-Encoding: {packed[:40]}"
        raise ProtocolError(msg, "bad_request")
    if kind == "application/json" or kind.endswith("+json"):
        msg = f"the file may not be in JSON: {HOW}"
        raise ProtocolError(msg, "bad_request")
    if kind.startswith("multipart/") and kind != "multipart/form-data":
        msg = f"a form must be multipart/form-data, not {kind[:40]}"
        raise ProtocolError(msg, "bad_request")
    return kind


def _check_head(head: bytes) -> None:
    """Refuse text that stands for a file: no container of audio begins so."""
    if _BASE64.fullmatch(head):
        msg = f"the file is base64 text: {HOW}"
        raise ProtocolError(msg, "bad_audio")
    if head.lstrip()[:1] == b"{":
        msg = f"the file is JSON: {HOW}"
        raise ProtocolError(msg, "bad_audio")


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    count, declared = 0, request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_big(max_bytes)
    async for data in request.stream():
        count += len(data)
        if count > max_bytes:
            raise _too_big(max_bytes)
        yield data


def _too_big(max_bytes: int) -> ProtocolError:
    return ProtocolError(f"a file may have {max_bytes} bytes", "upload_too_big")
