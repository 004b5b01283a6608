"""Answers that are not ready: the view hands them back, and nobody holds a thread meanwhile (F8).

A view that needs a runner's work (describing code, the hooks of a source) returns a `Deferred`.
Behind the edge (`apps.api.edge`) it travels out of the WSGI call in the box that the edge put
into the environ; the edge waits asynchronously and resumes it in its thread pool. Anywhere else
(Django's test client, another WSGI server) it is settled on the spot, synchronously.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse

from apps.api.errors import answer_for
from apps.runs import queue

# Key of the WSGI environ: a list into which the edge wants what it must see to.
BOX = "headwater.deferred"

Then = Callable[[bool], HttpResponse]


class Deferred(HttpResponse):
    """Wait for an operation, at most `seconds`; then `then(ended)` makes the answer, or the next
    Deferred. `then` may raise what any view may raise."""

    def __init__(self, operation_id: int, seconds: float, then: Then) -> None:
        super().__init__(status=202)
        self.operation_id = operation_id
        self.seconds = seconds
        self._then = then

    def resume(self, ended: bool) -> HttpResponse:
        try:
            return self._then(ended)
        except Exception as error:
            return answer_for(error)


class EventStream(HttpResponse):
    """The request is for a live stream of a source's events: the edge serves it (`apps.api.sse`).

    Anywhere else it is an empty answer. `after`: the event after which it begins, None = now.
    `channel`: the one that is shown, `*` = all. `key_digest` names the key of the source's owner
    that opened it, None: a session did, and `good` says whether that may still look (asked in a
    thread, every few seconds).
    """

    def __init__(
        self,
        user_id: str,
        key_digest: bytes | None,
        source_id: str,
        channel: str,
        after: tuple[int, int] | None,
        good: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(status=200, content_type="text/event-stream; charset=utf-8")
        self.user_id = user_id
        self.key_digest = key_digest
        self.source_id = source_id
        self.channel = channel
        self.after = after
        self.good = good


def settle(response: HttpResponse, environ: dict[str, Any]) -> HttpResponse:
    """What the view layer sends on: what stands for a late answer, or the answer itself."""
    box = environ.get(BOX)
    if isinstance(response, Deferred | EventStream) and box is not None:
        box.append(response)
        return response
    while isinstance(response, Deferred):
        ended = async_to_sync(queue.wait_operation)(response.operation_id, response.seconds)
        response = response.resume(ended)
    return response
