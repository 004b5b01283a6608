"""Deliveries in the panel: what became of each attempt, and sending some once more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanWidget

from apps.core import errors
from apps.core.admin_lists import choice
from apps.core.errors import ApiError
from apps.core.showing import line, readable
from apps.events.models import Event
from apps.panel import reading
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
from apps.panel.source_forms import Refusable
from apps.panel.sources import party
from apps.subscriptions import webhooks
from apps.subscriptions.models import Delivery, Webhook
from apps.subscriptions.retries import ATTEMPTS

DELIVERIES = 50
# A list's action replays each chosen delivery while the operator waits.
AT_ONCE = 1_000
_ID = re.compile(r"[1-9][0-9]{0,17}")


def newest(webhook_id: str) -> list[Delivery]:
    """Along the index delivery_listing."""
    return list(Delivery.objects.filter(webhook_id=webhook_id).order_by("-id")[:DELIVERIES])


def attempts_table(row: Delivery) -> Iterator[tuple[Any, ...]]:
    """When, what was answered, and how long it took."""
    for attempt in row.history if isinstance(row.history, list) else ():
        at, took = attempt.get("at_ms"), attempt.get("duration_ms")
        yield (
            moment(datetime.fromtimestamp(at / 1000, UTC)) if at else "-",
            _answered(attempt),
            "-" if took is None else f"{took} ms",
        )


def _answered(attempt: dict[str, Any]) -> str:
    return line(" ".join(str(attempt[key]) for key in ("status", "error") if key in attempt))


def last_attempt(row: Delivery) -> str:
    return _answered(row.history[-1]) if row.history else "-"


class _Chosen(forms.MultipleChoiceField):
    """Ids of deliveries; the service says which of them are the webhook's. One that was offered
    may be behind fifty newer ones by now."""

    def valid_value(self, value: str) -> bool:
        return _ID.fullmatch(value) is not None


class ReplayForm(Refusable):
    """Some of the newest deliveries that have ended, or all dead ones."""

    every_dead = forms.BooleanField(
        label="All that are dead", required=False, widget=UnfoldBooleanWidget
    )
    chosen = _Chosen(
        label="Deliveries",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=f"Those of the last {DELIVERIES} that have ended. Receivers get the same message"
        " ids as before.",
    )

    def __init__(self, webhook: Webhook, data: Any = None) -> None:
        super().__init__(data)
        self._webhook = webhook
        chosen: Any = self.fields["chosen"]
        chosen.choices = [
            (
                str(row.id),
                f"{row.id}: event {row.ms}-{row.n} of {row.emitter_id}, {row.state},"
                f" {last_attempt(row)}",
            )
            for row in newest(webhook.id)
            if row.state != "pending"
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if bool(found.get("chosen")) == bool(found.get("every_dead")):
            raise forms.ValidationError("Choose deliveries, or all that are dead")
        return found

    def replay(self, actor: str) -> int:
        ids = None if self.cleaned_data["every_dead"] else map(int, self.cleaned_data["chosen"])
        return _replay(self._webhook, ids, actor)


def _replay(webhook: Webhook | None, ids: Iterable[int] | None, actor: str) -> int:
    """ApiError: as `webhooks.replay`; 409 for a webhook that was deleted."""
    if webhook is None or webhook.deleted_at is not None:
        raise errors.conflict("the webhook is deleted")
    return webhooks.replay(webhook, None if ids is None else list(ids), actor)


@admin.register(Delivery)
class DeliveryAdmin(Page):
    operate = "subscriptions.change_webhook"
    list_display = ("id", "webhook_id", "emitter_id", "state", "attempts", "next_attempt_at")
    search_fields = ("webhook_id__exact", "id__exact")
    list_filter = (choice("state", {"pending": "always", "delivered": "never", "dead": "alone"}),)
    ordering: Sequence[str] = ("-id",)
    # The page shows the history above.
    hidden = ("token", "history")
    light = ("history",)
    actions = ("replay_chosen",)

    def get_ordering(self, request: HttpRequest) -> Any:
        # Along delivery_due: in the order in which they will be tried, webhook by webhook.
        if request.GET.get("state") == "pending":
            return ("webhook_id", "next_attempt_at", "id")
        return self.ordering

    def views(self) -> Iterable[tuple[str, View]]:
        return (("replay", self.replay),)

    def buttons(self, request: HttpRequest, row: Delivery) -> Iterator[Button]:
        if row.state != "pending" and self.may_operate(request):
            webhook = _webhook(row)
            if webhook is not None and webhook.deleted_at is None:
                yield Button("Replay", self.url_of(row, "replay"))

    def sections(self, request: HttpRequest, row: Delivery) -> Iterator[Section]:
        yield _about(row)
        yield Table("Attempts", ("At", "Answer", "Took"), list(attempts_table(row)), "None yet.")
        if request.user.has_perm("events.view_event"):
            yield _payload(row)

    @method_decorator(require_POST)
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        webhook = _webhook(row)
        try:
            sent = _replay(webhook, [row.id], str(request.user.pk))
        except ApiError as error:
            return self.back(request, row, error.message, bad=True)
        if not sent:
            return self.back(request, row, "Its event is not stored any more.", bad=True)
        self.log_change(request, webhook, f"Delivery {row.id} is replayed.")
        return self.back(request, row, "It is on its way once more, as a new delivery.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may_operate(request)

    @admin.action(description="Replay the selected deliveries", permissions=["operate"])
    def replay_chosen(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        """Webhook by webhook; those that are pending are left alone."""
        found = list(chosen.order_by("id").values_list("webhook_id", "id", "state")[: AT_ONCE + 1])
        if len(found) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} deliveries at once", "ERROR")
            return
        ended: dict[str, list[int]] = {}
        for webhook_id, delivery_id, became in found:
            if became != "pending":
                ended.setdefault(webhook_id, []).append(delivery_id)
        sent, refused = 0, []
        for webhook in Webhook.objects.filter(id__in=ended):
            try:
                number = _replay(webhook, ended[webhook.id], str(request.user.pk))
            except ApiError as error:
                refused.append(f"{webhook.id}: {error.message}")
            else:
                sent += number
                self.log_change(request, webhook, f"{number} deliveries are replayed.")
        self.message_user(request, f"{sent} of {len(found)} deliveries are on their way once more")
        if refused:
            self.message_user(request, "; ".join(refused[:10]), "ERROR")


def _webhook(row: Delivery) -> Webhook | None:
    return Webhook.objects.filter(id=row.webhook_id).first()


def _about(row: Delivery) -> Facts:
    webhook = _webhook(row)
    names = reading.sources_named({row.emitter_id})
    facts: list[tuple[str, Any]] = [
        ("State", state(row.state)),
        ("Webhook", row_link("subscriptions.webhook", row.webhook_id)),
        ("Address", line(webhook.url, 2048) if webhook else None),
        ("Event", event_link(row.emitter_id, row.channel, row.ms, row.n)),
        ("Of", party(row.emitter_id, names)),
        ("Channel", row.channel or "default"),
        ("Attempts", f"{row.attempts} of {ATTEMPTS}"),
        ("Next attempt", moment(row.next_attempt_at) if row.state == "pending" else None),
        ("Ended", moment(row.ended_at)),
        ("Replay", row.replay or None),
    ]
    return Facts("Delivery", facts)


def _payload(row: Delivery) -> Text:
    """What is sent; nothing once the event is past its retention or was deleted."""
    found = Event.objects.filter(
        source_id=row.emitter_id, channel=row.channel, ms=row.ms, n=row.n, deleted_at=None
    )
    payload = found.values_list("payload", flat=True).first()
    text = "" if payload is None else readable(payload)
    return Text("Payload", text, "The event is not stored any more.")
