"""OpenAPI 3.1 document of the server, over the schemas of the protocol."""

from __future__ import annotations

import json
from typing import Any

import ser_rt
from ser_rt.server.protocol import STATUSES, schema
from ser_rt.server.settings_text import QUERY


def description(root: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of a server whose addresses begin with a root."""
    components = json.dumps(schema()["$defs"]).replace('"#/$defs/', '"#/components/schemas/')
    schemas: dict[str, Any] = json.loads(components)
    settings = {name: schemas["config"]["properties"][name] for name in QUERY}
    settings |= schemas["upload"]["properties"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ser-serve",
            "version": ser_rt.__version__,
            "description": "Emotion in speech. The WebSocket /v1/stream is in docs/protocol.md.",
        },
        "servers": [{"url": root or "/"}],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
        "security": [{"bearer": []}, {"token": []}, {}],
        "paths": {
            "/v1/classify": {
                "post": {
                    "summary": "Classify a file",
                    "operationId": "classify",
                    "parameters": [
                        {
                            "name": name,
                            "in": "query",
                            "schema": settings[name],
                            "description": settings[name]["description"],
                        }
                        for name in settings
                    ]
                    + [
                        {
                            "name": "Idempotency-Key",
                            "in": "header",
                            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                            "description": "A name of the request, new for each: sent again with "
                            "the same file and settings within an hour, it has the same answer "
                            "without a second computation.",
                        }
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/octet-stream": {},
                            "audio/*": {},
                            "multipart/form-data": {
                                "schema": {
                                    "type": "object",
                                    "required": ["file"],
                                    "properties": {
                                        "file": {"type": "string", "format": "binary"},
                                        **settings,
                                    },
                                    "additionalProperties": False,
                                }
                            },
                        },
                    },
                    "responses": _responses("The results of the file", "classification"),
                }
            },
            "/v1/models": {
                "get": {
                    "summary": "List the models",
                    "operationId": "models",
                    "responses": _responses("The models", "models"),
                }
            },
            "/healthz": _plain("healthz", "Liveness: whether the process runs", "application/json"),
            "/readyz": _plain(
                "readyz", "Readiness: whether a new stream would be accepted", "application/json"
            ),
            "/metrics": _plain("metrics", "Metrics for Prometheus", "text/plain", is_open=False),
        },
    }


def _responses(what: str, name: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
    failed = {
        str(status): {
            "description": ", ".join(code for code, its in STATUSES.items() if its == status),
            "content": error,
        }
        for status in sorted(set(STATUSES.values()))
    }
    return {"200": {"description": what, "content": content}, **failed}


def _plain(name: str, summary: str, kind: str, *, is_open: bool = True) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": summary, "content": {kind: {}}}}
    operation: dict[str, Any] = {"summary": summary, "operationId": name, "responses": answers}
    if name == "readyz":
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
        answers["503"] = {"description": "Not now", "content": error}
    if is_open:
        operation["security"] = []
    return {"get": operation}
