"""`Requests`: middleware that gives each HTTP request an id, counts it, and logs it if wanted."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser_rt.server.adapters import ADAPTERS
from ser_rt.server.logs import logged_as
from ser_rt.server.metrics import Metrics

logger = logging.getLogger("ser_rt.server.access")

HEADER = "x-request-id"
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Requests:
    """The outermost middleware."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, paths: Collection[str], is_logged: bool = False
    ) -> None:
        """Count by these paths; whatever else is asked for is ``other``."""
        self._app, self._metrics = app, metrics
        self._paths, self._is_logged = frozenset(paths), is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        started, status = time.monotonic(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with logged_as(request=request_id):
            try:
                await self._app(scope, receive, noting)
            finally:
                path = scope["path"] if scope["path"] in self._paths else "other"
                self._metrics.requests.labels(path, str(status)).inc()
                if self._is_logged:
                    self._log(scope, status, time.monotonic() - started)

    def _log(self, scope: Scope, status: int, took_s: float) -> None:
        # Without the query, which may hold a key, and the end of an address that is one.
        client = (scope.get("client") or ("-",))[0]
        path = scope["path"]
        for of_adapter in ADAPTERS:
            if path.startswith(f"{of_adapter}/"):
                path = f"{of_adapter}/..."
        fields = {
            "method": scope["method"],
            "path": path,
            "status": status,
            "ms": round(1e3 * took_s, 1),
            "client": client,
        }
        line = f"{client} {fields['method']} {fields['path']} {status} {fields['ms']} ms"
        logger.info("%s", line, extra={"fields": fields})
