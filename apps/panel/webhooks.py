"""Webhooks in the panel: what went to one and what became of it; replay, activate, deactivate.

A webhook's secret is shown to its owner, once; here it is neither shown nor changed. Webhooks have
no ledger: what operators do to them stands in the admin's own log (decision 0104).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from apps.core.admin_lists import COUNTED, choice, since
from apps.core.errors import ApiError
from apps.core.showing import line
from apps.panel import activity, reading
from apps.panel.delivering import ReplayForm, attempts_table, last_attempt, newest
from apps.panel.pages import (
    Button,
    Facts,
    Page,
    Section,
    Table,
    View,
    event_link,
    folded,
    link,
    list_url,
    moment,
    pre,
    row_link,
    state,
)  # fmt: skip
from apps.panel.sources import SUBSCRIPTIONS, party
from apps.subscriptions import webhooks
from apps.subscriptions.models import Delivery, Subscription, Webhook

posting = method_decorator(require_POST)


@admin.register(Webhook)
class WebhookAdmin(Page):
    operate = "subscriptions.change_webhook"
    list_display = ("id", "owner", "address", "name", "active", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact")
    list_filter = (
        since("created_at"),
        choice("active", {"yes": "never", "no": "never"}, yes=True, no=False),
    )
    ordering = ("-created_at", "-id")
    newest = "created_at"
    # The page shows the others above.
    hidden = ("secret", "description", "url", "name")

    @admin.display(description="url")
    def address(self, row: Webhook) -> str:
        return line(row.url)

    def views(self) -> Iterable[tuple[str, View]]:
        return (
            ("activate", self.activate),
            ("deactivate", self.deactivate),
            ("replay", self.replay),
        )

    def buttons(self, request: HttpRequest, row: Webhook) -> Iterator[Button]:
        if row.deleted_at is not None or not self.may_operate(request):
            return
        if row.active:
            yield Button("Deactivate", self.url_of(row, "deactivate"))
        else:
            yield Button("Activate", self.url_of(row, "activate"))
        if request.user.has_perm("subscriptions.view_delivery"):
            yield Button("Replay deliveries", self.url_of(row, "replay"), post=False)

    def sections(self, request: HttpRequest, row: Webhook) -> Iterator[Section]:
        """What belongs to other tables is for those who may look at these."""
        deliveries = request.user.has_perm("subscriptions.view_delivery")
        yield _about(row, self.url_of(row, "history"), counted=deliveries)
        if deliveries:
            yield _deliveries(row)
        if request.user.has_perm("subscriptions.view_subscription"):
            yield _subscriptions(row)
        if request.user.has_perm("sources.view_activity"):
            yield activity.table(row.id)

    # --- what can be done -----------------------------------------------------------------------

    @posting
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set_going(request, object_id, active=True)

    @posting
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set_going(request, object_id, active=False)

    def _set_going(self, request: HttpRequest, object_id: str, *, active: bool) -> HttpResponse:
        row = self.operated(request, object_id)
        done = f"The webhook is {'active' if active else 'inactive'}."
        try:
            webhooks.change(row, active=active)
        except ApiError as error:
            return self.back(request, row, error.message, bad=True)
        self.log_change(request, row, done)
        return self.back(request, row, done)

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Only for those who may see what they choose from."""
        row = self.operated(request, object_id)
        if not request.user.has_perm("subscriptions.view_delivery"):
            raise PermissionDenied
        form = ReplayForm(row, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                sent = form.replay(str(request.user.pk))
            except ApiError as error:
                form.refuse(error)
            else:
                done = f"{sent} deliveries are on their way once more."
                self.log_change(request, row, done)
                return self.back(request, row, done)
        return self.asked(request, row, "Replay deliveries", form)


def _about(row: Webhook, history: str, *, counted: bool) -> Facts:
    word = "deleted" if row.deleted_at else "active" if row.active else "inactive"
    facts: list[tuple[str, Any]] = [
        ("State", state(word)),
        ("Owner", row_link("accounts.user", row.owner_id, row.owner.username)),
        ("Address", line(row.url, 2048)),
        ("Name", row.name and line(row.name)),
        ("Description", row.description and pre(row.description)),
        ("Changed by operators", link("History", history)),
    ]
    if counted:
        waiting = Delivery.objects.filter(webhook_id=row.id, state="pending")[: COUNTED + 1].count()
        text = f"over {COUNTED:,}" if waiting > COUNTED else f"{waiting:,}"
        url = list_url("subscriptions.delivery", f"q={row.id}&state=pending")
        facts.append(("Pending", link(text, url)))
    return Facts("Webhook", facts)


def _deliveries(row: Webhook) -> Table:
    found = newest(row.id)
    names = reading.sources_named({one.emitter_id for one in found})
    rows = [
        (
            row_link("subscriptions.delivery", one.id),
            event_link(one.emitter_id, one.channel, one.ms, one.n),
            party(one.emitter_id, names),
            one.channel or "default",
            state(one.state),
            moment(one.created_at),
            moment(one.next_attempt_at if one.state == "pending" else one.ended_at),
            last_attempt(one),
            folded(f"{one.attempts} attempts", _history(one)) if one.history else "none yet",
        )
        for one in found
    ]
    headers = (
        "Delivery", "Event", "Of", "Channel", "State", "Since", "Next or end", "Last attempt",
        "Attempts",
    )  # fmt: skip
    more = ("All deliveries of this webhook", list_url("subscriptions.delivery", f"q={row.id}"))
    return Table("Last deliveries", headers, rows, more=more)


def _history(one: Delivery) -> Any:
    return pre("\n".join(" ".join(map(str, cells)) for cells in attempts_table(one)))


def _subscriptions(row: Webhook) -> Table:
    """Those that are live; an index leads from the listener to them."""
    found = list(Subscription.objects.filter(listener_id=row.id, deleted_at=None)[:SUBSCRIPTIONS])
    names = reading.sources_named({one.emitter_id for one in found})
    rows = [
        (
            row_link("subscriptions.subscription", one.id),
            party(one.emitter_id, names),
            one.event_name or "default",
            moment(one.created_at),
        )
        for one in found
    ]
    return Table("Listens to", ("Subscription", "Who", "Channel", "Since"), rows)
