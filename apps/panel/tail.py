"""The live tail of a source: a page on which its events and log lines arrive as they are stored.

The page's script reads a stream of server-sent events, which the edge serves as it serves those of
the API (`apps.api.sse`), here under the operator's session. It ends when that session does, or the
right to look.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET

from apps.api.deferred import EventStream, settle
from apps.events.items import parse_id
from apps.panel.pages import Page
from apps.sources.models import Source

ALL_CHANNELS = "*"
NEEDED = ("sources.view_source", "events.view_event")

getting = method_decorator(require_GET)


class SourceTail(Page):
    """The page and its stream, for those who may look at sources and at events."""

    def may_follow(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perms(NEEDED))

    @getting
    def tail(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._followed(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": "Live tail",
            "opts": self.opts,
            "original": row,
            "row_url": self.url_of(row),
            "stream_url": self.url_of(row, "stream"),
        }
        return TemplateResponse(request, "panel/tail.html", context)

    @getting
    def stream(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._followed(request, object_id)
        last = request.headers.get("Last-Event-ID")
        after = parse_id(last.strip()) if last else None
        if last and after is None:
            return HttpResponseBadRequest("Last-Event-ID must be an event id")
        user_id = str(request.user.pk)
        good = _still_good(str(request.session.session_key), user_id)
        opened = EventStream(user_id, None, row.id, ALL_CHANNELS, after, good)
        return settle(opened, request.META)

    def _followed(self, request: HttpRequest, object_id: str) -> Source:
        row: Source = self.looked_at(request, object_id)
        if not self.may_follow(request):
            raise PermissionDenied
        return row


def _still_good(session_key: str, user_id: str) -> Callable[[], bool]:
    """Whether the session is still that of this user, and the user may still look."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore

    def good() -> bool:
        request = HttpRequest()
        request.session = store(session_key)
        user = auth.get_user(request)
        staff = user.pk == user_id and user.is_active and user.is_staff
        return bool(staff and user.has_perms(NEEDED))

    return good
