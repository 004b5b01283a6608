"""The edge: one ASGI application on one port, in front of Django's synchronous views.

    Granian → edge → endpoint of a source?  `apps.api.ingress`, all asynchronous
                   → body read, capped while it arrives → Django's WSGI handler, once, in a thread
            → its answer; or, when the view handed back a `Deferred`, an asynchronous wait that
              holds no thread (F8), then the rest of the view in a thread again; or, when it handed
              back an `EventStream`, `apps.api.sse`

What needs no thread at all is an asynchronous handler of the edge, as the two health checks are.
Measured reasons: docs/decisions/0011-one-port.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.http import HttpResponse

from apps.api import edge_wsgi, stalls
from apps.api.counting import ENDPOINT, STREAM, counted, handler_of
from apps.api.deferred import BOX, Deferred, EventStream
from apps.api.edge_body import BODY_SECONDS, ClientGone, check_headers, read_body
from apps.api.edge_wsgi import Wsgi
from apps.api.headers import complete
from apps.api.health import Health
from apps.api.ingress.accepting import Ingress
from apps.api.middleware import ENVIRON, HEADER, new_request_id
from apps.api.replies import Receive, Reply, Scope, Send, overlay, reply_for, reply_of, send_reply
from apps.api.sse.streams import Opening, Streams
from apps.api.threads import Threads
from apps.core import errors
from apps.core.about import about
from apps.runs import queue

logger = logging.getLogger(__name__)

# Callers that wait for a runner, in one process; the next one is told to come again.
MAX_WAITING = 500
_REQUEST_ID = HEADER.lower().encode()


class Edge:
    """The ASGI application; see the module's docstring."""

    def __init__(self, wsgi: Wsgi, body_seconds: float = BODY_SECONDS) -> None:
        self._wsgi = wsgi
        self._body_seconds = body_seconds
        self._threads = Threads()
        self._waiting = 0
        self._bounded = False
        self._ingress = Ingress()
        self._streams = Streams()
        self._health = Health(self._threads, lambda: {"event_streams": len(self._streams)})
        self._direct: dict[str, Callable[[], Awaitable[HttpResponse]]] = {
            "/healthz": self._health.alive,
            "/readyz": self._health.ready,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._bounded:
            self._bounded = True
            stalls.bound(settings.STALL_SECONDS)
        request_id = new_request_id()
        with about(request_id=request_id):
            await self._request(scope, receive, send, request_id)

    async def _request(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.monotonic()
        try:
            reply = await self._answer(scope, receive, request_id)
        except ClientGone:
            return
        except Exception as error:
            reply = reply_for(error)
            # What was not read of the body would be taken for the next request.
            reply.headers.append((b"connection", b"close"))
            complete(reply.headers, scope["path"])
        if isinstance(reply, Opening):
            counted(STREAM, 200, time.monotonic() - began)
            await self._streams.serve(reply, receive, send)
            return
        if not any(name == _REQUEST_ID for name, _ in reply.headers):
            reply.headers.append((_REQUEST_ID, request_id.encode()))
        await send_reply(send, reply, head=scope["method"] == "HEAD")
        at_endpoint = self._ingress.endpoint_of(scope) is not None
        handler = ENDPOINT if at_endpoint else handler_of(scope["path"])
        counted(handler, reply.status, time.monotonic() - began)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Reply | Opening:
        check_headers(scope)
        endpoint = self._ingress.endpoint_of(scope)
        if endpoint is not None:
            body = await read_body(scope, receive, self._body_seconds, settings.ENDPOINT_BODY_BYTES)
            return await self._ingress.answer(endpoint, scope, body, request_id)
        direct = self._direct.get(scope["path"].rstrip("/") or "/")
        if direct is None:
            return await self._django(scope, receive, request_id)
        if scope["method"] not in ("GET", "HEAD"):
            raise errors.method_not_allowed(scope["method"], ["GET", "HEAD"])
        reply = reply_of(await direct())
        complete(reply.headers, scope["path"])
        return reply

    async def _django(self, scope: Scope, receive: Receive, request_id: str) -> Reply | Opening:
        body = await read_body(scope, receive, self._body_seconds)
        box: list[HttpResponse] = []
        environ = edge_wsgi.environ_of(scope, body) | {BOX: box, ENVIRON: request_id}
        reply = await self._threads.run(edge_wsgi.call, self._wsgi, environ)
        late = box[0] if box else None
        if isinstance(late, EventStream):
            return Opening(late, reply.headers) if scope["method"] == "GET" else reply
        if isinstance(late, Deferred):
            return overlay(reply, await self._settle(late))
        return reply

    async def _settle(self, deferred: Deferred) -> HttpResponse:
        """Wait for the operation, holding no thread, and go on with the view; maybe twice."""
        if self._waiting >= MAX_WAITING:
            raise errors.too_many("too many callers are waiting", retry_after=5)
        self._waiting += 1
        try:
            answer: HttpResponse = deferred
            while isinstance(answer, Deferred):
                ended = await _wait(answer.operation_id, answer.seconds)
                answer = await self._threads.run(_resume, answer, ended)
            return answer
        finally:
            self._waiting -= 1

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._health.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._streams.close()
                await self._ingress.close()
                await self._health.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _wait(operation_id: int, seconds: float) -> bool:
    """Whether the operation ended in time. A database that restarts meanwhile only delays it: the
    runner's work goes on, and so does the wait."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await queue.wait_operation(operation_id, max(0.0, deadline - loop.time()))
        except (OperationalError, InterfaceError):
            if loop.time() >= deadline:
                raise
            await asyncio.sleep(1)
        finally:
            # The rows are read in the one thread that asgiref keeps for such calls; no request
            # ends there, so nobody else would give its connection back.
            await sync_to_async(connections.close_all)()


def _resume(deferred: Deferred, ended: bool) -> HttpResponse:
    try:
        return deferred.resume(ended)
    finally:
        connections.close_all()
