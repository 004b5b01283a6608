"""`/sources/{id}/event_summaries` and `/sources/{id}/events` (REST specification 6)."""

from __future__ import annotations

import unicodedata

from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import empty, spliced
from apps.api.paging import decode_cursor, invalid_cursor, page_info, read_limit
from apps.api.params import Params
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.core.errors import invalid
from apps.events import reading, services
from apps.events.items import LAST, MAX_N, EventId, parse_id, render
from apps.sources.reading import check_owner

MAX_CHANNEL = 64


def read_channel(params: Params) -> str | None:
    """`event_name`: a custom name, `$errors` or `$logs`; None when it is absent."""
    name = params.text("event_name")
    if name is None:
        return None
    if len(name) > MAX_CHANNEL:
        raise invalid("event_name", f"event_name must have at most {MAX_CHANNEL} characters")
    if name.startswith("$") and name not in (reading.ERRORS, reading.LOGS):
        raise invalid("event_name", "event_name must be $errors, $logs or a name without $")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise invalid("event_name", "event_name must not hold control characters")
    return name


def read_cursor(params: Params, parameter: str) -> EventId | None:
    """A raw event id, or its base64."""
    text = params.text(parameter)
    if not text:
        return None
    found = parse_id(text) or parse_id(decode_cursor(text) or "")
    if found is None:
        raise invalid_cursor(parameter)
    return found


def read_bound(params: Params, parameter: str, missing_n: int) -> EventId | None:
    text = params.text(parameter)
    if text is None:
        return None
    found = parse_id(text, missing_n=missing_n)
    if found is None:
        raise invalid(parameter, f"{parameter} must be an event id such as 1589486981597-0")
    return found


class EventSummaries(ApiView):
    """Newest first. `channel` is set by the routes of `$errors` and `$logs`."""

    channel: str | None = None
    paged = True

    @needs(READ)
    def get(self, _request: Request, source_id: str) -> HttpResponse:
        check_owner(self.user.id, source_id)
        params = self.params()
        expand = "event" in (params.words("expand") or ())
        page = reading.read_page(
            source_id,
            self.channel or read_channel(params) or "",
            limit=read_limit(params),
            after=read_cursor(params, "after"),
            before=read_cursor(params, "before"),
            expand=expand,
        )
        info = page_info(page.total, [str(event.id) for event in page.items])
        items = (render(event, expand=expand) for event in page.items)
        return spliced(items, info if self.paged else None, self.selection())


class Events(EventSummaries):
    """The list without `page_info`, at which a published client stops (index 18b); and deletion."""

    paged = False
    query_wins = True

    @needs(WRITE)
    def delete(self, _request: Request, source_id: str) -> HttpResponse:
        check_owner(self.user.id, source_id)
        params = self.params()
        services.hide_events(
            source_id,
            channel=read_channel(params),
            start=read_bound(params, "start_id", 0) or services.FIRST,
            end=read_bound(params, "end_id", MAX_N) or LAST,
        )
        return empty(202)
