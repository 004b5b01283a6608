"""Pages of one row that say more than its columns: what they show, and what can be done there.

A page is made of sections (facts, tables, texts) and buttons; `panel/page.html` draws them above
the plain columns. Whatever changes something is a POST with a form's token, checked against the
operator's permissions by the view itself: a button that is not shown is no wall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import Lists, LookOnly, joined
from apps.core.showing import line, visible

View = Callable[[HttpRequest, str], HttpResponse]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    title: str
    rows: Sequence[tuple[str, Any]]
    kind: str = "facts"


@dataclass(frozen=True, slots=True)
class Table:
    """`more`: where the rest is, as (text, address)."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "None."
    more: tuple[str, str] | None = None
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Text:
    """A long text, or HTML that is already safe."""

    title: str
    text: str
    empty: str = "None."
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Shown:
    """HTML that is already safe, as it is."""

    title: str
    html: SafeString
    kind: str = "shown"


@dataclass(frozen=True, slots=True)
class Button:
    """`post`: it does what it says at once; else it leads to a form."""

    label: str
    url: str
    post: bool = True
    danger: bool = False


Section = Facts | Table | Text | Shown


def link(text: Any, url: str) -> SafeString:
    return format_html('<a class="hw-link" href="{}">{}</a>', url, line(str(text)))


def row_link(model: str, key: Any, text: Any = None) -> SafeString:
    """To the page of a row."""
    return link(key if text is None else text, row_url(model, key))


def row_url(model: str, key: Any) -> str:
    """`model` as in `sources.source`, `key` as its admin has it."""
    return reverse(f"admin:{model.replace('.', '_')}_change", args=[quote(key)])


def event_link(source_id: str, channel: str, ms: int, n: int) -> SafeString:
    """To an event's page, by its public id."""
    url = reverse("admin:events_event_change", args=[joined((source_id, channel, ms, n))])
    return link(f"{ms}-{n}", url)


def list_url(model: str, query: str = "") -> str:
    url = reverse(f"admin:{model.replace('.', '_')}_changelist")
    return f"{url}?{query}" if query else url


def state(text: str, bad: bool | None = None) -> SafeString:
    """A state as a label; its colour says nothing that its word does not. `bad`: as it is told,
    whatever the word."""
    good = {"active", "succeeded", "delivered", "done"}
    wrong = {"failed", "dead", "deleted", "revoked"}
    tone = "good" if text in good else "bad" if text in wrong else "plain"
    if bad is not None:
        tone = "bad" if bad else "good"
    return format_html('<span class="hw-state hw-{}">{}</span>', tone, text)


def moment(at: datetime | None) -> str:
    """To the millisecond, in UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def pre(text: str) -> SafeString:
    return format_html('<pre class="hw-pre" tabindex="0">{}</pre>', visible(text))


def folded(title: str, body: Any) -> SafeString:
    return format_html("<details><summary>{}</summary>{}</details>", title, body)


class Sectioned(Lists):
    """What pages of a row show and do. `operate` is the permission to change anything; `below` is
    the heading of the plain columns."""

    change_form_template = "panel/page.html"
    operate = ""
    below = "All columns"

    def sections(self, _request: HttpRequest, _row: Any) -> Iterable[Section]:
        return ()

    def buttons(self, _request: HttpRequest, _row: Any) -> Iterable[Button]:
        return ()

    def views(self) -> Iterable[tuple[str, View]]:
        """Of one row, by the last part of their addresses."""
        return ()

    def may_operate(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(self.operate))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *rest: Any, **named: Any
    ) -> HttpResponse:
        row = context.get("original")
        if row is not None:
            context["sections"] = list(self.sections(request, row))
            context["buttons"] = list(self.buttons(request, row))
            context["below"] = self.below
            # The same button pressed twice is one request.
            context["once"] = uuid4().hex
        answer: HttpResponse = super().render_change_form(request, context, *rest, **named)
        return answer

    def get_urls(self) -> list[Any]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name, view in self.views()
        ]
        return [*own, *super().get_urls()]

    def url_of(self, row: Any, name: str = "change") -> str:
        part = self.part_of(row)
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=[part])

    def part_of(self, row: Any) -> str:
        """Of an address, for this row."""
        return str(quote(row.pk))

    def operated(self, request: HttpRequest, object_id: str) -> Any:
        """The row, for an operator who may look at it and change it. 403, 404."""
        row = self.looked_at(request, object_id)
        if not self.may_operate(request):
            raise PermissionDenied
        return row

    def looked_at(self, request: HttpRequest, object_id: str) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def back(
        self, request: HttpRequest, row: Any, message: str, *, bad: object = None
    ) -> HttpResponse:
        """To the page of the row, with a message."""
        level = messages.ERROR if bad else messages.SUCCESS
        # Messages travel in a cookie.
        messages.add_message(request, level, line(message, 500))
        return redirect(self.url_of(row))

    def asked(
        self, request: HttpRequest, row: Any, title: str, form: Any, **context: Any
    ) -> TemplateResponse:
        """A page with a form that does something to the row."""
        facts = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": row,
            "row_url": self.url_of(row),
            "form": form,
            **context,
        }
        return TemplateResponse(request, "panel/form.html", facts)


class Page(Sectioned, LookOnly):
    """Base of admins of rows that only services change."""

    def part_of(self, row: Any) -> str:
        return self.key_of(row) if self.key_fields else super().part_of(row)
