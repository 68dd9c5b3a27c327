"""`Guard`: checks of API keys, and of the origin of web pages."""

from __future__ import annotations

import hmac
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import HTTPConnection

from ser_rt.errors import ConfigError
from ser_rt.files.text import read_text
from ser_rt.server.protocol import ProtocolError

logger = logging.getLogger(__name__)

SHORTEST_KEY = 16


class Guard:
    """Refuses connections without a valid key, or from a page of another site.

    Attributes:
        origins: Origins of other sites whose pages may connect.
    """

    def __init__(self, keys: Sequence[str] = (), origins: Sequence[str] = ()) -> None:
        """Accept any of the keys, everybody if there are none; and pages of these other origins."""
        self._keys = [key.encode() for key in keys]
        self.origins = frozenset(origins)

    def change(self, keys: Sequence[str]) -> None:
        """Accept other keys from now on; streams that are open stay."""
        self._keys = [key.encode() for key in keys]

    def key_of(self, connection: HTTPConnection) -> str:
        """Return the key that a connection names; none is empty."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in {"bearer", "token"}:  # Deepgram's clients say Token
            given = connection.query_params.get("token", connection.path_params.get("token", ""))
        return str(given).strip()

    def check(self, connection: HTTPConnection) -> None:
        """Raise a `ProtocolError` for a page of another site, or a key that is wrong.

        Programs send no origin.
        """
        origin, host = connection.headers.get("origin"), connection.headers.get("host")
        is_own = bool(host) and origin in {f"http://{host}", f"https://{host}"}
        if origin is not None and origin not in self.origins and not is_own:
            msg = "pages of this origin are not allowed; see --cors-origin"
            raise ProtocolError(msg, "forbidden_origin")
        if not self._keys:
            return
        found = self.key_of(connection).encode("utf-8", "surrogateescape")
        # All are compared, so that the time reveals nothing about any.
        if sum(hmac.compare_digest(key, found) for key in self._keys) == 0:
            msg = "a key is needed: the header Authorization: Bearer KEY, or ?token=KEY"
            raise ProtocolError(msg, "unauthorized")


def read_keys(path: Path) -> list[str]:
    """Return the keys of a file, one a line; blank lines and those after # are none.

    Raises:
        ConfigError: It cannot be read, or holds no key, or one that could be guessed.
    """
    try:
        text = read_text(path)
        status = path.stat()
    except (OSError, ValueError) as error:
        msg = f"--api-key-file {path} cannot be read: {error}"
        raise ConfigError(msg) from error
    lines = (line.strip() for line in text.splitlines())
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        msg = f"--api-key-file {path} holds no key; one a line: openssl rand -hex 32"
        raise ConfigError(msg)
    for number, key in enumerate(keys, 1):
        if len(key) < SHORTEST_KEY:
            msg = f"key {number} of {path} has less than {SHORTEST_KEY} characters"
            raise ConfigError(msg)
        if not key.isascii() or len(key.split()) > 1:
            msg = f"key {number} of {path} must be ASCII without blanks: headers carry no other"
            raise ConfigError(msg)
    # A secret that an orchestrator mounts is another user's, and for our group alone.
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if status.st_mode & (stat.S_IROTH | (stat.S_IRGRP if is_own else 0)):
        logger.warning("%s can be read by other users: chmod 600", path)
    return keys
