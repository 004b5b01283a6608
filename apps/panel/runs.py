"""Runs in the panel: what caused one, what became of it, and running again what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http import HttpResponse as Answer
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from apps.components.models import Component
from apps.core import errors
from apps.core.admin import joined
from apps.core.admin_lists import choice, since
from apps.core.errors import ApiError
from apps.core.showing import readable, visible
from apps.events.items import EventId
from apps.panel import reading
from apps.panel.ledger import COMPONENT_UNREAD, who
from apps.panel.mailboxes import waiting
from apps.panel.pages import (
    Button,
    Facts,
    Page,
    Section,
    Table,
    Text,
    View,
    event_link,
    moment,
    row_link,
    state,
)  # fmt: skip
from apps.runs import rerun
from apps.runs.models import HttpResponse, Run
from apps.runs.reading import find
from apps.runs.rerun import can_rerun, causing_event, original_event
from apps.sources.models import Activity, Source

# A list's action queues each chosen run while the operator waits.
AT_ONCE = 200
CAUSES = {
    "timer": "its timer",
    "http": "a request to its endpoint",
    "event": "an event it listens to",
    "manual": "somebody who ran it",
    "deploy": "its hook deploy",
    "activate": "its hook activate",
    "deactivate": "its hook deactivate",
}


@admin.register(Run)
class RunAdmin(Page):
    operate = "sources.change_source"
    list_display = (
        "id", "source_id", "cause", "state", "cause_at", "duration_ms", "emitted", "suppressed",
    )  # fmt: skip
    search_fields = ("source_id__exact", "id__exact")
    list_filter = (
        since("cause_at"),
        # Few runs fail: run_trouble has those that did.
        choice(
            "state",
            {"succeeded": "never", **dict.fromkeys(("failed", "dead", "cancelled"), "alone")},
        ),
        choice("cause", dict.fromkeys(CAUSES, "never")),
    )
    # Along the index run_newest; of one source along run_listing.
    ordering = ("-cause_at", "id")
    newest = "cause_at"
    light = ("error",)
    hidden = ("error",)
    actions = ("rerun_chosen",)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> Answer:
        """One that has not ended is a row of a mailbox."""
        found = self._waiting(request, unquote(object_id))
        return found or super()._get_obj_does_not_exist_redirect(request, opts, object_id)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Answer:
        found = self._waiting(request, request.GET.get("q", ""))
        answer: Answer = found or super().changelist_view(request, extra_context)
        return answer

    def _waiting(self, request: HttpRequest, text: str) -> Answer | None:
        """To the page of a run that waits; None: `text` is the id of no such one."""
        may = request.user.has_perm("runs.view_mailboxrow") and self.has_view_permission(request)
        run_id = _read_id(text.strip())
        if not may or run_id is None or Run.objects.filter(id=run_id).exists():
            return None
        row = waiting(run_id)
        if row is None:
            return None
        message = f"Run {run_id} has not ended: it is in its mailbox since {moment(row.queued_at)}."
        self.message_user(request, message)
        page = reverse("admin:runs_mailboxrow_change", args=[joined((row.source_id, row.id))])
        return redirect(page)

    def views(self) -> Iterable[tuple[str, View]]:
        return (("rerun", self.rerun),)

    def buttons(self, request: HttpRequest, row: Run) -> Iterator[Button]:
        if can_rerun(row.state, row.cause) and self.may_operate(request):
            yield Button("Run again", self.url_of(row, "rerun"))

    def sections(self, request: HttpRequest, row: Run) -> Iterator[Section]:
        may = request.user.has_perm("sources.view_activity")
        yield _about(row, Activity.objects.filter(run_id=row.id).first() if may else None)
        yield Text("Error", reading.error_text(row.error))
        if request.user.has_perm("events.view_event"):
            yield from _given(row)
            yield _emitted(row)
            lines = reading.log_lines(row.source_id).get(row.id, [])
            yield Text("Log lines", visible("\n".join(lines)), "None that the log still has.")
        if request.user.has_perm("runs.view_httpresponse"):
            yield from _answered(row)

    @method_decorator(require_POST)
    def rerun(self, request: HttpRequest, object_id: str) -> Answer:
        row = self.operated(request, object_id)
        # What an operator asked for twice with one press runs once.
        once = request.POST.get("once", "")[:64]
        try:
            made = _queued_again(row, request, once)
        except ApiError as error:
            return self.back(request, row, error.message, bad=True)
        return self.back(request, row, f"It is in the mailbox once more, as run {made}.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may_operate(request)

    @admin.action(description="Run the selected runs again", permissions=["operate"])
    def rerun_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """Each that is dead or failed; what the others are is said."""
        rows = list(chosen.order_by("cause_at", "id")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} runs at once", "ERROR")
            return
        queued, refused = 0, []
        for row in rows:
            try:
                _queued_again(row, request)
            except ApiError as error:
                refused.append(f"{row.id}: {error.message}")
            else:
                queued += 1
        self.message_user(request, f"{queued} runs are in their mailboxes once more")
        if refused:
            self.message_user(request, "; ".join(refused[:10]), "ERROR")


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _queued_again(row: Run, request: HttpRequest, once: str | None = None) -> Any:
    run = find(row.owner_id, row.id)
    # Its day may be past its retention since the row was read.
    if run is None:
        raise errors.not_found()
    return rerun.rerun(run, str(request.user.pk), once or None)


def _about(row: Run, activity: Activity | None) -> Facts:
    source = Source.objects.filter(id=row.source_id).first()
    component = Component.objects.filter(id=row.component_id).defer(*COMPONENT_UNREAD).first()
    facts: list[tuple[str, Any]] = [
        ("State", state(row.state)),
        ("Source", row_link("sources.source", source.id, source) if source else row.source_id),
        (
            "Component",
            row_link("components.component", component.id, component)
            if component
            else row.component_id,
        ),
        ("Cause", CAUSES.get(row.cause, row.cause)),
        ("Caused", moment(row.cause_at)),
        ("Started", moment(row.started_at)),
        ("Ended", moment(row.ended_at)),
        ("Took", f"{row.duration_ms} ms"),
        ("Attempt", row.attempt),
        ("Events emitted", row.emitted),
        ("Events held back", row.suppressed),
        ("Run again of", _earlier(row, activity)),
        ("Asked for by", activity and who(activity.actor)),
    ]
    return Facts("Run", facts)


def _earlier(row: Run, activity: Activity | None) -> Any:
    if rerun.AGAIN not in row.key:
        return None
    return row_link("runs.run", activity.data["run"]) if activity else "an earlier run"


def _given(row: Run) -> Iterator[Section]:
    """The event that caused it: by its address, or as a run that failed left it."""
    named = causing_event(row.key) if row.cause == "event" else None
    if named:
        emitter, event = named
        yield Table("Caused by", ("Event", "Of source"), [(_stored(emitter, event), _of(emitter))])
    payload = original_event(row.source_id, row.id, row.queued_at) if row.error else None
    if payload is not None:
        yield Text("Event it was given", readable(payload))


def _stored(emitter: str, event: EventId) -> Any:
    channel = reading.channel_of(emitter, event)
    return f"{event.ms}-{event.n}" if channel is None else event_link(emitter, channel, *event)


def _of(source_id: str) -> Any:
    name = reading.sources_named({source_id}).get(source_id)
    return source_id if name is None else row_link("sources.source", source_id, name)


def _emitted(row: Run) -> Table:
    rows = [
        (event_link(row.source_id, event.channel, *event.id), moment(event.at),
         event.channel or "default", event.text, f"{event.size} bytes")
        for event in reading.events_of_run(row)
    ]  # fmt: skip
    headers = ("Id", "Stored", "Channel", "Summary", "Size")
    return Table("Events it emitted", headers, rows, empty="None that is still stored.")


def _answered(row: Run) -> Iterator[Facts]:
    """What its HTTP request was answered, which is kept for a day."""
    answer = HttpResponse.objects.filter(run_id=row.id).only("status").first()
    if answer is not None:
        what = row_link("runs.httpresponse", row.id, answer.status or "nothing")
        yield Facts("HTTP answer", [("Status", what)])
