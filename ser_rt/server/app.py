"""The Starlette application: routes, middleware and error responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from ser_rt.runtime.settings import DEFAULTS
from ser_rt.server.adapters import ADAPTERS
from ser_rt.server.adapters.base import Adapter
from ser_rt.server.adapters.socket import AdaptedSocket
from ser_rt.server.auth import Guard
from ser_rt.server.calls import CallListener
from ser_rt.server.headers import SafeHeaders
from ser_rt.server.idempotency import REPLAYED
from ser_rt.server.openapi import description
from ser_rt.server.protocol import STATUSES, ProtocolError, description_of
from ser_rt.server.reference import reference
from ser_rt.server.requests import Requests
from ser_rt.server.service import Service
from ser_rt.server.session import StreamSession
from ser_rt.server.style import style_sheet
from ser_rt.server.uploads import classify

STATIC = Path(__file__).parent / "static"

Answer = Callable[[Request], Awaitable[Response]]


def make_app(
    service: Service,
    guard: Guard | None = None,
    *,
    hosts: Sequence[str] = ("*",),
    metrics_guard: Guard | None = None,
    access_log: bool = False,
) -> Starlette:
    """Return the application of a service.

    Args:
        service: The model, limits and worker threads behind the routes.
        guard: Checks keys and origins; None admits everybody but pages of other sites.
        hosts: Host names that requests may carry; ``*`` for any.
        metrics_guard: Checks the keys of ``/metrics``; None is as ``guard``.
        access_log: Whether each request is logged.
    """
    guard = guard or Guard()
    routes = _Routes(service, guard, metrics_guard or guard)
    paths = [route.path for route in routes.all() if isinstance(route, Route)]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(guard.origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "idempotency-key"],
        expose_headers=["idempotent-replayed", "retry-after", "x-request-id"],
    )
    return Starlette(
        routes=routes.all(),
        middleware=[
            Middleware(Requests, metrics=service.metrics, paths=paths, is_logged=access_log),
            Middleware(SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            *([cors] if guard.origins else []),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _fault},
        lifespan=routes.lifespan,
    )


class _Routes:
    def __init__(self, service: Service, guard: Guard, metrics_guard: Guard) -> None:
        self._service, self._guard, self._metrics_guard = service, guard, metrics_guard

    def all(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/v1/stream", self.stream),
            *(
                WebSocketRoute(path + more, self.adapted(adapter))
                for path, adapter in ADAPTERS.items()
                for more in ("", "/{token}")
            ),
            WebSocketRoute("/v1/calls/{id}", self.call),
            WebSocketRoute("/{path:path}", self.no_stream),
            Route("/v1/classify", self._guarded(self.classify), methods=["POST"]),
            Route("/v1/models", self._guarded(self.models)),
            Route("/metrics", self._guarded(self.metrics, self._metrics_guard)),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/openapi.json", self.openapi),
            Route("/docs", self.reference),
            Route("/", self.page),
            Route("/static/palette.css", self.palette),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        starting = asyncio.create_task(self._service.start())
        yield
        await starting
        # Worker threads may wait for results that arrive through this loop.
        await asyncio.to_thread(self._service.close)

    def _guarded(self, answer: Answer, guard: Guard | None = None) -> Answer:
        async def guarded(request: Request) -> Response:
            try:
                (guard or self._guard).check(request)
                return await answer(request)
            except ProtocolError as error:
                return self._refusal(error)

        return guarded

    async def stream(self, socket: WebSocket) -> None:
        await self._serve(socket, socket)

    def adapted(self, adapter: type[Adapter]) -> Callable[[WebSocket], Awaitable[None]]:
        async def stream(socket: WebSocket) -> None:
            talk = AdaptedSocket(socket, adapter(), self._service.calls)
            try:
                await self._serve(socket, talk)
            finally:
                talk.end()

        return stream

    async def call(self, socket: WebSocket) -> None:
        """Tell a connection what is told of a call; it counts as a stream."""
        try:
            self._guard.check(socket)
            with self._service.slot():
                await socket.accept()
                listener = CallListener(socket, socket.path_params["id"], self._service.calls)
                self._service.sessions.add(listener)
                try:
                    await listener.run(self._service.limits.idle_timeout_s)
                finally:
                    self._service.sessions.discard(listener)
        except ProtocolError as error:
            await socket.send_denial_response(self._refusal(error))

    async def _serve(self, socket: WebSocket, talk: WebSocket | AdaptedSocket) -> None:
        """Serve a connection whose messages are those of ``talk``."""
        try:
            self._guard.check(socket)
            with self._service.slot():
                await socket.accept()
                await StreamSession(talk, self._service).run()
        except ProtocolError as error:
            await socket.send_denial_response(self._refusal(error))

    async def no_stream(self, socket: WebSocket) -> None:
        error = ProtocolError(f"no stream at {socket.url.path}; try /v1/stream", "not_found")
        await socket.send_denial_response(self._refusal(error))

    def _refusal(self, error: ProtocolError) -> Response:
        self._service.metrics.refused.labels(error.code).inc()
        return error_response(error)

    async def classify(self, request: Request) -> Response:
        with self._service.upload_slot():
            try:
                client = self._guard.key_of(request)
                answer, is_old = await classify(request, self._service, client)
                headers = {REPLAYED: "true"} if is_old else None
                return Response(answer, headers=headers, media_type="application/json")
            except asyncio.CancelledError:  # uvicorn waits no longer
                msg = "the server is shutting down"
                raise ProtocolError(msg, "shutting_down") from None

    async def models(self, _request: Request) -> Response:
        model, bundle = self._service.model, self._service.model.bundle
        about = {
            "name": bundle.name,
            "version": bundle.version,
            "architecture": bundle.architecture,
            "parameters": bundle.parameters,
            **description_of(model, DEFAULTS),
            "licence": bundle.licence,
        }
        return JSONResponse({"models": [about]})

    async def metrics(self, _request: Request) -> Response:
        content, content_type = self._service.metrics.text()
        return Response(content, media_type=content_type)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        refusal = self._service.refusal()
        if refusal is not None:
            return error_response(refusal)
        streams, most = self._service.taken, self._service.limits.max_streams
        return JSONResponse({"status": "ready", "streams": streams, "max_streams": most})

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(description(request.scope["root_path"]))

    async def reference(self, request: Request) -> Response:
        return HTMLResponse(reference(description(request.scope["root_path"])))

    async def palette(self, _request: Request) -> Response:
        return Response(style_sheet(), media_type="text/css")

    async def page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html")


def error_response(error: ProtocolError) -> Response:
    """Return the HTTP response of a `ProtocolError`."""
    status = STATUSES[error.code]
    headers = {503: {"Retry-After": "1"}, 401: {"WWW-Authenticate": "Bearer"}}.get(status)
    return JSONResponse(error.to_dict(), status, headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (for the type checker)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    answer = JSONResponse(ProtocolError(error.detail, code).to_dict(), error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _fault(_request: Request, _error: Exception) -> Response:
    return error_response(ProtocolError("a fault of the server", "internal"))
