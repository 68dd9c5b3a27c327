"""`HttpFile`: a recording by URL, read once; a lost connection goes on where it was."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ser_rt.audio.block import read_up_to
from ser_rt.errors import AudioDecodeError

RETRY_S = (0.5, 1.0, 2.0, 4.0)
"""Waits before each new connection, as long as no byte comes over them."""

_PLAYLISTS = (b"#EXTM3U", b"<?xml", b"<MPD", b"[playlist]", b"v=0", b"<asx", b"http")
_IN_PATHS = "/%:@!$&'()*+,;=~"
"""Characters that need no quoting in addresses; % among them, as most come quoted."""

_SKIP_BYTES = _KEPT_BYTES = 1 << 16
_PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses of a request for the rest that may pass."""

_NAME = "ser-rt"


class StationError(AudioDecodeError):
    """The server is of SHOUTcast, whose answers begin with ICY instead of HTTP."""


class HttpFile:
    """The bytes of a URL, in any order, each requested once where the server knows ranges.

    Attributes:
        size: Number of bytes; None if the server does not give it.
        head: The first bytes.
        is_live: Whether it is a radio station, which has no end.
        is_playlist: Whether it names other addresses.
        has_titles: Whether titles of songs stand between its bytes.
        broken: Why the connection is lost for good, once it is.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        *,
        reconnect: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect.

        Raises:
            AudioDecodeError: There is no answer in time, or none that has the file.
        """
        self._url, self._timeout_s, self._sleep = url, timeout_s, sleep
        self._retries = RETRY_S if reconnect else ()
        self._at, self.waited_s = 0, 0.0
        self.broken: AudioDecodeError | None = None
        self._broken_at = 0
        self._response = self._open(0)
        self._is_at = 0
        length = self._response.headers.get("Content-Length")
        self.size = int(length) if length and length.isdecimal() else None
        self._tag = self._marks()
        kind = self._response.headers.get_content_type()
        coding = self._response.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            self.close()
            msg = f"{url} comes compressed ({coding}), which was not requested: turn that off"
            raise AudioDecodeError(msg)
        try:
            self.head = self._read_on(16)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            msg = f"{url} breaks off at its beginning: {_words(error)}"
            raise AudioDecodeError(msg) from error
        is_radio = any(name.lower().startswith("icy-") for name in self._response.headers)
        self.is_live = is_radio and self.size is None
        self.has_titles = "icy-metaint" in self._response.headers
        self.is_playlist = "mpegurl" in kind or "dash+xml" in kind or "scpls" in kind
        self.is_playlist |= self.head.startswith(_PLAYLISTS)
        self._kept = self.head
        """The first bytes, for decoders that come back to them."""

    def first(self, count: int) -> bytes:
        """Return the first bytes, without going on behind them."""
        self.seek(0)
        data = read_up_to(self.read, count)
        self.seek(0)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; the request is sent when bytes from there are read."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size or 0}
        self._at = max(0, base[whence] + offset)
        return self._at

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end, or behind where it is `broken`."""
        if self._at < len(self._kept):
            data = self._kept[self._at : self._at + size]
            self._at += len(data)
            return data
        is_lost = self.broken is not None and self._at >= self._broken_at
        if is_lost or (self.size is not None and self._at >= self.size):
            return b""
        before = time.monotonic()
        try:
            return self._read(size)
        except AudioDecodeError as error:
            # The bytes before it are decoded all the same.
            self.broken, self._broken_at = error, self._at
            return b""
        finally:
            self.waited_s += time.monotonic() - before

    def _read(self, size: int) -> bytes:
        why: Exception | str = "the connection was closed"
        retries = self._retries if self.size is not None else ()
        for wait_s in (None, *retries):
            try:
                if wait_s is not None:
                    self._sleep(wait_s)
                    self.close()
                if self._response is None or not 0 <= self._at - self._is_at <= _SKIP_BYTES:
                    self._go_to(self._at)
                while self._is_at < self._at and self._read_on(self._at - self._is_at):
                    pass
                data = self._read_on(size)
            except AudioDecodeError:
                raise
            except (OSError, http.client.HTTPException) as error:
                why = error
                continue
            if data or self.size is None:
                if self._at == len(self._kept) < _KEPT_BYTES:
                    self._kept += data
                self._at += len(data)
                return data
        of = "" if self.size is None else f" of {self.size}"
        msg = f"{self._url} breaks off at byte {self._at}{of}: {_words(why)}"
        raise AudioDecodeError(msg)

    def _read_on(self, size: int) -> bytes:
        data: bytes = self._response.read1(size)
        self._is_at += len(data)
        return data

    def _go_to(self, at: int) -> None:
        """Connect at a byte; a server without ranges sends all again, and it is passed over."""
        self.close()
        self._response = self._open(at)
        self._is_at = 0
        if self._response.status == http.client.PARTIAL_CONTENT:
            given = re.match(r"bytes (\d+)-", self._response.headers.get("Content-Range", ""))
            self._is_at = at if given is None else int(given[1])
            if self._is_at != at:
                msg = f"{self._url} sends bytes from {self._is_at} on instead of those from {at}"
                raise AudioDecodeError(msg)
        headers = self._response.headers
        total = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
        if total is None and self._response.status == http.client.OK:
            total = re.search(r"^(\d+)$", headers.get("Content-Length", ""))
        is_of_another_size = total is not None and int(total[1]) != self.size
        if self._tag != self._marks() or is_of_another_size:
            msg = f"{self._url} is another file since its connection was lost at byte {at}"
            raise AudioDecodeError(msg)
        while self._is_at + _SKIP_BYTES < at and self._read_on(_SKIP_BYTES):
            pass

    def _marks(self) -> tuple[str | None, ...]:
        """Return the headers that identify a version of the file."""
        headers = self._response.headers
        return headers.get("ETag"), headers.get("Last-Modified")

    def _open(self, at: int, *, by_range: bool = True) -> Any:
        headers = {"User-Agent": _NAME, "Accept": "*/*"}
        if at and by_range:
            headers["Range"] = f"bytes={at}-"
        try:
            address, keys = _quoted(self._url)
            request = urllib.request.Request(address, headers=headers | keys)  # noqa: S310 (http, https)
            return urllib.request.urlopen(request, timeout=self._timeout_s)  # noqa: S310 (as above)
        except urllib.error.HTTPError as error:
            error.close()
            if at and by_range and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                return self._open(at, by_range=False)
            if at and error.code in _PASSING:
                msg = f"{error.code} {error.reason}"
                raise ConnectionError(msg) from error
            reason = error.reason.splitlines()[0] if error.reason else ""
            msg = f"{self._url} does not open: {error.code} {reason}"
            raise AudioDecodeError(msg) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if at:
                raise
            if isinstance(error, http.client.BadStatusLine) and str(error).startswith("ICY "):
                msg = f"{self._url} is a station of SHOUTcast"
                raise StationError(msg) from error
            why = getattr(error, "reason", error)
            timed_out = isinstance(why, TimeoutError)
            answer = f"no answer for {self._timeout_s:g} s" if timed_out else _words(why)
            msg = f"{self._url} does not open: {answer}"
            raise AudioDecodeError(msg) from error

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None


def _quoted(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL as servers take it, and the header with its user name and password."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    place = host if parts.port is None else f"{host}:{parts.port}"
    path, query = quote(parts.path, safe=_IN_PATHS), quote(parts.query, safe=_IN_PATHS + "?")
    keys: dict[str, str] = {}
    if parts.username is not None:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        keys["Authorization"] = "Basic " + b64encode(who).decode()
    return urlunsplit((parts.scheme, place, path, query, "")), keys


def _words(why: Exception | str) -> str:
    words = str(getattr(why, "strerror", None) or why).strip()
    return words or type(why).__name__
