"""Who listens to whom, and what is on its way: looking only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import LookOnly
from apps.core.admin_lists import choice, since
from apps.subscriptions.models import (
    AutoSubscription,
    Delivery,
    FanoutDue,
    HeldBack,
    Subscription,
    Webhook,
)


@admin.register(Subscription)
class SubscriptionAdmin(LookOnly):
    list_display = ("id", "owner", "emitter_id", "event_name", "listener_id", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact", "emitter_id__exact", "listener_id__exact")
    list_filter = (since("created_at"),)
    ordering = ("-created_at", "-id")


@admin.register(AutoSubscription)
class AutoSubscriptionAdmin(LookOnly):
    list_display = ("id", "owner", "event_name", "listener_id", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact")
    list_filter = (since("created_at"),)
    ordering = ("-created_at", "-id")


@admin.register(Webhook)
class WebhookAdmin(LookOnly):
    list_display = ("id", "owner", "url", "name", "active", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact")
    list_filter = (
        since("created_at"),
        choice("active", {"yes": "never", "no": "never"}, yes=True, no=False),
    )
    ordering = ("-created_at", "-id")
    newest = "created_at"
    hidden = ("secret",)


@admin.register(Delivery)
class DeliveryAdmin(LookOnly):
    list_display = ("id", "webhook_id", "emitter_id", "state", "attempts", "next_attempt_at")
    search_fields = ("webhook_id__exact", "id__exact")
    list_filter = (choice("state", {"pending": "always", "delivered": "never", "dead": "alone"}),)
    ordering: Sequence[str] = ("-id",)
    hidden = ("token",)
    light = ("history",)

    def get_ordering(self, request: HttpRequest) -> Any:
        # Along delivery_due: in the order in which they will be tried, webhook by webhook.
        if request.GET.get("state") == "pending":
            return ("webhook_id", "next_attempt_at", "id")
        return self.ordering


@admin.register(FanoutDue)
class FanoutDueAdmin(LookOnly):
    list_display = ("id", "source_id", "channel", "ms", "n", "due_at")
    search_fields = ("source_id__exact",)
    ordering = ("-id",)


@admin.register(HeldBack)
class HeldBackAdmin(LookOnly):
    list_display = ("id", "listener_id", "subscription_id", "emitter_id", "channel", "ms", "n")
    search_fields = ("listener_id__exact",)
    ordering = ("-id",)
