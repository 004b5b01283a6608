"""Changes that a runner carries out: the view hands back a `Deferred` and holds no thread (F8).

What is answered in the end is made after the middleware has gone, so that messages are put into
the answer's cookie here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from apps.api.deferred import Deferred, settle
from apps.core import errors
from apps.core.errors import ApiError
from apps.runs import lifecycle
from apps.runs.lifecycle import Started

# What went wrong, or None: from it the answer is made.
Answer = Callable[[ApiError | None], HttpResponse]
NO_RUNNER = errors.conflict("no worker was free to do it; nothing was changed")


def carried_out(request: HttpRequest, begin: Callable[[], Started], answer: Answer) -> HttpResponse:
    """Begin a change of a source, and answer when it has ended. One that no runner began in time
    is taken back (F17)."""
    try:
        started = begin()
    except ApiError as error:
        return answer(error)
    if started.operation_id is None:
        return answer(None)
    operation_id = started.operation_id

    def late(error: ApiError | None) -> HttpResponse:
        return _completed(request, answer(error))

    def ended(_ended: bool) -> HttpResponse:
        try:
            lifecycle.conclude(started)
        except ApiError as error:
            return late(error)
        return late(None)

    def begun(done: bool) -> HttpResponse:
        if not done and lifecycle.withdraw(operation_id):
            return late(NO_RUNNER)
        # Two hooks at their limit, and the time to start their children.
        seconds = 2 * settings.HOOK_SECONDS + 10
        return ended(True) if done else Deferred(operation_id, seconds, ended)

    return settle(Deferred(operation_id, settings.UPDATE_WAIT_SECONDS, begun), request.META)


def _completed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if isinstance(response, SimpleTemplateResponse):
        response = response.render()
    stored: Any = get_messages(request)
    stored.update(response)
    if request.session.modified:
        request.session.save()
    return response
