"""HTTP endpoints of sources: a request becomes a Run in the mailbox (component specification 5.2).

    body, capped → find the source by its key → rate, room → INSERT, committed → 200
    with `customResponse`: wait for the run's answer, holding no thread and no connection (F8)

A 2xx is sent after the COMMIT alone (G1). Everything here is asynchronous and belongs to the edge's
event loop. Its parts: `facts` knows the sources, `store` writes what is accepted,
`answers` waits for `respond`, `apps.api.requests` makes the event.

With an `Idempotency-Key` the same request is one run for 24 hours, and has one answer; with another
body it is refused with 422.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable

import psycopg
from django.conf import settings
from psycopg_pool import PoolTimeout

from apps.api import requests
from apps.api.connections import open_pool
from apps.api.ingress.answers import INERT, OPEN, Answers
from apps.api.ingress.facts import Sources
from apps.api.ingress.store import Accepted, Store
from apps.api.replies import Headers, Reply, Scope, reply_for
from apps.core import errors, tracing
from apps.core.about import apart
from apps.core.errors import ApiError
from apps.core.measures import ACCEPTED
from apps.runs import queue
from apps.runs.mailbox import run_id

logger = logging.getLogger(__name__)

KEY = re.compile(r"[0-9a-z]{24,32}")
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
CONNECTIONS = 6
# After a hint, the next ones are collected for so long: under load one names many sources.
HINT_SECONDS = 0.01
IDEMPOTENCY_BYTES = 255

Endpoint = tuple[str, str]


class Ingress:
    def __init__(self) -> None:
        self._pool = open_pool(CONNECTIONS)
        self._sources = Sources(self._pool)
        self._store = Store(self._pool)
        self._answers = Answers(self._pool)
        self._hints: set[str] = set()
        self._hinting: asyncio.Task[None] | None = None

    def endpoint_of(self, scope: Scope) -> Endpoint | None:
        """(endpoint key, the path behind it), of `/h/<key>/…` or `<key>.<ENDPOINT_DOMAIN>`; None:
        the request is for the platform itself."""
        domain = settings.ENDPOINT_DOMAIN
        if not domain and not scope["path"].startswith("/h/"):
            return None
        # As it was sent: decoded, `%2F` would become a part of the path.
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        if domain and (key := _label(scope["headers"], domain)) is not None:
            return key, path or "/"
        if not path.startswith("/h/"):
            return None
        key, slash, rest = path[3:].partition("/")
        return key, slash + rest or "/"

    async def answer(self, endpoint: Endpoint, scope: Scope, body: bytes, request_id: str) -> Reply:
        """One request, its body read; its id names the run. Errors: 400, 404, 405, 422, 429, 503,
        504."""
        try:
            return await self._accept(endpoint, scope, body, request_id)
        except ApiError as error:
            reply = reply_for(error)
            reply.headers += OPEN + INERT
            return reply

    async def _accept(
        self, endpoint: Endpoint, scope: Scope, body: bytes, request_id: str
    ) -> Reply:
        key, path = endpoint
        method, headers = scope["method"], scope["headers"]
        if method == "OPTIONS":
            return _preflight(headers)
        if method == "TRACE":
            raise errors.method_not_allowed(method, METHODS.split(", "))
        if not KEY.fullmatch(key):
            raise errors.not_found()
        facts = await self._sources.find(key)
        facts.spend()
        event = requests.event(method, path, scope["query_string"], headers, body)
        repeated = _idempotency_key(headers)
        asked = _asked(method, path, scope["query_string"], body) if repeated else None
        accepted = Accepted(key, request_id, event, repeated, asked)
        if not facts.custom:
            await self._written(accepted, facts.source_id)
            self._hint(facts.source_id)
            return Reply(200, _ACCEPTED_HEADERS.copy(), b'{"status":"accepted"}')
        # Only a key tells under which name a repeated request was accepted.
        name = await self._written(accepted, facts.source_id) if repeated else accepted.name
        run = run_id(facts.source_id, "http", name)
        with self._answers.expect(facts.source_id, run) as answer:
            if not repeated:
                await self._written(accepted, facts.source_id)
            self._hint(facts.source_id)
            return await answer()

    async def _written(self, accepted: Accepted, source_id: str) -> str:
        """Store it; returns the name under which it is known. 404: the source is gone."""
        began_ms = tracing.now_ms()
        try:
            name = await self._store.put(accepted)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            logger.warning("a request could not be stored: %s", error)
            raise errors.unavailable("the request could not be stored; send it again") from None
        if name is None:
            self._sources.forget(accepted.key)
            raise errors.not_found()
        if name == accepted.name:
            ACCEPTED.inc()
            if tracing.wanted(run := run_id(source_id, "http", name)):
                facts = {"source_id": source_id, "request_id": name}
                tracing.part(run, "accept", began_ms, tracing.now_ms(), **facts)
        return name

    def _hint(self, source_id: str) -> None:
        """Celery's door blocks: hints are collected and sent from a thread."""
        self._hints.add(source_id)
        if self._hinting is None or self._hinting.done():
            self._hinting = apart(asyncio.create_task, self._send_hints())

    async def _send_hints(self) -> None:
        while self._hints:
            ids, self._hints = sorted(self._hints), set()
            await asyncio.to_thread(queue.hint_sources, ids)
            await asyncio.sleep(HINT_SECONDS)

    async def close(self) -> None:
        await self._answers.close()
        await self._pool.close()


_ACCEPTED_HEADERS: Headers = [(b"content-type", b"application/json"), *OPEN, *INERT]


def _label(headers: Headers, domain: str) -> str | None:
    """The endpoint key in the host name, when the host is `<key>.<domain>`."""
    host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
    name, _, rest = host.partition(":")[0].lower().partition(".")
    return name if rest == domain and KEY.fullmatch(name) else None


def _idempotency_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """What names the request, hashed; None: it has no Idempotency-Key."""
    for header, value in headers:
        if header == b"idempotency-key" and value:
            if len(value) > IDEMPOTENCY_BYTES:
                raise errors.invalid(
                    "Idempotency-Key", f"Idempotency-Key has over {IDEMPOTENCY_BYTES} bytes"
                )
            return hashlib.sha256(value).digest()
    return None


def _asked(method: str, path: str, query: bytes, body: bytes) -> bytes:
    head = b"%b %b?%b\n" % (method.encode(), path.encode("latin-1"), query)
    return hashlib.sha256(head + body).digest()


def _preflight(headers: Headers) -> Reply:
    asked = dict(headers).get(b"access-control-request-headers", b"*")
    allowed = [
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", asked),
    ]
    return Reply(200, [*OPEN, *allowed], b"")
