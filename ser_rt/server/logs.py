"""Logs of the server: lines for people or JSON, with the ids of session and request."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

FORMATS = ("text", "json")
_TEXT = "%(asctime)s %(levelname)s %(message)s"

_ids: ContextVar[dict[str, str]] = ContextVar("ids", default={})  # noqa: B039 (never changed in place)


@contextmanager
def logged_as(**ids: str) -> Iterator[None]:
    """Give ids, such as ``session``, to what is logged inside, in this task alone."""
    token = _ids.set(_ids.get() | ids)
    try:
        yield
    finally:
        _ids.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, ids, and what ``extra`` adds."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(level: str, form: str) -> None:
    """Log to standard error."""
    logging.basicConfig(level=level.upper(), format=_TEXT)
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
