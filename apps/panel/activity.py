"""Activity: who ran a source or sent something again, beside the ledger of what was changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.core.admin_lists import choice, since
from apps.core.showing import line
from apps.panel.filters import Moment, written
from apps.panel.ledger import who
from apps.panel.pages import Facts, Page, Section, Table, link, list_url, moment, row_link
from apps.panel.reading import LISTED
from apps.sources.models import Activity

KINDS = {
    "run_now": "ran it",
    "rerun": "ran again what failed",
    "replay": "replayed events",
    "redelivery": "replayed deliveries",
}
# What was asked for of a replay, besides its source.
_ASKED = {"start": "from", "end": "to", "channel": "channel", "listener": "listener"}


@admin.register(Activity)
class ActivityAdmin(Page):
    list_display = ("when", "kind_shown", "subject_link", "actor_link", "told")
    list_display_links = ("when",)
    list_filter = (
        since("at"),
        written("at__gte", "time, from (UTC)", Moment),
        written("at__lt", "time, before (UTC)", Moment),
        written("subject_id__exact", "source or webhook (dc_…, wh_…)"),
        written("actor__exact", "actor (u_…)"),
        choice("kind", dict.fromkeys(Activity.Kind.values, "alone")),
    )
    list_filter_submit = True
    # Each along an index; what is written into filters counts as searched (`Choice.is_loose`).
    search_fields = ("subject_id__exact", "actor__exact", "run_id__exact")
    ordering = ("-at", "-id")
    newest = "at"

    @admin.display(description="at")
    def when(self, row: Activity) -> str:
        return moment(row.at)

    @admin.display(description="activity")
    def kind_shown(self, row: Activity) -> str:
        return KINDS[row.kind]

    @admin.display(description="of")
    def subject_link(self, row: Activity) -> SafeString:
        return _subject(row)

    @admin.display(description="actor")
    def actor_link(self, row: Activity) -> Any:
        return who(row.actor)

    @admin.display(description="what")
    def told(self, row: Activity) -> Any:
        return told(row)

    def sections(self, request: HttpRequest, row: Activity) -> Iterator[Section]:
        yield _about(row, named=request.user.has_perm("accounts.view_user"))


def table(subject_id: str) -> Table:
    """The last of what was done with a source or a webhook."""
    newest = Activity.objects.filter(subject_id=subject_id).order_by("-at", "-id")
    rows = []
    for row in newest[:LISTED]:
        activity = row_link("sources.activity", row.id, KINDS[row.kind])
        rows.append((activity, who(row.actor), moment(row.at), told(row)))
    more = ("All activity", list_url("sources.activity", f"q={subject_id}"))
    return Table("Activity", ("Activity", "Actor", "At", "What"), rows, more=more)


def told(row: Activity) -> Any:
    """What was set going, in a few words."""
    data = row.data
    if row.kind == Activity.Kind.RUN_NOW:
        return _run(row.run_id)
    if row.kind == Activity.Kind.RERUN:
        return format_html("{}, as {}", _run(data["run"]), _run(row.run_id))
    if row.kind == Activity.Kind.REDELIVERY:
        which = "chosen" if "ids" in data else "all that were dead"
        return f"{data['deliveries']:,} deliveries, {which}"
    return f"{data['events']:,} events to {data['listeners']:,} listeners"


def _run(run_id: Any) -> SafeString:
    return row_link("runs.run", run_id)


def _subject(row: Activity) -> SafeString:
    webhook = row.kind == Activity.Kind.REDELIVERY
    return row_link("subscriptions.webhook" if webhook else "sources.source", row.subject_id)


def _about(row: Activity, *, named: bool) -> Facts:
    names = User.objects.filter(id=row.actor).values_list("username", flat=True) if named else ()
    name = next(iter(names), "")
    facts: list[tuple[str, Any]] = [
        ("Activity", KINDS[row.kind]),
        ("Webhook" if row.kind == Activity.Kind.REDELIVERY else "Source", _subject(row)),
        ("Actor", who(row.actor, f"{name} ({row.actor})" if name else "")),
        ("At", moment(row.at)),
        ("What", told(row)),
        ("Replay", row.data.get("replay")),
        *((title, line(row.data[key])) for key, title in _ASKED.items() if key in row.data),
        ("Deliveries", _deliveries(row.data.get("ids", ()))),
        ("More", link("All of this actor", list_url("sources.activity", f"q={row.actor}"))),
    ]
    return Facts("Activity", facts)


def _deliveries(ids: list[int]) -> SafeString | None:
    """Those that the entry names."""
    links = ((row_link("subscriptions.delivery", one),) for one in ids)
    return format_html_join(", ", "{}", links) or None
