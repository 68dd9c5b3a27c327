"""`reference`: the OpenAPI document and the messages of streams as a page.

Its own words are put in by its script, in the language of the reader (``data-word``); the texts of
the schemas are English.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]

_HEAD = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>ser-rt API</title>
    <link rel="icon" href="static/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="static/theme.css" />
    <link rel="stylesheet" href="static/base.css" />
    <link rel="stylesheet" href="static/reference.css" />
    <script src="static/early.js"></script>
    <script type="module" src="static/reference.js"></script>
  </head>
  <body>
    <header class="top">
      <p class="brand">
        <a href="./"><b>ser-rt</b></a> <span data-word="reference"></span>
      </p>
      <a href="openapi.json">openapi.json</a>
    </header>
"""
_STREAM = "/v1/stream"


def reference(document: Schema) -> str:
    """Return the page of an OpenAPI document, complete HTML that asks for files of ours alone."""
    schemas: Schema = document["components"]["schemas"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    links = [
        (f"{method} {path}", operation["operationId"]) for method, path, operation in operations
    ]
    body = [
        _contents([*links, (f"WebSocket {_STREAM}", "stream")], schemas),
        "<main>",
        _title(document),
        *(_operation(*operation) for operation in operations),
        _stream(schemas),
        '<section><h2 data-word="schemas"></h2></section>',
        *(_schema(name, schema) for name, schema in schemas.items()),
        "</main></body></html>",
    ]
    return _HEAD + "\n".join(body)


def _contents(links: Iterable[tuple[str, str]], schemas: Schema) -> str:
    def items(found: Iterable[tuple[str, str]]) -> str:
        return "".join(f'<li><a href="#{key}">{escape(text)}</a></li>' for text, key in found)

    names = [(name, f"schema-{name}") for name in schemas]
    return (
        f'<nav data-label="contents"><ul>{items(links)}</ul>'
        f'<h2 class="caption" data-word="schemas"></h2><ul>{items(names)}</ul></nav>'
    )


def _title(document: Schema) -> str:
    info = document["info"]
    return (
        f'<h1 data-word="reference"></h1>'
        f"<p>{escape(info['title'])} {escape(info['version'])}. {escape(info['description'])}</p>"
        '<p data-word="reference_keys"></p>'
        "<pre>Authorization: Bearer KEY</pre>"
    )


def _operation(method: str, path: str, operation: Schema) -> str:
    is_open = operation.get("security") == []
    key = '<p class="caption" data-word="no_key"></p>' if is_open else ""
    fields = {p["name"]: p["schema"] for p in operation.get("parameters", ())}
    parameters = _table("parameters", fields) if fields else ""
    kinds = ", ".join(
        f"<code>{escape(k)}</code>" for k in operation.get("requestBody", {}).get("content", ())
    )
    body = f'<h3 data-word="request_body"></h3><p>{kinds}</p>' if kinds else ""
    answers = "".join(
        f"<tr><th scope='row'><code>{status}</code></th>"
        f"<td>{escape(answer['description'])}</td><td>{_content(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f'<section id="{operation["operationId"]}"><h2><code class="method">{method}</code> '
        f"<code>{escape(path)}</code></h2><p>{escape(operation['summary'])}</p>{key}{body}{parameters}"
        '<h3 data-word="responses"></h3>'
        f'<div class="scroll"><table>{answers}</table></div></section>'
    )


def _content(answer: Schema) -> str:
    return ", ".join(
        _type(kind["schema"]) if "schema" in kind else f"<code>{escape(name)}</code>"
        for name, kind in answer.get("content", {}).items()
    )


def _stream(schemas: Schema) -> str:
    sent = [rule["then"] for rule in schemas["client_message"]["allOf"]]
    received = schemas["server_message"]["oneOf"]

    def listed(found: Iterable[Schema]) -> str:
        return "".join(f"<li>{_type(schema)}</li>" for schema in found)

    return (
        '<section id="stream">'
        f'<h2><code class="method">WebSocket</code> <code>{_STREAM}</code></h2>'
        '<p data-word="stream_note"></p>'
        f'<h3 data-word="from_client"></h3><ul class="types">{listed(sent)}</ul>'
        f'<h3 data-word="from_server"></h3><ul class="types">{listed(received)}</ul>'
        "</section>"
    )


def _schema(name: str, schema: Schema) -> str:
    told = f"<p>{escape(schema['description'])}</p>" if "description" in schema else ""
    if "properties" in schema:
        shape = _table("fields", schema["properties"], schema.get("required", ()))
    else:
        shape = f"<p>{_type(schema)} {_limits(schema)}</p>"
    return f'<section id="schema-{name}"><h3><code>{name}</code></h3>{told}{shape}</section>'


def _table(word: str, fields: Schema, required: Iterable[str] = ()) -> str:
    needed = set(required)
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(name)}</code>"
        f"{'<i data-word=needed></i>' if name in needed else ''}</th>"
        f"<td>{_type(schema)} <span>{_limits(schema)}</span></td>"
        f"<td>{escape(schema.get('description', ''))}</td></tr>"
        for name, schema in fields.items()
    )
    return f'<h3 data-word="{word}"></h3><div class="scroll"><table>{rows}</table></div>'


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}"><code>{name}</code></a>'
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " | ".join(map(_type, schema[key]))
    kinds = schema.get("type", "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    inner = schema.get("items") or schema.get("additionalProperties")
    within = f" ({_type(inner)})" if isinstance(inner, Mapping) and inner else ""
    return " | ".join(map(escape, kinds)) + within


def _limits(schema: Schema) -> str:
    return escape(", ".join(_limits_of(schema)))


def _limits_of(schema: Schema) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        yield f"{'' if low is None else low} … {'' if high is None else high}"
    if "pattern" in schema:
        yield schema["pattern"]
    if "default" in schema:
        yield f"= {schema['default']}"
