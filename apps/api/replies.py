"""An answer on its way out of the edge: status, headers, body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse

from apps.api.errors import answer_for

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# These have no body, whatever was given to them (RFC 9110).
BODILESS = (204, 205, 304)
_COOKIE = b"set-cookie"


@dataclass(slots=True)
class Reply:
    """An answer ready to be sent. Header names are lower case."""

    status: int
    headers: Headers
    body: bytes


def reply_of(response: HttpResponse) -> Reply:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
    ]
    headers += [
        (_COOKIE, cookie.OutputString().encode("latin-1")) for cookie in response.cookies.values()
    ]
    return Reply(response.status_code, headers, response.content)


def reply_for(error: BaseException) -> Reply:
    return reply_of(answer_for(error))


def overlay(early: Reply, answer: HttpResponse) -> Reply:
    """The late answer under the headers that the middleware gave to the early one; cookies are
    those of both."""
    reply = reply_of(answer)
    own = {name for name, _ in reply.headers} | {b"content-type", b"content-length"}
    own.discard(_COOKIE)
    reply.headers += [header for header in early.headers if header[0] not in own]
    return reply


async def send_reply(send: Send, reply: Reply, *, head: bool) -> None:
    headers = [header for header in reply.headers if header[0] != b"content-length"]
    body = b"" if reply.status in BODILESS else reply.body
    if reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
