"""Adapters, which speak the protocols of others: one module each, and one entry in `ADAPTERS`.

An adapter turns the messages of a client into those of ``/v1/stream``, and the answers into what
that client expects. Everything between is the session that every stream has.
"""

from __future__ import annotations

from ser_rt.server.adapters.base import Adapter
from ser_rt.server.adapters.listen import ListenAdapter
from ser_rt.server.adapters.realtime import RealtimeAdapter
from ser_rt.server.adapters.twilio import TwilioAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "/v1/twilio": TwilioAdapter,
    "/v1/listen": ListenAdapter,
    "/v1/realtime": RealtimeAdapter,
}
"""Adapter of each path."""
