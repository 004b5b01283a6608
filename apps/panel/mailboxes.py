"""Runs that have not ended: each is a row of its source's mailbox, and has no other page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest

from apps.core.clock import app_now
from apps.core.showing import readable
from apps.panel import reading
from apps.panel.pages import Facts, Page, Section, Text, event_link, moment, row_link
from apps.runs.mailbox import run_id
from apps.runs.models import MailboxRow
from apps.runs.reading import LOOKED_THROUGH
from apps.sources.models import Activity


@admin.register(MailboxRow)
class MailboxRowAdmin(Page):
    list_display = ("id", "source_id", "cause", "key", "cause_at", "due_at", "attempt")
    search_fields = ("source_id__exact",)
    ordering = ("source_id", "id")
    key_fields = ("source_id", "id")
    light = ("payload",)
    # The page shows it laid out.
    hidden = ("payload",)

    def sections(self, request: HttpRequest, row: MailboxRow) -> Iterator[Section]:
        yield _about(row)
        if row.payload is not None and request.user.has_perm("events.view_event"):
            yield Text("Event it is given", readable(row.payload))


def _about(row: MailboxRow) -> Facts:
    names = reading.sources_named({row.source_id})
    given = None
    if row.emitter_id is not None and row.channel is not None and row.ms is not None:
        given = event_link(row.emitter_id, row.channel, row.ms, row.n or 0)
    later = row.due_at > app_now()
    facts: list[tuple[str, Any]] = [
        ("Run", run_id(row.source_id, row.cause, row.key)),
        ("State", "parked" if later else "waits for a worker, or runs"),
        ("Source", row_link("sources.source", row.source_id, names.get(row.source_id))),
        ("Waits since", moment(row.queued_at)),
        ("Not before", moment(row.due_at) if later else None),
        ("Cause", row.cause),
        ("Caused", moment(row.cause_at)),
        ("Event it is given", given),
        ("Workers lost", row.attempt or None),
    ]
    return Facts("Waiting run", facts)


def waiting(wanted: UUID) -> MailboxRow | None:
    """The row of a run that has not ended. Its id is a hash of its cause: the mailbox of the source
    that its activity names is looked through, else as many rows as there are, up to
    `LOOKED_THROUGH`."""
    columns = ("source_id", "cause", "key", "queued_at")
    rows = MailboxRow.objects.order_by("source_id", "id").only(*columns)
    activity = Activity.objects.filter(run_id=wanted).first()
    if activity is not None:
        rows = rows.filter(source_id=activity.subject_id)
    each = rows[:LOOKED_THROUGH].iterator()
    return next((row for row in each if run_id(row.source_id, row.cause, row.key) == wanted), None)
