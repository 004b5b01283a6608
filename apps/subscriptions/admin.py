"""Who listens to whom: looking only (webhooks: `apps.panel.webhooks`, `apps.panel.delivering`)."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.core.admin_lists import since
from apps.subscriptions.models import (
    AutoSubscription,
    FanoutDue,
    HeldBack,
    Subscription,
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
